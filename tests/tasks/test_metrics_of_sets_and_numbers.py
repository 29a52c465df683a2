"""Metrics of label sets and of numbers against scikit-learn and SciPy."""

import math
from fractions import Fraction

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn

from minitf.tasks.metrics import is_better
from minitf.tasks.multilabel.metrics import best_constant, multilabel_metrics
from minitf.tasks.regression.metrics import pearson, ranks, regression_metrics

PROPERTY = settings(deadline=None, derandomize=True, database=None, max_examples=200)
LABELS = ("a", "b", "c", "d")
SETS = st.lists(st.tuples(*[st.frozensets(st.integers(0, 3))] * 2), min_size=1, max_size=30)


def indicators(sets: list[frozenset[int]]) -> np.ndarray:
    return np.array([[c in numbers for c in range(4)] for numbers in sets])


@PROPERTY
@given(SETS)
def test_sets_as_scikit_learn(pairs) -> None:
    true, predicted = map(list, zip(*pairs, strict=True))
    ours = multilabel_metrics(LABELS, true, predicted, 0.25)
    t, p = indicators(true), indicators(predicted)
    for average, value in (("micro", ours.micro_f1), ("macro", ours.macro_f1)):
        assert value == pytest.approx(sklearn.f1_score(t, p, average=average, zero_division=0.0), abs=1e-12)
    assert ours.accuracy == pytest.approx(sklearn.accuracy_score(t, p))
    assert ours.loss == 0.25
    theirs = sklearn.precision_recall_fscore_support(t, p, zero_division=0.0)
    for c, score in enumerate(ours.classes):
        assert (score.precision, score.recall, score.f1, score.support) == pytest.approx([row[c] for row in theirs])


def test_sets_by_hand() -> None:
    """Of five labels borne four are given, and one that is not: 2 · 4 / (5 + 5)."""
    true, predicted = [{0, 1}, {2}, set(), {0, 3}], [{0, 1}, set(), {3}, {0, 3}]
    measured = multilabel_metrics(LABELS, true, predicted, 0.0)
    assert measured.micro_f1 == pytest.approx(0.8)
    assert measured.accuracy == 0.5
    assert [score.f1 for score in measured.classes] == pytest.approx([1.0, 1.0, 0.0, 2 / 3])
    assert measured.macro_f1 == pytest.approx((2 + 2 / 3) / 4)


@PROPERTY
@given(st.lists(st.frozensets(st.integers(0, 3)), min_size=1, max_size=12))
def test_the_best_constant_of_all_there_are(true) -> None:
    borne = [sum(c in numbers for numbers in true) for c in range(4)]
    k, f1 = best_constant(borne, len(true))
    subsets = [frozenset(c for c in range(4) if n >> c & 1) for n in range(1, 16)]
    scores = {s: multilabel_metrics(LABELS, true, [s] * len(true), 0.0).micro_f1 for s in subsets}
    assert f1 == pytest.approx(max(scores.values()), abs=1e-12)
    assert any(len(s) == k and score == pytest.approx(f1, abs=1e-12) for s, score in scores.items())


NUMBERS = st.floats(-100, 100).map(lambda x: round(x, 3)) | st.integers(-3, 3).map(float)
PAIRS = st.lists(st.tuples(NUMBERS, NUMBERS), min_size=2, max_size=40)


@PROPERTY
@given(PAIRS)
def test_numbers_as_scipy(pairs) -> None:
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
    """With many ties."""
    assert ranks(x) == list(scipy.stats.rankdata(x))


@pytest.mark.parametrize("scale", [1e-300, 1e-9, 1.0, 1e9, 1e300])
def test_correlation_at_any_scale(scale: float) -> None:
    x, y = [1.0, 2.0, 4.0, 7.0], [2.0, 1.0, 5.0, 5.0]
    expected = scipy.stats.pearsonr(x, y).statistic
    assert pearson([v * scale for v in x], y) == pytest.approx(expected, abs=1e-12)
    assert pearson(y, [-v * scale for v in x]) == pytest.approx(-expected, abs=1e-12)


def exact_pearson(x: list[float], y: list[float]) -> float:
    """In fractions, rounded once at the end."""
    a, b = ([Fraction(v) - sum(map(Fraction, z)) / len(z) for v in z] for z in (x, y))
    squared = sum(v * v for v in a) * sum(w * w for w in b)
    return float(sum(v * w for v, w in zip(a, b, strict=True))) / math.sqrt(float(squared))


@pytest.mark.parametrize("spread", [1.0, 1e-3, 1e-6])
@pytest.mark.parametrize("mean", [0.0, -1e3, 1e6, 1.7e9])
def test_a_large_mean_takes_no_digits_of_the_correlation(mean: float, spread: float) -> None:
    """Years, prices, time stamps: large numbers that differ by little."""
    random = np.random.default_rng(0)
    for n in (2, 3, 10, 300):
        x = (mean + spread * random.normal(size=n)).tolist()
        y = [v - mean + spread * noise for v, noise in zip(x, random.normal(size=n), strict=True)]
        if len(set(x)) > 1:
            assert pearson(x, y) == pytest.approx(exact_pearson(x, y), abs=2e-15)
            assert pearson(y, x) == pytest.approx(exact_pearson(x, y), abs=2e-15)


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
def test_a_correlation_with_what_is_no_number_is_none(broken: float) -> None:
    assert math.isnan(pearson([1.0, 2.0, 3.0], [1.0, broken, 2.0]))
    assert math.isnan(pearson([1.0, broken, 3.0], [1.0, 2.0, 3.0]))
    assert math.isnan(pearson([1.0, 2.0], ranks([1.0, math.nan])))


def test_what_is_said_by_a_broken_model_does_not_end_the_run_here() -> None:
    """The loop says so by the loss."""
    measured = regression_metrics([1.0, 2.0, 3.0], [math.nan, math.inf, -math.inf], math.nan)
    assert math.isnan(measured.loss)


@pytest.mark.parametrize(
    "measure", [lambda: multilabel_metrics(LABELS, [], [], 0.0), lambda: regression_metrics([], [], 0.0)]
)
def test_nothing_to_measure(measure) -> None:
    with pytest.raises(ValueError, match="need as many, and at least one"):
        measure()


def test_which_way_is_better() -> None:
    low, high = {"loss": 1.0}, {"loss": 1.0}
    for metric, more_is_better in (("pearson", True), ("spearman", True), ("micro_f1", True), ("rmse", False)):
        assert is_better(metric, high | {metric: 2.0}, low | {metric: 1.0}) is more_is_better
