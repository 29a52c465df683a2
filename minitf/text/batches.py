"""Batches of texts of similar length, padded to the longest of the batch: padding to a fixed length wastes time."""

import dataclasses
import random
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn

IGNORED = -100  # the target of a token without one; PyTorch's default `ignore_index`


@dataclasses.dataclass(frozen=True)
class Batch:
    """The inputs of a model: three LongTensors `[B, S]`. The mask is 1 for real tokens and 0 for padding.

    `text_of_row [B]` is the index of the text of which each row is a window; None: each row is a text.
    `target_ids [B, T]` are the tokens of the target text of an encoder-decoder, padded with IGNORED; None: it has none.
    """

    token_ids: Tensor
    segment_ids: Tensor
    mask: Tensor
    text_of_row: Tensor | None = None
    target_ids: Tensor | None = None

    def to(self, device: str | torch.device) -> "Batch":
        parts: Iterator[Any] = (getattr(self, field.name) for field in dataclasses.fields(self))
        return Batch(*(None if part is None else part.to(device) for part in parts))  # type: ignore[arg-type]


@dataclasses.dataclass(frozen=True)
class Tokens:
    """One text or pair with its special tokens, `[CLS] … [SEP] … [SEP]`: ids and segments, without padding."""

    ids: list[int]
    segments: list[int]
    cut: bool = False  # whether the text was longer

    def __len__(self) -> int:
        return len(self.ids)


@dataclasses.dataclass(frozen=True)
class Examples:
    """An encoded data set: n texts and their targets.

    `targets` is a tensor whose first dimension is n, or a list of n tensors `[S]` with a target for each token. With
    `windows`, text i consists of the rows `windows[i]` of `tokens`; without, of row i.
    """

    tokens: list[Tokens]
    targets: Tensor | Sequence[Tensor]
    pad_id: int = 0  # the token id of padding
    windows: Sequence[range] | None = None

    def __len__(self) -> int:
        return len(self.tokens) if self.windows is None else len(self.windows)

    def lengths(self) -> list[int]:
        """Return the number of tokens of each text, in all its windows."""
        if self.windows is None:
            return [len(t) for t in self.tokens]
        return [sum(len(self.tokens[row]) for row in rows) for rows in self.windows]

    def notes(self) -> list[str]:
        """Return messages about what could not be encoded."""
        return []

    def targets_of(self, indices: Sequence[int]) -> Tensor:
        """Return the targets of some examples as one tensor; token targets are padded with IGNORED, `[B, S]`."""
        if isinstance(self.targets, Tensor):
            return self.targets[torch.tensor(indices)]
        return nn.utils.rnn.pad_sequence([self.targets[i] for i in indices], True, IGNORED)

    def batch(self, indices: Sequence[int]) -> tuple[Batch, Tensor]:
        """Return some examples as a padded batch, and their targets."""
        if self.windows is None:
            return pad([self.tokens[i] for i in indices], self.pad_id), self.targets_of(indices)
        rows = [self.tokens[row] for i in indices for row in self.windows[i]]
        text_of_row = torch.tensor([n for n, i in enumerate(indices) for _ in self.windows[i]])
        return dataclasses.replace(pad(rows, self.pad_id), text_of_row=text_of_row), self.targets_of(indices)


def pad(texts: Sequence[Tokens], pad_id: int = 0) -> Batch:
    """Return one batch, padded to its longest text."""
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
    """Return the indices 0 … n − 1 in batches for one epoch; the order depends only on `seed` and `epoch`.

    The indices are shuffled and divided into at least four pools of at most `pool` batches. Each pool is sorted by
    length and cut into batches, and the batches are shuffled. So the texts of a batch have similar lengths, and
    the batches differ in each epoch.
    """
    rng = random.Random(f"{seed}/{epoch}")
    order = list(range(len(lengths)))
    rng.shuffle(order)
    pool = min(pool, -(-len(order) // (4 * batch_size)))
    batches: list[list[int]] = []
    for start in range(0, len(order), max(1, pool * batch_size)):
        by_length = sorted(order[start : start + pool * batch_size], key=lengths.__getitem__)
        batches += _cut(by_length, batch_size)
    rng.shuffle(batches)
    return batches


def by_length(lengths: Sequence[int], batch_size: int) -> list[list[int]]:
    """Return the indices in batches for evaluation, longest first, so that an out-of-memory error occurs at once."""
    return _cut(sorted(range(len(lengths)), key=lambda i: -lengths[i]), batch_size)


def _cut(order: list[int], batch_size: int) -> list[list[int]]:
    return [order[i : i + batch_size] for i in range(0, len(order), batch_size)]
