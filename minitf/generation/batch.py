"""Prompts of different lengths in batches, and the strategy that is chosen for them."""

import collections
import dataclasses
import random
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from minitf.generation.beam_search import EarlyStopping, beam_search
from minitf.generation.decoding import DecoderDecoding, Decoding, EncoderDecoderDecoding, Request
from minitf.generation.greedy import greedy
from minitf.generation.rules import Rules
from minitf.generation.sampling import sample
from minitf.generation.sequences import Output, Sequences
from minitf.transformer import DecoderModel, EncoderDecoder


@dataclasses.dataclass(frozen=True)
class Strategy:
    """How outputs are chosen: greedy decoding, beam search (`beams` > 1) or sampling."""

    beams: int = 1
    length_penalty: float = 1.0
    early_stopping: EarlyStopping = False
    sample: bool = False
    temperature: float = 1.0
    top_k: int | None = None
    top_p: float = 1.0
    seed: int = 0
    n_best: int = 1  # outputs per prompt: the best of beam search, or samples


@dataclasses.dataclass(frozen=True)
class Prompt:
    """The token ids of a source or of a text to continue, and the maximum number of new tokens."""

    ids: Sequence[int]
    limit: int
    number: int = 0  # of the prompt among all: the seed of its samples


def decoding_of(model: EncoderDecoder | DecoderModel, prompts: Sequence[Sequence[int]], pad_id: int) -> Decoding:
    """Return the decoding of a batch: sources are padded on the right, texts to continue on the left."""
    device = next(model.parameters()).device
    if isinstance(model, EncoderDecoder):
        return EncoderDecoderDecoding(model, *(x.to(device) for x in padded(prompts, pad_id)))
    return DecoderDecoding(model, *(x.to(device) for x in padded(prompts, pad_id, left=True)))


def padded(rows: Sequence[Sequence[int]], pad_id: int, *, left: bool = False) -> tuple[Tensor, Tensor]:
    """Return the ids and the mask, 1 for real tokens, of rows padded to the longest, [B, S]."""
    S = max(map(len, rows))
    ids, mask = torch.full((len(rows), S), pad_id), torch.zeros(len(rows), S, dtype=torch.long)
    for i, row in enumerate(rows):
        where = slice(S - len(row), S) if left else slice(0, len(row))
        ids[i, where], mask[i, where] = torch.tensor(row), 1
    return ids, mask


def batches(prompts: Sequence[Prompt], size: int) -> Iterator[list[int]]:
    """Yield the indices of at most `size` prompts of one limit and of similar lengths, the longest first."""
    by_limit = collections.defaultdict(list)
    for i in sorted(range(len(prompts)), key=lambda i: -len(prompts[i].ids)):
        by_limit[prompts[i].limit].append(i)
    for indices in by_limit.values():
        yield from (indices[start : start + size] for start in range(0, len(indices), size))


def generate(
    model: EncoderDecoder | DecoderModel, prompts: Sequence[Prompt], rules: Rules, strategy: Strategy, size: int
) -> list[list[Output]]:
    """Return the outputs for each prompt, the best first; `size` prompts are a batch.

    An output does not depend on the other prompts. The model must be in eval mode.
    """
    found: dict[int, list[Output]] = {}
    for indices in batches(prompts, size):
        batch = [prompts[i] for i in indices]
        found |= zip(indices, outputs(model, batch, rules, strategy), strict=True)
    return [found[i] for i in range(len(prompts))]


def outputs(
    model: EncoderDecoder | DecoderModel, batch: Sequence[Prompt], rules: Rules, strategy: Strategy
) -> list[list[Output]]:
    """Return the outputs for each prompt of one batch, all with the same limit."""
    if strategy.beams > 1:
        request = Request(decoding_of(model, [prompt.ids for prompt in batch], rules.pad_id), rules, batch[0].limit)
        found = beam_search(request, strategy.beams, strategy.length_penalty, strategy.early_stopping)
        return [text[: strategy.n_best] for text in found]
    rows = collections.deque(steps(model, batch, rules, strategy), maxlen=1)[0].outputs(strategy.length_penalty)
    n = strategy.n_best
    return [sorted(rows[i : i + n], key=lambda out: -out.score) for i in range(0, len(rows), n)]


def steps(
    model: EncoderDecoder | DecoderModel, batch: Sequence[Prompt], rules: Rules, strategy: Strategy
) -> Iterator[Sequences]:
    """Yield the rows after each token of greedy decoding or sampling."""
    decoding = decoding_of(model, [prompt.ids for prompt in batch], rules.pad_id)
    request = Request(decoding, rules, batch[0].limit)
    if not strategy.sample:
        return greedy(request)
    decoding.repeat(strategy.n_best)
    seeds = [row_seed(strategy.seed, prompt.number, copy) for prompt in batch for copy in range(strategy.n_best)]
    return sample(request, seeds, strategy.temperature, strategy.top_k, strategy.top_p)


def row_seed(seed: int, number: int, copy: int) -> int:
    """Return the seed of one sample of one prompt: the same in every batch."""
    return random.Random(f"{seed} {number} {copy}").getrandbits(63)
