"""Several labels per text: reading them from a cell (`funny|sad`, a list in JSON), checks, split. Torch-free."""

import dataclasses
from collections import Counter
from collections.abc import Iterator
from typing import Any

from minitf.datasets import tables
from minitf.datasets.dataset import Dataset, Source, read_table
from minitf.datasets.findings import FEW_ROWS, MANY_LABELS, Finding, Rows, count_rows, list_rows, location
from minitf.datasets.split import partition, split, too_few
from minitf.datasets.strings import did_you_mean, first_few
from minitf.datasets.tables import SEPARATOR
from minitf.errors import DataError
from minitf.tasks.whole_text.checks import check_tables, given


def several_labels(where: str, record: dict[str, Any], column: str, needed: bool = True) -> str:
    """The labels of a cell in alphabetical order, each once, between bars; "" for none. Raises DataError."""
    value = record.get(column)
    if isinstance(value, list):
        parts = [tables.cell(where, {column: part}, column) for part in value]
        if barred := [part for part in parts if SEPARATOR in part]:
            raise DataError(f"{where}: column {column!r}: the label {barred[0]!r} holds a {SEPARATOR}: rename it")
    else:
        text = tables.cell(where, record, column, needed)
        parts = text.split(SEPARATOR) if text.strip() else []
    names = [part.strip() for part in parts]
    if not all(names):
        raise DataError(f"{where}: column {column!r}: one of its {len(names)} labels is empty: write it, or delete it")
    return SEPARATOR.join(sorted(set(names)))


def read_sets(source: Source, text: str | None = None, pair: str | None = None, label: str | None = None) -> Dataset:
    """Read a table with several labels per row. Raises DataError."""
    return read_table(source, text, pair, label, read_label=several_labels)


def labels_in(cell: str | None) -> tuple[str, ...]:
    """The labels that `several_labels` wrote."""
    return tuple(cell.split(SEPARATOR)) if cell else ()


def set_names(train: Dataset) -> tuple[str, ...]:
    """Every label that a row bears, sorted."""
    return tuple(sorted({name for example in train.examples for name in labels_in(example.label)}))


def split_sets(dataset: Dataset, seed: int = 0) -> tuple[Dataset, Dataset]:
    """`datasets.split.split`, where each row counts as one of its rarest label; every label keeps a row for training.

    Raises DataError if nothing can be set aside.
    """
    counts = Counter(name for example in dataset.examples for name in labels_in(example.label))
    rarest = [
        dataclasses.replace(e, label=min(labels_in(e.label), key=lambda name: (counts[name], name), default=""))
        for e in dataset.examples
    ]
    _, aside = split(dataclasses.replace(dataset, examples=tuple(rarest)), seed=seed)
    rows = {example.row for example in aside.examples}
    known = {name for e in dataset.examples if e.row not in rows for name in labels_in(e.label)}
    # Rows of the same text stay together, so what goes back takes its copies with it.
    back = {(e.text, e.pair) for e in dataset.examples if e.row in rows and not known >= set(labels_in(e.label))}
    rows -= {e.row for e in dataset.examples if (e.text, e.pair) in back}
    if not rows:
        raise too_few(dataset.path, f"{len(dataset.examples)} rows", "label")
    return partition(dataset, {i for i, e in enumerate(dataset.examples) if e.row in rows})


def set_rows(table: Dataset, train: Dataset) -> Rows:
    """How often each label of the training table is borne."""
    mine, all_of = (Counter(name for e in t.examples for name in labels_in(e.label)) for t in (table, train))
    return count_rows(mine, all_of) | {"  without a label": str(sum(not e.label for e in table.examples))}


def check_multilabel(train: Dataset, valid: Dataset | None = None, test: Dataset | None = None) -> list[Finding]:
    """Every finding in tables of several labels a text, errors first."""
    tables = given(train, valid, test)
    unseen = (message for table in tables[1:] for message in _unseen_labels(table, train))
    return check_tables(tables, [*_one_set(train), *unseen], _odd_sets(train), label_required=False)


def _one_set(train: Dataset) -> Iterator[str]:
    sets = {frozenset(labels_in(example.label)) for example in train.examples}
    if len(sets) == 1 and len(train.examples) > 1:
        (labels,) = sets
        what = f"the labels {', '.join(sorted(labels))}" if labels else "no label"
        yield (
            f"{train.path}: every row has {what}, so there is nothing to tell apart: add other rows, or name the right"
            f" column with `label` if it is not {train.label_column!r}"
        )


def _unseen_labels(table: Dataset, train: Dataset) -> Iterator[str]:
    names = set_names(train)
    rows = [example for example in table.examples if not set(labels_in(example.label)) <= set(names)]
    if rows and names:
        label = next(name for name in labels_in(rows[0].label) if name not in names)
        yield (
            f"{location(table, rows)}: no training row has the label {label!r}{did_you_mean(label, names)}, they have"
            f" {first_few(names)}: correct it, or add training rows that bear it{list_rows(rows)}"
        )


def _odd_sets(train: Dataset) -> Iterator[str]:
    names, n = set_names(train), len(train.examples)
    counts = Counter(name for example in train.examples for name in labels_in(example.label))
    where = f"{train.path}, column {train.label_column!r}"
    if all(len(labels_in(example.label)) == 1 for example in train.examples):
        yield f"{where}: every row has one label; if every text always has one, set `task` to classification"
    if len(names) > MANY_LABELS or len(names) > n / 2:
        yield f"{where}: {len(names)} different labels in {n} rows: is this the wrong column?"
    if rare := [f"{name!r} ({counts[name]})" for name in names if counts[name] < FEW_ROWS]:
        yield (
            f"{where}: labels with fewer than {FEW_ROWS} rows are hardly learned: {first_few(rare)}: add rows, or merge"
            " them"
        )
    if everywhere := [repr(name) for name in names if counts[name] == n]:
        yield f"{where}: every row bears {first_few(everywhere)}, so that is all that will be learned of it"
    spellings = Counter(name.casefold() for name in names)
    if same := [repr(name) for name in names if spellings[name.casefold()] > 1]:
        yield (
            f"{where}: labels that differ only in capitals: {first_few(same)}: write them alike if they mean the same"
        )
