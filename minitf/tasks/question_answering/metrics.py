"""Exact match and F1 of predicted answers, as in SQuAD's official script. They are plain numbers, not tensors.

Both compare words in lower case, without punctuation and articles. If a question has several right answers, the best
match counts. Source: evaluate-v1.1.py of Rajpurkar et al. 2016, §6.1; here from 0 to 1, there in percent.
"""

import dataclasses
import re
import string
from collections import Counter
from collections.abc import Sequence
from typing import Any

_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLES = re.compile(r"\b(a|an|the)\b")


@dataclasses.dataclass(frozen=True)
class SpanMetrics:
    loss: float
    f1: float
    exact_match: float
    questions: int

    @property
    def scores(self) -> dict[str, float]:
        return {"F1": self.f1, "exact match": self.exact_match}

    def table(self) -> str:
        return ""

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def normalized(text: str) -> str:
    """Return the text in the form in which answers are compared."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def exact_match(predicted: str, true: Sequence[str]) -> float:
    """Return 1 if the prediction equals one of the `true` answers, else 0."""
    return float(normalized(predicted) in {normalized(answer) for answer in true})


def f1(predicted: str, true: Sequence[str]) -> float:
    """Return the F1 of the words of the prediction, for the best match of the `true` answers."""
    return max(_f1(normalized(predicted).split(), normalized(answer).split()) for answer in true)


def _f1(predicted: list[str], true: list[str]) -> float:
    common = (Counter(predicted) & Counter(true)).total()
    return 2.0 * common / (len(predicted) + len(true)) if common else 0.0


def span_metrics(predicted: Sequence[str], true: Sequence[Sequence[str]], loss: float) -> SpanMetrics:
    """Compute the means over the questions. Raises ValueError without questions, or without an answer for each."""
    if not predicted or len(predicted) != len(true):
        raise ValueError(f"{len(predicted)} answers to {len(true)} questions: need one for each, and at least one")
    pairs = list(zip(predicted, true, strict=True))
    n = len(pairs)
    return SpanMetrics(loss, sum(f1(*pair) for pair in pairs) / n, sum(exact_match(*pair) for pair in pairs) / n, n)
