"""Entities, schemes and misplaced tags, against seqeval, for tags of every kind, also those that break the rules."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics.sequence_labeling import get_entities

from minitf.tasks.tagging.tags import Entity, entities, have_prefixes, in_order, misplaced_tags, scheme

PROPERTY = settings(deadline=None, derandomize=True, database=None, max_examples=500)
TAGS = ["O", *(f"{prefix}-{kind}" for prefix in "BIES" for kind in ("per", "loc", "a-b")), "B", "I"]
ROW = st.lists(st.sampled_from(TAGS), min_size=1, max_size=9)


@PROPERTY
@given(tags=ROW)
def test_entities_are_seqevals(tags):
    expected = [Entity(start, end + 1, kind) for kind, start, end in get_entities(tags)]
    assert entities(tags) == expected


def conlleval(tags):
    """Return [(start, end + 1, type)] by `startOfChunk` and `endOfChunk` of the script, without its brackets."""
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
def test_entities_with_b_and_i_are_those_of_conlleval(tags):
    assert [(e.start, e.end, e.type) for e in entities(tags)] == conlleval(tags)


def test_conlleval_joins_entities_of_bioes_and_we_do_not():
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
    if not list(misplaced_tags(tags, rules)):
        assert strict == entities(tags)


def test_other_names_of_e_and_s():
    assert entities(["B-x", "L-x", "U-x", "O", "U-y"]) == entities(["B-x", "E-x", "S-x", "O", "S-y"])
    assert len(entities(["B-x", "L-x", "U-x"])) == 2


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
    ("tags", "rules", "positions"),
    [
        (["O", "I-x", "B-x", "I-x", "I-y", "B-x", "O", "I-x"], "BIO", [1, 4, 7]),
        (["B-x", "I-x", "B-x", "O", "B-x"], "IOB1", [0, 4]),
        (["B-x", "E-x", "S-x", "I-x", "O", "B-x", "O", "E-y", "B-x"], "BIOES", [3, 3, 5, 7, 8]),
        (["I-x", "O", "I-y"], "IO", []),
    ],
)
def test_misplaced_tags(tags, rules, positions):
    assert list(misplaced_tags(tags, rules)) == positions


@PROPERTY
@given(tags=ROW)
def test_tags_that_seqeval_reads_the_same_in_strict_mode_are_not_misplaced(tags):
    """Strict IOB2 finds the same entities as the default if no tag breaks the rules, and only then."""
    from seqeval.scheme import IOB2, Entities

    if any(tag[0] in "ES" or "-" not in tag for tag in set(tags) - {"O"}):
        return
    strict = [(e.start, e.end, e.tag) for (sentence,) in [Entities([tags], IOB2).entities] for e in sentence]
    plain = [(e.start, e.end, e.type) for e in entities(tags)]
    if not list(misplaced_tags(tags, "BIO")):
        assert strict == plain
    elif strict == plain:
        raise AssertionError(f"{tags} has misplaced tags, though strict IOB2 finds the same entities")


def test_order_of_the_logits():
    assert in_order({"I-per", "O", "B-loc", "B-per", "I-loc"}) == ("O", "B-loc", "I-loc", "B-per", "I-per")
    assert in_order({"VERB", "O", "DET"}) == ("O", "DET", "VERB")
    assert have_prefixes(["O", "B-x", "I-x"])
    assert not have_prefixes(["O"])
    assert not have_prefixes(["O", "B-x", "Book"])
