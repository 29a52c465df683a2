"""How good the answers are. Plain counting, no tensors."""

import dataclasses
from collections.abc import Sequence
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
    classes: tuple[ClassScore, ...]
    confusion: tuple[tuple[int, ...], ...]  # [true][predicted]

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


# Whether more of a metric is better.
HIGHER_IS_BETTER = {"accuracy": True, "macro_f1": True, "loss": False}


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
    classes = []
    for c, label in enumerate(labels):
        hits, given, borne = confusion[c][c], sum(row[c] for row in confusion), sum(confusion[c])
        precision, recall = hits / given if given else 0.0, hits / borne if borne else 0.0
        f1 = 2.0 * hits / (given + borne) if given + borne else 0.0
        classes.append(ClassScore(label, precision, recall, f1, borne))
    return ClassificationMetrics(
        loss=loss,
        accuracy=sum(confusion[c][c] for c in range(C)) / len(true),
        macro_f1=sum(score.f1 for score in classes) / C,
        classes=tuple(classes),
        confusion=tuple(tuple(row) for row in confusion),
    )


def is_better(metric: str, new: ClassificationMetrics, old: ClassificationMetrics) -> bool:
    """Whether `new` beats the best so far by `metric`; of two alike, the one with the lower loss is better.

    On a small or easy data set many epochs answer alike, and the first of them is the least trained.
    """
    mine, other = getattr(new, metric), getattr(old, metric)
    if mine == other:
        return new.loss < old.loss
    return bool(mine > other) if HIGHER_IS_BETTER[metric] else bool(mine < other)
