"""The tasks by name, and which of them a training file or a checkpoint is for. Imports no torch.

A task from outside minitf is added with one line: `register(MY_TASK)`.
"""

from typing import TYPE_CHECKING

from minitf.datasets.columns import label_columns
from minitf.datasets.dataset import Dataset
from minitf.datasets.strings import is_number
from minitf.datasets.tables import SEPARATOR
from minitf.errors import InputError
from minitf.tasks.classification.spec import CLASSIFICATION
from minitf.tasks.multilabel.data import read_sets
from minitf.tasks.multilabel.spec import MULTILABEL
from minitf.tasks.question_answering.spec import QUESTION_ANSWERING
from minitf.tasks.regression.spec import REGRESSION
from minitf.tasks.spec import Columns, TaskSpec
from minitf.tasks.tagging.spec import TAGGING

if TYPE_CHECKING:
    from minitf.bert import BertConfig

SPECS: dict[str, TaskSpec] = {}
MOST_CLASSES = 20  # a column with more different whole numbers is for regression


def register(spec: TaskSpec) -> None:
    """Make a task available in every command."""
    SPECS[spec.name] = spec


for _spec in (CLASSIFICATION, MULTILABEL, REGRESSION, TAGGING, QUESTION_ANSWERING):
    register(_spec)


def metrics() -> list[str]:
    """Return the metrics of all tasks, sorted."""
    return sorted({name for spec in SPECS.values() for name in spec.metrics})


def recognize(path: str, columns: Columns) -> tuple[TaskSpec, str]:
    """Return the task that a training file is for, and why. Raises DataError for a file that cannot be read."""
    for spec in SPECS.values():
        if isinstance(path, str) and (why := spec.recognize(path, columns)) is not None:
            return spec, why
    return by_labels(read_sets(path, **columns))


def by_labels(table: Dataset) -> tuple[TaskSpec, str]:
    """Return the task that the labels of a table suggest, and why; `multilabel.data.read_sets` has read the table."""
    column, names = f"column {table.label_column!r}", set(label_columns(table.label_column, ()))
    if len(names) > 1 and set(SEPARATOR.join(table.all_labels).split(SEPARATOR)) - {""} <= names:
        return MULTILABEL, f"`label` names {len(names)} columns"
    several = next((e for e in table.examples if SEPARATOR in (e.label or "")), None)
    if several is not None:
        return MULTILABEL, f"{column} has several labels in a cell (row {several.row}: {several.label!r:.60})"
    labels = {example.label for example in table.examples if example.label}
    if labels and all(map(is_number, labels)):
        numbers = set(map(float, labels))
        whole = all(number.is_integer() for number in numbers)
        if not whole or len(numbers) > MOST_CLASSES:
            kind = "whole numbers" if whole else "numbers, not all of them whole"
            return REGRESSION, f"{column} has {len(numbers)} different {kind}"
    return CLASSIFICATION, f"{column} has {len(labels)} different label{'s' * (len(labels) != 1)}"


def of_checkpoint(source: str, head: str | None, config: "BertConfig") -> TaskSpec:
    """Return the task of a model that minitf did not train, by its head. Raises InputError for a model without one."""
    if head == CLASSIFICATION.head:
        if config.problem_type == "multi_label_classification":
            return MULTILABEL
        return REGRESSION if config.problem_type == "regression" or config.num_labels == 1 else CLASSIFICATION
    for spec in SPECS.values():
        if spec.head == head:
            return spec
    raise InputError(f"{source}: has no head for predictions ({head or 'no head at all'}); fine-tune it first")
