"""Tables of pairs of a source and a target: their columns and their checks. Imports no torch."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from minitf.datasets import tables
from minitf.datasets.checks import empty_cells, leakage
from minitf.datasets.columns import LABELS, column_error, missing_column
from minitf.datasets.dataset import Dataset, Source, read_table
from minitf.datasets.findings import Finding, Rows, list_rows, location
from minitf.datasets.strings import first_few, shorten
from minitf.errors import DataError
from minitf.tasks.whole_text.checks import given

# Columns that are found without being named, in upper or lower case, source and target together.
PAIRS = (
    *(("source", "target"), ("src", "tgt"), ("source", "translation"), ("text", "translation")),
    *(("document", "summary"), ("article", "summary"), ("article", "highlights"), ("text", "summary")),
    *(("dialogue", "summary"), ("question", "reply"), ("message", "reply"), ("message", "response")),
    *(("prompt", "response"), ("input", "output"), ("source", "summary"), ("source", "reply")),
)


def read_pairs(
    source: Source,
    text: str | None = None,
    pair: str | None = None,
    label: str | None = None,
    delimiter: str | None = None,
) -> Dataset:
    """Read a table with a column of sources (`text`) and one of targets (`label`). Raises DataError.

    Columns that are not named are found by their names, see `PAIRS`. Neither text is changed.
    """
    return read_table(source, text, None, label, read_label=tables.cell, delimiter=delimiter, find=find_pair)


def find_pair(
    path: str, columns: list[str], text: str | None, pair: str | None, label: str | None, need_label: bool
) -> tuple[str, None, str]:
    """Return the columns of the source and the target: those that are named, or the only two with known names."""
    for column in (text, label):
        if column is not None and column not in columns:
            raise missing_column(path, column, columns)
    if text is not None and text == label:
        raise DataError(f"{path}: `text` and `label` must be different columns, not both {text}")
    found = [(text, label)] if text and label else list(_known_pairs(columns, text, label))
    if len(found) != 1:
        names = " and ".join("+".join(map(shorten, two)) for two in found)
        problem = (
            f"{names} could each be source and target" if found else "no two columns are a known source and target"
        )
        listed = first_few([shorten(column) for column in columns], 20)
        raise column_error(path, columns, f"{problem}: name them with `text` and `label`; the columns are {listed}")
    ((first, second),) = found
    return first, None, second


def _known_pairs(columns: list[str], text: str | None, label: str | None) -> Iterator[tuple[str, str]]:
    """Yield the pairs of known columns; one that is named may have any name."""
    by_lower = {column.lower(): column for column in columns}
    seen = set()
    for a, b in PAIRS:
        two = text or by_lower.get(a), label or by_lower.get(b)
        if all(two) and two[0] != two[1] and two not in seen:
            seen.add(two)
            yield two  # type: ignore[misc]


def recognize(path: str, columns: Any) -> str | None:
    """Return why a table is for this task: it has the columns of a source and a target. None if it is not."""
    if columns.get("pair") or any(columns.get(name) for name in ("text", "label")):
        return None
    try:
        names = _columns(path, columns.get("delimiter"))
        first, _, second = find_pair(path, names, None, None, None, True)
    except DataError:
        return None
    if any(column.lower() in LABELS for column in names if column not in (first, second)):
        return None
    return f"it has the columns {first!r} and {second!r}"


def _columns(path: str, delimiter: str | None) -> list[str]:
    _, record = next(tables.stream(Path(path), delimiter))
    return list(record)


def check_pairs(train: Dataset, valid: Dataset | None = None, test: Dataset | None = None) -> list[Finding]:
    """Return all findings in the tables, errors first. A source may have several targets, such as translations."""
    tables_ = given(train, valid, test)
    errors = [message for table in tables_ for message in empty_cells(table)]
    if len(train.examples) < 2:
        errors.append(f"{train.path}: too few examples to train on ({len(train.examples)}): add rows")
    warnings = [*_repeated(train), *(m for i, a in enumerate(tables_) for b in tables_[i + 1 :] for m in leakage(a, b))]
    return [Finding("error", message) for message in errors] + [Finding("warning", message) for message in warnings]


def _repeated(train: Dataset) -> Iterator[str]:
    """Find rows that are equal to an earlier row."""
    seen: set[tuple[str, str | None]] = set()
    rows = [e for e in train.examples if (e.text, e.label) in seen or seen.add((e.text, e.label))]  # type: ignore[func-returns-value]
    if rows:
        yield f"{location(train, rows)}: repeats an earlier row, so it counts twice: delete it{list_rows(rows)}"


def describe(train: Dataset) -> str:
    """Describe the columns and the lengths of a training table."""
    sources, targets = (sorted(map(len, texts)) for texts in (train.texts, train.labels or [""]))
    middle = len(sources) // 2
    return f"{train.text_column} to {train.label_column}, median {sources[middle]} to {targets[middle]} characters"


def pair_rows(table: Dataset, train: Dataset) -> Rows:
    """Return the number of different targets."""
    return {f"  different in {train.label_column}": f"{len(set(table.labels or ())):,}"}
