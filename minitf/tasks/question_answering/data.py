"""Questions and answers: checks, split, counts, and the inputs of a prediction. Imports no torch."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from minitf.datasets.findings import Finding
from minitf.datasets.held_out import count_to_hold_out, divide, shuffled_groups
from minitf.datasets.strings import shorten
from minitf.errors import InputError
from minitf.tasks.question_answering.squad import Question, QuestionTable, read_squad
from minitf.tasks.spec import Inputs


def read_inputs(inputs: Inputs, metadata: Mapping[str, Any]) -> QuestionTable:
    """Return the questions to answer; answers in a file are ignored. Raises InputError."""
    if inputs.path is not None:
        columns = {"text": inputs.text, "pair": inputs.pair, "delimiter": inputs.delimiter}
        return read_squad(inputs.path, need_answers=False, **columns)
    if inputs.pairs is None:
        raise InputError("this model answers questions about a text: give the text with `pair`")
    questions = []
    for n, (text, context) in enumerate(zip(inputs.texts, inputs.pairs, strict=True), 1):
        if not context.strip():
            raise InputError("`pair` is empty: give the text that contains the answer")
        if not text.strip():
            raise InputError(f"question {n} is empty")
        questions.append(Question(str(n), text, context, (), "", n))
    return QuestionTable("", tuple(questions), "")


def check_questions(
    train: QuestionTable, valid: QuestionTable | None = None, test: QuestionTable | None = None
) -> list[Finding]:
    """Return all findings in the files, errors first."""
    tables = [table for table in (train, valid, test) if table is not None]
    findings = []
    if len(train.examples) < 2:
        findings.append(Finding("error", f"{train.path}: one question is too few to train on: add more"))
    findings += [Finding("warning", message) for message in _repetitions(train)]
    for earlier, later in itertools.combinations(tables, 2):
        findings += [Finding("warning", message) for message in _leakage(earlier, later)]
    return findings


def split(table: QuestionTable, share: float = 0.1, seed: int = 0) -> tuple[QuestionTable, QuestionTable]:
    """Hold out about `share` of the questions; return (kept, held out), both in the order of the file.

    A paragraph stays whole: its text is part of each of its questions. Raises DataError if there is only one.
    """
    groups = shuffled_groups((question.context for question in table.examples), seed)
    most = count_to_hold_out(share, len(table.examples))
    held_out: set[int] = set()
    for group in groups[:-1]:
        if not held_out or len(held_out) + len(group) <= most:
            held_out.update(group)
    return divide(table, held_out, "every paragraph stays whole: add paragraphs", "questions")


def paragraphs(table: QuestionTable) -> int:
    """Count the different paragraphs."""
    return len({question.context for question in table.examples})


def articles(table: QuestionTable) -> int:
    """Count the different articles."""
    return len({question.title for question in table.examples})


def rows(table: QuestionTable, train: QuestionTable) -> dict[str, str]:
    """Return counts of paragraphs, articles and words of the answers, for the data check."""
    answers = sorted(len(question.answers[0].text.split()) for question in table.examples)
    return {
        "  paragraphs": str(paragraphs(table)),
        "  articles": str(articles(table)),
        "  words of an answer, median": str(answers[len(answers) // 2]),
        "  words of an answer, longest": str(answers[-1]),
    }


def _repetitions(train: QuestionTable) -> Iterator[str]:
    first: dict[tuple[str, str], Question] = {}
    repeated = [q for q in train.examples if first.setdefault((q.text, q.context), q) is not q]
    if repeated:
        one = f"question {shorten(repeated[0].id)}"
        yield f"{train.path}: {one} repeats an earlier one on its paragraph{_in_all(repeated)}"


def _leakage(earlier: QuestionTable, later: QuestionTable) -> Iterator[str]:
    known = {question.context for question in earlier.examples}
    shared = [question for question in later.examples if question.context in known]
    if shared:
        yield (
            f"{later.path}: the paragraph of question {shorten(shared[0].id)} is in {earlier.path} too, so the score"
            f" here may be too high: delete it from one of them{_in_all(shared)}"
        )


def _in_all(questions: Sequence[Question]) -> str:
    return f" ({len(questions)} questions in all)" if len(questions) > 1 else ""
