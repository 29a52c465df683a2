"""chrF against values computed by hand and against a direct reading of the paper; the printed details."""

import math
from collections import Counter
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minitf.tasks.seq2seq.metrics import Seq2SeqMetrics, chrf


def test_by_hand() -> None:
    """ "abc" and "abd": 2 of 3 characters, 1 of 2 bigrams, 0 of 1 trigrams on both sides."""
    p = (Fraction(2, 3) + Fraction(1, 2) + 0) / 3
    assert chrf(["abc"], ["abd"]) == pytest.approx(float(p))  # P = R, so F = P for every β
    # "ab" for "abab": P = (2/2 + 1/1) / 2, R = (2/4 + 1/3) / 2; "ab" has no longer n-grams.
    p, r = Fraction(1), (Fraction(1, 2) + Fraction(1, 3)) / 2
    assert chrf(["ab"], ["abab"]) == pytest.approx(float(5 * p * r / (4 * p + r)))
    assert chrf(["ab"], ["abab"], beta=1.0) == pytest.approx(float(2 * p * r / (p + r)))


def test_limits() -> None:
    assert chrf(["same text", "中文"], ["same text", "中文"]) == 1.0
    assert chrf(["abc"], ["xyz"]) == 0.0
    assert chrf([""], ["xyz"]) == chrf(["x"], [""]) == chrf([], []) == 0.0
    assert chrf(["a b"], ["ab"]) == 1.0  # white space does not count
    with pytest.raises(ValueError, match="1 generated texts and 2 targets"):
        chrf(["a"], ["a", "b"])


TEXTS = st.lists(st.tuples(st.text("ab c", max_size=8), st.text("ab c", max_size=8)), min_size=1, max_size=4)


@given(TEXTS, st.sampled_from([1.0, 2.0, 3.0]))
def test_as_the_definition(pairs: list[tuple[str, str]], beta: float) -> None:
    """Counted n-gram by n-gram, with exact fractions."""
    precisions, recalls = [], []
    for n in range(1, 7):
        hits = total = wanted = 0
        for ours, theirs in pairs:
            ours, theirs = ours.replace(" ", ""), theirs.replace(" ", "")
            left = Counter(theirs[i : i + n] for i in range(len(theirs)) if i + n <= len(theirs))
            wanted += sum(left.values())
            for i in range(len(ours) - n + 1):
                total += len(theirs) >= n  # else there is nothing to match
                if left[ours[i : i + n]] > 0:
                    left[ours[i : i + n]] -= 1
                    hits += 1
        if total and wanted:
            precisions.append(Fraction(hits, total))
            recalls.append(Fraction(hits, wanted))
    p = sum(precisions) / len(precisions) if precisions else 0
    r = sum(recalls) / len(recalls) if recalls else 0
    square = Fraction(beta) ** 2
    expected = (1 + square) * p * r / (square * p + r) if p else Fraction(0)
    ours, theirs = zip(*pairs, strict=True)
    assert math.isclose(chrf(ours, theirs, beta=beta), float(expected), abs_tol=1e-12)


def test_details() -> None:
    metrics = Seq2SeqMetrics(0.5, 0.25, 0.75, 0.9, 0.5, 0)
    assert list(metrics.scores) == ["exact match", "chrF", "teacher-forced accuracy"]
    assert "teacher-forced: tokens 0.9000, whole texts 0.5000" in metrics.table()
    assert "stopped" not in metrics.table()
    assert "3 generated texts had no end" in Seq2SeqMetrics(0.5, 0.25, 0.75, 0.9, 0.5, 3).table()
