"""F1 and accuracy of predicted sets of labels. They are counts, not tensors."""

import dataclasses
from collections.abc import Sequence, Set
from typing import Any

from minitf.tasks.metrics import ClassScore, class_score, class_table, f1_score


@dataclasses.dataclass(frozen=True)
class MultiLabelMetrics:
    loss: float
    micro_f1: float  # F1 of all labels of all texts together: a frequent label has a larger weight
    macro_f1: float  # mean F1 of the labels: each has the same weight, however rare it is
    accuracy: float  # share of texts with exactly the right labels
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
    """Compute the metrics from the label indices of each text. Raises ValueError without examples."""
    if not true or len(true) != len(predicted):
        raise ValueError(
            f"{len(true)} true sets, {len(predicted)} predicted: need the same number of both, at least one"
        )
    hits, predictions, support = ([0] * len(labels) for _ in range(3))
    for t, p in zip(true, predicted, strict=True):
        for counts, indices in ((hits, t & p), (predictions, p), (support, t)):
            for c in indices:
                counts[c] += 1
    exact = sum(t == p for t, p in zip(true, predicted, strict=True))
    return metrics_of_counts(labels, hits, predictions, support, exact, len(true), loss)


def metrics_of_counts(
    labels: Sequence[str],
    hits: Sequence[int],
    predictions: Sequence[int],
    support: Sequence[int],
    exact: int,
    n: int,
    loss: float,
) -> MultiLabelMetrics:
    """Compute the metrics of `n` texts, `exact` of them with exactly the right labels.

    For each label: how many texts have it (`support`), how many are predicted to have it, and both (`hits`).
    """
    classes = tuple(class_score(label, hits[c], predictions[c], support[c]) for c, label in enumerate(labels))
    return MultiLabelMetrics(
        loss=loss,
        micro_f1=f1_score(sum(hits), sum(predictions), sum(support)),
        macro_f1=sum(score.f1 for score in classes) / len(labels),
        accuracy=exact / n,
        classes=classes,
    )


def best_constant(support: Sequence[int], n: int) -> tuple[int, float]:
    """Return the best constant prediction for `n` texts: the k most frequent labels, as (k, its micro F1).

    `support` has the number of texts with each label.
    """
    counts = sorted(support, reverse=True)
    options = [(f1_score(sum(counts[:k]), k * n, sum(counts)), -k) for k in range(1, len(counts) + 1)]
    f1, k = max(options)
    return -k, f1
