"""Every count against scikit-learn's, on random predictions; and the cases in which a denominator is 0."""

import dataclasses
import json
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn

from minitf.tasks.classification.metrics import classification_metrics
from minitf.tasks.classification.spec import CLASSIFICATION

PROPERTY = settings(deadline=None, derandomize=True, database=None, max_examples=60)


@st.composite
def predictions(draw: st.DrawFn) -> tuple[int, list[int], list[int]]:
    """(C, true, predicted); often with classes that no example has, or that are never predicted."""
    C = draw(st.integers(2, 6))
    pairs = st.tuples(st.integers(0, C - 1), st.integers(0, C - 1))
    drawn = draw(st.lists(pairs, min_size=1, max_size=40))
    return C, [t for t, _ in drawn], [p for _, p in drawn]


def names(C: int) -> tuple[str, ...]:
    return tuple(f"class {c}" for c in range(C))


@PROPERTY
@given(predictions())
def test_as_scikit_learn_counts(drawn: tuple[int, list[int], list[int]]) -> None:
    C, true, predicted = drawn
    ours = classification_metrics(names(C), true, predicted, loss=0.5)
    numbers = list(range(C))
    precision, recall, f1, support = sklearn.precision_recall_fscore_support(
        true, predicted, labels=numbers, zero_division=0.0
    )
    assert ours.accuracy == pytest.approx(sklearn.accuracy_score(true, predicted), abs=1e-15)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a warning if there is only one class
        assert ours.matthews == pytest.approx(sklearn.matthews_corrcoef(true, predicted), abs=1e-12)
    assert ours.macro_f1 == pytest.approx(
        sklearn.f1_score(true, predicted, labels=numbers, average="macro", zero_division=0.0), abs=1e-15
    )
    assert [s.label for s in ours.classes] == list(names(C))
    assert [s.precision for s in ours.classes] == pytest.approx(list(precision), abs=1e-15)
    assert [s.recall for s in ours.classes] == pytest.approx(list(recall), abs=1e-15)
    assert [s.f1 for s in ours.classes] == pytest.approx(list(f1), abs=1e-15)
    assert [s.support for s in ours.classes] == list(support)
    assert [list(row) for row in ours.confusion] == sklearn.confusion_matrix(true, predicted, labels=numbers).tolist()
    assert ours.loss == 0.5


def test_by_hand() -> None:
    """Rows are true classes, columns predicted ones: no symmetric table, so that a transposed one shows."""
    ours = classification_metrics(("neg", "pos"), [0, 0, 0, 1], [0, 1, 1, 1], loss=0.25)
    assert ours.confusion == ((1, 2), (0, 1))
    assert ours.accuracy == 2 / 4
    neg, pos = ours.classes
    assert (neg.precision, neg.recall, neg.f1, neg.support) == (1.0, 1 / 3, 0.5, 3)
    assert (pos.precision, pos.recall, pos.f1, pos.support) == (1 / 3, 1.0, 0.5, 1)
    assert ours.macro_f1 == 0.5


def test_denominators_of_0() -> None:
    """Class 1 is never predicted, class 2 is never true, class 3 is neither: each ratio is 0, and none fails."""
    ours = classification_metrics(names(4), [0, 1], [0, 2], loss=0.0)
    assert [(s.precision, s.recall, s.f1) for s in ours.classes] == [(1, 1, 1), (0, 0, 0), (0, 0, 0), (0, 0, 0)]
    assert [s.support for s in ours.classes] == [1, 1, 0, 0]
    assert ours.macro_f1 == 1 / 4  # a class without examples has the same weight


@pytest.mark.parametrize(("true", "predicted"), [([], []), ([0], []), ([0], [0, 1]), ([], [1])])
def test_no_examples_or_different_numbers(true: list[int], predicted: list[int]) -> None:
    with pytest.raises(ValueError, match=f"{len(true)} true classes, {len(predicted)} predicted"):
        classification_metrics(("a", "b"), true, predicted, loss=0.0)


def test_to_dict_is_plain() -> None:
    ours = classification_metrics(("neg", "pos"), [0, 1, 1], [0, 1, 0], loss=0.25)
    plain = json.loads(json.dumps(ours.to_dict()))
    assert set(plain) == {field.name for field in dataclasses.fields(ours)} - {"confusions"}  # of many classes
    assert plain["confusion"] == [[1, 0], [1, 1]]
    assert plain["classes"][1] == {"label": "pos", "precision": 1.0, "recall": 0.5, "f1": 2 / 3, "support": 2}


def test_every_metric_is_a_number_of_the_record() -> None:
    """Each of them can choose the best epoch."""
    ours = classification_metrics(("neg", "pos"), [0, 1], [0, 1], loss=0.125).to_dict()
    expected = {"accuracy": 1.0, "macro_f1": 1.0, "matthews": 1.0, "loss": 0.125}
    assert {name: ours[name] for name in CLASSIFICATION.metrics} == expected
