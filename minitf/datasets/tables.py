"""Read CSV, TSV and JSON lines strictly: malformed or ambiguous data raises DataError with its row."""

import csv
import io
import itertools
import json
import math
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

from minitf.datasets.columns import column_error
from minitf.datasets.dialect import HEAD, Dialect, parse_delimiter, quoting_problem, recognize, sep_line
from minitf.datasets.lines import line_of
from minitf.datasets.reading import decode, ending, open_text, parse_json
from minitf.datasets.strings import is_unicode, shorten
from minitf.errors import DataError, InputError

SEPARATOR = "|"  # between several labels in one cell
ENDINGS = (".csv", ".tsv", ".jsonl", ".ndjson", ".json")
LARGEST_CELL = (1 << 31) - 1  # characters; the limit of the csv module is 131,072

Record = tuple[int, dict[str, Any]]  # (line of the file on which the record starts: see `lines`; its cells by column)


def records(
    path: str,
    data: bytes,
    kind: str | None = None,
    delimiter: str | None = None,
    skipped: list[int] | None = None,
) -> list[Record]:
    """Return all records of a file with the contents `data`; at least one. `kind` is its ending, by default of `path`.

    A row in which each of several cells is empty is skipped, and added to `skipped`.

    `delimiter` separates the cells of CSV and TSV, and allows quotation marks around them; see `dialect`.
    """
    lines = io.StringIO(decode(path, data), newline="")
    return list(_records(path, lines, kind or ending(path), delimiter, [] if skipped is None else skipped))


def stream(path: Path, delimiter: str | None = None, skipped: list[int] | None = None) -> Iterator[Record]:
    """Yield the records of a file, one at a time. Raises DataError when it reaches a malformed row."""
    with open_text(path, ENDINGS) as lines:
        yield from _records(str(path), lines, ending(path), delimiter, [] if skipped is None else skipped)


def to_json_lines(path: str, values: Sequence[Any]) -> bytes:
    """Write records from Python as JSON lines, so that they are read by the same rules. Raises DataError."""
    if not values:
        raise DataError(f"{path}: the list is empty: give at least one record")
    lines = []
    for row, value in enumerate(values, start=1):
        try:
            lines.append(json.dumps(value, default=_number) + "\n")
        except (TypeError, ValueError, RecursionError) as error:
            raise DataError(f"{path}:{row}: {error}; give strings and numbers") from None
    return "".join(lines).encode()


def _number(value: Any) -> Any:
    """Return a number of NumPy or PyTorch as one of Python. Raises TypeError for another value."""
    number = value.item() if getattr(value, "ndim", None) == 0 else None
    if not isinstance(number, bool | int | float):
        raise TypeError(f"has a value of type {type(value).__name__}")
    return number


def _records(path: str, lines: TextIO, kind: str, delimiter: str | None, skipped: list[int]) -> Iterator[Record]:
    """Yield the records of a text, whose lines end with \\n, \\r\\n or \\r. `kind` is the file ending of its format."""
    known, empty = {".csv": ",", ".tsv": "\t"}.get(kind), True
    if delimiter is not None and known is None:
        raise DataError(f"{path}: `delimiter` is for .csv and .tsv files; leave it out")
    try:
        delimiter = None if delimiter is None else parse_delimiter(delimiter)
    except ValueError as error:
        raise InputError(f"`delimiter` {error}") from None
    limit = csv.field_size_limit(LARGEST_CELL)
    try:
        for record in _json_lines(path, lines) if known is None else _delimited(path, lines, known, delimiter):
            if is_blank(record[1].values()):
                skipped.append(record[0])
                continue
            empty = False
            yield record
    finally:
        csv.field_size_limit(limit)
    if empty:
        raise DataError(f"{path}: is empty: the first line must name the columns, each line after it is a row")


def is_blank(cells: Collection[Any]) -> bool:
    """Whether each of several cells is empty."""
    return len(cells) > 1 and all(cell is None or (isinstance(cell, str) and not cell.strip()) for cell in cells)


def _delimited(path: str, lines: TextIO, usual: str, delimiter: str | None) -> Iterator[Record]:
    """Yield the rows of a CSV or TSV. `usual` is the delimiter of its format, `delimiter` the one that is set."""
    head = list(itertools.islice(lines, HEAD))
    first = 1  # the line on which the next row starts
    if head and (named := sep_line(head[0])) is not None:
        head, delimiter, first = head[1:], delimiter or named, 2
    dialect = Dialect(delimiter or usual, quoting=delimiter is not None or usual == ",")
    if delimiter is None and head:
        dialect = recognize(path, head, dialect)
    columns: list[str] | None = None
    header, empty = 0, True
    rows = _fields(path, itertools.chain(head, lines), dialect, first)
    for row, fields in rows:
        if not fields or (columns is None and not any(field.strip() for field in fields)):  # a blank line
            continue
        if columns is None:
            header, columns = row, [column.strip() for column in fields]
            repeated = [column for column, n in Counter(columns).items() if n > 1 and column]
            if repeated:
                raise column_error(path, columns, f"two columns are called {repeated[0]!r}: rename one")
        elif is_blank(fields):
            yield row, {str(n): "" for n in range(len(fields))}
        elif len(fields) != len(columns):
            if empty and _have_length(len(fields), rows):
                problem = (
                    f"the header (line {header}) has {len(columns)} cells, the rows have {len(fields)}: the first line"
                    f" must name each column; if it does, {_advice(dialect)}"
                )
                raise column_error(path, columns, problem)
            raise DataError(
                f"{path}:{row}: the header names {len(columns)} columns, this row has {len(fields)}: {_advice(dialect)}"
            )
        elif len(columns) > 1 and [field.strip() for field in fields] == columns:
            raise DataError(f"{path}:{row}: repeats the header: delete this row")
        else:
            empty = False
            yield row, dict(zip(columns, fields, strict=True))
    if columns is not None and empty:
        raise column_error(path, columns, "has a header and no rows: add examples below it")


def _fields(path: str, lines: Iterator[str], dialect: Dialect, first: int) -> Iterator[tuple[int, list[str]]]:
    """Yield the line on which each row starts, and its cells. Raises DataError for misplaced quotation marks."""
    raw: list[str] = []  # the lines of the current row
    reader = dialect.rows(raw.append(line) or line for line in lines)  # type: ignore[func-returns-value]
    row = first
    try:
        for number, fields in enumerate(reader, start=2):
            if fields and (problem := quoting_problem(raw, fields, dialect)):
                raise DataError(f"{path}:{row}: {problem}")
            yield row, fields
            raw.clear()
            row = line_of(first + reader.line_num, number)
    except csv.Error as error:
        problem = quoting_problem(raw, (), dialect) or (
            f'invalid quoting ({error}): close each quoted field, and write "" for a " inside one'
        )
        raise DataError(f"{path}:{row}: {problem}") from None


def _have_length(length: int, rows: Iterator[tuple[int, list[str]]]) -> bool:
    """Whether the next rows, at least one, all have this number of cells, so that the header is wrong and not a row."""
    try:
        lengths = {len(fields) for _, fields in itertools.islice(rows, HEAD) if fields}
    except DataError:
        return False
    return lengths == {length}


def _advice(dialect: Dialect) -> str:
    """Return what to do about a row with too few or too many cells."""
    if not dialect.quoting:
        return (
            "a TSV has no quoting, so no text may have a tab or a line break; save such a table as CSV, or, if its"
            f" texts are in quotation marks, set `delimiter` to {dialect.name}"
        )
    return f"put a text with a {dialect.name} or a line break in quotation marks"


def _json_lines(path: str, lines: TextIO) -> Iterator[Record]:
    first = True
    for row, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        if first and line.lstrip().startswith("["):
            raise DataError(f"{path}:{row}: begins a JSON array; write one object per line, without the array")
        first = False
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
