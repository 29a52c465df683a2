"""Every count against scikit-learn's, on any answers; the cases where there is nothing to divide by; what is better."""

import dataclasses
import json
import math
import warnings

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn

from minitf.tasks.classification.metrics import classification_metrics
from minitf.tasks.classification.task import Classification
from minitf.tasks.metrics import HIGHER_IS_BETTER, is_better

PROPERTY = settings(deadline=None, derandomize=True, database=None, max_examples=60)


@st.composite
def answers(draw: st.DrawFn) -> tuple[int, list[int], list[int]]:
    """(C, true, predicted); often with classes that nobody bears, or that are never given."""
    C = draw(st.integers(2, 6))
    pairs = st.tuples(st.integers(0, C - 1), st.integers(0, C - 1))
    drawn = draw(st.lists(pairs, min_size=1, max_size=40))
    return C, [t for t, _ in drawn], [p for _, p in drawn]


def names(C: int) -> tuple[str, ...]:
    return tuple(f"class {c}" for c in range(C))


@PROPERTY
@given(answers())
def test_as_scikit_learn_counts(drawn: tuple[int, list[int], list[int]]) -> None:
    C, true, predicted = drawn
    ours = classification_metrics(names(C), true, predicted, loss=0.5)
    numbers = list(range(C))
    precision, recall, f1, support = sklearn.precision_recall_fscore_support(
        true, predicted, labels=numbers, zero_division=0.0
    )
    assert ours.accuracy == pytest.approx(sklearn.accuracy_score(true, predicted), abs=1e-15)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that there is one class alone
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


def test_nothing_to_divide_by() -> None:
    """Class 1 is borne but never given, class 2 given but never borne, class 3 neither: each ratio is 0, none fails."""
    ours = classification_metrics(names(4), [0, 1], [0, 2], loss=0.0)
    assert [(s.precision, s.recall, s.f1) for s in ours.classes] == [(1, 1, 1), (0, 0, 0), (0, 0, 0), (0, 0, 0)]
    assert [s.support for s in ours.classes] == [1, 1, 0, 0]
    assert ours.macro_f1 == 1 / 4  # a class that nobody bears counts as well


@pytest.mark.parametrize(("true", "predicted"), [([], []), ([0], []), ([0], [0, 1]), ([], [1])])
def test_no_examples_or_not_as_many(true: list[int], predicted: list[int]) -> None:
    with pytest.raises(ValueError, match=f"{len(true)} true classes, {len(predicted)} predicted"):
        classification_metrics(("a", "b"), true, predicted, loss=0.0)


def test_to_dict_is_plain() -> None:
    ours = classification_metrics(("neg", "pos"), [0, 1, 1], [0, 1, 0], loss=0.25)
    plain = json.loads(json.dumps(ours.to_dict()))
    assert set(plain) == {field.name for field in dataclasses.fields(ours)}
    assert plain["confusion"] == [[1, 0], [1, 1]]
    assert plain["classes"][1] == {"label": "pos", "precision": 1.0, "recall": 0.5, "f1": 2 / 3, "support": 2}


@pytest.mark.parametrize("metric", list(HIGHER_IS_BETTER))
def test_is_better(metric: str) -> None:
    at = lambda value: {"loss": 0.5} | {metric: value}  # noqa: E731
    worse, better = (at(0.2), at(0.9)) if HIGHER_IS_BETTER[metric] else (at(0.9), at(0.2))
    assert is_better(metric, better, worse)
    assert not is_better(metric, worse, better)
    assert not is_better(metric, better, better)  # alike in all: the earlier stays
    assert not is_better(metric, at(math.nan), worse)


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1"])
def test_of_two_alike_the_one_of_lower_loss_is_better(metric: str) -> None:
    """Else the first epoch of an easy data set, all answers right and hardly trained, would be kept."""
    first, later = ({metric: 1.0, "loss": loss} for loss in (0.7, 0.1))
    assert is_better(metric, later, first)
    assert not is_better(metric, first, later)


def test_every_metric_is_one() -> None:
    """Each name that may choose the best epoch is a number of the record."""
    ours = classification_metrics(("neg", "pos"), [0, 1], [0, 1], loss=0.125).to_dict()
    wanted = {"accuracy": 1.0, "macro_f1": 1.0, "matthews": 1.0, "loss": 0.125}
    assert {name: ours[name] for name in Classification.metrics} == wanted
    assert set(Classification.metrics) <= set(HIGHER_IS_BETTER)
