"""Classes: how the labels of a table are checked and counted. Imports no torch."""

from collections import Counter
from collections.abc import Iterator

from minitf.datasets.dataset import Dataset, Example
from minitf.datasets.findings import Finding, Rows, count_rows
from minitf.datasets.spellings import spelling_warnings
from minitf.datasets.strings import is_number, shorten
from minitf.tasks.whole_text.checks import (
    check_tables,
    given,
    label_column,
    many_labels,
    own_labels,
    rare_labels,
    separated_labels,
    unseen_labels,
)

MAJORITY = 0.8  # share of one class from which accuracy alone says little


def label_names(train: Dataset) -> tuple[str, ...]:
    """Return the classes of the whole table, sorted: as numbers if all are numbers, else as text."""
    names = train.all_labels
    by_number = all(is_number(name) for name in names)
    return tuple(sorted(names, key=lambda name: (float(name) if by_number else 0.0, name)))


def check_classification(train: Dataset, valid: Dataset | None = None, test: Dataset | None = None) -> list[Finding]:
    """Return all findings in the tables, errors first."""
    tables = given(train, valid, test)
    names = label_names(train)
    unseen = (message for table in tables[1:] for message in unseen_labels(table, names, _label_in, "of that class"))
    return check_tables(tables, [*_one_class(train), *_own_labels(train), *unseen], _label_warnings(train))


def _label_in(example: Example) -> tuple[str, ...]:
    """Return the label of an example; () if it is missing."""
    return (example.label,) if example.label else ()


def _own_labels(train: Dataset) -> Iterator[str]:
    counts = Counter(train.labels)
    return own_labels(train, counts, [name for name, n in counts.items() if n == 1])


def _one_class(train: Dataset) -> Iterator[str]:
    names = label_names(train)
    if len(train.examples) > 1 and len(names) == 1:
        yield (
            f"{train.path}: every row has the label {shorten(names[0])}, so there is nothing to learn: add rows of"
            f" another class, or name the right column with `label` if it is not {train.label_column!r}"
        )


def _label_warnings(train: Dataset) -> Iterator[str]:
    names, counts, n = label_names(train), Counter(train.labels), len(train.examples)
    numbers = all(map(is_number, names))
    yield from many_labels(train, names, "a number to predict and not a class" if numbers else "the wrong column")
    yield from rare_labels(train, names, counts)
    for label, count in counts.most_common(1):
        if MAJORITY <= count / n < 1:
            yield (
                f"{label_column(train)}: {count / n:.1%} of the rows are {shorten(label)}, so accuracy says little:"
                " look at the F1 of each class, and try `class_weights`"
            )
    yield from spelling_warnings(label_column(train), {name: counts[name] for name in names})
    yield from separated_labels(train, names)


def class_rows(table: Dataset, train: Dataset) -> Rows:
    """Return how many rows of the table have each class of the training table, the most frequent class first."""
    counts = Counter(table.labels)
    rows = count_rows(counts, Counter(train.labels))
    return rows | {
        "  the most frequent label, share": f"{max(counts.values()) / counts.total():.4f}" if counts else "-"
    }
