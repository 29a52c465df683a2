"""Tagged sentences: findings, names and counts of tags, and the split."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from minitf.errors import DataError
from minitf.tasks.tagging.conll import read_tagged
from minitf.tasks.tagging.data import check_tagging, split, tag_names, type_counts

PROPERTY = settings(
    deadline=None,
    derandomize=True,
    database=None,
    max_examples=400,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
TAG = st.sampled_from(["O", "B-per", "I-per", "B-loc", "I-loc"])


@pytest.fixture
def table(tmp_path):
    def write(content, name="train.conll"):
        path = tmp_path / name
        path.write_text(content)
        return read_tagged(path)

    return write


GOOD = "a\tB-x\nb\tI-x\n\nc\tO\n\nd\tB-y\n\ne\tO\n"


def test_good_sentences(table):
    many = "\n\n".join(f"w{i}\tB-x\nv\tI-x\nu\tO" for i in range(9))
    assert check_tagging(table(many)) == []


@pytest.mark.parametrize(
    ("train", "valid", "level", "message"),
    [
        ("a\tB-x\n", None, "error", "one sentence is too few"),
        ("a\tO\n\nb\tO\n", None, "error", "every word has the tag 'O'"),
        (GOOD, "f\tO\nh\tB-z\ni\tB-z\n", "error", "valid.conll:2: no word of the training sentences has the tag 'B-z'"),
        (GOOD, "f\tO\nh\tB-z\ni\tB-z\n", "error", "(2 in all, lines 2, 3)"),
        (
            GOOD + "\nf\tO\ng\tI-x\n",
            None,
            "warning",
            "train.conll:11: the tag 'I-x' is not allowed here by the scheme BIO",
        ),
        (GOOD, "f\tI-y\n", "error", "valid.conll:1: no word of the training sentences has the tag 'I-y'"),
        (GOOD, "f\tI-x\n", "warning", "valid.conll:1: the tag 'I-x' is not allowed here"),
        (GOOD + "\nc\tO\n", None, "warning", "train.conll:10: repeats an earlier sentence"),
        (GOOD + "\nc\tB-x\n", None, "warning", "train.conll:10: the same sentence has other tags at line 4"),
        (GOOD, "c\tO\n", "warning", "valid.conll:1: the same sentence is in"),
        (GOOD, None, "warning", "types with fewer than 5 entities are hard to learn: 'x' (1), 'y' (1)"),
        ("# x O\n" + GOOD, None, "warning", "train.conll:1: is skipped as a comment; is it a word and its tag?"),
        (GOOD + "\nf\tz\n", None, "warning", "some tags have a prefix ('B-x'), others do not ('z')"),
        ("a\tB_x\nb\tI_x\n\nc\tO\n", None, "warning", "'B_x' looks like the tag B-x in another notation"),
        ("a\tx-B\nb\tx-I\n\nc\tO\n", None, "warning", "'x-B' looks like the tag B-x in another notation"),
        ("a\tb-x\nb\ti-x\n\nc\to\n", None, "warning", "'b-x' looks like the tag B-x in another notation"),
        ("a\tB-x\nb\tI-x\n\nc\t0\n", None, "warning", "'0' looks like the tag O in another notation"),
        ("a\tB-x\nb\tE-x\n\nc\tW-x\n", None, "warning", "'W-x' looks like the tag S-x in another notation"),
    ],
)
def test_findings(table, train, valid, level, message):
    other = None if valid is None else table(valid, "valid.conll")
    findings = check_tagging(table(train), other)
    assert [f for f in findings if f.level == level and message in f.message], findings
    assert all("\n" not in f.message for f in findings)


def test_names_and_counts(table):
    train = table(GOOD)
    assert tag_names(train) == ("O", "B-x", "I-x", "B-y")
    assert type_counts(train) == {"x": 1, "y": 1}


@PROPERTY
@given(
    content=st.lists(st.lists(st.tuples(st.sampled_from("abc"), TAG), min_size=1, max_size=2), min_size=2, max_size=40)
)
def test_split(table, content):
    whole = table("\n\n".join("\n".join(f"{word}\t{tag}" for word, tag in each) for each in content))
    try:
        kept, held_out = split(whole, seed=3)
        message = None
    except DataError as error:
        message = str(error)
    if message is not None:
        assert "too few to hold some out" in message
        return
    assert sorted([*kept.examples, *held_out.examples], key=lambda s: s.row) == list(whole.examples)
    assert not {s.words for s in kept.examples} & {s.words for s in held_out.examples}
    assert 0 < len(held_out.examples) <= max(1, round(len(whole.examples) / 10))
    assert tag_names(kept) == tag_names(whole)
    assert split(whole, seed=3) == (kept, held_out)
