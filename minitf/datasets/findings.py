"""Findings of the data checks, and parts of their messages: which rows, and how often a label occurs."""

import dataclasses
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal

from minitf.datasets.dataset import Dataset, Example
from minitf.datasets.lines import few_rows
from minitf.datasets.strings import cut, first_few, is_number
from minitf.errors import DataError

FEW_ROWS = 5  # of a label: with fewer, its score is mostly chance
MANY_LABELS = 50  # a column with more is rarely a column of classes
MANY_CLASSES = 60  # with more, nothing is written or printed whose size is classes × classes or texts × classes
LISTED_LABELS = 8  # with a row of their own in the data check

Rows = dict[str, str]  # name of a row of the data check -> its cell for one table


@dataclasses.dataclass(frozen=True)
class Finding:
    """A problem in the data. An error prevents training; a warning is only printed."""

    level: Literal["error", "warning"]
    message: str


def refuse(findings: Sequence[Finding]) -> None:
    """Raise DataError with the first error, if there is one."""
    errors = [finding.message for finding in findings if finding.level == "error"]
    if errors:
        raise DataError(errors[0] + (f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""))


def location(table: Dataset, rows: Sequence[Example]) -> str:
    """Return where the first of the rows is, as `path:row`."""
    return f"{table.path}:{rows[0].row}"


def list_rows(rows: Sequence[Example]) -> str:
    """Return the number of rows and the first of them, in brackets; "" for one row, which the message names."""
    return f" ({len(rows)} rows in all: {few_rows([example.row for example in rows])})" if len(rows) > 1 else ""


def count_rows(counts: Counter[str], train: Counter[str], name: str = "label ", more: str = "other labels") -> Rows:
    """Return a row for each label with its count in one table, the most frequent in the training table first.

    `name` is written before each label, `more` is what those without a row of their own are called.
    """
    names = [label for label, _ in train.most_common()]
    listed = names if len(names) <= LISTED_LABELS else names[: LISTED_LABELS - 1]
    rows = {f"  {name}{' '.join(label.split()):.28}": str(counts[label]) for label in listed}
    if others := names[len(listed) :]:
        rows[f"  {len(others)} {more}"] = str(sum(counts[label] for label in others))
    return rows


def describe_counts(counts: Mapping[str, int], names: Sequence[str]) -> str:
    """Return each label with its number of rows; of many labels, only the most frequent."""
    colon = ":" if any(map(is_number, names)) else ""  # "1: 11", not "1 11"

    def counted(name: str) -> str:
        return f"{cut(name)}{colon} {counts[name]}"

    if len(names) <= MANY_CLASSES:
        return ", ".join(counted(name) for name in names)
    frequent = sorted(names, key=lambda name: -counts[name])
    return f"{len(names):,} labels, {first_few([counted(name) for name in frequent])}"
