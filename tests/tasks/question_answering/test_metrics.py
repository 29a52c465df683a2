"""Exact match and F1 of answers, against a second implementation of the official script's definition."""

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
    """Lower case, without ASCII punctuation, without articles, split into words."""
    kept = "".join(c for c in text.lower() if c not in string.punctuation)
    out, word = [], ""
    for c in [*kept, " "]:  # as \\b splits words: letters, digits, underscore
        if c.isalnum() or c == "_":
            word += c
            continue
        out.append(" " if word in ("a", "an", "the") else word)
        out.append(c)
        word = ""
    return "".join(out).split()


def oracle_f1(predicted, true):
    predicted, true = oracle_words(predicted), list(oracle_words(true))
    n, same = len(true), 0
    for word in predicted:
        if word in true:
            true.remove(word)
            same += 1
    if same == 0:
        return 0.0
    precision, recall = same / len(predicted), same / n
    return 2 * precision * recall / (precision + recall)


@PROPERTY
@given(predicted=TEXT, true=st.lists(TEXT, min_size=1, max_size=4))
def test_one_question(predicted, true):
    assert normalized(predicted).split() == oracle_words(predicted)
    assert f1(predicted, true) == pytest.approx(max(oracle_f1(predicted, answer) for answer in true), abs=1e-12)
    assert exact_match(predicted, true) == float(
        any(oracle_words(predicted) == oracle_words(answer) for answer in true)
    )


@pytest.mark.parametrize(
    ("predicted", "true", "score", "exact"),
    [
        ("The cat", ["cat!"], 1.0, 1.0),
        ("a black cat", ["the black dog", "black cat"], 1.0, 1.0),
        ("black cat", ["black dog"], 0.5, 0.0),
        ("cat cat", ["cat"], 2 / 3, 0.0),
        ("", ["cat"], 0.0, 0.0),
        ("the", ["a"], 0.0, 1.0),  # both are empty without articles: equal, but no word in common, as in the script
        ("Denver Broncos", ["Denver Broncos defeated the Carolina Panthers", "Broncos"], 2 / 3, 0.0),
    ],
)
def test_by_hand(predicted, true, score, exact):
    assert (f1(predicted, true), exact_match(predicted, true)) == (pytest.approx(score), exact)


def test_of_several_questions():
    measured = span_metrics(["cat", "x", "black cat"], [["the cat"], ["y"], ["black dog"]], loss=0.25)
    assert (measured.f1, measured.exact_match, measured.loss) == (pytest.approx(0.5), pytest.approx(1 / 3), 0.25)
    assert measured.scores == {"F1": measured.f1, "exact match": measured.exact_match}
    assert measured.to_dict() == {"loss": 0.25, "f1": measured.f1, "exact_match": measured.exact_match, "questions": 3}


@pytest.mark.parametrize(("predicted", "true"), [([], []), (["a"], []), ([], [["a"]])])
def test_no_questions_or_different_numbers(predicted, true):
    with pytest.raises(ValueError, match="answers to"):
        span_metrics(predicted, true, 0.0)
