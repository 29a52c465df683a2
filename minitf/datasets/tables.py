"""Delimited text and JSON lines, read strictly: what cannot be told with certainty is an error with its row.

The workings beneath `datasets`. Only the standard library.
"""

import csv
import difflib
import io
import json
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from minitf.errors import DataError

# Columns recognised without being named, in any case. The two of a pair are taken together.
PAIRS = (
    *(("sentence1", "sentence2"), ("text1", "text2"), ("question1", "question2"), ("text_a", "text_b")),
    *(("sentence_a", "sentence_b"), ("premise", "hypothesis")),
    *(("question", "sentence"), ("question", "answer"), ("question", "passage"), ("question", "context")),
)
TEXTS = ("text", "sentence", "review", "content", "comment", *(first for first, _ in PAIRS))
LABELS = ("label", "labels", "gold_label", "sentiment", "class", "category", "target", "score")
SEPARATOR = "|"  # between several labels in one cell
ENDINGS = (".csv", ".tsv", ".jsonl", ".ndjson", ".json")

Records = list[tuple[int, dict[str, Any]]]  # (line on which the record starts, its cells by column)


def did_you_mean(name: str, names: Sequence[str]) -> str:
    """The nearest of `names` as a question in brackets; nothing if none is near."""
    by_lower = {other.lower(): other for other in names}
    near = difflib.get_close_matches(name.lower(), by_lower, n=1)
    return f" (did you mean {by_lower[near[0]]!r}?)" if near else ""


def read_bytes(path: Path) -> bytes:
    """The bytes of a file that is there and that has one of our endings."""
    with _opened(path) as file:
        return file.read()


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """A file that is there and that has one of our endings."""
    try:
        if path.is_dir():
            inside = ", ".join(_tables(path)[:6]) or f"it holds no {', '.join(ENDINGS)}"
            raise DataError(f"{path}: is a folder; name a file in it ({inside})")
        if path.exists() and path.suffix.lower() not in ENDINGS:
            raise DataError(f"{path}: a table is known by its ending: rename it to one of {', '.join(ENDINGS)}")
        with path.open("rb") as file:
            yield file
    except FileNotFoundError:
        near = did_you_mean(path.name, _tables(path.parent))
        raise DataError(f"{path}: no such file{near}; check the path (the working folder is {Path.cwd()})") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None


def _tables(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*") if path.suffix.lower() in ENDINGS)


def records(path: str, data: bytes) -> Records:
    """All rows, at least one, as cells by column."""
    _check_letters(path, io.BytesIO(data))
    text = data.decode("utf-8-sig")
    return list(_rows(path, io.StringIO(text, newline=""), len(text)))


def stream(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The same of a file of any length, one row in memory at a time. What is wrong is said where it stands."""
    with _opened(path) as file:
        _check_letters(str(path), file)
        file.seek(0)
        lines = io.TextIOWrapper(file, encoding="utf-8-sig", newline="")
        yield from _rows(str(path), lines, path.stat().st_size)


def _check_letters(path: str, file: BinaryIO) -> None:
    at, row = 0, 1
    for line in file:
        try:
            line.decode("utf-8")
            bad, what = line.find(b"\0"), "a NUL byte, which no text holds"
        except UnicodeDecodeError as error:
            bad, what = error.start, f"0x{line[error.start]:02x} is not UTF-8"
        if bad >= 0:
            row += len((line[:bad] + b"|").splitlines()) - 1
            raise DataError(f"{path}:{row}: byte {at + bad} of the file: {what}; save the table as UTF-8 text")
        at, row = at + len(line), row + len(line.splitlines())


def _rows(path: str, lines: TextIO, size: int) -> Iterator[tuple[int, dict[str, Any]]]:
    """The rows of a text of at most `size` letters, which breaks at \\n, \\r\\n and \\r, and nowhere else."""
    ending, found = Path(path).suffix.lower(), False
    limit = csv.field_size_limit(max(size, 1))
    try:
        delimited = ending in (".csv", ".tsv")
        rows = _delimited(path, lines, "," if ending == ".csv" else "\t") if delimited else _json_lines(path, lines)
        for row in rows:
            found = True
            yield row
    finally:
        csv.field_size_limit(limit)
    if not found:
        raise DataError(f"{path}: is empty: the first line must name the columns, each line after it is a row")


def _delimited(path: str, lines: TextIO, delimiter: str) -> Iterator[tuple[int, dict[str, Any]]]:
    # Not strict, a quotation mark that is never closed would swallow the rest of the file without a word.
    reader = csv.reader(
        lines, delimiter=delimiter, quoting=csv.QUOTE_MINIMAL if delimiter == "," else csv.QUOTE_NONE, strict=True
    )
    columns: list[str] | None = None
    row, found = 1, False
    try:
        for fields in reader:
            if not fields or (columns is None and len(fields) == 1 and not fields[0].strip()):  # a blank line
                pass
            elif columns is None:
                columns = [column.strip() for column in fields]
                twice = [column for column, n in Counter(columns).items() if n > 1 and column]
                if twice:
                    raise _misnamed(path, columns, f"two columns are called {twice[0]!r}: rename one")
            elif len(fields) != len(columns):
                raise DataError(
                    f"{path}:{row}: the header names {len(columns)} columns, this row has {len(fields)}: "
                    + ("put a text with a comma or a line break in quotation marks" if delimiter == "," else _TABS)
                )
            else:
                found = True
                yield row, dict(zip(columns, fields, strict=True))
            row = reader.line_num + 1
    except csv.Error as error:
        raise DataError(
            f'{path}:{row}: the quoting is broken ({error}): close each quoted field, and write "" for a " inside one'
        ) from None
    if columns is not None and not found:
        raise _misnamed(path, columns, "holds a header and no row: add examples below it")


_TABS = "a TSV has no quoting, so no text may hold a tab or a line break; save such a table as CSV"


def _json_lines(path: str, lines: TextIO) -> Iterator[tuple[int, dict[str, Any]]]:
    for row, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            record = json.loads(line, object_pairs_hook=_object)
        except (ValueError, RecursionError) as error:
            what = f"{error.msg} at column {error.colno}" if isinstance(error, json.JSONDecodeError) else error
            raise DataError(f"{path}:{row}: bad JSON: {what}; write one whole object a line") from None
        if not isinstance(record, dict):
            raise DataError(f'{path}:{row}: write an object, {{"text": "…", "label": "…"}}, not {_short(record)}')
        yield row, record


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    twice = [key for key, n in Counter(key for key, _ in pairs).items() if n > 1]
    if twice:
        raise ValueError(f"two values for {twice[0]!r}")
    return dict(pairs)


def cell(where: str, record: dict[str, Any], column: str, needed: bool = True) -> str:
    """A value as text. Only JSON can surprise: a delimited file has strings, and as many as columns."""
    if needed and column not in record:
        raise DataError(f"{where}: no {column!r}, though the first row has it: give every object the same keys")
    value = record.get(column)
    if value is None:
        return ""
    if isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return json.dumps(value).removesuffix(".0")
    if not isinstance(value, str):
        raise DataError(f"{where}: column {column!r} holds {_short(value)}: write a string or a number")
    if not value.isascii() and any("\ud800" <= c <= "\udfff" for c in value):
        raise DataError(f"{where}: column {column!r} holds half of a \\ud… pair, which is no character: mend the text")
    return value


def find_columns(
    path: str, columns: list[str], text: str | None, pair: str | None, label: str | None, need_label: bool
) -> tuple[str, str | None, str | None]:
    """(text, pair, label): those named, and those that can be told from their names."""
    named = [column for column in (text, pair, label) if column is not None]
    for column in named:
        if column not in columns:
            near = did_you_mean(column, columns)
            problem = f"no column {column!r}{near}; {_list(columns)}"
            raise DataError(f"{path}: {problem}") if near else _misnamed(path, columns, problem)
    if len(set(named)) < len(named):
        raise DataError(f"{path}: text, pair and label must be different columns, not {', '.join(named)}")
    free = [column for column in columns if column not in named]
    if label is None:
        found = [column for column in free if column.lower() in LABELS]
        if need_label and len(found) != 1:
            raise _misnamed(path, columns, _unclear("label", found, columns))
        label = found[0] if len(found) == 1 else None
    if text is None:
        by_lower = {column.lower(): column for column in free if column != label}
        twos = [] if pair else [(by_lower[a], by_lower[b]) for a, b in PAIRS if a in by_lower and b in by_lower]
        taken = {column for two in twos for column in two}
        ones = [(column, pair) for column in free if column.lower() in TEXTS and column not in taken]
        options = [*twos, *ones]
        if len(options) != 1:
            raise _misnamed(path, columns, _unclear("text", ["+".join(filter(None, o)) for o in options], columns))
        text, pair = options[0]
    return text, pair, label


def _misnamed(path: str, columns: list[str], problem: str) -> DataError:
    """`problem`, unless the cause of it must be that the first line is no header."""
    is_data = any(len(column.split()) > 4 or column.lstrip("-").replace(".", "", 1).isdigit() for column in columns)
    if is_data and path.lower().endswith((".csv", ".tsv")):
        problem = f"the first line must name the columns; it reads {_short(' '.join(columns))}: add one above"
    return DataError(f"{path}: {problem}")


def _unclear(what: str, found: list[str], columns: list[str]) -> str:
    problem = f"{' and '.join(map(repr, found))} could each be the {what}" if found else f"no column is a known {what}"
    return f"{problem}: name it with `{what}`; {_list(columns)}"


def _list(columns: list[str]) -> str:
    return f"the first line has {', '.join(map(_short, columns[:20]))}{' …' if len(columns) > 20 else ''}"


def _short(value: object) -> str:
    """On one line and of bounded length, whatever it holds."""
    shown = repr(value)
    return shown if len(shown) <= 60 else f"{shown[:59]}…"


def is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text)) and "_" not in text  # Python reads 1_000
    except ValueError:
        return False
