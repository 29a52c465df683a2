"""The dialect of a CSV or TSV file: its delimiter and quotation marks, and the signs that it has another dialect."""

import csv
import dataclasses
import json
import re
from collections.abc import Iterable, Sequence
from typing import Any

from minitf.datasets.strings import is_number
from minitf.errors import DataError

NAMES = {"comma": ",", "semicolon": ";", "tab": "\t", "bar": "|"}
HEAD = 20  # lines that decide whether a file has another dialect
_SEP_LINE = re.compile(r'"?sep=(.)"?', re.IGNORECASE | re.DOTALL)  # Excel's first line
_MARKS = (("'", "'"), ("“", "”"), ("‘", "’"), ("`", "`"), ("«", "»"))  # that are not quotation marks of CSV
_SPACE_BEFORE_QUOTE = (
    "has a space before a quotation mark, which makes the mark a part of the text: delete the spaces around the"
    " separators"
)
_SPACE_AFTER_QUOTE = "has a space after a quotation mark: delete the spaces around the separators"


@dataclasses.dataclass(frozen=True)
class Dialect:
    """How a line is divided into cells; without `quoting` a quotation mark is an ordinary character."""

    delimiter: str
    quoting: bool = True

    def rows(self, lines: Iterable[str], *, skip_spaces: bool = False) -> Any:
        """Return a strict `csv.reader`: a quotation mark that is never closed is an error."""
        quoting: Any = csv.QUOTE_MINIMAL if self.quoting else csv.QUOTE_NONE
        return csv.reader(lines, delimiter=self.delimiter, quoting=quoting, skipinitialspace=skip_spaces, strict=True)

    @property
    def name(self) -> str:
        return name_of(self.delimiter)


def parse_delimiter(text: str) -> str:
    r"""Return the character for `;`, `semicolon` or `\t`. Raises ValueError."""
    character = NAMES.get(text.lower(), "\t" if text == r"\t" else text)
    if len(character) != 1 or character in '"\r\n\0\ufeff' or character.isalnum():
        raise ValueError(f"must be one character, or one of {', '.join(NAMES)}, not {text!r}")
    return character


def name_of(delimiter: str) -> str:
    """Return the name of a delimiter, which needs no quoting in a shell."""
    return next((name for name, character in NAMES.items() if character == delimiter), delimiter)


def sep_line(line: str) -> str | None:
    """Return the delimiter that Excel's first line `sep=;` names; None for another line."""
    found = _SEP_LINE.fullmatch(line.rstrip("\r\n"))
    return found[1] if found else None


def recognize(path: str, head: Sequence[str], usual: Dialect) -> Dialect:
    """Return the dialect of a file by its first lines: `usual`, or another one that certainly fits.

    Another delimiter fits if the usual one finds no columns, and the other the same number of them in every row. Raises
    DataError for signs of another dialect that is not certain, or cannot be read.
    """
    rows = _parse(head, usual)
    if rows[0][0].lstrip("\ufeff ").startswith("{") and _is_object(next((line for line in head if line.strip()), "")):
        raise DataError(f"{path}: contains JSON lines: rename it, with the ending .jsonl")
    others = {c: _parse(head, Dialect(c)) for c in NAMES.values() if c != usual.delimiter}
    best = max(others, key=lambda character: len(others[character][0]))
    columns, more = len(rows[0]), len(others[best][0])
    fits = len(others[best]) > 1 and {len(row) for row in others[best]} == {more}
    if columns == 1 < more and fits:
        usual, rows = Dialect(best), others[best]
    elif columns < more and (columns == 1 or (fits and {len(row) for row in rows} != {columns})):
        raise DataError(
            f"{path}: its columns seem to be separated by {best!r}, not by {usual.delimiter!r}: set `delimiter` to"
            f" {name_of(best)}, or to {usual.name} if they are not"
        )
    for left, right in (*_MARKS, *(() if usual.quoting else (('"', '"'),))):
        if _all_quoted(rows, left, right):
            raise DataError(f"{path}: {_wrong_marks(left, right, usual)}")
    return usual


def _wrong_marks(left: str, right: str, dialect: Dialect) -> str:
    if left != '"':
        return f'its cells are in {left}…{right}, which are no quotation marks in a CSV: write "…" instead'
    return (
        f"its cells are in quotation marks, which a TSV does not have: set `delimiter` to {dialect.name}, and they are"
        " removed"
    )


def _parse(lines: Sequence[str], dialect: Dialect) -> list[list[str]]:
    """Return the rows of the lines up to the first error, without blank ones."""
    rows = []
    try:
        for row in dialect.rows(lines):
            if any(cell.strip() for cell in row):
                rows.append(row)
    except csv.Error:
        pass
    return rows or [[""]]


def _all_quoted(rows: list[list[str]], left: str, right: str) -> bool:
    """Whether all names of columns, or all cells of at least two columns that are not numbers, are in these marks."""

    def is_quoted(cell: str) -> bool:
        cell = cell.strip()
        return len(cell) > 1 and cell.startswith(left) and cell.endswith(right)

    if all(map(is_quoted, rows[0])):
        return True
    same = [row for row in rows[1:] if len(row) == len(rows[0])]
    words = [cells for cells in zip(*same, strict=True) if not all(is_number(cell) for cell in cells)]
    return len(same) > 1 and len(words) > 1 and all(is_quoted(cell) for cells in words for cell in cells)


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line.lstrip("\ufeff")), dict)
    except (ValueError, RecursionError):
        return False


def quoting_problem(raw: Sequence[str], cells: Sequence[str], dialect: Dialect) -> str | None:
    """Return what is wrong with the quotation marks of a row: a space before or after one; None if nothing is.

    `raw` has the lines of the row, `cells` the cells that were read from them; `cells` is empty after an error.
    """
    if not dialect.quoting:
        return None
    if not cells:
        after = re.search(rf'" +(?:{re.escape(dialect.delimiter)}|[\r\n]*$)', "".join(raw)) is not None
        return _SPACE_AFTER_QUOTE if after else None
    if not any(cell.startswith(" ") and cell.lstrip(" ").startswith('"') for cell in cells):
        return None
    try:
        skipped = next(dialect.rows(raw, skip_spaces=True))
    except csv.Error:
        return _SPACE_BEFORE_QUOTE
    is_same = [cell.lstrip(" ") for cell in skipped] == [cell.lstrip(" ") for cell in cells]
    return None if is_same else _SPACE_BEFORE_QUOTE
