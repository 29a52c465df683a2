"""Near duplicates: texts that differ only in case or white space, in one table and in two."""

from minitf.datasets import near_duplicates
from minitf.datasets.dataset import Dataset, Example


def dataset(*rows: tuple[str, str], name: str = "t.csv") -> Dataset:
    examples = tuple(Example(text, None, label, row) for row, (text, label) in enumerate(rows, start=2))
    return Dataset(name, examples, "text", None, "label", "")


def pairs(*rows: tuple[str, str]) -> Dataset:
    return Dataset("p.csv", tuple(Example(a, b, "x", i) for i, (a, b) in enumerate(rows, 2)), "a", "b", "l", "")


def test_in_one_table() -> None:
    """Exact duplicates are left to another check."""
    table = dataset(("Good  film", "a"), ("good film ", "b"), ("Good  film", "a"), ("GOOD FILM", "a"), ("bad", "a"))
    assert list(near_duplicates.warnings([table])) == [
        "t.csv:3: differs from row 2 only in case or white space: delete one of them (2 rows in all: 3, 5)"
    ]


def test_in_two_tables() -> None:
    train, valid = dataset(("Good film", "a"), ("bad", "a")), dataset(("good film", "a"), ("bad", "a"), name="v.csv")
    assert list(near_duplicates.warnings([train, valid])) == [
        "v.csv:2: differs from t.csv:2 only in case or white space, which makes the score too high: delete one of them"
    ]
    assert list(near_duplicates.warnings([train, dataset(("Good film", "a"), ("badly", "b"))])) == []


def test_both_texts_of_a_pair() -> None:
    assert list(near_duplicates.warnings([pairs(("Good", "film"), ("good", "book"))])) == []
    assert len(list(near_duplicates.warnings([pairs(("Good", "film"), ("good", "FILM"))]))) == 1
