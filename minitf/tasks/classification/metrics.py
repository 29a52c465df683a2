"""Accuracy, F1 and Matthews correlation coefficient of predicted classes. They are counts, not tensors."""

import dataclasses
import math
import operator
from collections import Counter
from collections.abc import Sequence
from typing import Any

from minitf.datasets.findings import MANY_CLASSES
from minitf.tasks.metrics import ClassScore, class_score, class_table

CONFUSIONS = 100  # listed, if there are too many classes for a confusion matrix


@dataclasses.dataclass(frozen=True)
class Confusion:
    """How many examples of the class `true` are predicted as `predicted`."""

    true: str
    predicted: str
    count: int


@dataclasses.dataclass(frozen=True)
class ClassificationMetrics:
    """With more than MANY_CLASSES there is no confusion matrix, but a list of the most frequent confusions."""

    loss: float
    accuracy: float
    macro_f1: float  # mean F1 of the classes: each has the same weight, however rare it is
    matthews: float  # correlation of predicted and true classes, 0 for a guess (Matthews 1975; Gorodkin 2004)
    classes: tuple[ClassScore, ...]
    confusion: tuple[tuple[int, ...], ...] = ()  # [true][predicted]; () with many classes
    confusions: tuple[Confusion, ...] = ()  # with many classes: the most frequent first

    @property
    def scores(self) -> dict[str, float]:
        return {"accuracy": self.accuracy, "macro F1": self.macro_f1}

    def table(self) -> str:
        return class_table(self.classes)

    def to_dict(self) -> dict[str, Any]:
        """Return the metrics with either `confusion` or, with many classes, `confusions`."""
        content = dataclasses.asdict(self)
        del content["confusion" if len(self.classes) > MANY_CLASSES else "confusions"]
        return content


def classification_metrics(
    labels: Sequence[str], true: Sequence[int], predicted: Sequence[int], loss: float
) -> ClassificationMetrics:
    """Compute the metrics from the indices of the true and predicted classes. Raises ValueError without examples."""
    if not true or len(true) != len(predicted):
        raise ValueError(
            f"{len(true)} true classes, {len(predicted)} predicted: need the same number of both, at least one"
        )
    C, s = len(labels), len(true)
    counts = Counter(zip(true, predicted, strict=True))  # sparse: a matrix would have C² entries
    t, p = Counter(true), Counter(predicted)
    hits = [counts[c, c] for c in range(C)]
    classes = [class_score(label, hits[c], p[c], t[c]) for c, label in enumerate(labels)]
    few = C <= MANY_CLASSES
    return ClassificationMetrics(
        loss=loss,
        accuracy=sum(hits) / s,
        macro_f1=sum(score.f1 for score in classes) / C,
        matthews=_matthews([t[k] for k in range(C)], [p[k] for k in range(C)], sum(hits)),
        classes=tuple(classes),
        confusion=tuple(tuple(counts[i, j] for j in range(C)) for i in range(C)) if few else (),
        confusions=() if few else _most_frequent(counts, labels),
    )


def _most_frequent(counts: Counter[tuple[int, int]], labels: Sequence[str]) -> tuple[Confusion, ...]:
    """Return the most frequent confusions of two classes; of equally frequent ones, the first classes."""
    wrong = sorted((-n, i, j) for (i, j), n in counts.items() if i != j)[:CONFUSIONS]
    return tuple(Confusion(labels[i], labels[j], -n) for n, i, j in wrong)


def _matthews(t: Sequence[int], p: Sequence[int], c: int) -> float:
    """(c s − Σ pₖ tₖ) / √((s² − Σ pₖ²)(s² − Σ tₖ²)); 0 if only one class is predicted or true.

    `t` and `p` are the numbers of examples that belong to each class, and that are predicted as it; c of s are correct.
    """
    s = sum(t)
    square = (s * s - sum(n * n for n in p)) * (s * s - sum(n * n for n in t))
    return (c * s - sum(map(operator.mul, p, t))) / math.sqrt(square) if square else 0.0
