"""Numbers to predict: how they are read from a cell, checked and described. Imports no torch."""

import statistics
from collections.abc import Iterator
from typing import Any

from minitf.datasets.dataset import Dataset, one_label
from minitf.datasets.findings import Finding, Rows, list_rows, location
from minitf.datasets.strings import is_number, shorten, with_decimal_comma
from minitf.errors import DataError
from minitf.tasks.regression.metrics import FAR
from minitf.tasks.whole_text.checks import check_tables, given, label_column

FEW_NUMBERS = 3  # with fewer different numbers, they are probably names of classes
OUTLIER = 10.0  # standard deviations from the mean beyond which a number is probably a mistake
LARGE = 50.0  # a new head predicts about 0, and its predictions change only a little in each step
OUTSIDE_SHARE = 0.01  # of the rows of a table that may lie outside the range of the training numbers


def check_regression(train: Dataset, valid: Dataset | None = None, test: Dataset | None = None) -> list[Finding]:
    """Return all findings in the tables, errors first; `finite_number` has already checked the cells."""
    tables = given(train, valid, test)
    findings = check_tables(tables, _one_number(train), _number_warnings(train))
    return findings + [Finding("warning", m) for table in tables[1:] for m in _outside_range(table, train)]


def _one_number(train: Dataset) -> Iterator[str]:
    if len(train.examples) > 1 and len(set(numbers_in(train))) == 1:
        yield (
            f"{train.path}: every row has the number {train.examples[0].label}, so there is nothing to learn: add other"
            f" rows, or name the right column with `label` if it is not {train.label_column!r}"
        )


def _number_warnings(train: Dataset) -> Iterator[str]:
    numbers, where = numbers_in(train), label_column(train)
    different = len(set(numbers))
    if different < FEW_NUMBERS:
        yield f"{where}: only {different} different numbers: if they name classes, set `task` to classification"
    largest = max(map(abs, numbers))
    if largest > LARGE:
        divisor = 10 ** (len(str(int(largest))) - 1) if largest < 1e15 else largest
        yield (
            f"{where}: numbers as large as {largest:g} are slow to learn, because a new head predicts about 0: divide"
            f" the column, by {divisor:g} for example"
        )
    mean, deviation = mean_and_deviation(numbers)
    if largest <= LARGE and abs(mean) > FAR and abs(mean) > 2.0 * deviation:
        yield (
            f"{where}: a new head predicts about 0, and the mean of the numbers is {mean:.4g}: if the model does not"
            " learn, try `lr` 3e-4, more `epochs`, or subtract the mean from the column"
        )
    rows = [e for e, x in zip(train.examples, numbers, strict=True) if abs(x - mean) > OUTLIER * deviation > 0]
    if rows:
        yield (
            f"{location(train, rows)}: {rows[0].label} is more than {OUTLIER:g} standard deviations from the mean"
            f" {mean:g} and will dominate the squared error: correct it if it is a mistake{list_rows(rows)}"
        )


def _outside_range(table: Dataset, train: Dataset) -> Iterator[str]:
    known = numbers_in(train)
    low, high = min(known, default=0.0), max(known, default=0.0)
    rows = [e for e, x in zip(table.examples, numbers_in(table), strict=True) if not low <= x <= high]
    if rows and len(rows) > OUTSIDE_SHARE * len(table.examples):
        yield (
            f"{location(table, rows)}: {rows[0].label} is outside the range of the training rows, {low:g} to {high:g}:"
            f" predictions rarely leave that range{list_rows(rows)}"
        )


def mean_and_deviation(numbers: list[float]) -> tuple[float, float]:
    """Return mean and standard deviation (divided by n) of at least one number."""
    scale = max(map(abs, numbers)) or 1.0  # so that no sum or square overflows
    scaled = [number / scale for number in numbers]
    return scale * statistics.fmean(scaled), scale * statistics.pstdev(scaled)


def range_of(numbers: list[float]) -> str:
    """Describe the numbers: range, mean and standard deviation."""
    if not numbers:
        return "no numbers"
    mean, deviation = mean_and_deviation(numbers)
    return f"{min(numbers):g} to {max(numbers):g}, mean {mean:.4g}, standard deviation {deviation:.4g}"


def finite_number(where: str, record: dict[str, Any], column: str, needed: bool = True) -> str:
    """Return a cell with a finite number as it is written. Raises DataError."""
    label = one_label(where, record, column, needed)
    if not label and not needed:
        return label
    if not is_number(label):
        point = " with a decimal point and no other mark" if is_number(label.replace(",", ".", 1)) else ""
        several = f"; several labels are written {label.replace(',', '|'):.60}" if with_decimal_comma(label) else ""
        raise DataError(
            f"{where}: column {column!r} has {shorten(label)}, not a finite number: write one{point}, delete the row,"
            f" or name the right column with `label`; for classes set `task` to classification{several}"
        )
    return label


def numbers_in(table: Dataset) -> list[float]:
    """Return the numbers that `finite_number` has read."""
    return [float(example.label or "nan") for example in table.examples]


def number_rows(table: Dataset, train: Dataset) -> Rows:
    """Return range, mean and standard deviation of the numbers."""
    numbers = numbers_in(table)
    mean, deviation = mean_and_deviation(numbers)
    found = {"lowest": min(numbers), "highest": max(numbers), "mean": mean, "standard deviation": deviation}
    return {f"  {train.label_column}, {what}": f"{number:.4g}" for what, number in found.items()}
