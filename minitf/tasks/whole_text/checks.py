"""The checks of a table of whole texts, before training and without torch: errors forbid it, warnings do not."""

import itertools
from collections.abc import Iterable, Sequence

from minitf.datasets import near_duplicates
from minitf.datasets.checks import duplicates, empty_cells, leakage
from minitf.datasets.dataset import Dataset
from minitf.datasets.findings import Finding


def check_tables(
    tables: Sequence[Dataset], errors: Iterable[str], warnings: Iterable[str], *, label_required: bool = True
) -> list[Finding]:
    """All findings, errors first. `tables` are train and, if given, valid and test; `errors` and `warnings` are the
    task's own about their labels."""
    train = tables[0]
    found = [message for table in tables for message in empty_cells(table, label_required)]
    if len(train.examples) < 2:
        found.append(f"{train.path}: too few examples to train on ({len(train.examples)}): add rows")
    found += errors
    odd = [*duplicates(train), *near_duplicates.warnings(tables), *warnings]
    for earlier, later in itertools.combinations(tables, 2):
        odd += leakage(earlier, later)
    return [Finding("error", message) for message in found] + [Finding("warning", message) for message in odd]


def given(*tables: Dataset | None) -> list[Dataset]:
    """Those of train, valid and test that exist."""
    return [table for table in tables if table is not None]
