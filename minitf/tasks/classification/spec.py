"""The spec of classification: one class per text. Imports no torch."""

from collections import Counter
from typing import TYPE_CHECKING

from minitf.datasets.dataset import Dataset, read_table
from minitf.datasets.findings import describe_counts
from minitf.datasets.split import split
from minitf.tasks.classification.data import check_classification, class_rows, label_names
from minitf.tasks.spec import TaskSettings, TaskSpec
from minitf.tasks.whole_text.inputs import read_texts
from minitf.tasks.whole_text.spec import predict

if TYPE_CHECKING:
    from minitf.bert import BertConfig
    from minitf.mathematics import Mathematics
    from minitf.tasks.base import Task


def _describe(train: Dataset) -> str:
    return describe_counts(Counter(train.labels), label_names(train))


def _create(train: Dataset, settings: TaskSettings, math: "Mathematics") -> "Task":
    from minitf.tasks.class_weights import balanced_weights
    from minitf.tasks.classification.task import Classification

    names, weights = label_names(train), None
    if settings.class_weights == "balanced":
        index = {name: i for i, name in enumerate(names)}
        weights = balanced_weights([index[label] for label in train.labels or ()], len(names)).float()
    return Classification(names, weights, math, settings.label_smoothing, settings.long_text_handling())


def _restore(config: "BertConfig", settings: TaskSettings, math: "Mathematics") -> "Task":
    from minitf.tasks.classification.task import Classification

    return Classification(config.labels, None, math, long_text=settings.long_text_handling())


CLASSIFICATION = TaskSpec(
    name="classification",
    head="classification",
    metrics=("accuracy", "macro_f1", "matthews", "loss"),
    read=read_table,
    check=check_classification,
    split=split,
    describe=_describe,
    create=_create,
    restore=_restore,
    read_inputs=read_texts,
    predict=predict,
    held_out="10 % of each class",
    rows=class_rows,
)
