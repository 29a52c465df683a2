"""How good the answers are. Plain counting, no tensors."""

import dataclasses
import math
import operator
from collections.abc import Mapping, Sequence
from typing import Any


@dataclasses.dataclass(frozen=True)
class ClassScore:
    """One class against all others; a ratio with nothing to count is 0."""

    label: str
    precision: float  # of the texts given this label, the share that bear it
    recall: float  # of the texts that bear this label, the share that were given it
    f1: float  # the harmonic mean of the two
    support: int  # texts that bear it


@dataclasses.dataclass(frozen=True)
class ClassificationMetrics:
    loss: float
    accuracy: float
    macro_f1: float  # the mean of the classes' F1: each class counts the same, however rare
    matthews: float  # the correlation of what is said with what is true, 0 for a guess (Matthews 1975; Gorodkin 2004)
    classes: tuple[ClassScore, ...]
    confusion: tuple[tuple[int, ...], ...]  # [true][predicted]

    @property
    def scores(self) -> dict[str, float]:
        return {"accuracy": self.accuracy, "macro F1": self.macro_f1}

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


# Whether more of a metric is better.
HIGHER_IS_BETTER = {
    "accuracy": True,
    "macro_f1": True,
    "micro_f1": True,
    "matthews": True,
    "f1": True,
    "exact_match": True,
    "pearson": True,
    "spearman": True,
    "rmse": False,
    "loss": False,
}


def classification_metrics(
    labels: Sequence[str], true: Sequence[int], predicted: Sequence[int], loss: float
) -> ClassificationMetrics:
    """All of it from the numbers of the true and the predicted classes. Raises ValueError for no examples."""
    if not true or len(true) != len(predicted):
        raise ValueError(f"{len(true)} true classes, {len(predicted)} predicted: need as many, and at least one")
    C = len(labels)
    confusion = [[0] * C for _ in range(C)]
    for t, p in zip(true, predicted, strict=True):
        confusion[t][p] += 1
    classes = [
        class_score(label, confusion[c][c], sum(row[c] for row in confusion), sum(confusion[c]))
        for c, label in enumerate(labels)
    ]
    return ClassificationMetrics(
        loss=loss,
        accuracy=sum(confusion[c][c] for c in range(C)) / len(true),
        macro_f1=sum(score.f1 for score in classes) / C,
        matthews=_matthews(confusion),
        classes=tuple(classes),
        confusion=tuple(tuple(row) for row in confusion),
    )


def class_score(label: str, hits: int, given: int, borne: int) -> ClassScore:
    """From the texts given this label, those that bear it, and those of which both is true."""
    precision, recall = hits / given if given else 0.0, hits / borne if borne else 0.0
    return ClassScore(label, precision, recall, f1_score(hits, given, borne), borne)


def f1_score(hits: int, given: int, borne: int) -> float:
    """2 · hits / (given + borne), the harmonic mean of precision and recall; 0 where there is nothing to count."""
    return 2.0 * hits / (given + borne) if given + borne else 0.0


def _matthews(confusion: Sequence[Sequence[int]]) -> float:
    """(c s − Σ pₖ tₖ) / √((s² − Σ pₖ²)(s² − Σ tₖ²)), c right of s; 0 where one class alone is said or true."""
    C = len(confusion)
    t = [sum(confusion[k]) for k in range(C)]
    p = [sum(row[k] for row in confusion) for k in range(C)]
    s, c = sum(t), sum(confusion[k][k] for k in range(C))
    square = (s * s - sum(n * n for n in p)) * (s * s - sum(n * n for n in t))
    return (c * s - sum(map(operator.mul, p, t))) / math.sqrt(square) if square else 0.0


def is_better(metric: str, new: Mapping[str, Any], old: Mapping[str, Any]) -> bool:
    """Whether `new` beats the best so far by `metric`; of two alike, the one with the lower loss is better.

    On a small or easy data set many epochs answer alike, and the first of them is the least trained.
    """
    mine, other = new[metric], old[metric]
    if mine == other:
        return bool(new["loss"] < old["loss"])
    return bool(mine > other) if HIGHER_IS_BETTER[metric] else bool(mine < other)
