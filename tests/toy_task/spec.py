"""The spec of the task. Imports no torch; `minitf.tasks.registry.register(WORD_COUNT)` makes it known to minitf."""

from typing import TYPE_CHECKING

from minitf.datasets.split import split
from minitf.tasks.spec import LOWER_IS_BETTER, Loaded, TaskSettings, TaskSpec
from minitf.tasks.whole_text.inputs import TextSource, read_texts
from minitf.tasks.whole_text.spec import CLASS_SETTINGS
from tests.toy_task.data import check_levels, describe, level_rows, read_levels

if TYPE_CHECKING:
    from minitf.mathematics import Mathematics
    from minitf.tasks.base import Prediction, Task


def _task(source: object, settings: TaskSettings, math: "Mathematics") -> "Task":
    from tests.toy_task.task import WordCount

    return WordCount(math, settings.long_text_handling())


def _predict(loaded: Loaded, texts: TextSource) -> "Prediction":
    from tests.toy_task.prediction import predict

    return predict(loaded, texts)


WORD_COUNT = TaskSpec(
    name="word-count",
    head="classification",
    metrics=("distance", "accuracy", "loss"),
    read=read_levels,
    check=check_levels,
    split=split,
    describe=describe,
    create=_task,
    restore=_task,
    read_inputs=read_texts,
    predict=_predict,
    held_out="10 % of each level",
    rows=level_rows,
    unused=CLASS_SETTINGS,
    lower_is_better=LOWER_IS_BETTER | {"distance"},
)
