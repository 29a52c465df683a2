"""The batch and the tolerance with which minitf is compared with the reference."""

import torch

from minitf.proof.divergence import Tolerance
from minitf.text.batches import Batch

TIGHT = Tolerance(1e-10, 1e-10, 1e-10)


def padded_batch(seed: int = 0, N: int = 65, lengths: tuple[int, ...] = (11, 4, 7)) -> tuple[Batch, torch.Tensor]:
    """Return random ids with two segments and padding, and labels. No id is 0, a row that the reference freezes."""
    generator = torch.Generator().manual_seed(seed)
    S = max(lengths)
    ids, segments = torch.zeros(len(lengths), S, dtype=torch.long), torch.zeros(len(lengths), S, dtype=torch.long)
    mask = torch.zeros(len(lengths), S, dtype=torch.long)
    for row, n in enumerate(lengths):
        ids[row, :n] = torch.randint(1, N, (n,), generator=generator)
        segments[row, n // 2 : n] = 1
        mask[row, :n] = 1
    return Batch(ids, segments, mask), torch.arange(len(lengths)) % 3
