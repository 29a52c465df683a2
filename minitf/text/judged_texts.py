"""The texts that a trained model is asked about: given one by one, or in a table of any length, a part at a time."""

import dataclasses
import itertools
from collections.abc import Iterator
from pathlib import Path

from minitf.errors import DataError
from minitf.text import tables

Part = tuple[list[str], list[str] | None]  # texts, and second texts where they come in pairs


@dataclasses.dataclass(frozen=True)
class GivenTexts:
    """Texts that are in memory anyway."""

    texts: list[str]
    pairs: list[str] | None

    @property
    def count(self) -> int:
        return len(self.texts)

    def parts(self, size: int) -> Iterator[Part]:
        """`size` of them at a time."""
        for i in range(0, len(self.texts), size):
            yield self.texts[i : i + size], None if self.pairs is None else self.pairs[i : i + size]


@dataclasses.dataclass(frozen=True)
class TableOfTexts:
    """A table that is read anew each time, and never held. Make one with `look_through`."""

    path: Path
    text: str
    pair: str | None
    count: int  # its rows

    def parts(self, size: int) -> Iterator[Part]:
        rows = _texts(self.path, self.text, self.pair)
        while part := list(itertools.islice(rows, size)):
            yield [text for text, _ in part], None if self.pair is None else [second for _, second in part]


def look_through(path: Path, text: str | None = None, pair: str | None = None) -> TableOfTexts:
    """The table at `path`, its columns found, every row of it looked at once.

    Raises DataError for what cannot be read, and for an empty text, before anything is answered.
    """
    name = str(path)
    _, first = next(tables.stream(path))
    text, pair, _ = tables.find_columns(name, list(first), text, pair, None, False)
    return TableOfTexts(path, text, pair, sum(1 for _ in _texts(path, text, pair)))


def _texts(path: Path, text: str, pair: str | None) -> Iterator[tuple[str, str]]:
    for row, record in tables.stream(path):
        where = f"{path}:{row}"
        found = [tables.cell(where, record, column) for column in (text, pair) if column is not None]
        for column, value in zip((text, pair), found, strict=False):
            if not value.strip():
                raise DataError(f"{where}: column {column!r} is empty: nothing to judge")
        yield found[0], found[-1]
