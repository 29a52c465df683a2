"""The texts of a prediction: given one by one, or in a table of any length, read in parts. Imports no torch."""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from minitf.datasets import tables
from minitf.datasets.columns import columns_of_training, find_columns
from minitf.datasets.lines import more_rows
from minitf.errors import DataError, InputError
from minitf.tasks.spec import Inputs

Part = tuple[list[str], list[str] | None]  # texts, and the second texts of pairs


@dataclasses.dataclass(frozen=True)
class GivenTexts:
    """Texts in memory."""

    texts: Sequence[str]
    pairs: Sequence[str] | None

    @property
    def count(self) -> int:
        return len(self.texts)

    def parts(self, size: int) -> Iterator[Part]:
        """Yield `size` texts at a time."""
        for i in range(0, len(self.texts), size):
            part = slice(i, i + size)
            yield list(self.texts[part]), None if self.pairs is None else list(self.pairs[part])


@dataclasses.dataclass(frozen=True)
class TableOfTexts:
    """A table that is read from its file each time and never held in memory. `read_texts` makes one."""

    path: Path
    text: str
    pair: str | None
    count: int  # its rows
    delimiter: str | None = None
    skipped: int = 0  # its rows without any content

    def parts(self, size: int) -> Iterator[Part]:
        rows = _rows(self.path, self.text, self.pair, self.delimiter)
        while part := list(itertools.islice(rows, size)):
            yield [text for text, _ in part], None if self.pair is None else [second for _, second in part]


TextSource = GivenTexts | TableOfTexts


def read_texts(inputs: Inputs, metadata: Mapping[str, Any], *, pair_required: bool = True) -> TextSource:
    """Return the texts of a prediction, all of them checked.

    Raises InputError for an empty text and, if `pair_required`, for single texts if the model was trained on pairs.
    """
    if inputs.path is not None:
        given = {"text": inputs.text, "pair": inputs.pair}
        trained = {name: metadata.get(name) for name, column in given.items() if not column}
        with columns_of_training(trained):
            return open_table(Path(inputs.path), **given | trained, delimiter=inputs.delimiter)
    if metadata.get("pair") and inputs.pairs is None and pair_required:
        raise InputError(
            f"this model was trained on pairs ({metadata.get('text')}, {metadata['pair']}):"
            " give the second text with `pair`"
        )
    if any(not pair.strip() for pair in inputs.pairs or ()):
        raise InputError("`pair` is empty: give the second text")
    empty = [i for i, text in enumerate(inputs.texts, 1) if not text.strip()]
    if empty:
        raise InputError(f"text {empty[0]} is empty: there is nothing to predict")
    return GivenTexts(inputs.texts, inputs.pairs)


def open_table(
    path: Path, text: str | None = None, pair: str | None = None, delimiter: str | None = None
) -> TableOfTexts:
    """Find the columns of the table at `path` and check every row.

    Raises DataError for a table that cannot be read and for an empty text, before anything is predicted.
    """
    _, first = next(tables.stream(path, delimiter))
    text, pair, _ = find_columns(str(path), list(first), text, pair, None, False)
    skipped, empty, count = list[int](), dict[int, str](), 0
    for row, record in tables.stream(path, delimiter, skipped):
        count += 1
        for column in filter(None, (text, pair)):
            if not tables.cell(f"{path}:{row}", record, column).strip():
                empty.setdefault(row, column)
    if empty:
        (row, column), *others = empty.items()
        more = more_rows([row for row, _ in others])
        raise DataError(
            f"{path}:{row}: column {column!r} is empty: there is nothing to predict: fill it in, or delete the"
            f" row{more}"
        )
    return TableOfTexts(path, text, pair, count, delimiter, len(skipped))


def _rows(path: Path, text: str, pair: str | None, delimiter: str | None) -> Iterator[tuple[str, str]]:
    for row, record in tables.stream(path, delimiter):
        where = f"{path}:{row}"
        found = [tables.cell(where, record, column) for column in (text, pair) if column is not None]
        yield found[0], found[-1]
