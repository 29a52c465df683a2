"""Error and correlation of predicted numbers. They are plain numbers, not tensors."""

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

FAR = 2.0  # from 0, which a new head predicts


@dataclasses.dataclass(frozen=True)
class RegressionMetrics:
    loss: float  # mean squared error
    rmse: float  # its root, in the unit of the numbers
    pearson: float  # linear correlation, −1 … 1; 0 if the true or the predicted numbers are all equal
    spearman: float  # Pearson correlation of the ranks: whether the numbers are in the same order
    said: tuple[float, float]  # lowest and highest predicted number; the name is a key of report.json
    true: tuple[float, float]  # lowest and highest true number

    @property
    def scores(self) -> dict[str, float]:
        return {"Pearson": self.pearson, "Spearman": self.spearman}

    @property
    def is_far_from_zero(self) -> bool:
        """Whether the middle of the true numbers is far from 0, which a new head predicts."""
        return abs(sum(self.true)) / 2.0 > FAR

    def table(self) -> str:
        (low, high), (lowest, highest) = self.said, self.true
        return f"  rmse {self.rmse:.4f}; predicted {low:.4g} to {high:.4g}, true {lowest:g} to {highest:g}"

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def regression_metrics(true: Sequence[float], predicted: Sequence[float], loss: float) -> RegressionMetrics:
    """Compute the metrics. Raises ValueError without examples."""
    if not true or len(true) != len(predicted):
        raise ValueError(
            f"{len(true)} true numbers, {len(predicted)} predicted: need the same number of both, at least one"
        )
    return RegressionMetrics(
        loss=loss,
        rmse=math.hypot(*(p - t for t, p in zip(true, predicted, strict=True))) / math.sqrt(len(true)),
        pearson=pearson(true, predicted),
        spearman=pearson(ranks(true), ranks(predicted)),
        said=(min(predicted), max(predicted)),
        true=(min(true), max(true)),
    )


def pearson(x: Sequence[float], y: Sequence[float]) -> float:
    """Σ (xᵢ − x̄)(yᵢ − ȳ) / √(Σ (xᵢ − x̄)² Σ (yᵢ − ȳ)²); 0 where x or y is constant, NaN if a number is not finite."""
    if not all(map(math.isfinite, (*x, *y))):
        return math.nan
    a, b = _centred(x), _centred(y)
    length = math.sqrt(math.fsum(v * v for v in a) * math.fsum(w * w for w in b))
    return max(-1.0, min(1.0, math.fsum(v * w for v, w in zip(a, b, strict=True)) / length)) if length else 0.0


def ranks(x: Sequence[float]) -> list[float]:
    """Return the rank of each number, from 1 for the smallest; equal numbers have the mean of their ranks.

    If a number is NaN, every rank is NaN.
    """
    if any(map(math.isnan, x)):
        return [math.nan] * len(x)
    order = sorted(range(len(x)), key=x.__getitem__)
    found = [0.0] * len(x)
    start = 0
    for end in range(1, len(x) + 1):
        if end == len(x) or x[order[end]] != x[order[start]]:
            for i in order[start:end]:
                found[i] = (start + 1 + end) / 2.0
            start = end
    return found


def _centred(x: Sequence[float]) -> list[float]:
    """Return xᵢ − x̄, divided by a power of 2 so that no square is too large or too small for a float.

    The mean is subtracted first, and twice: the rounding error of the first mean is up to half a unit in its last
    place, which matters if the numbers are large and close to each other.
    """
    if all(v == x[0] for v in x):
        return [0.0] * len(x)
    centred = _scaled(x)
    for _ in range(2):
        mean = math.fsum(centred) / len(centred)
        centred = _scaled([v - mean for v in centred])
    return centred


def _scaled(x: Sequence[float]) -> list[float]:
    """Return x times the power of 2 that brings the largest |xᵢ| to 0.5 … 1. Nothing is rounded."""
    _, exponent = math.frexp(max(map(abs, x)))
    return [math.ldexp(v, -exponent) for v in x]
