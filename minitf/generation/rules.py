"""The tokens that a checkpoint forces or forbids: `generation_config.json` under the names of `transformers`.

Each rule is one function log P [R, N] -> log P [R, N], where N is the vocabulary and R the rows of the batch: a
forbidden token gets −∞, a forced one 0 and all others −∞. As in `transformers`, the probabilities are not normalized
again unless the checkpoint requires it.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor

from minitf.errors import CheckpointError

# What changes the outputs of `transformers` and is not supported, with the value at which it changes nothing.
NOT_SUPPORTED = {
    "repetition_penalty": 1.0,
    "encoder_repetition_penalty": 1.0,
    "encoder_no_repeat_ngram_size": 0,
    "num_beam_groups": 1,
    "diversity_penalty": 0.0,
    "guidance_scale": 1.0,
    "typical_p": 1.0,
    "epsilon_cutoff": 0.0,
    "eta_cutoff": 0.0,
    **dict.fromkeys(("min_p", "top_h", "penalty_alpha", "dola_layers", "sequence_bias", "force_words_ids")),
    **dict.fromkeys(("constraints", "exponential_decay_length_penalty", "watermarking_config", "stop_strings")),
}


class Config(Protocol):
    """What generation reads of the config of a model."""

    @property
    def vocab_size(self) -> int: ...
    @property
    def end_id(self) -> int | tuple[int, ...] | None: ...
    @property
    def pad_id(self) -> int | None: ...
    @property
    def generation(self) -> Mapping[str, Any]: ...


@dataclasses.dataclass(frozen=True)
class Rules:
    """The special tokens of an output, and what it must and must not have."""

    end_ids: tuple[int, ...]  # each ends an output
    pad_id: int  # after the end of an output, while others of the batch are still generated
    first_id: int | None = None  # forced_bos_token_id: of encoder-decoders
    last_ids: tuple[int, ...] = ()  # forced_eos_token_id: at the limit on the length
    forbidden: tuple[int, ...] = ()  # suppress_tokens, and bad_words_ids of one token
    forbidden_sequences: tuple[tuple[int, ...], ...] = ()  # bad_words_ids of several tokens
    forbidden_first: tuple[int, ...] = ()  # begin_suppress_tokens
    min_length: int = 0  # no end before so many tokens, with the prompt
    min_new_tokens: int = 0  # no end before so many tokens, without the prompt
    no_repeat: int = 0  # no_repeat_ngram_size: no sequence of so many tokens occurs twice; 0: no such rule
    normalize: bool = False  # renormalize_logits

    @classmethod
    def of(cls, config: Config) -> "Rules":
        """Return the rules of a checkpoint. Raises CheckpointError for invalid ones, and without an end token."""
        stated, N = config.generation, config.vocab_size
        for name, neutral in NOT_SUPPORTED.items():
            if stated.get(name) not in (None, neutral):
                raise CheckpointError(
                    f"{name} = {stated[name]!r:.80} in its generation config is not supported; delete it there"
                )
        ends = token_ids("eos_token_id", config.end_id, N)
        if not ends:
            raise CheckpointError("has no end token (eos_token_id), so that no output would end")
        bad_words = stated.get("bad_words_ids") or []
        if not isinstance(bad_words, list | tuple) or not all(isinstance(w, list | tuple) and w for w in bad_words):
            raise CheckpointError(f"bad_words_ids must be a list of lists of token ids, not {bad_words!r:.80}")
        words = [token_ids("bad_words_ids", word, N) for word in bad_words]
        first = token_ids("forced_bos_token_id", stated.get("forced_bos_token_id"), N)
        return cls(
            end_ids=ends,
            pad_id=(token_ids("pad_token_id", config.pad_id, N) or ends)[0],
            first_id=first[0] if first else None,
            last_ids=token_ids("forced_eos_token_id", stated.get("forced_eos_token_id"), N),
            forbidden=(
                *(word[0] for word in words if len(word) == 1 and word[0] not in ends),
                *token_ids("suppress_tokens", stated.get("suppress_tokens"), N),
            ),
            forbidden_sequences=tuple(word for word in words if len(word) > 1),
            forbidden_first=token_ids("begin_suppress_tokens", stated.get("begin_suppress_tokens"), N),
            min_length=whole("min_length", stated.get("min_length")),
            min_new_tokens=whole("min_new_tokens", stated.get("min_new_tokens")),
            no_repeat=whole("no_repeat_ngram_size", stated.get("no_repeat_ngram_size")),
            normalize=stated.get("renormalize_logits") is True,
        )

    def apply(self, log_p: Tensor, ids: Tensor, prompt: int, limit: int) -> Tensor:
        """Apply the rules to log P(next token) after `ids` [R, T], which begin with a prompt of `prompt` tokens.

        `limit` is the maximum number of tokens after the prompt.
        """
        count = ids.shape[1] - prompt  # tokens generated so far
        if self.no_repeat:
            log_p = forbid_repetition(log_p, ids, self.no_repeat)
        for sequence in self.forbidden_sequences:
            log_p = forbid_sequence(log_p, ids, sequence)
        if self.forbidden:
            log_p = forbid(log_p, self.forbidden)
        if count < self.min_new_tokens or ids.shape[1] < self.min_length:
            log_p = forbid(log_p, self.end_ids)
        if self.first_id is not None and ids.shape[1] == 1:
            log_p = force(log_p, [self.first_id])
        if self.last_ids and count == limit - 1:
            log_p = force(log_p, self.last_ids)
        forced_first = self.first_id is not None and prompt == 1
        if self.forbidden_first and count == int(forced_first):
            log_p = forbid(log_p, self.forbidden_first)
        return log_p.log_softmax(-1) if self.normalize else log_p


def token_ids(name: str, value: object, vocab_size: int) -> tuple[int, ...]:
    """Return the token id or ids that a config states. Raises CheckpointError unless each is in the vocabulary."""
    ids = () if value is None else tuple(value) if isinstance(value, list | tuple) else (value,)
    for i in ids:
        if not isinstance(i, int) or isinstance(i, bool) or not 0 <= i < vocab_size:
            raise CheckpointError(f"{name} must be token ids below vocab_size {vocab_size}, not {value!r:.80}")
    return ids


def whole(name: str, value: object) -> int:
    """Return a number of tokens that a config states, or 0. Raises CheckpointError unless it is a whole number."""
    if value is None:
        return 0
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise CheckpointError(f"{name} must be a whole number of at least 0, not {value!r:.80}")
    return value


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
    if len(sequence) > ids.shape[1]:
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
