"""Beam search."""

import dataclasses
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import pad

from minitf.generation.decoding import Request
from minitf.generation.sequences import Output, is_end, trimmed

EarlyStopping = bool | Literal["never"]


@dataclasses.dataclass(frozen=True)
class Beams:
    """K sequences for each of B texts, the best first. One with the score −∞ does not exist."""

    ids: Tensor  # [B, K, T]
    scores: Tensor  # [B, K]

    def best(self, k: int) -> tuple["Beams", Tensor]:
        """Return the `k` best of each text, and their indices [B, k]."""
        scores, chosen = self.scores.topk(k)
        return Beams(take(self.ids, chosen), scores), chosen

    def those(self, condition: Tensor) -> "Beams":
        """Return only the sequences for which `condition` [B, K] is true."""
        return Beams(self.ids, self.scores.masked_fill(~condition, -torch.inf))

    def exist(self) -> Tensor:
        """Return whether a text has K sequences, [B, 1]."""
        return (self.scores > -torch.inf).all(1, keepdim=True)


def beam_search(
    request: Request, beams: int, length_penalty: float = 1.0, early_stopping: EarlyStopping = False
) -> list[list[Output]]:
    """Search for the outputs with the highest score Σ log P / n^α; return up to `beams` per text, the best first.

    At each step every running sequence is continued with every token. Of the `beams` best continuations (by Σ log P),
    those that end become outputs; the best that do not end run on. α is the length penalty. `early_stopping` is when
    the search for a text stops: with True when it has `beams` outputs; with False when its best running sequence would
    score below them at its present length, with "never" at the limit on the length. Wu et al. 2016, section 7; the
    rules for stopping are those of `transformers`.
    """
    request.decoding.repeat(beams)
    running, outputs = begin(request, beams)
    searching = torch.ones_like(outputs.exist())
    for n in range(1, request.limit + 1):
        log_p = request.log_p(running.ids.flatten(0, 1)).unflatten(0, running.scores.shape)  # [B, K, N]
        # One token in each of the `beams` continuations per end token, so that enough of them run on.
        continued, parents = continuations(running, log_p, (1 + len(request.rules.end_ids)) * beams)
        ended = is_end(continued.ids[..., -1], request) | (n == request.limit)
        best = torch.arange(ended.shape[1], device=ended.device) < beams
        accepted = ended & best & searching
        outputs = merged(outputs, Beams(continued.ids, continued.scores / n**length_penalty).those(accepted))
        running, chosen = continued.those(~ended).best(beams)
        request.decoding.reorder(rows_of(parents.gather(1, chosen)))
        longest = request.limit if early_stopping == "never" and length_penalty > 0 else n
        searching &= running.scores[:, :1] / longest**length_penalty > outputs.scores[:, -1:]
        if early_stopping is True:
            searching &= ~outputs.exist()
        if not searching.any():
            break
    prompt = request.decoding.prompt.shape[1]
    return [
        [Output(*trimmed(ids[prompt:], request), score) for ids, score in zip(*text, strict=True) if score > -torch.inf]
        for text in zip(outputs.ids.tolist(), outputs.scores.tolist(), strict=True)
    ]


def begin(request: Request, beams: int) -> tuple[Beams, Beams]:
    """Return one running sequence per text, its prompt, among `beams`; and no outputs."""
    ids = request.decoding.prompt.unflatten(0, (-1, beams))
    none = torch.full(ids.shape[:2], -torch.inf, device=ids.device)
    return Beams(ids, none.index_fill(1, torch.tensor([0], device=ids.device), 0.0)), Beams(ids, none)


def continuations(beams: Beams, log_p: Tensor, count: int) -> tuple[Beams, Tensor]:
    """Return the `count` best continuations by one token, and the index [B, count] of the sequence that each continues.

    `log_p` [B, K, N] are the log-probabilities of the next token.
    """
    N = log_p.shape[-1]
    scores, chosen = (beams.scores[..., None] + log_p).flatten(1).topk(min(count, log_p[0].numel()))
    parents, tokens = chosen // N, chosen % N
    return Beams(torch.cat([take(beams.ids, parents), tokens[..., None]], -1), scores), parents


def merged(outputs: Beams, new: Beams) -> Beams:
    """Return the best of the outputs and of the new ones, which are one token longer."""
    ids = torch.cat([pad(outputs.ids, (0, 1)), new.ids], 1)
    best, _ = Beams(ids, torch.cat([outputs.scores, new.scores], 1)).best(outputs.ids.shape[1])
    return best


def rows_of(chosen: Tensor) -> Tensor:
    """Return the rows [B·K] of a batch of the sequences `chosen` [B, K] of each text."""
    B, K = chosen.shape
    return (torch.arange(B, device=chosen.device)[:, None] * K + chosen).flatten()


def take(ids: Tensor, chosen: Tensor) -> Tensor:
    """Take the sequences `chosen` [B, C] out of `ids` [B, K, T]: [B, C, T]."""
    return ids.gather(1, chosen[..., None].expand(-1, -1, ids.shape[-1]))
