"""Confidence intervals of differences between runs."""

import statistics
from collections.abc import Sequence


def interval(differences: Sequence[float]) -> tuple[float, float]:
    """The 95 % confidence interval of the mean, by Student's t; infinite for a single value."""
    n = len(differences)
    if n < 2:
        return float("-inf"), float("inf")
    from scipy.stats import t  # a dependency of scikit-learn, which the extra `test` installs

    half = float(t.ppf(0.975, n - 1)) * statistics.stdev(differences) / n**0.5
    mean = statistics.mean(differences)
    return mean - half, mean + half
