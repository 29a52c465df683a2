"""Metrics that several tasks share: precision, recall and F1 of a class, and which of two epochs is better."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from minitf.datasets.findings import MANY_CLASSES
from minitf.datasets.strings import cut
from minitf.tasks.spec import LOWER_IS_BETTER
from minitf.visible import visible

LISTED = 20  # classes in a table on the terminal, if there are more than MANY_CLASSES


@dataclasses.dataclass(frozen=True)
class ClassScore:
    """One class against all others; a ratio with denominator 0 is 0."""

    label: str
    precision: float  # share of the examples predicted as this class that belong to it
    recall: float  # share of the examples of this class that are predicted as it
    f1: float  # harmonic mean of precision and recall
    support: int  # number of examples of this class


def class_score(label: str, hits: int, predicted: int, true: int) -> ClassScore:
    """Compute the scores from the examples predicted as the class, those that belong to it, and both (`hits`)."""
    precision, recall = hits / predicted if predicted else 0.0, hits / true if true else 0.0
    return ClassScore(label, precision, recall, f1_score(hits, predicted, true), true)


def f1_score(hits: int, predicted: int, true: int) -> float:
    """2 · hits / (predicted + true), the harmonic mean of precision and recall; 0 if both are 0."""
    return 2.0 * hits / (predicted + true) if predicted + true else 0.0


def class_table(classes: Sequence[ClassScore], name: str = "class", unit: str = "texts") -> str:
    """Return precision, recall, F1 and support of each class as lines of text; of many, only the most frequent."""
    many = len(classes) > MANY_CLASSES
    shown = sorted(classes, key=lambda score: -score.support)[:LISTED] if many else classes
    labels = [visible(cut(score.label)) for score in shown]
    width = max([5, *map(len, labels)])
    lines = [f"  {name:<{width}}  precision  recall      F1   {unit}"]
    for label, s in zip(labels, shown, strict=True):
        lines.append(f"  {label:<{width}}  {s.precision:9.4f}  {s.recall:6.4f}  {s.f1:6.4f}  {s.support:6d}")
    if many:
        lines.append(f"  (the {LISTED} most frequent of {len(classes):,})")
    return "\n".join(lines)


def without_long_lists(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metrics for the history of a run: without lists of more than MANY_CLASSES, such as the class scores.

    The history is saved with every state; the report of the best epoch has the lists.
    """
    return {k: v for k, v in metrics.items() if not (isinstance(v, list | tuple) and len(v) > MANY_CLASSES)}


def is_better(
    metric: str, new: Mapping[str, Any], best: Mapping[str, Any], lower_is_better: frozenset[str] = LOWER_IS_BETTER
) -> bool:
    """Return whether `new` beats the best epoch so far by `metric`; if both are equal, by the loss.

    On a small or easy data set many epochs score the same, and the first of them is trained least.
    """
    if new[metric] == best[metric]:
        return bool(new["loss"] < best["loss"])
    return bool(new[metric] < best[metric]) if metric in lower_is_better else bool(new[metric] > best[metric])
