"""Precision, recall and F1 of entities against seqeval, for tags of every kind, also those that break the rules."""

import pytest
import seqeval.metrics
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from minitf.tasks.tagging.metrics import entity_metrics
from minitf.tasks.tagging.tags import scheme

PROPERTY = settings(deadline=None, derandomize=True, database=None, max_examples=500)
TAGS = ["O", *(f"{prefix}-{kind}" for prefix in "BIES" for kind in ("per", "loc", "a-b")), "B", "I"]
ROW = st.lists(st.sampled_from(TAGS), min_size=1, max_size=9)
PAIRS = st.lists(st.tuples(ROW, st.randoms(use_true_random=False)), min_size=1, max_size=5)


@PROPERTY
@given(rows=PAIRS)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
def test_scores_are_seqevals(rows):
    true = [tags for tags, _ in rows]
    predicted = [[draw.choice([tag, draw.choice(TAGS)]) for tag in tags] for tags, draw in rows]
    ours = entity_metrics(true, predicted, loss=0.5)
    for name in ("precision", "recall", "f1"):
        theirs = getattr(seqeval.metrics, f"{name}_score")(true, predicted, zero_division=0)
        assert getattr(ours, name) == pytest.approx(theirs, abs=1e-12)
    assert ours.accuracy == pytest.approx(seqeval.metrics.accuracy_score(true, predicted), abs=1e-12)
    report = (
        seqeval.metrics.classification_report(true, predicted, output_dict=True, zero_division=0)
        if ours.classes
        else {}
    )
    assert {score.label for score in ours.classes} == set(report) - {"micro avg", "macro avg", "weighted avg"}
    for score in ours.classes:
        theirs = report[score.label]
        assert score.precision == pytest.approx(theirs["precision"], abs=1e-12)
        assert score.recall == pytest.approx(theirs["recall"], abs=1e-12)
        assert score.f1 == pytest.approx(theirs["f1-score"], abs=1e-12)
        assert score.support == theirs["support"]
    if ours.classes:
        assert ours.macro_f1 == pytest.approx(report["macro avg"]["f1-score"], abs=1e-12)


def rows_of(prefixes):
    marked = [f"{prefix}-{kind}" for prefix in prefixes for kind in ("per", "loc")]
    return st.lists(st.sampled_from(["O", *marked]), min_size=1, max_size=9)


@pytest.mark.parametrize(("prefixes", "theirs"), [("BI", "IOB2"), ("BIES", "IOBES")])
@settings(PROPERTY, max_examples=150)
@given(data=st.data())
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
def test_strict_scores_are_those_of_strict_seqeval(prefixes, theirs, data):
    from seqeval import scheme as schemes

    true = [["B-per", "I-per"] if prefixes == "BI" else ["B-per", "E-per"], *data.draw(st.lists(rows_of(prefixes)))]
    assume(scheme(true) == ("BIO" if prefixes == "BI" else "BIOES"))
    predicted = [
        data.draw(st.lists(st.sampled_from(sorted({*sum(true, ["O"])})), min_size=n, max_size=n))
        for n in map(len, true)
    ]
    ours = entity_metrics(true, predicted, loss=0.5, strict=True)
    settings = {"mode": "strict", "scheme": getattr(schemes, theirs), "zero_division": 0}
    for name in ("precision", "recall", "f1"):
        score = getattr(seqeval.metrics, f"{name}_score")(true, predicted, **settings)
        assert getattr(ours, name) == pytest.approx(score, abs=1e-12)


def test_the_boundary_of_an_entity_matters():
    """An entity with one word too many is wrong; accuracy counts words."""
    ours = entity_metrics([["B-x", "I-x", "O"]], [["B-x", "I-x", "I-x"]], loss=0.0)
    assert (ours.f1, ours.accuracy) == (0.0, 2 / 3)


def test_without_prefixes_every_word_is_an_entity():
    ours = entity_metrics([["DET", "NOUN", "O"]], [["DET", "VERB", "O"]], loss=0.0, prefixed=False)
    assert (ours.precision, ours.recall, ours.accuracy) == (0.5, 0.5, 2 / 3)
    assert {score.label: score.support for score in ours.classes} == {"DET": 1, "NOUN": 1, "VERB": 0}


def test_no_entities():
    ours = entity_metrics([["O", "O"]], [["O", "O"]], loss=0.0)
    assert (ours.f1, ours.precision, ours.recall, ours.macro_f1, ours.accuracy) == (0.0, 0.0, 0.0, 0.0, 1.0)


@pytest.mark.parametrize(("true", "predicted"), [([], []), ([[]], [[]]), ([["O"]], [["O", "O"]]), ([["O"]], [])])
def test_different_lengths(true, predicted):
    with pytest.raises(ValueError, match="tags in"):
        entity_metrics(true, predicted, loss=0.0)
