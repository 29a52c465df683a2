"""Several labels per text: how they are read from a cell (`funny|sad`, a JSON list), checked and split. No torch."""

import dataclasses
from collections import Counter
from collections.abc import Iterator
from typing import Any

from minitf.datasets.columns import label_columns
from minitf.datasets.dataset import Dataset, Source, read_table
from minitf.datasets.findings import MANY_CLASSES, Finding, Rows, count_rows
from minitf.datasets.held_out import divide
from minitf.datasets.label_cells import is_marked, labels_of_cell
from minitf.datasets.spellings import spelling_warnings
from minitf.datasets.split import split
from minitf.datasets.strings import first_few, shorten
from minitf.datasets.tables import SEPARATOR
from minitf.errors import DataError
from minitf.tasks.whole_text.checks import (
    check_tables,
    given,
    label_column,
    many_labels,
    own_labels,
    rare_labels,
    separated_labels,
    unseen_labels,
)


def several_labels(where: str, record: dict[str, Any], column: str, needed: bool = True) -> str:
    """Return the labels of a cell, sorted, without duplicates, joined by bars; "" for none. Raises DataError.

    The cell is `a|b`, a list in JSON, or a list as text: `['a', 'b']`. `column` may name several columns of 0 and 1.
    """
    if len(columns := label_columns(column, record)) > 1:
        parts = [name for name in columns if is_marked(where, record, name)]
    else:
        parts = labels_of_cell(where, record, column, needed)
    if with_separator := [part for part in parts if SEPARATOR in part]:
        raise DataError(
            f"{where}: column {column!r}: the label {shorten(with_separator[0])} contains {SEPARATOR}: rename it"
        )
    names = [part.strip() for part in parts]
    if not all(names):
        raise DataError(f"{where}: column {column!r}: one of its {len(names)} labels is empty: write it, or delete it")
    return SEPARATOR.join(sorted(set(names)))


def read_sets(
    source: Source,
    text: str | None = None,
    pair: str | None = None,
    label: str | None = None,
    delimiter: str | None = None,
) -> Dataset:
    """Read a table whose label cells hold sets of labels. Raises DataError."""
    return read_table(source, text, pair, label, read_label=several_labels, delimiter=delimiter)


def labels_in(cell: str | None) -> tuple[str, ...]:
    """Return the labels of a cell that `several_labels` has read."""
    return tuple(cell.split(SEPARATOR)) if cell else ()


def set_names(train: Dataset) -> tuple[str, ...]:
    """Return all labels of the whole table, sorted."""
    return tuple(sorted({name for cell in train.all_labels for name in labels_in(cell)}))


def split_sets(dataset: Dataset, seed: int = 0) -> tuple[Dataset, Dataset]:
    """Split as `dataset.split` does, by the rarest label of each row, so that every label keeps a training row.

    Returns (kept, held out). Raises DataError if nothing can be held out.
    """
    counts = Counter(name for example in dataset.examples for name in labels_in(example.label))
    by_rarest = [
        dataclasses.replace(e, label=min(labels_in(e.label), key=lambda name: (counts[name], name), default=""))
        for e in dataset.examples
    ]
    _, held_out = split(dataclasses.replace(dataset, examples=tuple(by_rarest)), seed=seed)
    rows = {example.row for example in held_out.examples}
    kept = {name for e in dataset.examples if e.row not in rows for name in labels_in(e.label)}
    # A row with a label that is not in the training part is moved back, with all rows of the same text.
    back = {(e.text, e.pair) for e in dataset.examples if e.row in rows and not kept >= set(labels_in(e.label))}
    indices = {i for i, e in enumerate(dataset.examples) if e.row in rows and (e.text, e.pair) not in back}
    return divide(dataset, indices, "every label keeps one for training: add rows")


def set_rows(table: Dataset, train: Dataset) -> Rows:
    """Return how many rows of the table have each label of the training table."""
    counts, in_train = (Counter(name for e in t.examples for name in labels_in(e.label)) for t in (table, train))
    return count_rows(counts, in_train) | {"  without a label": str(sum(not e.label for e in table.examples))}


def check_multilabel(train: Dataset, valid: Dataset | None = None, test: Dataset | None = None) -> list[Finding]:
    """Return all findings in the tables, errors first."""
    tables = given(train, valid, test)
    names = set_names(train)
    unseen = (
        message
        for table in tables[1:]
        for message in unseen_labels(table, names, lambda example: labels_in(example.label), "with it")
    )
    errors = [*_one_set(train), *_own_labels(train), *unseen]
    return check_tables(tables, errors, _label_warnings(train), label_required=False)


def _own_labels(train: Dataset) -> Iterator[str]:
    counts = Counter(name for example in train.examples for name in labels_in(example.label))
    own = [e.label for e in train.examples if e.label and all(counts[name] == 1 for name in labels_in(e.label))]
    return own_labels(train, counts, own)


def _one_set(train: Dataset) -> Iterator[str]:
    sets = {frozenset(labels_in(example.label)) for example in train.examples}
    if len(sets) == 1 and len(train.examples) > 1:
        (labels,) = sets
        what = f"the labels {first_few(sorted(labels), MANY_CLASSES)}" if labels else "no label"
        yield (
            f"{train.path}: every row has {what}, so there is nothing to learn: add other rows, or name the right"
            f" column with `label` if it is not {train.label_column!r}"
        )


def _label_warnings(train: Dataset) -> Iterator[str]:
    names, where = set_names(train), label_column(train)
    counts = Counter(name for example in train.examples for name in labels_in(example.label))
    if all(len(labels_in(example.label)) == 1 for example in train.examples):
        yield (
            f"{where}: every row has one label; if every text always has one, write it without a list, and set `task`"
            " to classification"
        )
    yield from many_labels(train, names)
    yield from rare_labels(train, names, counts)
    if everywhere := [shorten(name) for name in names if counts[name] == len(train.examples)]:
        yield f"{where}: every row has {first_few(everywhere)}, so the model will always predict it"
    yield from spelling_warnings(where, {name: counts[name] for name in names})
    yield from separated_labels(train, names)
