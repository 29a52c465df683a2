"""What must be right in a classification task before training, and what is odd: all of it at once, without torch.

Nothing is mended here: a finding says what is wrong, where, and what to do. `refuse` stops at the errors.
"""

import dataclasses
import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Literal

from minitf.errors import DataError
from minitf.text import alike
from minitf.text.datasets import Dataset, Example
from minitf.text.label_sets import is_number
from minitf.text.tables import did_you_mean

FEW = 5  # rows of a class: with fewer, what is learned of it is chance
MAJORITY = 0.8  # share of one class from which accuracy alone says little
MANY = 50  # labels: seldom are so many meant as classes


@dataclasses.dataclass(frozen=True)
class Finding:
    """An error forbids training, a warning does not."""

    level: Literal["error", "warning"]
    message: str


def label_names(train: Dataset) -> tuple[str, ...]:
    """The classes, sorted: as numbers if all are numbers, else as text."""
    names = set(train.labels or ()) - {""}
    by_number = all(is_number(name) for name in names)
    return tuple(sorted(names, key=lambda name: (float(name) if by_number else 0.0, name)))


def check_classification(train: Dataset, valid: Dataset | None = None, test: Dataset | None = None) -> list[Finding]:
    """Every finding in the tables, errors first."""
    tables = [table for table in (train, valid, test) if table is not None]
    findings = [
        *(Finding("error", message) for table in tables for message in empty_cells(table)),
        *(Finding("error", message) for message in _too_little(train)),
        *(Finding("error", message) for table in tables[1:] for message in _unseen_labels(table, train)),
        *(Finding("warning", message) for message in repetitions(train)),
        *(Finding("warning", message) for message in alike.doubts(tables)),
        *(Finding("warning", message) for message in _odd_labels(train)),
    ]
    for earlier, later in itertools.combinations(tables, 2):
        findings += [Finding("warning", message) for message in leakage(earlier, later)]
    return findings


def refuse(findings: Sequence[Finding]) -> None:
    """Raises DataError with the first error, if there is one."""
    errors = [finding.message for finding in findings if finding.level == "error"]
    if errors:
        raise DataError(errors[0] + (f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""))


def empty_cells(table: Dataset, label: bool = True) -> Iterator[str]:
    """Cells that must hold something; the labels are among them, unless a row may have none."""
    if table.label_column is None:
        yield f"{table.path}: no column of it is the label: name one with --label"
    columns = {table.text_column: table.texts, table.pair_column: table.pairs}
    if label:
        columns[table.label_column] = table.labels
    for column, values in columns.items():
        rows = [example for example, value in zip(table.examples, values or [], strict=False) if not value.strip()]
        if rows:
            yield f"{at(table, rows)}: column {column!r} is empty: fill it in, or delete the row{in_all(rows)}"


def _too_little(train: Dataset) -> Iterator[str]:
    n, names = len(train.examples), label_names(train)
    if n < 2:
        yield f"{train.path}: too few examples to train on ({n}): add rows, some of every class"
    elif len(names) == 1:
        yield (
            f"{train.path}: every row has the label {names[0]!r}, so there is nothing to tell apart: add rows of"
            f" another class, or name the right column with --label if it is not {train.label_column!r}"
        )


def _unseen_labels(table: Dataset, train: Dataset) -> Iterator[str]:
    names = label_names(train)
    known = {*names, "", None}
    rows = [example for example in table.examples if example.label not in known]
    if rows and names:
        label = rows[0].label or ""
        near = "" if is_number(label) else did_you_mean(label, names)
        yield (
            f"{at(table, rows)}: no training row has the label {label!r}{near}, they have"
            f" {some(names)}: correct it, or add training rows of that class{in_all(rows)}"
        )


def repetitions(train: Dataset) -> Iterator[str]:
    first: dict[tuple[str, str | None], dict[str | None, Example]] = {}
    repeated, contradicting = [], []
    for example in train.examples:
        labelled = first.setdefault((example.text, example.pair), {})
        if example.label in labelled:
            repeated.append(example)
        elif labelled:
            contradicting.append(example)
        labelled.setdefault(example.label, example)
    if repeated:
        yield f"{at(train, repeated)}: repeats an earlier row, so it counts double: delete it{in_all(repeated)}"
    if contradicting:
        one = contradicting[0]
        other = next(iter(first[one.text, one.pair].values()))
        yield (
            f"{at(train, contradicting)}: the same text is {one.label!r} here and {other.label!r} in row {other.row}:"
            f" decide on one{in_all(contradicting)}"
        )


def _odd_labels(train: Dataset) -> Iterator[str]:
    names, counts, n = label_names(train), Counter(train.labels), len(train.examples)
    where = f"{train.path}, column {train.label_column!r}"
    if len(names) > MANY or len(names) > n / 2:
        other = "a number to predict and no class" if all(map(is_number, names)) else "the wrong column"
        yield f"{where}: {len(names)} different labels in {n} rows: is this {other}?"
    rare = [f"{name!r} ({counts[name]})" for name in names if counts[name] < FEW]
    if rare:
        yield f"{where}: labels with fewer than {FEW} rows are hardly learned: {some(rare)}: add rows, or merge them"
    for label, count in counts.most_common(1):
        if MAJORITY <= count / n < 1:
            yield (
                f"{where}: {count / n:.1%} of the rows are {label!r}, so accuracy says little: judge by F1 per class,"
                " and try --class-weights"
            )
    spellings = Counter(name.casefold() for name in names)
    same = [repr(name) for name in names if spellings[name.casefold()] > 1]
    if same:
        yield f"{where}: labels that differ only in capitals: {some(same)}: write them alike if they mean the same"


def leakage(earlier: Dataset, later: Dataset) -> Iterator[str]:
    known = {(example.text, example.pair) for example in earlier.examples}
    rows = [example for example in later.examples if (example.text, example.pair) in known]
    if rows:
        yield (
            f"{at(later, rows)}: the same text is in {earlier.path}, so the score here will flatter the model: delete"
            f" it from one of them{in_all(rows)}"
        )


def at(table: Dataset, rows: Sequence[Example]) -> str:
    return f"{table.path}:{rows[0].row}"


def in_all(rows: Sequence[Example]) -> str:
    """What to add to a message about the first of several rows."""
    return f" ({len(rows)} rows in all: {some([str(example.row) for example in rows])})" if len(rows) > 1 else ""


def some(words: Sequence[str], most: int = 8) -> str:
    return ", ".join(words[:most]) + (", …" if len(words) > most else "")
