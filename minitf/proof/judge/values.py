"""Tensors and arrays, and what holds them: copied, compared with what they were, and the first as the second."""

from typing import Any

import numpy as np
import torch
from torch import Tensor


def copied(value: Any) -> Any:
    """A deep copy of numbers, tensors, arrays, and what holds them; functions stay themselves."""
    if isinstance(value, Tensor):
        return value.detach().clone().requires_grad_(value.requires_grad)
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, tuple | list):
        return type(value)(copied(each) for each in value)
    return {key: copied(each) for key, each in value.items()} if isinstance(value, dict) else value


def unchanged(before: Any, after: Any) -> bool:
    if isinstance(before, Tensor):
        return before.dtype == after.dtype and torch.equal(before, after.detach())
    if isinstance(before, np.ndarray):
        return bool(np.array_equal(before, after))
    if isinstance(before, tuple | list):
        return len(before) == len(after) and all(map(unchanged, before, after))
    if isinstance(before, dict):
        return before.keys() == after.keys() and all(unchanged(before[key], after[key]) for key in before)
    return callable(before) or bool(before == after)


def as_arrays(value: Any) -> Any:
    """Every tensor as the array of the same numbers."""
    if isinstance(value, Tensor):
        return value.detach().numpy()
    if isinstance(value, tuple | list):
        return type(value)(as_arrays(each) for each in value)
    return {key: as_arrays(each) for key, each in value.items()} if isinstance(value, dict) else value
