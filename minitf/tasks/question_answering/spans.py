"""The best stretch of a paragraph, out of what a model says of each of its windows."""

import dataclasses
from collections.abc import Sequence

import torch
from torch import Tensor

LONGEST_ANSWER = 30  # pieces, as in Google's run_squad.py


@dataclasses.dataclass(frozen=True)
class Window:
    """One row: the pieces `part` of the paragraph of question number `question`, from the token `begins` on."""

    question: int
    begins: int
    part: range


@dataclasses.dataclass(frozen=True)
class Span:
    """An answer: the characters `start` … `end` − 1 of the paragraph, and how probable among all that could be."""

    text: str
    p: float
    start: int
    end: int


def best_span(windows: Sequence[tuple[Tensor, Window]], pieces: Sequence[tuple[int, int]], context: str) -> Span:
    """The stretch of at most 30 pieces with the largest sum of its start's and its end's logit, in whichever window.

    `windows` are one question's, with their logits `[S, 2]`; `pieces` are the characters of the paragraph's. All
    stretches are compared, not only those of the twenty best starts and ends. The probability is a softmax over all
    stretches of all windows; of one that two windows hold it is the sum. Of alike ones the first is the best.
    """
    scored = [(window.part, stretches(z, window)) for z, window in windows if window.part]
    if not scored:
        return Span("", 1.0, 0, 0)
    best = [float(scores.max()) for _, scores in scored]
    part, scores = scored[best.index(max(best))]
    first, more = divmod(int(scores.argmax()), LONGEST_ANSWER)
    place = part.start + first, part.start + first + more
    total = torch.stack([scores.logsumexp(dim=(0, 1)) for _, scores in scored]).logsumexp(dim=0)
    same = [scores[place[0] - part.start, more] for part, scores in scored if place[0] in part and place[1] in part]
    p = float((torch.stack(same) - total).exp().sum())
    start, end = pieces[place[0]][0], pieces[place[1]][1]
    return Span(context[start:end], p, start, end)


def stretches(z: Tensor, window: Window) -> Tensor:
    """Start's logit + end's logit of each stretch, by its first piece and how many follow; `[pieces, 30]`."""
    start, end = z[window.begins : window.begins + len(window.part)].double().unbind(dim=-1)
    beyond = end.new_full((LONGEST_ANSWER - 1,), -torch.inf)
    return start.unsqueeze(1) + torch.cat([end, beyond]).unfold(0, LONGEST_ANSWER, 1)
