"""Tables of examples: CSV, TSV or JSON lines in, rows of text, pair and label out; and one table split in two.

Whether the examples can be learned from is for `checks` to say; refused here is what cannot be read without guessing.
Only the standard library: a mistake in a table is told before anything heavy is loaded.
"""

import dataclasses
import hashlib
import math
import os
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from minitf.datasets import tables
from minitf.datasets.held_out import count_to_hold_out, divide, equal_groups
from minitf.errors import DataError, InputError


@dataclasses.dataclass(frozen=True)
class Example:
    """One row. `row` is the line of the file on which it starts, the first line being 1, as an editor counts."""

    text: str
    pair: str | None
    label: str | None
    row: int


@dataclasses.dataclass(frozen=True)
class Dataset:
    """A table, or a part of one. `path` is for messages, `digest` the SHA-256 of the whole file."""

    path: str
    examples: tuple[Example, ...]
    text_column: str
    pair_column: str | None
    label_column: str | None
    digest: str

    @property
    def texts(self) -> list[str]:
        return [example.text for example in self.examples]

    @property
    def pairs(self) -> list[str] | None:
        """The second texts; None without a pair column."""
        return None if self.pair_column is None else [example.pair or "" for example in self.examples]

    @property
    def labels(self) -> list[str] | None:
        """None without a label column; an empty string where a table read with need_label=False leaves it out."""
        return None if self.label_column is None else [example.label or "" for example in self.examples]


def one_label(where: str, record: dict[str, Any], column: str, needed: bool = True) -> str:
    """A cell that holds one label. Raises DataError if there is none and one is `needed`."""
    label = tables.cell(where, record, column, needed).strip()
    if needed and not label:
        raise DataError(f"{where}: column {column!r} is empty: write the label, or delete the row")
    return label


def read_table(
    path: str | os.PathLike[str],
    text: str | None = None,
    pair: str | None = None,
    label: str | None = None,
    need_label: bool = True,
    read_label: Callable[[str, dict[str, Any], str, bool], str] = one_label,
) -> Dataset:
    """The table in a .csv, .tsv or .jsonl file; columns not named are recognised, if only one can be meant.

    Texts come as they stand, labels without the white space around them. A TSV has no quoting: as in the GLUE files,
    a quotation mark is a character like any other. Of JSON, null is an empty text, 1.0 reads as 1, true as true.
    `read_label` makes a label of a cell; `label_sets` has others.
    Raises DataError, with the row, for whatever cannot be read with certainty.
    """
    name = os.fspath(path)
    data = tables.read_bytes(Path(path))
    records = tables.records(name, data)
    text, pair, label = tables.find_columns(name, list(records[0][1]), text, pair, label, need_label)

    examples = []
    for row, record in records:
        where = f"{name}:{row}"
        second = None if pair is None else tables.cell(where, record, pair)
        tag = None if label is None else read_label(where, record, label, need_label)
        examples.append(Example(tables.cell(where, record, text), second, tag, row))
    return Dataset(name, tuple(examples), text, pair, label, hashlib.sha256(data).hexdigest())


def built_in_corpus() -> tuple[Dataset, Dataset, Dataset]:
    """The reviews written for this project: (train, valid, test)."""
    folder = Path(__file__).parent.parent / "data" / "reviews"
    train, valid, test = (
        dataclasses.replace(read_table(folder / f"{part}.csv", "text", None, "label"), path=f"built-in corpus/{part}")
        for part in ("train", "valid", "test")
    )
    return train, valid, test


def split(dataset: Dataset, share: float = 0.1, seed: int = 0, stratify: bool = True) -> tuple[Dataset, Dataset]:
    """(what is left to train on, about `share` of the rows), both in the order of the file.

    Each label is set aside in proportion (`stratify=False`, for numbers to be predicted: all rows alike) and keeps a
    row for training. Rows of the same text and pair stay together; if their labels differ, they stay in training.
    Raises DataError if nothing can be set aside.
    """
    if not 0 < share < 1:
        raise InputError(f"the share to set aside must lie between 0 and 1, not {share}")
    rng = random.Random(seed)
    labels = [example.label if stratify else None for example in dataset.examples]
    classes: dict[str | None, list[list[int]]] = {}
    for group in equal_groups((example.text, example.pair) for example in dataset.examples):
        if len({labels[i] for i in group}) == 1:
            classes.setdefault(labels[group[0]], []).append(group)

    aside: set[int] = set()
    can_give = Counter(label for label in labels if len(classes.get(label, ())) > 1)
    for label, n in _apportion(can_give, share, len(labels), rng).items():
        groups = rng.sample(classes[label], len(classes[label]))
        groups.remove(max(groups, key=len))  # this one stays in training
        for group in groups:
            if len(group) <= n:
                aside.update(group)
                n -= len(group)
    return divide(dataset, aside, "every label keeps one for training: add rows")


def _apportion(rows: Counter[str | None], share: float, total: int, rng: random.Random) -> dict[str | None, int]:
    """How many of each label's rows to set aside, about `share * total` in all, by largest remainders.

    Each label gives its share rounded down; those that lose most by the rounding give one row more.
    """
    give = {label: math.floor(share * n) for label, n in rows.items()}
    order = rng.sample(list(rows), len(rows))  # so that ties do not favour the labels that come first
    order.sort(key=lambda label: give[label] - share * rows[label])
    for label in order[: count_to_hold_out(share, total) - sum(give.values())]:
        give[label] += 1
    return give
