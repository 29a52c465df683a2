"""The mistakes of a report."""

from minitf.tasks.base import LONGEST, Mistake, worst


def test_the_worst_mistakes_with_their_texts_cut():
    long = "a" * (LONGEST + 1)
    cut = f"{long[: LONGEST - 1]}…"
    small, pair = Mistake(1, "a", None, "x", "y", 0.5), Mistake(2, long, long, "x", "y", 2.0)
    answer = Mistake(3, "a", long, "x", "y", 1.0, {"true": (LONGEST, LONGEST + 1), "predicted": (0, 1)})
    found = worst([small, pair, answer], 3)
    assert [(m.text, m.pair) for m in found] == [(cut, cut), ("a", long), ("a", None)]
    assert worst([small, pair, answer], 1) == found[:1]
