"""The tasks by name, and which of them a training file or a checkpoint is for. Imports no torch.

A task from outside minitf is added with one line: `register(MY_TASK)`.
"""

from typing import Any

from minitf.datasets.columns import label_columns
from minitf.datasets.dataset import Dataset, read_table
from minitf.datasets.label_cells import has_list
from minitf.datasets.lines import named
from minitf.datasets.strings import is_number, shorten, with_decimal_comma
from minitf.datasets.tables import SEPARATOR
from minitf.errors import InputError
from minitf.tasks.classification.spec import CLASSIFICATION
from minitf.tasks.language_model.spec import LANGUAGE_MODEL
from minitf.tasks.multilabel.data import several_labels
from minitf.tasks.multilabel.spec import MULTILABEL
from minitf.tasks.question_answering.spec import QUESTION_ANSWERING
from minitf.tasks.regression.spec import REGRESSION
from minitf.tasks.seq2seq.spec import SEQ2SEQ
from minitf.tasks.spec import Columns, TaskSpec
from minitf.tasks.tagging.spec import TAGGING

SPECS: dict[str, TaskSpec] = {}
MOST_CLASSES = 20  # a column with more different whole numbers is for regression


def register(spec: TaskSpec) -> None:
    """Make a task available in every command."""
    SPECS[spec.name] = spec


for _spec in (CLASSIFICATION, MULTILABEL, REGRESSION, TAGGING, QUESTION_ANSWERING, SEQ2SEQ, LANGUAGE_MODEL):
    register(_spec)


def metrics() -> list[str]:
    """Return the metrics of all tasks, sorted."""
    return sorted({name for spec in SPECS.values() for name in spec.metrics})


def recognize(path: str, columns: Columns) -> tuple[TaskSpec, str]:
    """Return the task that a training file is for, and why. Raises DataError for a file that cannot be read."""
    for spec in SPECS.values():
        if isinstance(path, str) and (why := spec.recognize(path, columns)) is not None:
            return spec, why
    lists: list[str] = []

    def read_label(where: str, record: dict[str, Any], column: str, needed: bool = True) -> str:
        if not lists and has_list(record, column):
            lists.append(f"{where}: {shorten(record[column])}")
        return several_labels(where, record, column, needed)

    table = read_table(path, **columns, read_label=read_label)  # type: ignore[arg-type]
    if lists:
        return MULTILABEL, f"column {table.label_column!r} has lists of labels ({lists[0]})"
    return by_labels(table)


def by_labels(table: Dataset) -> tuple[TaskSpec, str]:
    """Return the task that the labels of a table suggest, and why; `several_labels` has read the table's cells."""
    column, names = f"column {table.label_column!r}", set(label_columns(table.label_column, ()))
    if len(names) > 1 and set(SEPARATOR.join(table.all_labels).split(SEPARATOR)) - {""} <= names:
        return MULTILABEL, f"`label` names {len(names)} columns"
    several = next((e for e in table.examples if SEPARATOR in (e.label or "")), None)
    if several is not None:
        return MULTILABEL, f"{column} has several labels in a cell ({named(several.row)}: {shorten(several.label)})"
    labels = {example.label for example in table.examples if example.label}
    numbers = _numbers(table, labels)
    whole = all(number.is_integer() for number in numbers)
    if numbers and (not whole or len(numbers) > MOST_CLASSES):
        kind = "whole numbers" if whole else "numbers, not all of them whole"
        return REGRESSION, f"{column} has {len(numbers)} different {kind}"
    other = " (`task` regression predicts the number)" if len(numbers) > 2 else ""
    return CLASSIFICATION, f"{column} has {len(labels)} different label{'s' * (len(labels) != 1)}{other}"


def _numbers(table: Dataset, labels: set[str]) -> set[float]:
    """Return the different numbers of a column of numbers: most rows have one, also with a decimal comma.

    So a few cells such as NA do not change the task: they are refused when the numbers are read. With a label such as
    `1,5` beside 1 and 5, a cell probably has several labels, not a number.
    """
    commas = {label for label in labels if with_decimal_comma(label)}
    if any(labels.issuperset(label.split(",")) for label in commas):
        return set()
    numbers = {label: float(label.replace(",", ".")) for label in labels if label in commas or is_number(label)}
    rows = [example.label in numbers for example in table.examples if example.label]
    return set(numbers.values()) if 2 * sum(rows) > len(rows) else set()


def by_head(head: str | None, model: str) -> TaskSpec | None:
    """Return the first task for this head and kind of model."""
    return next((spec for spec in SPECS.values() if spec.head == head and spec.model == model), None)


def of_checkpoint(source: str, head: str | None, config: Any, model: str = "bert") -> TaskSpec:
    """Return the task of a model that minitf did not train, by its head and its kind of `model`.

    Raises InputError for a model without a head.
    """
    if head == CLASSIFICATION.head:
        if config.problem_type == "multi_label_classification":
            return MULTILABEL
        return REGRESSION if config.problem_type == "regression" or config.num_labels == 1 else CLASSIFICATION
    if (spec := by_head(head, model)) is not None:
        return spec
    raise InputError(f"{source}: has no head for predictions ({head or 'no head at all'}); fine-tune it first")
