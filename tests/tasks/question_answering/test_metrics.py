"""Exact match and F1 of answers, against the official script's definition, written down here on its own."""

import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minitf.tasks.question_answering.metrics import exact_match, f1, normalized, span_metrics

PROPERTY = settings(deadline=None, derandomize=True, database=None, max_examples=500)
TEXT = st.lists(
    st.sampled_from(
        ["a", "An", "the", "The", "theory", "anthem", "cat", "Cat's", "U.S.", "1,000", "—", "(b)", "é", "-", "a-b"]
    ),
    max_size=6,
).map(" ".join) | st.text(max_size=12)


def oracle_words(text):
    """Lower case, then no ASCII punctuation, then no articles that stand alone, then words."""
    kept = "".join(c for c in text.lower() if c not in string.punctuation)
    out, word = [], ""
    for c in [*kept, " "]:  # as \\b sees words: letters, digits, underscore
        if c.isalnum() or c == "_":
            word += c
            continue
        out.append(" " if word in ("a", "an", "the") else word)
        out.append(c)
        word = ""
    return "".join(out).split()


def oracle_f1(said, true):
    said, true = oracle_words(said), list(oracle_words(true))
    n, same = len(true), 0
    for word in said:
        if word in true:
            true.remove(word)
            same += 1
    if same == 0:
        return 0.0
    precision, recall = same / len(said), same / n
    return 2 * precision * recall / (precision + recall)


@PROPERTY
@given(said=TEXT, true=st.lists(TEXT, min_size=1, max_size=4))
def test_one_question(said, true):
    assert normalized(said).split() == oracle_words(said)
    assert f1(said, true) == pytest.approx(max(oracle_f1(said, answer) for answer in true), abs=1e-12)
    assert exact_match(said, true) == float(any(oracle_words(said) == oracle_words(answer) for answer in true))


@pytest.mark.parametrize(
    ("said", "true", "score", "exact"),
    [
        ("The cat", ["cat!"], 1.0, 1.0),
        ("a black cat", ["the black dog", "black cat"], 1.0, 1.0),
        ("black cat", ["black dog"], 0.5, 0.0),
        ("cat cat", ["cat"], 2 / 3, 0.0),
        ("", ["cat"], 0.0, 0.0),
        ("the", ["a"], 0.0, 1.0),  # nothing is left of either: the same, yet no word in common, as in the script
        ("Denver Broncos", ["Denver Broncos defeated the Carolina Panthers", "Broncos"], 2 / 3, 0.0),
    ],
)
def test_by_hand(said, true, score, exact):
    assert (f1(said, true), exact_match(said, true)) == (pytest.approx(score), exact)


def test_of_many():
    measured = span_metrics(["cat", "x", "black cat"], [["the cat"], ["y"], ["black dog"]], loss=0.25)
    assert (measured.f1, measured.exact_match, measured.loss) == (pytest.approx(0.5), pytest.approx(1 / 3), 0.25)
    assert measured.scores == {"F1": measured.f1, "exact match": measured.exact_match}
    assert measured.to_dict() == {"loss": 0.25, "f1": measured.f1, "exact_match": measured.exact_match, "questions": 3}


@pytest.mark.parametrize(("said", "true"), [([], []), (["a"], []), ([], [["a"]])])
def test_numbers_that_cannot_be(said, true):
    with pytest.raises(ValueError, match="answers to"):
        span_metrics(said, true, 0.0)
