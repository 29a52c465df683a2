"""Class weights for imbalanced data."""

from collections.abc import Sequence

import torch
from torch import Tensor


def balanced_weights(targets: Sequence[int], C: int) -> Tensor:
    """n / (C · n_c) for each class c: every class has the same weight in the sum of the losses; `[C]`."""
    counts = torch.bincount(torch.tensor(targets), minlength=C).double()
    return len(targets) / (C * counts)
