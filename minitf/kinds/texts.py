"""Tasks that judge whole texts, out of a table with a column of labels: classes, sets of labels, numbers."""

import argparse
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from minitf.errors import InputError
from minitf.kinds.kind import Kind, Table
from minitf.text import check_table, checks, datasets, label_sets, task_checks

if TYPE_CHECKING:
    from minitf.bert import BertConfig
    from minitf.mathematics import Mathematics
    from minitf.tasks.task import Task
    from minitf.text.long_texts import LongText


def _class_counts(train: Table) -> str:
    labels: Sequence[str] = train.labels
    return ", ".join(f"{name} {labels.count(name)}" for name in checks.label_names(train))


def _classification(train: Table, arguments: argparse.Namespace, math: "Mathematics") -> "Task":
    from minitf.tasks.classification import Classification, balanced_weights

    names = checks.label_names(train)
    weights = None
    if arguments.class_weights == "balanced":
        weights = balanced_weights([names.index(label) for label in train.labels], len(names)).float()
    return Classification(names, weights, math, arguments.label_smoothing, _long_text(arguments))


def _long_text(arguments: argparse.Namespace) -> "LongText":
    from minitf.text.long_texts import LongText

    return LongText(arguments.long_text, arguments.stride)


def _noted(note: Mapping[str, Any]) -> "LongText":
    from minitf.text.long_texts import LongText

    return LongText(note.get("long_text", "truncate"), note.get("stride"))


def _saved_classification(config: "BertConfig", note: Mapping[str, Any], math: "Mathematics") -> "Task":
    from minitf.tasks.classification import Classification

    return Classification(config.labels, None, math, long_text=_noted(note))


def _saved_multilabel(config: "BertConfig", note: Mapping[str, Any], math: "Mathematics") -> "Task":
    from minitf.tasks.multilabel import MultiLabel

    return MultiLabel(config.labels, math, _noted(note))


def _saved_regression(config: "BertConfig", note: Mapping[str, Any], math: "Mathematics") -> "Task":
    from minitf.tasks.regression import Regression

    return Regression(math, _noted(note))


def _no_classes(arguments: argparse.Namespace, task: str) -> None:
    if arguments.class_weights != "none":
        raise InputError(f"--class-weights weighs classes, of which --task {task} has none; leave it out")
    if arguments.label_smoothing:
        raise InputError(f"--label-smoothing spreads a target over classes, not for --task {task}; leave it out")


def read_sets(path: str, text: str | None, pair: str | None, label: str | None) -> Table:
    return datasets.read_table(path, text, pair, label, read_label=label_sets.several_labels)


def _set_counts(train: Table) -> str:
    borne = [name for example in train.examples for name in label_sets.labels_in(example.label)]
    none = sum(not example.label for example in train.examples)
    return ", ".join([*(f"{name} {borne.count(name)}" for name in label_sets.set_names(train)), f"no label {none}"])


def _multilabel(train: Table, arguments: argparse.Namespace, math: "Mathematics") -> "Task":
    from minitf.tasks.multilabel import MultiLabel

    _no_classes(arguments, "multilabel")
    return MultiLabel(label_sets.set_names(train), math, _long_text(arguments))


def _read_numbers(path: str, text: str | None, pair: str | None, label: str | None) -> Table:
    return datasets.read_table(path, text, pair, label, read_label=label_sets.finite_number)


def _split_numbers(train: Table, seed: int) -> tuple[Table, Table]:
    return datasets.split(train, seed=seed, stratify=False)


def _number_range(train: Table) -> str:
    return f"{train.label_column} {task_checks.range_of(label_sets.numbers_in(train))}"


def _regression(train: Table, arguments: argparse.Namespace, math: "Mathematics") -> "Task":
    from minitf.tasks.regression import Regression

    _no_classes(arguments, "regression")
    return Regression(math, _long_text(arguments))


CLASSIFICATION = Kind(
    "classification",
    datasets.read_table,
    checks.check_classification,
    datasets.split,
    _class_counts,
    "a tenth of each class",
    _classification,
    _saved_classification,
    rows=check_table.class_rows,
    metrics=("accuracy", "macro_f1", "matthews", "loss"),
)
MULTILABEL = Kind(
    "multilabel",
    read_sets,
    task_checks.check_multilabel,
    label_sets.split_sets,
    _set_counts,
    "a tenth, each row counted for its rarest label",
    _multilabel,
    _saved_multilabel,
    rows=check_table.set_rows,
    metrics=("micro_f1", "macro_f1", "accuracy", "loss"),
)
REGRESSION = Kind(
    "regression",
    _read_numbers,
    task_checks.check_regression,
    _split_numbers,
    _number_range,
    "a tenth of them",
    _regression,
    _saved_regression,
    rows=check_table.number_rows,
    metrics=("pearson", "spearman", "rmse", "loss"),
)
