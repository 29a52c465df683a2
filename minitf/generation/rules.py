"""The tokens that a checkpoint forces or forbids: `generation_config.json` under the names of `transformers`.

Each rule is one function log P [R, N] -> log P [R, N], where N is the vocabulary and R the rows of the batch: a forbidden
token gets −∞, a forced one 0 and all others −∞. As in `transformers`, the probabilities are not normalized again unless
the checkpoint requires it.
"""

import dataclasses
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor


@dataclasses.dataclass(frozen=True)
class Rules:
    """The special tokens of an output, and what it must and must not have."""

    end_ids: tuple[int, ...]  # each ends an output
    pad_id: int  # after the end of an output, while others of the batch are still generated
    first_id: int | None = None  # forced_bos_token_id: of encoder-decoders
    last_ids: tuple[int, ...] = ()  # forced_eos_token_id: at the limit on the length
    forbidden: tuple[tuple[int, ...], ...] = ()  # bad_words_ids and suppress_tokens: tokens, and sequences of tokens
    forbidden_first: tuple[int, ...] = ()  # begin_suppress_tokens
    min_new_tokens: int = 0  # no end before
    no_repeat: int = 0  # no_repeat_ngram_size: no sequence of so many tokens occurs twice; 0: no such rule
    normalize: bool = False  # renormalize_logits

    def apply(self, log_p: Tensor, ids: Tensor, prompt: int, limit: int) -> Tensor:
        """Apply the rules to log P(next token) after `ids` [R, T], which begin with a prompt of `prompt` tokens.

        `limit` is the maximum number of tokens after the prompt.
        """
        count = ids.shape[1] - prompt  # tokens generated so far
        if self.no_repeat:
            log_p = forbid_repetition(log_p, ids, self.no_repeat)
        for sequence in self.forbidden:
            log_p = forbid_sequence(log_p, ids, sequence)
        if count < self.min_new_tokens:
            log_p = forbid(log_p, self.end_ids)
        if self.first_id is not None and ids.shape[1] == 1:
            log_p = force(log_p, [self.first_id])
        if self.last_ids and count == limit - 1:
            log_p = force(log_p, self.last_ids)
        forced_first = self.first_id is not None and prompt == 1
        if self.forbidden_first and count == int(forced_first):
            log_p = forbid(log_p, self.forbidden_first)
        return log_p.log_softmax(-1) if self.normalize else log_p


def forbid(log_p: Tensor, tokens: Iterable[int]) -> Tensor:
    """Set log P of `tokens` to −∞."""
    return log_p.index_fill(-1, torch.tensor(list(tokens), device=log_p.device), -torch.inf)


def force(log_p: Tensor, tokens: Iterable[int]) -> Tensor:
    """Set log P of `tokens` to 0, of all others to −∞."""
    alone = torch.full_like(log_p, -torch.inf)
    return alone.index_fill(-1, torch.tensor(list(tokens), device=log_p.device), 0.0)


def forbid_sequence(log_p: Tensor, ids: Tensor, sequence: Sequence[int]) -> Tensor:
    """Forbid the last token of `sequence` in the rows of `ids` that end with the tokens before it."""
    *before, last = sequence
    if len(sequence) > max(ids.shape[1], 1):
        return log_p
    ends = ids[:, ids.shape[1] - len(before) :] == torch.tensor(before, dtype=ids.dtype, device=ids.device)
    return torch.where(ends.all(-1, keepdim=True), forbid(log_p, [last]), log_p)


def forbid_repetition(log_p: Tensor, ids: Tensor, size: int) -> Tensor:
    """Forbid tokens that would repeat a sequence of `size` tokens of the same row (Paulus et al. 2018, section 2.5)."""
    if ids.shape[1] < size:
        return log_p
    windows = ids.unfold(1, size, 1)  # [R, W, size]
    ending = ids[:, ids.shape[1] + 1 - size :]  # [R, size - 1]
    repeats = (windows[..., :-1] == ending[:, None]).all(-1)  # [R, W]
    rows, positions = repeats.nonzero(as_tuple=True)
    log_p = log_p.clone()
    log_p[rows, windows[rows, positions, -1]] = -torch.inf
    return log_p
