"""The best answer span of a paragraph, from the logits of its windows."""

import dataclasses
from collections.abc import Sequence

import torch
from torch import Tensor

LONGEST_ANSWER = 30  # pieces, as in Google's run_squad.py


@dataclasses.dataclass(frozen=True)
class ParagraphWindow:
    """A window of the paragraph of a question: its `pieces` are the tokens from `offset` on."""

    question: int
    offset: int
    pieces: range


@dataclasses.dataclass(frozen=True)
class Span:
    """An answer: the characters `start` … `end` − 1 of the paragraph, and its probability among all spans."""

    text: str
    p: float
    start: int
    end: int


def best_span(
    windows: Sequence[tuple[Tensor, ParagraphWindow]], piece_spans: Sequence[tuple[int, int]], context: str
) -> Span:
    """Return the span of at most 30 pieces with the largest sum of the logits of its start and its end, in any window.

    `windows` are those of one question, with their logits `[S, 2]`; `piece_spans` are the characters of each piece of
    the paragraph. All spans are compared, not only those of the twenty best starts and ends. The probability is a
    softmax over all spans of all windows; it is summed if two windows contain the span. Ties: the first span.
    """
    scored = [(window.pieces, span_scores(z, window)) for z, window in windows if window.pieces]
    if not scored:
        return Span("", 1.0, 0, 0)
    best = [float(scores.max()) for _, scores in scored]
    pieces, scores = scored[best.index(max(best))]
    row, length = divmod(int(scores.argmax()), LONGEST_ANSWER)
    first = pieces.start + row
    last = first + length
    total = torch.stack([scores.logsumexp(dim=(0, 1)) for _, scores in scored]).logsumexp(dim=0)
    same = [scores[first - part.start, length] for part, scores in scored if first in part and last in part]
    p = float((torch.stack(same) - total).exp().sum())
    start, end = piece_spans[first][0], piece_spans[last][1]
    return Span(context[start:end], p, start, end)


def span_scores(z: Tensor, window: ParagraphWindow) -> Tensor:
    """Return start logit + end logit of each span, by its first piece and the number that follow; `[pieces, 30]`."""
    start, end = z[window.offset : window.offset + len(window.pieces)].double().unbind(dim=-1)
    beyond = end.new_full((LONGEST_ANSWER - 1,), -torch.inf)
    return start.unsqueeze(1) + torch.cat([end, beyond]).unfold(0, LONGEST_ANSWER, 1)
