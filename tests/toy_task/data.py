"""Tables of texts and levels: reading, checks and counts. Imports no torch."""

from collections import Counter
from typing import Any

from minitf.datasets.dataset import Dataset, one_label, read_table
from minitf.datasets.findings import Finding, Rows, count_rows
from minitf.errors import DataError
from minitf.tasks.whole_text.checks import check_tables, given, rare_labels

LEVELS = ("few", "some", "many")


def level(where: str, record: dict[str, Any], column: str, needed: bool = True) -> str:
    """Read a cell with one of the levels. Raises DataError."""
    label = one_label(where, record, column, needed)
    if label and label not in LEVELS:
        raise DataError(f"{where}: column {column!r} has {label!r}: write one of {', '.join(LEVELS)}")
    return label


def read_levels(source: Any, text: str | None = None, pair: str | None = None, label: str | None = None) -> Dataset:
    """Read a table of texts and levels. Raises DataError."""
    return read_table(source, text, pair, label, read_label=level)


def check_levels(train: Dataset, valid: Dataset | None = None, test: Dataset | None = None) -> list[Finding]:
    """Return all findings in the tables, errors first."""
    return check_tables(given(train, valid, test), [], rare_labels(train, LEVELS, Counter(train.labels)))


def level_rows(table: Dataset, train: Dataset) -> Rows:
    """Return how many rows of the table have each level."""
    return count_rows(Counter(table.labels), Counter(train.labels))


def describe(train: Dataset) -> str:
    """Return the counts of the levels in one line."""
    counts = Counter(train.labels)
    return ", ".join(f"{name} {counts[name]}" for name in LEVELS)
