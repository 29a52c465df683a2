"""Checks of tables of whole texts, before training and without torch: an error stops training, a warning does not."""

import itertools
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from minitf.datasets import near_duplicates
from minitf.datasets.checks import duplicates, empty_cells, leakage
from minitf.datasets.dataset import Dataset
from minitf.datasets.findings import FEW_ROWS, MANY_CLASSES, MANY_LABELS, Finding
from minitf.datasets.strings import first_few, is_number, shorten


def check_tables(
    tables: Sequence[Dataset], errors: Iterable[str], warnings: Iterable[str], *, label_required: bool = True
) -> list[Finding]:
    """Return all findings, errors first.

    `tables` are train and, if given, valid and test; `errors` and `warnings` are what a task finds in its labels.
    """
    train = tables[0]
    found = [message for table in tables for message in empty_cells(table, label_required)]
    if len(train.examples) < 2:
        found.append(f"{train.path}: too few examples to train on ({len(train.examples)}): add rows")
    found += errors
    odd = [*duplicates(train), *near_duplicates.warnings(tables), *warnings]
    for earlier, later in itertools.combinations(tables, 2):
        odd += leakage(earlier, later)
    return [Finding("error", message) for message in found] + [Finding("warning", message) for message in odd]


def given(*tables: Dataset | None) -> list[Dataset]:
    """Return those of train, valid and test that exist."""
    return [table for table in tables if table is not None]


def label_column(table: Dataset) -> str:
    """Return the file and the column, for a message about labels."""
    return f"{table.path}, column {table.label_column!r}"


def own_labels(train: Dataset, names: Collection[str], own: Sequence[str]) -> Iterator[str]:
    """Find a column that is no column of labels. `own` has the labels of the rows whose label no other row has."""
    n = len(train.examples)
    if len(names) > MANY_CLASSES and len(own) > n / 2:
        numbers = ", or set `task` to regression to predict a number" if all(map(is_number, own)) else ""
        yield (
            f"{label_column(train)}: {len(own):,} of {n:,} rows have a label that no other row has, such as"
            f" {shorten(own[0])} ({len(names):,} different labels), so there is nothing to learn: name the column of"
            f" the label with `label`{numbers}"
        )


def many_labels(train: Dataset, names: Sequence[str], instead: str = "the wrong column") -> Iterator[str]:
    """Warn if there are too many labels for a column of labels."""
    n = len(train.examples)
    if len(names) > MANY_LABELS or len(names) > n / 2:
        yield f"{label_column(train)}: {len(names)} different labels in {n} rows: is this {instead}?"


def rare_labels(train: Dataset, names: Sequence[str], counts: Mapping[str, int]) -> Iterator[str]:
    """Warn of labels with too few rows."""
    if rare := [f"{shorten(name)} ({counts[name]})" for name in names if counts[name] < FEW_ROWS]:
        yield (
            f"{label_column(train)}: labels with fewer than {FEW_ROWS} rows are hard to learn: {first_few(rare)}: add"
            " rows, or merge labels"
        )


def equal_but_for_case(train: Dataset, names: Sequence[str]) -> Iterator[str]:
    """Warn of labels that differ only in upper and lower case."""
    spellings = Counter(name.casefold() for name in names)
    if same := [shorten(name) for name in names if spellings[name.casefold()] > 1]:
        yield (
            f"{label_column(train)}: labels that differ only in upper and lower case: {first_few(same)}: spell them"
            " the same if they mean the same"
        )
