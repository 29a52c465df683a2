"""What a strategy needs of a model: log-probabilities of the next token, for a batch of rows that grow."""

import dataclasses
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import pad

from minitf.errors import InputError
from minitf.generation.rules import Rules
from minitf.layers import StackCache
from minitf.transformer import DecoderModel, EncoderDecoder


class Decoding(Protocol):
    """A model that reads the rows of a batch, one per text or several per text.

    It may keep keys and values of what it has read (a cache); the strategies do not see them.
    """

    prompt: Tensor  # [R, T], what every row begins with, padded on the left

    def next_logits(self, ids: Tensor) -> Tensor:
        """Return the logits [R, N] of the next token after `ids` [R, T]: the prompt and all tokens since."""

    def repeat(self, times: int) -> None:
        """Make `times` rows of each row, next to each other. Only before the first token is generated."""

    def reorder(self, rows: Tensor) -> None:
        """Let row r continue what row rows[r] has read. Both have the same prompt."""


@dataclasses.dataclass(frozen=True)
class Request:
    """A batch to generate: the model with its prompts, the rules of its checkpoint, and the limit on new tokens."""

    decoding: Decoding
    rules: Rules
    limit: int

    def log_p(self, ids: Tensor) -> Tensor:
        """Return log P(next token | ids) under the rules, [R, N].

        Raises InputError for logits that are not finite, and if the rules forbid every token.
        """
        logits = self.decoding.next_logits(ids)
        if not logits.isfinite().all():
            raise InputError("the model's output is NaN or infinite: its weights are too large, or `math` is wrong")
        prompt = self.decoding.prompt.shape[1]
        log_p = self.rules.apply(logits.log_softmax(-1), ids, prompt, self.limit)
        if (log_p.amax(-1) == -torch.inf).any():
            raise InputError(f"the model's generation config forbids every token after {ids.shape[1] - prompt} tokens")
        return log_p


class EncoderDecoderDecoding:
    """An encoder-decoder: the source is encoded once, the rows begin with the start token."""

    def __init__(self, model: EncoderDecoder, source_ids: Tensor, mask: Tensor, *, cached: bool = True):
        """`source_ids` and `mask` are `[B, S]`. Without `cached` every call reads the whole rows again."""
        self.model, self.mask = model, mask
        with torch.no_grad():
            self.memory = model.encode(source_ids, mask)[0][-1]  # [R, S, D]
        self.prompt = source_ids.new_full((len(source_ids), 1), model.config.start_id)
        self.cache = model.new_cache() if cached else None

    @torch.no_grad()
    def next_logits(self, ids: Tensor) -> Tensor:
        new = ids if self.cache is None else ids[:, self.cache.length :]
        return self.model.decode(new, self.memory, self.mask, cache=self.cache).logits[:, -1]

    def repeat(self, times: int) -> None:
        self.prompt, self.memory, self.mask = (
            x.repeat_interleave(times, dim=0) for x in (self.prompt, self.memory, self.mask)
        )

    def reorder(self, rows: Tensor) -> None:
        # The rows of a text have the same memory, so the caches of the cross-attentions stay.
        reorder_self_attentions(self.cache, rows)


class DecoderDecoding:
    """A decoder alone: the rows begin with the text that it continues, padded on the left."""

    def __init__(self, model: DecoderModel, prompt: Tensor, mask: Tensor, *, cached: bool = True):
        """`prompt` and `mask` are `[B, S]`. Without `cached` every call reads the whole rows again."""
        self.model, self.prompt, self.mask = model, prompt, mask
        self.cache = model.new_cache() if cached else None

    @torch.no_grad()
    def next_logits(self, ids: Tensor) -> Tensor:
        mask = pad(self.mask, (0, ids.shape[1] - self.mask.shape[1]), value=1)
        new = ids if self.cache is None else ids[:, self.cache.length :]
        logits: Tensor = self.model(new, mask, cache=self.cache).logits
        return logits[:, -1]

    def repeat(self, times: int) -> None:
        self.prompt, self.mask = (x.repeat_interleave(times, dim=0) for x in (self.prompt, self.mask))

    def reorder(self, rows: Tensor) -> None:
        reorder_self_attentions(self.cache, rows)


def reorder_self_attentions(cache: StackCache | None, rows: Tensor) -> None:
    """Let row r of the caches of all self-attentions be their row rows[r]."""
    for self_attention, _ in cache.layers if cache is not None else ():
        self_attention.reorder(rows)
