"""The spec of multi-label classification: several labels per text, or none. Imports no torch."""

from collections import Counter
from typing import TYPE_CHECKING

from minitf.datasets.dataset import Dataset
from minitf.datasets.findings import describe_counts
from minitf.tasks.multilabel.data import check_multilabel, labels_in, read_sets, set_names, set_rows, split_sets
from minitf.tasks.spec import TaskSettings, TaskSpec
from minitf.tasks.whole_text.inputs import read_texts
from minitf.tasks.whole_text.spec import CLASS_SETTINGS, predict

if TYPE_CHECKING:
    from minitf.bert import BertConfig
    from minitf.mathematics import Mathematics
    from minitf.tasks.base import Task


def _describe(train: Dataset) -> str:
    counts = Counter(name for example in train.examples for name in labels_in(example.label))
    none = sum(not example.label for example in train.examples)
    return ", ".join(filter(None, [describe_counts(counts, set_names(train)), f"no label {none}"]))


def _create(train: Dataset, settings: TaskSettings, math: "Mathematics") -> "Task":
    from minitf.tasks.multilabel.task import MultiLabel

    return MultiLabel(set_names(train), math, settings.long_text_handling())


def _restore(config: "BertConfig", settings: TaskSettings, math: "Mathematics") -> "Task":
    from minitf.tasks.multilabel.task import MultiLabel

    return MultiLabel(config.labels, math, settings.long_text_handling())


MULTILABEL = TaskSpec(
    name="multilabel",
    head="classification",
    metrics=("micro_f1", "macro_f1", "accuracy", "loss"),
    read=read_sets,
    check=check_multilabel,
    split=split_sets,
    describe=_describe,
    create=_create,
    restore=_restore,
    read_inputs=read_texts,
    predict=predict,
    held_out="10 %, by the rarest label of each row",
    rows=set_rows,
    unused=CLASS_SETTINGS,
)
