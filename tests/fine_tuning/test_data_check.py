"""The data check before training: its rows for each task, and the table."""

from minitf.datasets.dataset import Dataset, Example
from minitf.fine_tuning import data_check
from minitf.tasks.classification.data import class_rows
from minitf.tasks.multilabel.data import set_rows
from minitf.tasks.regression.data import number_rows


def dataset(*rows: tuple[str, str], name: str = "t.csv") -> Dataset:
    examples = tuple(Example(text, None, label, row) for row, (text, label) in enumerate(rows, 2))
    return Dataset(name, examples, "text", None, "label", "0" * 64)


def test_rows_of_classes() -> None:
    """Those of the training table, with the most frequent first; the same rows for every table."""
    train = dataset(("x", "b"), ("y", "b"), ("z", "a"))
    assert class_rows(train, train) == {
        "  label b": "2",
        "  label a": "1",
        "  the most frequent label, share": "0.6667",
    }
    assert list(class_rows(dataset(("x", "a")), train).values()) == ["0", "1", "1.0000"]


def test_rows_of_many_classes() -> None:
    """Only the most frequent have a row; all others are counted in one."""
    train = dataset(*[(f"{i}", f"c{i % 20:02}") for i in range(45)])
    rows = class_rows(train, train)
    assert len(rows) == 9
    assert rows["  13 other labels"] == str(45 - sum(int(v) for k, v in rows.items() if k.startswith("  label")))


def test_rows_of_sets_and_numbers() -> None:
    train = dataset(("x", "a|b"), ("y", "b"), ("z", ""))
    assert set_rows(train, train) == {"  label b": "2", "  label a": "1", "  without a label": "1"}
    numbers = number_rows(dataset(("x", "1"), ("y", "4")), train)
    assert list(numbers.values()) == ["1", "4", "2.5", "1.5"]


def test_the_table_is_aligned() -> None:
    columns = {"train": [{"  texts": "10", "  label very long": "3"}], "valid": [{"  texts": "2000000"}]}
    lines = data_check._aligned(columns).splitlines()
    assert [len(line) for line in lines] == [len(lines[0])] * 3
    assert [line.split() for line in lines[1:]] == [["texts", "10", "2000000"], ["label", "very", "long", "3"]]
