"""Metrics of label sets against scikit-learn, and by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn

from minitf.tasks.multilabel.metrics import best_constant, multilabel_metrics

PROPERTY = settings(deadline=None, derandomize=True, database=None, max_examples=200)
LABELS = ("a", "b", "c", "d")
SETS = st.lists(st.tuples(*[st.frozensets(st.integers(0, 3))] * 2), min_size=1, max_size=30)


def indicators(sets: list[frozenset[int]]) -> np.ndarray:
    return np.array([[c in numbers for c in range(4)] for numbers in sets])


@PROPERTY
@given(SETS)
def test_as_scikit_learn(pairs) -> None:
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


def test_by_hand() -> None:
    """Of five true labels four are predicted, and one wrong one: 2 · 4 / (5 + 5)."""
    true, predicted = [{0, 1}, {2}, set(), {0, 3}], [{0, 1}, set(), {3}, {0, 3}]
    measured = multilabel_metrics(LABELS, true, predicted, 0.0)
    assert measured.micro_f1 == pytest.approx(0.8)
    assert measured.accuracy == 0.5
    assert [score.f1 for score in measured.classes] == pytest.approx([1.0, 1.0, 0.0, 2 / 3])
    assert measured.macro_f1 == pytest.approx((2 + 2 / 3) / 4)


@PROPERTY
@given(st.lists(st.frozensets(st.integers(0, 3)), min_size=1, max_size=12))
def test_the_best_constant_of_all_sets(true) -> None:
    counts = [sum(c in numbers for numbers in true) for c in range(4)]
    k, f1 = best_constant(counts, len(true))
    subsets = [frozenset(c for c in range(4) if n >> c & 1) for n in range(1, 16)]
    scores = {s: multilabel_metrics(LABELS, true, [s] * len(true), 0.0).micro_f1 for s in subsets}
    assert f1 == pytest.approx(max(scores.values()), abs=1e-12)
    assert any(len(s) == k and score == pytest.approx(f1, abs=1e-12) for s, score in scores.items())


@pytest.mark.parametrize(("true", "predicted"), [([], []), ([set()], [])])
def test_no_examples_or_different_numbers(true, predicted) -> None:
    with pytest.raises(ValueError, match="need the same number of both, at least one"):
        multilabel_metrics(LABELS, true, predicted, 0.0)
