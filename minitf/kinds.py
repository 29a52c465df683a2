"""What each --task means to a command: how its table is read, checked and split, and the task that learns from it.

Nothing heavy is imported until a task is made.
"""

import argparse
import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from minitf.text import checks, datasets
from minitf.text.checks import Finding

if TYPE_CHECKING:
    from minitf.mathematics import Mathematics
    from minitf.tasks.task import Task

Table = Any  # what `read` gives: it has `path`, `examples` (each with its `row`), `digest`


@dataclasses.dataclass(frozen=True)
class Kind:
    """One --task."""

    name: str
    read: Callable[..., Table]  # path, text=…, pair=…, label=… (columns, or None) -> the table; raises DataError
    check: Callable[..., list[Finding]]  # train, valid, test (the last two may be None) -> what is wrong or odd
    split: Callable[..., tuple[Table, Table]]  # train, seed=… -> what is left of it, what validates
    counts: Callable[[Table], str]  # what there is to learn from, in words
    portion: str  # what part of the training rows `split` sets aside, in words
    make: "Callable[[Table, argparse.Namespace, Mathematics], Task]"  # the task as the training table has it


def _class_counts(train: Table) -> str:
    labels: Sequence[str] = train.labels
    return ", ".join(f"{name} {labels.count(name)}" for name in checks.label_names(train))


def _classification(train: Table, arguments: argparse.Namespace, math: "Mathematics") -> "Task":
    from minitf.tasks.classification import Classification, balanced_weights

    names = checks.label_names(train)
    weights = None
    if arguments.class_weights == "balanced":
        weights = balanced_weights([names.index(label) for label in train.labels], len(names)).float()
    return Classification(names, weights, math, arguments.label_smoothing)


CLASSIFICATION = Kind(
    "classification",
    datasets.read_table,
    checks.check_classification,
    datasets.split,
    _class_counts,
    "a tenth of each class",
    _classification,
)
KINDS = {kind.name: kind for kind in (CLASSIFICATION,)}


def choose(arguments: argparse.Namespace) -> Kind:
    """The task that is asked for, or that the data speak for."""
    return CLASSIFICATION if arguments.task == "auto" else KINDS[arguments.task]
