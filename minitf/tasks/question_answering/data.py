"""Questions and answers: checks, split, counts, and the inputs of a prediction. Torch-free."""

import itertools
import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from minitf.datasets.findings import Finding
from minitf.datasets.split import partition
from minitf.errors import DataError, InputError
from minitf.tasks.question_answering.squad import Question, QuestionTable, read_squad
from minitf.tasks.spec import Inputs


def check_questions(
    train: QuestionTable, valid: QuestionTable | None = None, test: QuestionTable | None = None
) -> list[Finding]:
    """Every finding in the files, errors first."""
    tables = [table for table in (train, valid, test) if table is not None]
    findings = []
    if len(train.examples) < 2:
        findings.append(Finding("error", f"{train.path}: one question is too little to train on: add more"))
    findings += [Finding("warning", message) for message in _repetitions(train)]
    for earlier, later in itertools.combinations(tables, 2):
        findings += [Finding("warning", message) for message in _leakage(earlier, later)]
    return findings


def split(table: QuestionTable, share: float = 0.1, seed: int = 0) -> tuple[QuestionTable, QuestionTable]:
    """(what is left to train on, about `share` of the questions), both in the order of the file.

    A paragraph stays whole: who has learned one of its answers has read it. Raises DataError if there is only one.
    """
    paragraphs: dict[str, list[int]] = {}
    for i, question in enumerate(table.examples):
        paragraphs.setdefault(question.context, []).append(i)
    if len(paragraphs) < 2:
        raise DataError(f"{table.path}: has one paragraph, so none can validate: add some, or give a file with `valid`")
    groups = list(paragraphs.values())
    random.Random(seed).shuffle(groups)
    wanted = max(1, round(share * len(table.examples)))
    aside: set[int] = set()
    for group in groups[:-1]:
        if not aside or len(aside) + len(group) <= wanted:
            aside.update(group)
    return partition(table, aside)


def paragraphs(table: QuestionTable) -> int:
    return len({question.context for question in table.examples})


def articles(table: QuestionTable) -> int:
    return len({question.title for question in table.examples})


def rows(table: QuestionTable, train: QuestionTable) -> dict[str, str]:
    """For the data check."""
    answers = sorted(len(question.answers[0].text.split()) for question in table.examples)
    return {
        "  paragraphs": str(paragraphs(table)),
        "  articles": str(articles(table)),
        "  words of an answer, median": str(answers[len(answers) // 2]),
        "  words of an answer, most": str(answers[-1]),
    }


def _repetitions(train: QuestionTable) -> Iterator[str]:
    first: dict[tuple[str, str], Question] = {}
    repeated = [q for q in train.examples if first.setdefault((q.text, q.context), q) is not q]
    if repeated:
        yield f"{train.path}: question {repeated[0].id!r} repeats an earlier one on its paragraph{_in_all(repeated)}"


def _leakage(earlier: QuestionTable, later: QuestionTable) -> Iterator[str]:
    known = {question.context for question in earlier.examples}
    shared = [question for question in later.examples if question.context in known]
    if shared:
        yield (
            f"{later.path}: the paragraph of question {shared[0].id!r} is in {earlier.path} too, so the score here may"
            f" flatter the model: leave it to one of them{_in_all(shared)}"
        )


def _in_all(questions: Sequence[Question]) -> str:
    return f" ({len(questions)} questions in all)" if len(questions) > 1 else ""


def read_inputs(inputs: Inputs, metadata: Mapping[str, Any]) -> QuestionTable:
    """The questions to answer; the answers that a file may hold are not read. Raises InputError."""
    if inputs.path is not None:
        return read_squad(inputs.path, need_answers=False, text=inputs.text, pair=inputs.pair)
    if inputs.pairs is None:
        raise InputError("this model answers questions on a text: give the text with `pair`")
    questions = []
    for n, (text, context) in enumerate(zip(inputs.texts, inputs.pairs, strict=True), 1):
        if not context.strip():
            raise InputError("`pair` is empty: give the text that holds the answer")
        if not text.strip():
            raise InputError(f"question {n} is empty")
        questions.append(Question(str(n), text, context, (), "", n))
    return QuestionTable("", tuple(questions), "")
