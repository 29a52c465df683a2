"""Read CSV, TSV and JSON lines strictly: malformed or ambiguous data raises DataError with its row."""

import csv
import io
import json
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

from minitf.datasets.columns import column_error
from minitf.datasets.reading import decode, open_text, parse_json
from minitf.datasets.strings import is_unicode, shorten
from minitf.errors import DataError

SEPARATOR = "|"  # between several labels in one cell
ENDINGS = (".csv", ".tsv", ".jsonl", ".ndjson", ".json")

Record = tuple[int, dict[str, Any]]  # (line of the file on which the record starts, its cells by column)


def records(path: str, data: bytes, ending: str | None = None) -> list[Record]:
    """Return all records of a file with the contents `data`; at least one. `ending` is that of `path`, if not given."""
    text = decode(path, data)
    return list(_records(path, io.StringIO(text, newline=""), len(text), ending))


def stream(path: Path) -> Iterator[Record]:
    """Yield the records of a file, one at a time. Raises DataError when it reaches a malformed row."""
    with open_text(path, ENDINGS) as lines:
        yield from _records(str(path), lines, path.stat().st_size)


def to_json_lines(path: str, values: Sequence[Any]) -> bytes:
    """Write records from Python as JSON lines, so that they are read by the same rules. Raises DataError."""
    if not values:
        raise DataError(f"{path}: the list is empty: give at least one record")
    lines = []
    for row, value in enumerate(values, start=1):
        try:
            lines.append(json.dumps(value) + "\n")
        except (TypeError, ValueError, RecursionError) as error:
            raise DataError(f"{path}:{row}: {error}; give strings and numbers") from None
    return "".join(lines).encode()


def _records(path: str, lines: TextIO, size: int, ending: str | None = None) -> Iterator[Record]:
    """Yield the records of a text of at most `size` characters, whose lines end with \\n, \\r\\n or \\r."""
    ending, empty = (ending or Path(path).suffix).lower(), True
    limit = csv.field_size_limit(max(size, 1))
    try:
        delimiter = {".csv": ",", ".tsv": "\t"}.get(ending)
        for record in _json_lines(path, lines) if delimiter is None else _delimited(path, lines, delimiter):
            empty = False
            yield record
    finally:
        csv.field_size_limit(limit)
    if empty:
        raise DataError(f"{path}: is empty: the first line must name the columns, each line after it is a row")


def _delimited(path: str, lines: TextIO, delimiter: str) -> Iterator[Record]:
    # Without `strict`, a quotation mark that is never closed would silently include the rest of the file.
    reader = csv.reader(
        lines, delimiter=delimiter, quoting=csv.QUOTE_MINIMAL if delimiter == "," else csv.QUOTE_NONE, strict=True
    )
    columns: list[str] | None = None
    row, empty = 1, True
    try:
        for fields in reader:
            if not fields or (columns is None and len(fields) == 1 and not fields[0].strip()):  # a blank line
                pass
            elif columns is None:
                columns = [column.strip() for column in fields]
                repeated = [column for column, n in Counter(columns).items() if n > 1 and column]
                if repeated:
                    raise column_error(path, columns, f"two columns are called {repeated[0]!r}: rename one")
            elif len(fields) != len(columns):
                raise DataError(
                    f"{path}:{row}: the header names {len(columns)} columns, this row has {len(fields)}: "
                    + _FIELDS[delimiter]
                )
            else:
                empty = False
                yield row, dict(zip(columns, fields, strict=True))
            row = reader.line_num + 1
    except csv.Error as error:
        raise DataError(
            f'{path}:{row}: invalid quoting ({error}): close each quoted field, and write "" for a " inside one'
        ) from None
    if columns is not None and empty:
        raise column_error(path, columns, "has a header and no rows: add examples below it")


_FIELDS = {
    ",": "put a text with a comma or a line break in quotation marks",
    "\t": "a TSV has no quoting, so no text may have a tab or a line break; save such a table as CSV",
}


def _json_lines(path: str, lines: TextIO) -> Iterator[Record]:
    for row, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        record = parse_json(path, line.rstrip("\r\n"), row, "; write one object per line")
        if not isinstance(record, dict):
            raise DataError(
                f'{path}:{row}: a row must be one object, {{"text": "…", "label": "…"}}, not {shorten(record)}'
            )
        yield row, record


def cell(where: str, record: dict[str, Any], column: str, needed: bool = True) -> str:
    """Return a value as text: "" for null, "1" for 1.0, "true" for true. Only JSON has other values than strings.

    Raises DataError for a value that is not a string or a number, and for a missing one that is `needed`.
    """
    if needed and column not in record:
        raise DataError(f"{where}: no {column!r}, but the first row has it: give every object the same keys")
    value = record.get(column)
    if value is None:
        return ""
    if isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return json.dumps(value).removesuffix(".0")
    if not isinstance(value, str):
        raise DataError(f"{where}: column {column!r} has the value {shorten(value)}: write a string or a number")
    if not is_unicode(value):
        raise DataError(f"{where}: column {column!r} has half of a \\ud… pair, which is not a character: correct it")
    return value
