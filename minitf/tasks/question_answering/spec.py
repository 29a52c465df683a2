"""The spec of question answering: the answer to a question, in a paragraph. Imports no torch."""

from typing import TYPE_CHECKING

from minitf.tasks.question_answering.data import articles, check_questions, paragraphs, read_inputs, rows, split
from minitf.tasks.question_answering.squad import QuestionTable, looks_like_squad, read_squad
from minitf.tasks.spec import Columns, Loaded, TaskSettings, TaskSpec

if TYPE_CHECKING:
    from minitf.bert import BertConfig
    from minitf.mathematics import Mathematics
    from minitf.tasks.base import Prediction, Task


def _recognize(path: str, columns: Columns) -> str | None:
    return "the file is in SQuAD's JSON" if looks_like_squad(path) else None


def _describe(train: QuestionTable) -> str:
    return f"{paragraphs(train)} paragraphs of {articles(train)} articles"


def _task(source: "QuestionTable | BertConfig", settings: TaskSettings, math: "Mathematics") -> "Task":
    from minitf.tasks.question_answering.task import QuestionAnswering

    return QuestionAnswering(math, settings.stride)


def _predict(loaded: Loaded, request: QuestionTable) -> "Prediction":
    from minitf.tasks.question_answering.prediction import AnswerPrediction

    return AnswerPrediction(loaded, request)


QUESTION_ANSWERING = TaskSpec(
    name="qa",
    head="qa",
    metrics=("f1", "exact_match", "loss"),
    read=read_squad,
    check=check_questions,
    split=split,
    describe=_describe,
    create=_task,
    restore=_task,
    read_inputs=read_inputs,
    predict=_predict,
    held_out="10 %, whole paragraphs",
    rows=rows,
    recognize=_recognize,
    unused=("text", "pair", "label", "delimiter", "long_text", "class_weights", "label_smoothing"),
    truncates=False,
    tabular=False,
    max_length=384,
    unit="questions",
    batch_unit="windows",
)
