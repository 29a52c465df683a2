"""View the bytes of a file as a tensor, without a copy where possible."""

import numpy as np
import torch
from torch import Tensor


def as_tensor(content: np.ndarray, offset: int, dtype: torch.dtype) -> Tensor:
    """View bytes that begin at `offset` of their file as numbers; copy only if `offset` is not aligned to `dtype`."""
    if not content.size:
        return torch.empty(0, dtype=dtype)  # an empty array cannot be viewed as another type
    raw = torch.from_numpy(content.copy() if offset % dtype.itemsize else content)
    # A byte other than 0 and 1 would make an invalid bool.
    return raw != 0 if dtype == torch.bool else raw.view(dtype)
