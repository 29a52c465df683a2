"""Accuracy, F1 and Matthews correlation coefficient of predicted classes. They are counts, not tensors."""

import dataclasses
import math
import operator
from collections.abc import Sequence
from typing import Any

from minitf.tasks.metrics import ClassScore, class_score, class_table


@dataclasses.dataclass(frozen=True)
class ClassificationMetrics:
    loss: float
    accuracy: float
    macro_f1: float  # mean F1 of the classes: each has the same weight, however rare it is
    matthews: float  # correlation of predicted and true classes, 0 for a guess (Matthews 1975; Gorodkin 2004)
    classes: tuple[ClassScore, ...]
    confusion: tuple[tuple[int, ...], ...]  # [true][predicted]

    @property
    def scores(self) -> dict[str, float]:
        return {"accuracy": self.accuracy, "macro F1": self.macro_f1}

    def table(self) -> str:
        return class_table(self.classes)

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def classification_metrics(
    labels: Sequence[str], true: Sequence[int], predicted: Sequence[int], loss: float
) -> ClassificationMetrics:
    """Compute the metrics from the indices of the true and predicted classes. Raises ValueError without examples."""
    if not true or len(true) != len(predicted):
        raise ValueError(
            f"{len(true)} true classes, {len(predicted)} predicted: need the same number of both, at least one"
        )
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


def _matthews(confusion: Sequence[Sequence[int]]) -> float:
    """(c s − Σ pₖ tₖ) / √((s² − Σ pₖ²)(s² − Σ tₖ²)), c of s correct; 0 if only one class is predicted or true."""
    C = len(confusion)
    t = [sum(confusion[k]) for k in range(C)]
    p = [sum(row[k] for row in confusion) for k in range(C)]
    s, c = sum(t), sum(confusion[k][k] for k in range(C))
    square = (s * s - sum(n * n for n in p)) * (s * s - sum(n * n for n in t))
    return (c * s - sum(map(operator.mul, p, t))) / math.sqrt(square) if square else 0.0
