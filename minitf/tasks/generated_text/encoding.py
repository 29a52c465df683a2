"""Texts as token ids for a model that generates text, and its teacher-forced losses."""

from collections.abc import Sequence

from torch import Tensor

from minitf.text.batches import IGNORED, Tokens
from minitf.text.sequence_tokenizer import SequenceTokenizer


def source_tokens(tokenizer: SequenceTokenizer, texts: Sequence[str], max_length: int) -> list[Tokens]:
    """Encode sources, or texts to continue, at most `max_length` tokens each. Raises InputError."""
    whole, parts = tokenizer.encode(texts), tokenizer.encode(texts, max_length)
    return [Tokens(ids, [0] * len(ids), len(ids) < len(uncut)) for ids, uncut in zip(parts, whole, strict=True)]


def teacher_forced(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Return −log P of each target token, and whether it has the largest logit: `[B, T, N]` -> `[B, T]` twice.

    Where the target is IGNORED, the values have no meaning.
    """
    known = targets.masked_fill(targets == IGNORED, 0)
    log_p = logits.log_softmax(dim=-1).gather(-1, known.unsqueeze(-1)).squeeze(-1)
    return -log_p, logits.argmax(dim=-1) == known
