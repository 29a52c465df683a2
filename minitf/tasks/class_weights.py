"""Class weights for imbalanced data."""

from collections.abc import Sequence

import torch
from torch import Tensor


def balanced_weights(targets: Sequence[int], C: int) -> Tensor:
    """n / (C · n_c) for each class c: every class has the same weight in the sum of the losses; `[C]`.

    C is the number of classes that occur. A class that does not occur, in a part of a table, has the weight 0.
    """
    counts = torch.bincount(torch.tensor(targets), minlength=C).double()
    weights = len(targets) / (counts.count_nonzero() * counts)
    return weights.masked_fill(counts == 0, 0.0)
