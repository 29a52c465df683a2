"""How good answers out of a text are: the exact match and the F1 of SQuAD's official script. No tensors.

Both are of words, in lower case, without punctuation and articles; of several right answers the one that fits best
counts. Source: evaluate-v1.1.py of Rajpurkar et al. 2016, §6.1; here from 0 to 1, there in percent.
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
    """What two answers are compared by."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def exact_match(said: str, true: Sequence[str]) -> float:
    return float(normalized(said) in {normalized(answer) for answer in true})


def f1(said: str, true: Sequence[str]) -> float:
    """Of the words in common, each as often as in both."""
    return max(_f1(normalized(said).split(), normalized(answer).split()) for answer in true)


def _f1(said: list[str], true: list[str]) -> float:
    common = (Counter(said) & Counter(true)).total()
    return 2.0 * common / (len(said) + len(true)) if common else 0.0


def span_metrics(said: Sequence[str], true: Sequence[Sequence[str]], loss: float) -> SpanMetrics:
    """The mean over the questions. Raises ValueError for none, or for other numbers of answers than of questions."""
    if not said or len(said) != len(true):
        raise ValueError(f"{len(said)} answers to {len(true)} questions: need as many, and at least one")
    pairs = list(zip(said, true, strict=True))
    n = len(pairs)
    return SpanMetrics(loss, sum(f1(*pair) for pair in pairs) / n, sum(exact_match(*pair) for pair in pairs) / n, n)
