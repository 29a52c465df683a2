"""Texts that differ only in case and white space."""

from minitf.datasets import near_duplicates
from minitf.datasets.dataset import Dataset, Example


def dataset(*rows: tuple[str, str], name: str = "t.csv") -> Dataset:
    examples = tuple(Example(text, None, label, row) for row, (text, label) in enumerate(rows, 2))
    return Dataset(name, examples, "text", None, "label", "0" * 64)


def test_alike_in_one_table() -> None:
    """The very same texts are for another check."""
    table = dataset(("Good  film", "a"), ("good film ", "b"), ("Good  film", "a"), ("GOOD FILM", "a"), ("bad", "a"))
    (message,) = near_duplicates.warnings([table])
    assert message.startswith("t.csv:3: differs from row 2 in capitals or white space alone")
    assert "(2 rows in all)" in message


def test_alike_in_two_tables() -> None:
    train, valid = dataset(("Good film", "a"), ("bad", "a")), dataset(("good film", "a"), ("bad", "a"), name="v.csv")
    (message,) = near_duplicates.warnings([train, valid])
    assert message.startswith("v.csv:2: differs from t.csv:2 in capitals or white space alone")
    assert list(near_duplicates.warnings([train, dataset(("Good film", "a"), ("badly", "b"))])) == []


def test_pairs_are_alike_in_both() -> None:
    def pairs(*rows: tuple[str, str]) -> Dataset:
        return Dataset("p.csv", tuple(Example(a, b, "x", i) for i, (a, b) in enumerate(rows, 2)), "a", "b", "l", "")

    assert list(near_duplicates.warnings([pairs(("Good", "film"), ("good", "book"))])) == []
    assert len(list(near_duplicates.warnings([pairs(("Good", "film"), ("good", "FILM"))]))) == 1
