"""Copy, compare and convert tensors, arrays, and the tuples, lists and dicts that contain them."""

from typing import Any

import numpy as np
import torch
from torch import Tensor


def deep_copy(value: Any) -> Any:
    """Copy numbers, tensors, arrays and their containers. Functions are not copied."""
    if isinstance(value, Tensor):
        return value.detach().clone().requires_grad_(value.requires_grad)
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, tuple | list):
        return type(value)(deep_copy(each) for each in value)
    return {key: deep_copy(each) for key, each in value.items()} if isinstance(value, dict) else value


def unchanged(before: Any, after: Any) -> bool:
    """Whether a value is equal to its earlier copy."""
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
    """Replace every tensor by the array of the same numbers."""
    if isinstance(value, Tensor):
        return value.detach().numpy()
    if isinstance(value, tuple | list):
        return type(value)(as_arrays(each) for each in value)
    return {key: as_arrays(each) for key, each in value.items()} if isinstance(value, dict) else value
