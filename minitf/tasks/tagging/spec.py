"""The spec of tagging: a tag per word. Imports no torch."""

from typing import TYPE_CHECKING

from minitf.datasets.findings import describe_counts
from minitf.datasets.reading import ending
from minitf.tasks.spec import Columns, Loaded, TaskSettings, TaskSpec
from minitf.tasks.tagging import conll
from minitf.tasks.tagging.data import TagRequest, check_tagging, read_inputs, rows, split, tag_names, type_counts

if TYPE_CHECKING:
    from minitf.bert import BertConfig
    from minitf.mathematics import Mathematics
    from minitf.tasks.base import Prediction, Task


def _recognize(path: str, columns: Columns) -> str | None:
    kind = ending(path)
    return f"{kind} files contain words and their tags" if kind in conll.ENDINGS else None


def _describe(train: conll.TaggedTable) -> str:
    found = type_counts(train)
    words = sum(len(sentence.words) for sentence in train.examples)
    return f"{words} words, {describe_counts(found, sorted(found)) or 'no entities'}"


def _create(train: conll.TaggedTable, settings: TaskSettings, math: "Mathematics") -> "Task":
    from minitf.tasks.class_weights import balanced_weights
    from minitf.tasks.tagging.task import Tagging

    names, weights = tag_names(train), None
    if settings.class_weights == "balanced":
        index = {name: i for i, name in enumerate(names)}
        tags = [index[tag] for sentence in train.examples for tag in sentence.tags or ()]
        weights = balanced_weights(tags, len(names)).float()
    return Tagging(names, weights, math, settings.label_smoothing, settings.stride)


def _restore(config: "BertConfig", settings: TaskSettings, math: "Mathematics") -> "Task":
    from minitf.tasks.tagging.task import Tagging

    return Tagging(config.labels, None, math, stride=settings.stride, strict=settings.strict)


def _predict(loaded: Loaded, request: TagRequest) -> "Prediction":
    from minitf.tasks.tagging.prediction import TagPrediction

    return TagPrediction(loaded, request)


TAGGING = TaskSpec(
    name="tagging",
    head="tagging",
    metrics=("f1", "accuracy", "macro_f1", "loss"),
    read=conll.read_tagged,
    check=check_tagging,
    split=split,
    describe=_describe,
    create=_create,
    restore=_restore,
    read_inputs=read_inputs,
    predict=_predict,
    rows=rows,
    texts=lambda table: (table.texts, None),
    recognize=_recognize,
    unused=("text", "pair", "label", "delimiter", "long_text"),
    truncates=False,
    tabular=False,
    entities=True,
    unit="sentences",
    batch_unit="sentences",
)
