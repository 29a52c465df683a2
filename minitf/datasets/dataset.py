"""A table of examples, each a text (or a pair of texts) and a label; how it is read, and the built-in corpora.

Reading refuses malformed or ambiguous data; `checks` tests whether a model can be trained on the examples.
"""

import dataclasses
import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from minitf.datasets import tables
from minitf.datasets.built_in import BUILT_IN, PARTS, built_in_source
from minitf.datasets.columns import find_columns
from minitf.datasets.label_cells import has_list, has_several, refuse_object
from minitf.datasets.lines import more_rows
from minitf.datasets.reading import read_bytes
from minitf.datasets.strings import shorten
from minitf.errors import DataError

# path, columns of the table, text, pair, label (each a name or None), whether a label is needed -> text, pair, label
FindColumns = Callable[[str, list[str], str | None, str | None, str | None, bool], tuple[str, str | None, str | None]]
Source = str | os.PathLike[str] | Sequence[Mapping[str, Any]]  # a file, or a list of records


@dataclasses.dataclass(frozen=True)
class Example:
    """One row. `row` is the line of the file on which it starts, counted from 1 as an editor does; see `lines`."""

    text: str
    pair: str | None
    label: str | None
    row: int
    group: str | None = None  # its cell in a column by which scores are reported (see `groups`)


@dataclasses.dataclass(frozen=True)
class Dataset:
    """A table, or a part of one. `path` is for messages; `digest` is the SHA-256 of the whole file, unpacked."""

    path: str
    examples: tuple[Example, ...]
    text_column: str
    pair_column: str | None
    label_column: str | None
    digest: str
    label_values: frozenset[str] = frozenset()  # the labels of the whole table, which a part of it may lack
    skipped: tuple[int, ...] = ()  # the rows without any text or label

    @property
    def texts(self) -> list[str]:
        return [example.text for example in self.examples]

    @property
    def pairs(self) -> list[str] | None:
        """The second texts; None without a pair column."""
        return None if self.pair_column is None else [example.pair or "" for example in self.examples]

    @property
    def labels(self) -> list[str] | None:
        """The labels; None without a label column. A label may be missing ("") only if `need_label` was False."""
        return None if self.label_column is None else [example.label or "" for example in self.examples]

    @property
    def all_labels(self) -> frozenset[str]:
        """The different labels of the whole table, without the missing one."""
        return (self.label_values | set(self.labels or ())) - {""}


def one_label(where: str, record: dict[str, Any], column: str, needed: bool = True) -> str:
    """Read a cell with one label. Raises DataError if it is empty or has several labels, and `needed`."""
    refuse_object(where, record, column)
    if needed and has_several(record, column):
        hint = "; a class is written without a list" if has_list(record, column) else ""
        raise DataError(
            f"{where}: column {column!r} has several labels, {shorten(record.get(column, column))}: write one, or set"
            f" `task` to multilabel{hint}"
        )
    label = tables.cell(where, record, column, needed).strip()
    if needed and not label:
        raise DataError(f"{where}: column {column!r} is empty: write the label, or delete the row")
    return label


def read_table(
    source: Source,
    text: str | None = None,
    pair: str | None = None,
    label: str | None = None,
    need_label: bool = True,
    read_label: Callable[[str, dict[str, Any], str, bool], str] = one_label,
    delimiter: str | None = None,
    find: FindColumns | None = None,
) -> Dataset:
    """Read a table from a .csv, .tsv or .jsonl file (or its gzip), or from a list of records (dicts).

    Columns that are not named are found by their names (see `columns`). Texts are not changed; labels are stripped of
    white space. A TSV has no quoting: as in the GLUE files, a quotation mark is an ordinary character. In JSON, null is
    an empty text, 1.0 is read as 1, true as true. A list of records is read as the same records in a JSON lines file;
    its path is "records", its rows are counted from 1. `read_label` reads the cell of a label. `delimiter` separates
    the cells of a CSV or TSV, and allows quotation marks in both. `find` finds the columns (default: `find_columns`).

    Raises DataError, with the row, for malformed or ambiguous data.
    """
    if isinstance(source, list | tuple):
        path, kind = "records", ".jsonl"
        data = tables.to_json_lines(path, source)
    else:
        path, kind = os.fspath(source), None  # type: ignore[arg-type]
        data = read_bytes(Path(path), tables.ENDINGS)
    skipped: list[int] = []
    records = tables.records(path, data, kind, delimiter, skipped)
    text, pair, label = (find or find_columns)(path, list(records[0][1]), text, pair, label, need_label)

    examples, errors = [], dict[int, DataError]()
    for row, record in records:
        where = f"{path}:{row}"
        try:
            second = None if pair is None else tables.cell(where, record, pair)
            value = None if label is None else read_label(where, record, label, need_label)
            examples.append(Example(tables.cell(where, record, text), second, value, row))
        except DataError as error:
            errors[row] = error
    if errors:
        (_, first), *others = errors.items()
        raise DataError(f"{first}{more_rows([row for row, _ in others])}")
    values = frozenset(example.label for example in examples if example.label)
    return Dataset(path, tuple(examples), text, pair, label, hashlib.sha256(data).hexdigest(), values, tuple(skipped))


def built_in_corpus(name: str) -> tuple[Dataset, Dataset, Dataset]:
    """Return the built-in data of this name: (train, valid, test). docs/corpus.md describes it.

    "reviews" has 3,000 sentences, most of them plain, with their kind; "hard-reviews" has the 1,200 sentences of irony
    and contrast that were written first; "dates" and "numbers" are generated, with a source and a target. Raises
    DataError for another name.
    """
    if name not in BUILT_IN:
        raise DataError(f"{name!r} is not a built-in corpus: choose from {', '.join(BUILT_IN)}")
    text, label = BUILT_IN[name].columns
    train, valid, test = (
        dataclasses.replace(read_table(built_in_source(name, part), text, None, label), path=f"built-in {name}/{part}")
        for part in PARTS
    )
    return train, valid, test
