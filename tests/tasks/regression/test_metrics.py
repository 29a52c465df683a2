"""Metrics of numbers against SciPy and scikit-learn."""

import math
from fractions import Fraction

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn

from minitf.tasks.regression.metrics import pearson, ranks, regression_metrics

PROPERTY = settings(deadline=None, derandomize=True, database=None, max_examples=200)
NUMBERS = st.floats(-100, 100).map(lambda x: round(x, 3)) | st.integers(-3, 3).map(float)
PAIRS = st.lists(st.tuples(NUMBERS, NUMBERS), min_size=2, max_size=40)


@PROPERTY
@given(PAIRS)
def test_as_scipy(pairs) -> None:
    x, y = map(list, zip(*pairs, strict=True))
    ours = regression_metrics(x, y, 0.5)
    if len(set(x)) > 1 and len(set(y)) > 1:
        assert ours.pearson == pytest.approx(scipy.stats.pearsonr(x, y).statistic, abs=1e-9)
        assert ours.spearman == pytest.approx(scipy.stats.spearmanr(x, y).statistic, abs=1e-9)
    else:
        assert (ours.pearson, ours.spearman) == (0.0, 0.0)
    assert ours.rmse == pytest.approx(sklearn.root_mean_squared_error(x, y), rel=1e-9, abs=1e-12)
    assert (ours.said, ours.true) == ((min(y), max(y)), (min(x), max(x)))


@PROPERTY
@given(st.lists(st.integers(-5, 5).map(float), min_size=1, max_size=30))
def test_ranks_as_scipy(x) -> None:
    """With many equal numbers."""
    assert ranks(x) == list(scipy.stats.rankdata(x))


@pytest.mark.parametrize("scale", [1e-300, 1e-9, 1.0, 1e9, 1e300])
def test_correlation_at_any_scale(scale: float) -> None:
    x, y = [1.0, 2.0, 4.0, 7.0], [2.0, 1.0, 5.0, 5.0]
    expected = scipy.stats.pearsonr(x, y).statistic
    assert pearson([v * scale for v in x], y) == pytest.approx(expected, abs=1e-12)
    assert pearson(y, [-v * scale for v in x]) == pytest.approx(-expected, abs=1e-12)


def exact_pearson(x: list[float], y: list[float]) -> float:
    """Compute it with fractions, rounded only at the end."""
    a, b = ([Fraction(v) - sum(map(Fraction, z)) / len(z) for v in z] for z in (x, y))
    squared = sum(v * v for v in a) * sum(w * w for w in b)
    return float(sum(v * w for v, w in zip(a, b, strict=True))) / math.sqrt(float(squared))


@pytest.mark.parametrize("spread", [1.0, 1e-3, 1e-6])
@pytest.mark.parametrize("mean", [0.0, -1e3, 1e6, 1.7e9])
def test_correlation_with_a_large_mean(mean: float, spread: float) -> None:
    """Years, prices and time stamps are large numbers that differ by little."""
    random = np.random.default_rng(0)
    for n in (2, 3, 10, 300):
        x = (mean + spread * random.normal(size=n)).tolist()
        y = [v - mean + spread * noise for v, noise in zip(x, random.normal(size=n), strict=True)]
        if len(set(x)) > 1:
            assert pearson(x, y) == pytest.approx(exact_pearson(x, y), abs=2e-15)
            assert pearson(y, x) == pytest.approx(exact_pearson(x, y), abs=2e-15)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_correlation_of_numbers_that_are_not_finite_is_nan(value: float) -> None:
    assert math.isnan(pearson([1.0, 2.0, 3.0], [1.0, value, 2.0]))
    assert math.isnan(pearson([1.0, value, 3.0], [1.0, 2.0, 3.0]))
    assert math.isnan(pearson([1.0, 2.0], ranks([1.0, math.nan])))


def test_predictions_that_are_not_finite() -> None:
    """They raise nothing here: the training loop checks the loss."""
    measured = regression_metrics([1.0, 2.0, 3.0], [math.nan, math.inf, -math.inf], math.nan)
    assert math.isnan(measured.loss)


@pytest.mark.parametrize(("true", "predicted"), [([], []), ([1.0], [])])
def test_no_examples_or_different_numbers(true, predicted) -> None:
    with pytest.raises(ValueError, match="need the same number of both, at least one"):
        regression_metrics(true, predicted, 0.0)
