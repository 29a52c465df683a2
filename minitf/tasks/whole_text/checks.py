"""Checks of tables of whole texts, before training and without torch: an error stops training, a warning does not."""

import dataclasses
import itertools
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from minitf.datasets import near_duplicates
from minitf.datasets.checks import (
    duplicates,
    empty_cells,
    empty_rows,
    leakage,
    missing_values,
    numbers_as_texts,
    other_columns,
    rows_in_texts,
)
from minitf.datasets.dataset import Dataset, Example
from minitf.datasets.findings import FEW_ROWS, MANY_CLASSES, MANY_LABELS, Finding, list_rows, location
from minitf.datasets.spellings import spelling_key, unknown
from minitf.datasets.strings import first_few, is_number, shorten
from minitf.datasets.tables import SEPARATOR

OTHER_SEPARATORS = (",", ";", "/", "\t")  # that people write between several labels


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
    found += [message for later in tables[1:] for message in other_columns(train, later)]
    found += errors
    missing = [message for table in tables for message in (*missing_values(table), *rows_in_texts(table))]
    odd = [
        *empty_rows(tables),
        *missing,
        *numbers_as_texts(train),
        *duplicates(train),
        *near_duplicates.warnings(tables),
        *warnings,
    ]
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
    """Find a column that has no labels. `own` has the labels that only one row has, one for each such row."""
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


def unseen_labels(
    table: Dataset, names: Sequence[str], labels_of: Callable[[Example], Collection[str]], wanted: str
) -> Iterator[str]:
    """Find labels in a validation or test table that are none of `names`, those of the training table."""
    known = set(names)
    rows = [example for example in table.examples if not known.issuperset(labels_of(example))]
    if rows and names:
        label = next(label for label in labels_of(rows[0]) if label not in known)
        yield (
            f"{location(table, rows)}: no training row has the label {unknown(label, names)}, they have"
            f" {first_few(names)}: correct it, or add training rows {wanted}{list_rows(rows)}"
        )


def separated_labels(train: Dataset, names: Sequence[str]) -> Iterator[str]:
    """Warn of labels that look like several labels with another separator: `a,b` beside `a` and `b`."""
    known = {spelling_key(name) for name in names}
    for separator in OTHER_SEPARATORS:
        divided = {name: [part.strip() for part in name.split(separator)] for name in names if separator in name}
        found = [name for name, parts in divided.items() if all(spelling_key(part) in known for part in parts)]
        parts = {part for several in divided.values() for part in several}
        if found or (len(divided) > 2 and len(parts) < len(divided)):
            example = (found or list(divided))[0]
            yield (
                f"{label_column(train)}: {shorten(example)} looks like several labels: if it is, write"
                f" {shorten(SEPARATOR.join(divided[example]))}, and so in every row"
            )


def with_default_names(table: Any, labels: Sequence[str]) -> tuple[Any, str | None]:
    """Replace the labels 0, 1, … of a table if the classes of the model have the names LABEL_0, LABEL_1, ….

    These are the names that the library transformers gives to classes without names. Returns the table, and what was
    replaced, for a message; None if nothing was.
    """
    names = {str(i): label for i, label in enumerate(labels)}
    if not isinstance(table, Dataset) or len(labels) < 2 or any(names[i] != f"LABEL_{i}" for i in names):
        return table, None
    if not table.all_labels or any(part not in names for cell in table.all_labels for part in cell.split(SEPARATOR)):
        return table, None

    def renamed(cell: str | None) -> str:
        return SEPARATOR.join(names[part] for part in cell.split(SEPARATOR)) if cell else ""

    examples = tuple(dataclasses.replace(example, label=renamed(example.label)) for example in table.examples)
    changed = dataclasses.replace(table, examples=examples, label_values=frozenset(map(renamed, table.all_labels)))
    return changed, f"{table.path}: 0, 1, … are read as LABEL_0, LABEL_1, …, the labels of the model"
