"""How good several labels a text are. Plain counting, no tensors."""

import dataclasses
from collections.abc import Sequence, Set
from typing import Any

from minitf.tasks.metrics import ClassScore, class_score, class_table, f1_score


@dataclasses.dataclass(frozen=True)
class MultiLabelMetrics:
    loss: float
    micro_f1: float  # of all labels of all texts in one count: a frequent label counts more
    macro_f1: float  # the mean of the labels' F1: each counts the same, however rare
    accuracy: float  # the share of texts whose labels are exactly those that they should be
    classes: tuple[ClassScore, ...]

    @property
    def scores(self) -> dict[str, float]:
        return {"micro F1": self.micro_f1, "macro F1": self.macro_f1, "exact": self.accuracy}

    def table(self) -> str:
        return class_table(self.classes)

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def multilabel_metrics(
    labels: Sequence[str], true: Sequence[Set[int]], predicted: Sequence[Set[int]], loss: float
) -> MultiLabelMetrics:
    """All of it from the numbers of each text's labels. Raises ValueError for no examples."""
    if not true or len(true) != len(predicted):
        raise ValueError(f"{len(true)} true sets, {len(predicted)} predicted: need as many, and at least one")
    hits, given, borne = ([0] * len(labels) for _ in range(3))
    for t, p in zip(true, predicted, strict=True):
        for counts, numbers in ((hits, t & p), (given, p), (borne, t)):
            for c in numbers:
                counts[c] += 1
    classes = tuple(class_score(label, hits[c], given[c], borne[c]) for c, label in enumerate(labels))
    return MultiLabelMetrics(
        loss=loss,
        micro_f1=f1_score(sum(hits), sum(given), sum(borne)),
        macro_f1=sum(score.f1 for score in classes) / len(labels),
        accuracy=sum(t == p for t, p in zip(true, predicted, strict=True)) / len(true),
        classes=classes,
    )


def best_constant(borne: Sequence[int], n: int) -> tuple[int, float]:
    """How many of the most frequent labels to give to each of `n` texts alike for the best micro F1, and that F1."""
    counts = sorted(borne, reverse=True)
    options = [(f1_score(sum(counts[:k]), k * n, sum(counts)), -k) for k in range(1, len(counts) + 1)]
    f1, k = max(options)
    return -k, f1
