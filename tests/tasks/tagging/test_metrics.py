"""Entities and their precision, recall and F1: seqeval's, on tags of every kind, malformed ones too."""

import pytest
import seqeval.metrics
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities

from minitf.tasks.tagging.metrics import entity_metrics
from minitf.tasks.tagging.tags import Entity, entities, have_prefixes, in_order, odd_places, scheme

PROPERTY = settings(deadline=None, derandomize=True, database=None, max_examples=500)
TAGS = ["O", *(f"{prefix}-{kind}" for prefix in "BIES" for kind in ("per", "loc", "a-b")), "B", "I"]
ROW = st.lists(st.sampled_from(TAGS), min_size=1, max_size=9)
PAIRS = st.lists(st.tuples(ROW, st.randoms(use_true_random=False)), min_size=1, max_size=5)


@PROPERTY
@given(tags=ROW)
def test_entities_are_seqevals(tags):
    expected = [Entity(start, end + 1, kind) for kind, start, end in get_entities(tags)]
    assert entities(tags) == expected


def conlleval(tags):
    """`startOfChunk` and `endOfChunk` of the script, without its brackets; [(start, end + 1, type)]."""
    found, open_chunk, before, kind_before = [], None, "O", ""
    for i, tag in enumerate([*tags, "O"]):
        prefix, _, kind = tag.partition("-")
        ends = before + prefix in ("BB", "BO", "IB", "IO", "EE", "EI", "EO") or (before != "O" and kind_before != kind)
        starts = before + prefix in ("BB", "IB", "OB", "OI", "EE", "EI", "OE") or (
            prefix != "O" and kind_before != kind
        )
        if ends and open_chunk:
            found.append((*open_chunk[:1], i, open_chunk[1]))
            open_chunk = None
        if starts:
            open_chunk = (i, kind)
        before, kind_before = prefix, kind
    return found


def rows_of(prefixes):
    marked = [f"{prefix}-{kind}" for prefix in prefixes for kind in ("per", "loc")]
    return st.lists(st.sampled_from(["O", *marked]), min_size=1, max_size=9)


@PROPERTY
@given(tags=rows_of("BI"))
def test_on_iob_entities_are_conllevals(tags):
    assert [(e.start, e.end, e.type) for e in entities(tags)] == conlleval(tags)


def test_on_bioes_conlleval_joins_and_we_do_not():
    assert conlleval(["S-x", "S-x"]) == [(0, 2, "x")]
    assert conlleval(["B-x", "E-x", "B-x", "E-x"]) == [(0, 4, "x")]
    assert [len(entities(tags)) for tags in (["S-x", "S-x"], ["B-x", "E-x", "B-x", "E-x"])] == [2, 2]


@pytest.mark.parametrize(
    ("prefixes", "rules", "theirs"), [("BI", "BIO", "IOB2"), ("BIES", "BIOES", "IOBES"), ("BILU", "BIOES", "BILOU")]
)
@PROPERTY
@given(data=st.data())
def test_strict_entities_are_those_of_strict_seqeval(prefixes, rules, theirs, data):
    from seqeval import scheme as schemes

    tags = data.draw(rows_of(prefixes))
    (found,) = schemes.Entities([tags], getattr(schemes, theirs)).entities
    strict = entities(tags, rules=rules)
    assert strict == [Entity(e.start, e.end, e.tag) for e in found]
    assert set(strict) <= set(entities(tags))
    if not list(odd_places(tags, rules)):
        assert strict == entities(tags)


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


@PROPERTY
@given(rows=PAIRS)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.UndefinedMetricWarning")
def test_scores_are_seqevals(rows):
    true = [tags for tags, _ in rows]
    said = [[draw.choice([tag, draw.choice(TAGS)]) for tag in tags] for tags, draw in rows]
    ours = entity_metrics(true, said, loss=0.5)
    for name in ("precision", "recall", "f1"):
        theirs = getattr(seqeval.metrics, f"{name}_score")(true, said, zero_division=0)
        assert getattr(ours, name) == pytest.approx(theirs, abs=1e-12)
    assert ours.accuracy == pytest.approx(seqeval.metrics.accuracy_score(true, said), abs=1e-12)
    report = (
        seqeval.metrics.classification_report(true, said, output_dict=True, zero_division=0) if ours.classes else {}
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


def test_the_comparison_sees_a_boundary():
    """One word too many is no hit: not a matter of words, as accuracy is."""
    ours = entity_metrics([["B-x", "I-x", "O"]], [["B-x", "I-x", "I-x"]], loss=0.0)
    assert (ours.f1, ours.accuracy) == (0.0, 2 / 3)


def test_other_names_of_the_end_and_of_the_lone_word():
    assert entities(["B-x", "L-x", "U-x", "O", "U-y"]) == entities(["B-x", "E-x", "S-x", "O", "S-y"])
    assert len(entities(["B-x", "L-x", "U-x"])) == 2


def test_without_prefixes_each_word_counts():
    ours = entity_metrics([["DET", "NOUN", "O"]], [["DET", "VERB", "O"]], loss=0.0, prefixed=False)
    assert (ours.precision, ours.recall, ours.accuracy) == (0.5, 0.5, 2 / 3)
    assert {score.label: score.support for score in ours.classes} == {"DET": 1, "NOUN": 1, "VERB": 0}


def test_nothing_to_count():
    ours = entity_metrics([["O", "O"]], [["O", "O"]], loss=0.0)
    assert (ours.f1, ours.precision, ours.recall, ours.macro_f1, ours.accuracy) == (0.0, 0.0, 0.0, 0.0, 1.0)


@pytest.mark.parametrize(("true", "said"), [([], []), ([[]], [[]]), ([["O"]], [["O", "O"]]), ([["O"]], [])])
def test_lengths_that_cannot_be(true, said):
    with pytest.raises(ValueError, match="tags in"):
        entity_metrics(true, said, loss=0.0)


@pytest.mark.parametrize(
    ("sentences", "rules"),
    [
        ([["B-x", "I-x", "O", "B-y"]], "BIO"),
        ([["I-x", "I-x", "O", "I-y"], ["I-x", "B-x"]], "IOB1"),
        ([["I-x", "I-x", "O"]], "IO"),
        ([["B-x", "E-x", "S-y"]], "BIOES"),
        ([["B-x", "L-x", "U-y"]], "BIOES"),
        ([["DET", "NOUN"], ["O"]], "words"),
        ([["B-x", "NOUN"]], "words"),
        ([["O", "O"]], "words"),
        ([["B-x", "O"], ["B-x", "I-y"]], "BIO"),
    ],
)
def test_scheme(sentences, rules):
    assert scheme(sentences) == rules


@pytest.mark.parametrize(
    ("tags", "rules", "places"),
    [
        (["O", "I-x", "B-x", "I-x", "I-y", "B-x", "O", "I-x"], "BIO", [1, 4, 7]),
        (["B-x", "I-x", "B-x", "O", "B-x"], "IOB1", [0, 4]),
        (["B-x", "E-x", "S-x", "I-x", "O", "B-x", "O", "E-y", "B-x"], "BIOES", [3, 3, 5, 7, 8]),
        (["I-x", "O", "I-y"], "IO", []),
    ],
)
def test_odd_places(tags, rules, places):
    assert list(odd_places(tags, rules)) == places


@PROPERTY
@given(tags=ROW)
def test_what_seqeval_reads_alike_in_strict_mode_is_nowhere_odd(tags):
    """Strict IOB2 reads well-formed tags as the plain rules do; where it does not, a place is odd."""
    from seqeval.scheme import IOB2, Entities

    if any(tag[0] in "ES" or "-" not in tag for tag in set(tags) - {"O"}):
        return
    strict = [(e.start, e.end, e.tag) for (sentence,) in [Entities([tags], IOB2).entities] for e in sentence]
    plain = [(e.start, e.end, e.type) for e in entities(tags)]
    if not list(odd_places(tags, "BIO")):
        assert strict == plain
    elif strict == plain:
        raise AssertionError(f"{tags} is called odd, though strict IOB2 reads it alike")


def test_order_of_the_logits():
    assert in_order({"I-per", "O", "B-loc", "B-per", "I-loc"}) == ("O", "B-loc", "I-loc", "B-per", "I-per")
    assert in_order({"VERB", "O", "DET"}) == ("O", "DET", "VERB")
    assert have_prefixes(["O", "B-x", "I-x"])
    assert not have_prefixes(["O"])
    assert not have_prefixes(["O", "B-x", "Book"])
