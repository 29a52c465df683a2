"""What `checks` says of classes, said of several labels a text and of numbers: what is wrong, what is odd."""

import itertools
import statistics
from collections import Counter
from collections.abc import Callable, Iterator

from minitf.text import alike, checks
from minitf.text.checks import FEW, Finding, at, in_all, some
from minitf.text.datasets import Dataset
from minitf.text.label_sets import labels_in, numbers_in, set_names
from minitf.text.tables import did_you_mean

FEW_NUMBERS = 3  # different ones: with fewer, they are rather names
FAR = 10.0  # standard deviations from the mean: rather a slip than a number
LARGE = 50.0  # a head starts at 0, and its answers grow by little at each step

Complaints = Callable[[Dataset], Iterator[str]]


def check_multilabel(train: Dataset, valid: Dataset | None = None, test: Dataset | None = None) -> list[Finding]:
    """Every finding in tables of several labels a text, errors first."""
    tables = [table for table in (train, valid, test) if table is not None]
    unseen = (message for table in tables[1:] for message in _unseen_in_sets(table, train))
    return _all_of(tables, False, _nothing_to_tell_apart, unseen, _odd_sets)


def check_regression(train: Dataset, valid: Dataset | None = None, test: Dataset | None = None) -> list[Finding]:
    """Every finding in tables of numbers, errors first; that they are numbers, the reading has seen to."""
    tables = [table for table in (train, valid, test) if table is not None]
    findings = _all_of(tables, True, _one_number, iter(()), _odd_numbers)
    return findings + [Finding("warning", m) for table in tables[1:] for m in _beyond(table, train)]


def _all_of(
    tables: list[Dataset], label_needed: bool, too_little: Complaints, unseen: Iterator[str], odd: Complaints
) -> list[Finding]:
    train = tables[0]
    errors = [m for table in tables for m in checks.empty_cells(table, label_needed)]
    if len(train.examples) < 2:
        errors.append(f"{train.path}: too few examples to train on ({len(train.examples)}): add rows")
    errors += [*too_little(train), *unseen]
    doubts = [*checks.repetitions(train), *alike.doubts(tables), *odd(train)]
    for earlier, later in itertools.combinations(tables, 2):
        doubts += checks.leakage(earlier, later)
    return [Finding("error", m) for m in errors] + [Finding("warning", m) for m in doubts]


def _nothing_to_tell_apart(train: Dataset) -> Iterator[str]:
    sets = {frozenset(labels_in(example.label)) for example in train.examples}
    if len(sets) == 1 and len(train.examples) > 1:
        (labels,) = sets
        what = f"the labels {', '.join(sorted(labels))}" if labels else "no label"
        yield (
            f"{train.path}: every row has {what}, so there is nothing to tell apart: add other rows, or name the right"
            f" column with --label if it is not {train.label_column!r}"
        )


def _unseen_in_sets(table: Dataset, train: Dataset) -> Iterator[str]:
    names = set_names(train)
    rows = [example for example in table.examples if not set(labels_in(example.label)) <= set(names)]
    if rows and names:
        label = next(name for name in labels_in(rows[0].label) if name not in names)
        yield (
            f"{at(table, rows)}: no training row has the label {label!r}{did_you_mean(label, names)}, they have"
            f" {some(names)}: correct it, or add training rows that bear it{in_all(rows)}"
        )


def _odd_sets(train: Dataset) -> Iterator[str]:
    names, n = set_names(train), len(train.examples)
    counts = Counter(name for example in train.examples for name in labels_in(example.label))
    where = f"{train.path}, column {train.label_column!r}"
    if all(len(labels_in(example.label)) == 1 for example in train.examples):
        yield f"{where}: every row has one label: if a text can have no other number of them, --task classification"
    if len(names) > checks.MANY or len(names) > n / 2:
        yield f"{where}: {len(names)} different labels in {n} rows: is this the wrong column?"
    if rare := [f"{name!r} ({counts[name]})" for name in names if counts[name] < FEW]:
        yield f"{where}: labels with fewer than {FEW} rows are hardly learned: {some(rare)}: add rows, or merge them"
    if everywhere := [repr(name) for name in names if counts[name] == n]:
        yield f"{where}: every row bears {some(everywhere)}, so that is all that will be learned of it"
    spellings = Counter(name.casefold() for name in names)
    if same := [repr(name) for name in names if spellings[name.casefold()] > 1]:
        yield f"{where}: labels that differ only in capitals: {some(same)}: write them alike if they mean the same"


def _one_number(train: Dataset) -> Iterator[str]:
    if len(train.examples) > 1 and len(set(numbers_in(train))) == 1:
        yield (
            f"{train.path}: every row has the number {train.examples[0].label}, so there is nothing to learn: add other"
            f" rows, or name the right column with --label if it is not {train.label_column!r}"
        )


def _odd_numbers(train: Dataset) -> Iterator[str]:
    numbers = numbers_in(train)
    where = f"{train.path}, column {train.label_column!r}"
    different = sorted(set(numbers))
    if len(different) < FEW_NUMBERS:
        yield f"{where}: only {len(different)} different numbers: if they are names of classes, --task classification"
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
            f"{at(train, rows)}: {rows[0].label} lies more than {FAR:g} standard deviations from the mean {mean:g}, and"
            f" will rule the squared error: correct it if it is a slip{in_all(rows)}"
        )


def _beyond(table: Dataset, train: Dataset) -> Iterator[str]:
    known = numbers_in(train)
    low, high = min(known, default=0.0), max(known, default=0.0)
    rows = [e for e, x in zip(table.examples, numbers_in(table), strict=True) if not low <= x <= high]
    if rows and len(rows) > 0.01 * len(table.examples):
        yield (
            f"{at(table, rows)}: {rows[0].label} lies outside of what the training rows have, {low:g} to {high:g}:"
            f" learned numbers seldom go beyond{in_all(rows)}"
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
