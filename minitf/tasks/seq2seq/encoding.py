"""Pairs of a source and a target as token ids, and the outputs of a model for them as one tensor per pair."""

import dataclasses
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn

from minitf.datasets.dataset import Dataset
from minitf.text.batches import Batch, Examples, Tokens
from minitf.text.sequence_tokenizer import SequenceTokenizer

# In a packed `Output`: the end of the shorter column, and what is behind the ids of a text that the model did not end.
NOTHING, UNFINISHED = -1.0, -2


@dataclasses.dataclass(frozen=True)
class TextPairs(Examples):
    """Encoded pairs. `targets` are the token ids of each target text, with the end token: a list of tensors `[T]`."""

    target_texts: Sequence[str] = ()
    decode: Callable[[Iterable[int]], str] = lambda ids: ""
    cut: int = 0  # targets that were longer

    def batch(self, indices: Sequence[int]) -> tuple[Batch, Tensor]:
        """Return some pairs as a padded batch, whose `target_ids` are the targets, and the targets."""
        batch, targets = super().batch(indices)
        return dataclasses.replace(batch, target_ids=targets), targets

    def notes(self) -> list[str]:
        return [f"{self.cut} targets are longer than `max_length` tokens and are cut"] if self.cut else []


def encode_pairs(table: Dataset, tokenizer: SequenceTokenizer, max_length: int) -> TextPairs:
    """Encode a table of pairs: at most `max_length` tokens each. Raises InputError."""
    targets, labels = table.labels or [], tokenizer.encode_targets(table.labels or [], max_length)
    sources, whole = tokenizer.encode(table.texts, max_length), tokenizer.encode(table.texts)
    return TextPairs(
        [Tokens(ids, [0] * len(ids), len(ids) < len(uncut)) for ids, uncut in zip(sources, whole, strict=True)],
        [torch.tensor(ids) for ids in labels],
        tokenizer.pad_id,
        target_texts=targets,
        decode=tokenizer.decode,
        cut=sum(len(whole) > len(ids) for whole, ids in zip(tokenizer.encode_targets(targets), labels, strict=True)),
    )


@dataclasses.dataclass(frozen=True)
class Output:
    """What the metrics need of one pair. It is stored as a tensor of three columns, for all processes."""

    losses: Tensor  # [T], −log P of each true token after the true tokens before it
    right: Tensor  # [T], 1 where that token has the largest logit
    generated: list[int]  # the ids that the model generates on its own
    ended: bool  # whether the model ended them

    def pack(self) -> Tensor:
        """Return the output as `[rows, 3]` in float64; `NOTHING` fills the shorter columns."""
        ids = torch.tensor([*self.generated, *([] if self.ended else [UNFINISHED])], dtype=torch.float64)
        columns = [self.losses.double().cpu(), self.right.double().cpu(), ids]
        return nn.utils.rnn.pad_sequence(columns, True, NOTHING).T.contiguous()

    @classmethod
    def unpack(cls, packed: Tensor) -> "Output":
        losses, right, ids = (column[column != NOTHING] for column in packed.unbind(dim=-1))
        generated = [int(i) for i in ids]
        ended = UNFINISHED not in generated
        return cls(losses, right, generated if ended else generated[:-1], ended)
