"""Bytes of a file as the numbers that they are, where they lie."""

import numpy as np
import torch
from torch import Tensor


def tensor(content: np.ndarray, offset: int, dtype: torch.dtype) -> Tensor:
    """The numbers in bytes that begin at `offset` of their file; copied only if that is no multiple of their size."""
    if not content.size:
        return torch.empty(0, dtype=dtype)  # no bytes cannot be seen as another type
    raw = torch.from_numpy(content.copy() if offset % dtype.itemsize else content)
    # Any byte but 0 and 1 would make a bool that is neither.
    return raw != 0 if dtype == torch.bool else raw.view(dtype)
