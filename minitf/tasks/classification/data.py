"""Classes: how the labels of a table are checked and counted. Torch-free."""

from collections import Counter
from collections.abc import Iterator

from minitf.datasets.dataset import Dataset
from minitf.datasets.findings import FEW_ROWS, MANY_LABELS, Finding, Rows, count_rows, list_rows, location
from minitf.datasets.strings import did_you_mean, first_few, is_number
from minitf.tasks.whole_text.checks import check_tables, given

MAJORITY = 0.8  # share of one class from which accuracy alone says little


def label_names(train: Dataset) -> tuple[str, ...]:
    """The classes, sorted: as numbers if all are numbers, else as text."""
    names = set(train.labels or ()) - {""}
    by_number = all(is_number(name) for name in names)
    return tuple(sorted(names, key=lambda name: (float(name) if by_number else 0.0, name)))


def check_classification(train: Dataset, valid: Dataset | None = None, test: Dataset | None = None) -> list[Finding]:
    """All findings in the tables, errors first."""
    tables = given(train, valid, test)
    unseen = (message for table in tables[1:] for message in _unseen_labels(table, train))
    return check_tables(tables, [*_one_class(train), *unseen], _odd_labels(train))


def _one_class(train: Dataset) -> Iterator[str]:
    names = label_names(train)
    if len(train.examples) > 1 and len(names) == 1:
        yield (
            f"{train.path}: every row has the label {names[0]!r}, so there is nothing to learn: add rows of another"
            f" class, or name the right column with `label` if it is not {train.label_column!r}"
        )


def _unseen_labels(table: Dataset, train: Dataset) -> Iterator[str]:
    names = label_names(train)
    known = {*names, "", None}
    rows = [example for example in table.examples if example.label not in known]
    if rows and names:
        label = rows[0].label or ""
        near = "" if is_number(label) else did_you_mean(label, names)
        yield (
            f"{location(table, rows)}: no training row has the label {label!r}{near}, they have"
            f" {first_few(names)}: correct it, or add training rows of that class{list_rows(rows)}"
        )


def _odd_labels(train: Dataset) -> Iterator[str]:
    names, counts, n = label_names(train), Counter(train.labels), len(train.examples)
    where = f"{train.path}, column {train.label_column!r}"
    if len(names) > MANY_LABELS or len(names) > n / 2:
        other = "a number to predict and no class" if all(map(is_number, names)) else "the wrong column"
        yield f"{where}: {len(names)} different labels in {n} rows: is this {other}?"
    rare = [f"{name!r} ({counts[name]})" for name in names if counts[name] < FEW_ROWS]
    if rare:
        yield (
            f"{where}: labels with fewer than {FEW_ROWS} rows are hardly learned: {first_few(rare)}: add rows, or merge"
            " them"
        )
    for label, count in counts.most_common(1):
        if MAJORITY <= count / n < 1:
            yield (
                f"{where}: {count / n:.1%} of the rows are {label!r}, so accuracy says little: judge by F1 per class,"
                " and try `class_weights`"
            )
    spellings = Counter(name.casefold() for name in names)
    same = [repr(name) for name in names if spellings[name.casefold()] > 1]
    if same:
        yield (
            f"{where}: labels that differ only in capitals: {first_few(same)}: write them alike if they mean the same"
        )


def class_rows(table: Dataset, train: Dataset) -> Rows:
    """How often each class of the training table is there, the most frequent first."""
    counts = Counter(table.labels)
    rows = count_rows(counts, Counter(train.labels))
    return rows | {
        "  the most frequent label, share": f"{max(counts.values()) / counts.total():.4f}" if counts else "-"
    }
