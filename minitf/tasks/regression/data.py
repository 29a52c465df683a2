"""Numbers to predict: how they are read from a cell, checked and split. Torch-free."""

import statistics
from collections.abc import Iterator
from typing import Any

from minitf.datasets.dataset import Dataset, one_label
from minitf.datasets.findings import Finding, Rows, list_rows, location
from minitf.datasets.strings import is_number
from minitf.errors import DataError
from minitf.tasks.whole_text.checks import check_tables, given

FEW_NUMBERS = 3  # different ones: with fewer, they are rather names
FAR = 10.0  # standard deviations from the mean: rather a slip than a number
LARGE = 50.0  # a head starts at 0, and its answers grow by little at each step


def check_regression(train: Dataset, valid: Dataset | None = None, test: Dataset | None = None) -> list[Finding]:
    """Every finding in tables of numbers, errors first; that they are numbers, the reading has seen to."""
    tables = given(train, valid, test)
    findings = check_tables(tables, _one_number(train), _odd_numbers(train))
    return findings + [Finding("warning", m) for table in tables[1:] for m in _beyond(table, train)]


def _one_number(train: Dataset) -> Iterator[str]:
    if len(train.examples) > 1 and len(set(numbers_in(train))) == 1:
        yield (
            f"{train.path}: every row has the number {train.examples[0].label}, so there is nothing to learn: add other"
            f" rows, or name the right column with `label` if it is not {train.label_column!r}"
        )


def _odd_numbers(train: Dataset) -> Iterator[str]:
    numbers = numbers_in(train)
    where = f"{train.path}, column {train.label_column!r}"
    different = sorted(set(numbers))
    if len(different) < FEW_NUMBERS:
        yield f"{where}: only {len(different)} different numbers: if they name classes, set `task` to classification"
    largest = max(map(abs, numbers))
    if largest > LARGE:
        yield (
            f"{where}: numbers as large as {largest:g} take long to reach from the 0 that a new head says: divide the"
            f" column by {10 ** (len(str(int(largest))) - 1) if largest < 1e15 else largest:g}, say"
        )
    mean, deviation = mean_and_deviation(numbers)
    rows = [e for e, number in zip(train.examples, numbers, strict=True) if abs(number - mean) > FAR * deviation > 0]
    if rows:
        yield (
            f"{location(train, rows)}: {rows[0].label} lies more than {FAR:g} standard deviations from the mean"
            f" {mean:g}, and will rule the squared error: correct it if it is a slip{list_rows(rows)}"
        )


def _beyond(table: Dataset, train: Dataset) -> Iterator[str]:
    known = numbers_in(train)
    low, high = min(known, default=0.0), max(known, default=0.0)
    rows = [e for e, x in zip(table.examples, numbers_in(table), strict=True) if not low <= x <= high]
    if rows and len(rows) > 0.01 * len(table.examples):
        yield (
            f"{location(table, rows)}: {rows[0].label} lies outside of what the training rows have, {low:g} to"
            f" {high:g}: learned numbers seldom go beyond{list_rows(rows)}"
        )


def mean_and_deviation(numbers: list[float]) -> tuple[float, float]:
    """Of at least one number; the deviation divides by n."""
    scale = max(map(abs, numbers)) or 1.0  # so that no sum and no square is beyond what a float can hold
    scaled = [number / scale for number in numbers]
    return scale * statistics.fmean(scaled), scale * statistics.pstdev(scaled)


def range_of(numbers: list[float]) -> str:
    """What the numbers are like, in words."""
    if not numbers:
        return "no numbers"
    mean, deviation = mean_and_deviation(numbers)
    return f"{min(numbers):g} to {max(numbers):g}, mean {mean:.4g}, standard deviation {deviation:.4g}"


def finite_number(where: str, record: dict[str, Any], column: str, needed: bool = True) -> str:
    """A cell that holds a finite number, as it is written. Raises DataError."""
    label = one_label(where, record, column, needed)
    if not label and not needed:
        return label
    if not is_number(label):
        comma = " with a point" if is_number(label.replace(",", ".", 1)) else ""
        raise DataError(
            f"{where}: column {column!r} holds {label!r:.60}, no finite number: write one{comma}, or name the right"
            " column with `label`; classes are learned with `task` classification"
        )
    return label


def numbers_in(table: Dataset) -> list[float]:
    """The numbers that `finite_number` read."""
    return [float(example.label or "nan") for example in table.examples]


def number_rows(table: Dataset, train: Dataset) -> Rows:
    """Where the numbers lie."""
    numbers = numbers_in(table)
    mean, deviation = mean_and_deviation(numbers)
    found = {"lowest": min(numbers), "highest": max(numbers), "mean": mean, "standard deviation": deviation}
    return {f"  {train.label_column}, {what}": f"{number:.4g}" for what, number in found.items()}
