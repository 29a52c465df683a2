"""The spec of regression: a number per text. Imports no torch."""

from typing import TYPE_CHECKING

from minitf.datasets.dataset import Dataset, Source, read_table
from minitf.datasets.split import split
from minitf.tasks.regression.data import check_regression, finite_number, number_rows, numbers_in, range_of
from minitf.tasks.spec import LOWER_IS_BETTER, TaskSettings, TaskSpec
from minitf.tasks.whole_text.inputs import read_texts
from minitf.tasks.whole_text.spec import CLASS_SETTINGS, predict

if TYPE_CHECKING:
    from minitf.bert import BertConfig
    from minitf.mathematics import Mathematics
    from minitf.tasks.base import Task


def _read(source: Source, **columns: str | None) -> Dataset:
    return read_table(source, **columns, read_label=finite_number)  # type: ignore[arg-type]


def _split(train: Dataset, seed: int = 0) -> tuple[Dataset, Dataset]:
    return split(train, seed=seed, stratify=False)


def _describe(train: Dataset) -> str:
    return f"{train.label_column} {range_of(numbers_in(train))}"


def _task(source: "Dataset | BertConfig", settings: TaskSettings, math: "Mathematics") -> "Task":
    from minitf.tasks.regression.task import Regression

    return Regression(math, settings.long_text_handling())


REGRESSION = TaskSpec(
    name="regression",
    head="classification",
    metrics=("pearson", "spearman", "rmse", "loss"),
    read=_read,
    check=check_regression,
    split=_split,
    describe=_describe,
    create=_task,
    restore=_task,
    read_inputs=read_texts,
    predict=predict,
    rows=number_rows,
    unused=CLASS_SETTINGS,
    lower_is_better=LOWER_IS_BETTER | {"rmse"},
)
