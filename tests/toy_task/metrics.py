"""The distance of predicted and true levels. Levels are numbers from 0, not tensors."""

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any

from minitf.tasks.metrics import ClassScore, class_score, class_table


@dataclasses.dataclass(frozen=True)
class LevelMetrics:
    loss: float
    distance: float  # mean absolute difference of predicted and true level; lower is better
    accuracy: float
    classes: tuple[ClassScore, ...]
    confusion: tuple[tuple[int, ...], ...]  # [true][predicted]

    @property
    def scores(self) -> dict[str, float]:
        return {"distance": self.distance, "accuracy": self.accuracy}

    def table(self) -> str:
        return class_table(self.classes, "level")

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def level_metrics(names: Sequence[str], true: Sequence[int], predicted: Sequence[int], loss: float) -> LevelMetrics:
    """Compute the metrics of at least one example."""
    pairs = list(zip(true, predicted, strict=True))
    numbers = range(len(names))
    return LevelMetrics(
        loss=loss,
        distance=mean_distance(true, predicted),
        accuracy=sum(t == p for t, p in pairs) / len(pairs),
        classes=tuple(
            class_score(name, pairs.count((i, i)), list(predicted).count(i), list(true).count(i))
            for i, name in enumerate(names)
        ),
        confusion=tuple(tuple(pairs.count((t, p)) for p in numbers) for t in numbers),
    )


def mean_distance(true: Sequence[int], predicted: Sequence[int]) -> float:
    """Return the mean absolute difference."""
    return sum(abs(t - p) for t, p in zip(true, predicted, strict=True)) / len(true)


def median_level(p: Sequence[float]) -> int:
    """Return the median of a distribution over the levels, which has the smallest expected distance."""
    return next((i for i, sum_ in enumerate(itertools.accumulate(p)) if sum_ >= 0.5), len(p) - 1)
