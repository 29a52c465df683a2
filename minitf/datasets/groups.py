"""The column of a table by which scores are reported: read on its own, so that no other column is held in memory."""

import dataclasses
from pathlib import Path
from typing import Any

from minitf.datasets import tables
from minitf.datasets.columns import missing_column
from minitf.datasets.dataset import Dataset, Source
from minitf.errors import DataError

LENGTH, UNKNOWN = "length", "unknown"  # groups by the number of tokens, and of unknown tokens; not columns
EMPTY = "(empty)"  # the group of empty cells


def with_groups(table: Any, source: Source, column: str, delimiter: str | None = None) -> Any:
    """Return the table that was read from `source`, with the cells of `column` as the groups of its examples.

    It is unchanged if no column has that name and it is `LENGTH` or `UNKNOWN`. Raises DataError for other names.
    """
    if not isinstance(table, Dataset):  # tagged sentences, questions
        if column not in (LENGTH, UNKNOWN):
            raise DataError(f"{table.path}: `by` {column!r}: it has no columns for groups; give {LENGTH} or {UNKNOWN}")
        return table
    found: dict[int, str] = {}
    for row, record in _records(source, delimiter):
        if not found and column not in record:
            if column in (LENGTH, UNKNOWN):
                return table
            raise missing_column(table.path, column, list(record), (LENGTH, UNKNOWN))
        found[row] = tables.cell(f"{table.path}:{row}", record, column, needed=False).strip() or EMPTY
    examples = tuple(dataclasses.replace(e, group=found.get(e.row, EMPTY)) for e in table.examples)
    return dataclasses.replace(table, examples=examples)


def _records(source: Source, delimiter: str | None) -> Any:
    """Return the records of a table, one at a time if it is a file."""
    if isinstance(source, list | tuple):
        return tables.records("records", tables.to_json_lines("records", source), ".jsonl")
    return tables.stream(Path(source), delimiter)  # type: ignore[arg-type]
