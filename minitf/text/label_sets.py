"""Labels that are no class: several in a cell (`funny|sad`, a list in JSON), and numbers; and which a table has.

Only the standard library, as in `datasets`.
"""

import dataclasses
import math
from collections import Counter
from typing import Any

from minitf.errors import DataError
from minitf.text import datasets, tables
from minitf.text.datasets import Dataset

SEPARATOR = "|"
MOST_CLASSES = 20  # different whole numbers that --task auto still takes for classes


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


def finite_number(where: str, record: dict[str, Any], column: str, needed: bool = True) -> str:
    """A cell that holds a finite number, as it is written. Raises DataError."""
    label = datasets.one_label(where, record, column, needed)
    if not label and not needed:
        return label
    if not is_number(label):
        comma = " with a point" if is_number(label.replace(",", ".", 1)) else ""
        raise DataError(
            f"{where}: column {column!r} holds {label!r:.60}, no finite number: write one{comma}, or name the right"
            " column with --label; classes are learned with --task classification"
        )
    return label


def is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text)) and "_" not in text  # Python reads 1_000
    except ValueError:
        return False


def labels_in(cell: str | None) -> tuple[str, ...]:
    """The labels that `several_labels` wrote."""
    return tuple(cell.split(SEPARATOR)) if cell else ()


def set_names(train: Dataset) -> tuple[str, ...]:
    """Every label that a row bears, sorted."""
    return tuple(sorted({name for example in train.examples for name in labels_in(example.label)}))


def numbers_in(table: Dataset) -> list[float]:
    """The numbers that `finite_number` read."""
    return [float(example.label or "nan") for example in table.examples]


def likely_task(table: Dataset) -> tuple[str, str]:
    """(the task that these labels speak for, why), of a table read by `several_labels`."""
    column = f"column {table.label_column!r}"
    several = next((e for e in table.examples if SEPARATOR in (e.label or "")), None)
    if several is not None:
        return "multilabel", f"{column} has several labels in a cell (row {several.row}: {several.label!r:.60})"
    labels = {example.label for example in table.examples if example.label}
    if labels and all(map(is_number, labels)):
        numbers = set(map(float, labels))
        whole = all(number.is_integer() for number in numbers)
        if not whole or len(numbers) > MOST_CLASSES:
            kind = "whole numbers" if whole else "numbers, not all of them whole"
            return "regression", f"{column} holds {len(numbers)} different {kind}"
    return "classification", f"{column} holds {len(labels)} different label{'s' * (len(labels) != 1)}"


def split_sets(dataset: Dataset, seed: int = 0) -> tuple[Dataset, Dataset]:
    """`datasets.split`, where each row counts as one of its rarest label; every label keeps a row for training.

    Raises DataError if nothing can be set aside.
    """
    counts = Counter(name for example in dataset.examples for name in labels_in(example.label))
    rarest = [
        dataclasses.replace(e, label=min(labels_in(e.label), key=lambda name: (counts[name], name), default=""))
        for e in dataset.examples
    ]
    _, aside = datasets.split(dataclasses.replace(dataset, examples=tuple(rarest)), seed=seed)
    rows = {example.row for example in aside.examples}
    known = {name for e in dataset.examples if e.row not in rows for name in labels_in(e.label)}
    # Rows of the same text stay together, so what goes back takes its copies with it.
    back = {(e.text, e.pair) for e in dataset.examples if e.row in rows and not known >= set(labels_in(e.label))}
    rows -= {e.row for e in dataset.examples if (e.text, e.pair) in back}
    if not rows:
        raise DataError(
            f"{dataset.path}: {len(dataset.examples)} rows are too few to set some aside for validation while every"
            " label keeps one for training: add rows, or give a file of its own with --valid"
        )
    left, held_out = (tuple(e for e in dataset.examples if (e.row in rows) is held) for held in (False, True))
    return dataclasses.replace(dataset, examples=left), dataclasses.replace(dataset, examples=held_out)
