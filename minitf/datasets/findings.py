"""Findings of the data check: errors that forbid training, warnings that do not, and how they name rows."""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from typing import Literal

from minitf.datasets.dataset import Dataset, Example
from minitf.errors import DataError

FEW = 5  # rows of a class: with fewer, its score is chance


MANY = 50  # labels: a column with more is rarely a column of classes


@dataclasses.dataclass(frozen=True)
class Finding:
    """An error forbids training, a warning does not."""

    level: Literal["error", "warning"]
    message: str


def refuse(findings: Sequence[Finding]) -> None:
    """Raises DataError with the first error, if there is one."""
    errors = [finding.message for finding in findings if finding.level == "error"]
    if errors:
        raise DataError(errors[0] + (f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""))


def at(table: Dataset, rows: Sequence[Example]) -> str:
    return f"{table.path}:{rows[0].row}"


def in_all(rows: Sequence[Example]) -> str:
    """What to add to a message about the first of several rows."""
    return f" ({len(rows)} rows in all: {some([str(example.row) for example in rows])})" if len(rows) > 1 else ""


def some(words: Sequence[str], most: int = 8) -> str:
    return ", ".join(words[:most]) + (", …" if len(words) > most else "")


MOST = 8  # labels that get a row of their own in the table


Rows = dict[str, str]  # name of a row of the data check -> its cell for one table


def count_rows(mine: Counter[str], train: Counter[str]) -> Rows:
    """A row for each label with its count in one table, the most frequent in the training table first."""
    names = [name for name, _ in train.most_common()]
    shown = names if len(names) <= MOST else names[: MOST - 1]
    rows = {f"  label {' '.join(name.split()):.28}": str(mine[name]) for name in shown}
    if rest := names[len(shown) :]:
        rows[f"  {len(rest)} labels more"] = str(sum(mine[name] for name in rest))
    return rows
