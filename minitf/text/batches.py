"""Texts of similar length together, padded to the longest among them: padding to a fixed length is wasted work."""

import dataclasses
import random
from collections.abc import Sequence

import torch
from torch import Tensor, nn

IGNORED = -100  # the target of a token that has none: PyTorch's number for it


@dataclasses.dataclass(frozen=True)
class Batch:
    """What a model reads: three LongTensors `[B, S]`; mask 1 where a token is real, 0 where it is padding.

    `owners [B]` says which text each row is a window of, texts counted from 0; None: each row is a text of its own.
    """

    token_ids: Tensor
    segment_ids: Tensor
    mask: Tensor
    owners: Tensor | None = None

    def to(self, device: str | torch.device) -> "Batch":
        owners = None if self.owners is None else self.owners.to(device)
        return Batch(self.token_ids.to(device), self.segment_ids.to(device), self.mask.to(device), owners)


@dataclasses.dataclass(frozen=True)
class Tokens:
    """One text, or pair, framed `[CLS] … [SEP] … [SEP]`: ids and segments, unpadded."""

    ids: list[int]
    segments: list[int]
    cut: bool = False  # whether the text was longer

    def __len__(self) -> int:
        return len(self.ids)


@dataclasses.dataclass(frozen=True)
class Examples:
    """A data set as a model reads it: n texts and their targets.

    `targets` is a tensor whose first axis counts the texts, or n tensors `[S]` with a target for each token. With
    `windows` text i is cut into the rows `windows[i]` of `tokens`; without, into one row.
    """

    tokens: list[Tokens]
    targets: Tensor | Sequence[Tensor]
    pad_id: int = 0  # what fills up the shorter texts of a batch
    windows: Sequence[range] | None = None

    def __len__(self) -> int:
        return len(self.tokens) if self.windows is None else len(self.windows)

    def lengths(self) -> list[int]:
        """The tokens of each text, those of all its windows together."""
        if self.windows is None:
            return [len(t) for t in self.tokens]
        return [sum(len(self.tokens[row]) for row in rows) for rows in self.windows]

    def notes(self) -> list[str]:
        """What of them could not be made into tokens or targets, in words."""
        return []

    def targets_of(self, indices: Sequence[int]) -> Tensor:
        """Theirs as one tensor; targets by token are padded with IGNORED, `[B, S]`."""
        if isinstance(self.targets, Tensor):
            return self.targets[torch.tensor(indices)]
        return nn.utils.rnn.pad_sequence([self.targets[i] for i in indices], True, IGNORED)

    def batch(self, indices: Sequence[int]) -> tuple[Batch, Tensor]:
        """The examples at `indices`, padded, and their targets."""
        if self.windows is None:
            return pad([self.tokens[i] for i in indices], self.pad_id), self.targets_of(indices)
        rows = [self.tokens[row] for i in indices for row in self.windows[i]]
        owners = torch.tensor([n for n, i in enumerate(indices) for _ in self.windows[i]])
        return dataclasses.replace(pad(rows, self.pad_id), owners=owners), self.targets_of(indices)


def pad(texts: Sequence[Tokens], pad_id: int = 0) -> Batch:
    """One batch, as long as its longest text."""
    B, S = len(texts), max((len(t) for t in texts), default=0)
    token_ids = torch.full((B, S), pad_id, dtype=torch.long)
    segment_ids = torch.zeros(B, S, dtype=torch.long)
    mask = torch.zeros(B, S, dtype=torch.long)
    for row, text in enumerate(texts):
        n = len(text)
        token_ids[row, :n] = torch.tensor(text.ids)
        segment_ids[row, :n] = torch.tensor(text.segments)
        mask[row, :n] = 1
    return Batch(token_ids, segment_ids, mask)


def shuffled(lengths: Sequence[int], batch_size: int, seed: int, epoch: int, pool: int = 64) -> list[list[int]]:
    """The indices 0 … n − 1 in batches for one epoch: each once, its order fixed by `seed` and `epoch` alone.

    All are shuffled and dealt into at least four pools of at most `pool` batches; each pool is sorted by length and
    cut into batches; the batches are shuffled. So neighbours have like lengths, yet every epoch has other neighbours.
    """
    draw = random.Random(f"{seed}/{epoch}")
    order = list(range(len(lengths)))
    draw.shuffle(order)
    pool = min(pool, -(-len(order) // (4 * batch_size)))
    batches: list[list[int]] = []
    for start in range(0, len(order), max(1, pool * batch_size)):
        dealt = sorted(order[start : start + pool * batch_size], key=lengths.__getitem__)
        batches += [dealt[i : i + batch_size] for i in range(0, len(dealt), batch_size)]
    draw.shuffle(batches)
    return batches


def by_length(lengths: Sequence[int], batch_size: int) -> list[list[int]]:
    """The indices in batches for evaluation, longest first: if memory is short, that shows at once."""
    order = sorted(range(len(lengths)), key=lambda i: -lengths[i])
    return [order[i : i + batch_size] for i in range(0, len(order), batch_size)]
