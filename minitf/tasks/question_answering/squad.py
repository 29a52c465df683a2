"""Questions about paragraphs, in the JSON of SQuAD 1.1 (Rajpurkar et al. 2016): each answer is a span of its paragraph.

    {"data": [{"title": …, "paragraphs": [{"context": …, "qas": [{"id": …, "question": …,
        "answers": [{"text": …, "answer_start": …}]}]}]}]}

Errors name the path in that tree, because JSON has no rows. Only the standard library.
"""

import dataclasses
import hashlib
import os
import re
from collections import Counter
from pathlib import Path
from typing import Any, ClassVar

from minitf.datasets.reading import decode, ending, file_path, open_file, parse_json, read_bytes
from minitf.datasets.strings import is_unicode, shorten
from minitf.errors import DataError, InputError

ENDING = ".json"
SHAPE = 'one object, {"data": [{"paragraphs": [{"context": "…", "qas": […]}]}]}'
_TYPES = {str: "a text", list: "a list", int: "a whole number"}


@dataclasses.dataclass(frozen=True)
class TrueAnswer:
    """A right answer: `text` begins at the character `start` of the context."""

    text: str
    start: int


@dataclasses.dataclass(frozen=True)
class Question:
    """One question about one paragraph. `row` is its number in the file, from 1."""

    id: str
    text: str
    context: str
    answers: tuple[TrueAnswer, ...]  # the first is the target; in the metrics all of them are right
    title: str
    row: int

    @property
    def pair(self) -> str:
        return self.context


@dataclasses.dataclass(frozen=True)
class QuestionTable:
    """A file, or a part of one. `path` is for messages, `digest` the SHA-256 of the whole file."""

    path: str
    examples: tuple[Question, ...]
    digest: str
    text_column: ClassVar[str] = "question"
    pair_column: ClassVar[str] = "context"
    label_column: ClassVar[str] = "answers"

    @property
    def count(self) -> int:
        return len(self.examples)

    @property
    def texts(self) -> list[str]:
        return [question.text for question in self.examples]

    @property
    def pairs(self) -> list[str]:
        return [question.context for question in self.examples]


def read_squad(path: str | os.PathLike[str], need_answers: bool = True, **columns: str | None) -> QuestionTable:
    """Read all questions; without `need_answers` the answers are ignored. Raises DataError."""
    name = file_path(path)
    given = [setting for setting, column in columns.items() if column]
    if "delimiter" in given:
        raise InputError(f"`delimiter` is for .csv and .tsv files, and {name} is SQuAD's JSON; leave it out")
    if given:
        raise InputError(f"`{given[0]}` names a column of a table; {name} has the keys of SQuAD")
    if ending(name) != ENDING and Path(name).is_file():
        raise DataError(f"{name}: questions are read from SQuAD's JSON ({ENDING}), {SHAPE}")
    data = read_bytes(Path(name))
    content = parse_json(name, decode(name, data), hint=f"; SQuAD's JSON is {SHAPE}")
    questions: list[Question] = []
    for a, article in enumerate(_field(name, content, "data", list)):
        in_article = f"{name}: data[{a}]"
        title = article.get("title") if isinstance(article, dict) else None
        for p, paragraph in enumerate(_field(in_article, article, "paragraphs", list)):
            in_paragraph = f"{in_article}.paragraphs[{p}]"
            context = _text(in_paragraph, paragraph, "context")
            for q, record in enumerate(_field(in_paragraph, paragraph, "qas", list)):
                where, row = f"{in_paragraph}.qas[{q}]", len(questions) + 1
                text, number = _text(where, record, "question"), _id(where, record, row)
                answers = _answers(f"{where} (id {shorten(number)})", record, context) if need_answers else ()
                questions.append(Question(number, text, context, answers, title if isinstance(title, str) else "", row))
    if not questions:
        raise DataError(f"{name}: has no questions")
    twice = [number for number, n in Counter(question.id for question in questions).items() if n > 1]
    if twice:
        raise DataError(
            f"{name}: two questions have the id {shorten(twice[0])}: answers refer to it, so give each question its own"
        )
    return QuestionTable(name, tuple(questions), hashlib.sha256(data).hexdigest())


def looks_like_squad(path: str | os.PathLike[str]) -> bool:
    """Return whether the file begins like an object with a list "data", unlike JSON lines."""
    if ending(path) != ENDING or not Path(path).is_file():
        return False
    try:
        with open_file(Path(path)) as file:
            head = file.read(4096).decode("utf-8", errors="replace")
    except DataError:  # read_squad reports it
        return False
    return re.match(r"\ufeff?\s*\{", head) is not None and re.search(r'"data"\s*:\s*\[', head) is not None


def _field(where: str, record: Any, key: str, expected: type) -> Any:
    """Return the value of a key. Raises DataError unless it has the `expected` type."""
    if not isinstance(record, dict):
        raise DataError(f"{where}: must be an object with {key!r}, not {shorten(record)}")
    if key not in record:
        raise DataError(f"{where}: has no {key!r}; is it SQuAD's JSON?")
    value = record[key]
    if not isinstance(value, expected) or isinstance(value, bool):
        raise DataError(f"{where}: {key!r} must be {_TYPES[expected]}, not {shorten(value)}")
    return value


def _text(where: str, record: Any, key: str) -> str:
    """Return a text that is not empty. Raises DataError."""
    text: str = _field(where, record, key, str)
    if not text.strip():
        raise DataError(f"{where}: {key!r} is empty")
    if not is_unicode(text):
        raise DataError(f"{where}: {key!r} contains half a character (a lone surrogate): {shorten(text)}")
    return text


def _id(where: str, record: dict[str, Any], row: int) -> str:
    """Return the id of a question; without one (null, or no such key), its number in the file. Raises DataError."""
    value = record.get("id")
    if value is None:
        return str(row)
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else _text(where, record, "id")


def _answers(where: str, record: Any, context: str) -> tuple[TrueAnswer, ...]:
    if record.get("is_impossible") is True:
        raise DataError(f"{where}: has no answer (SQuAD 2.0); each question must have one in its context: leave it out")
    answers = []
    for n, answer in enumerate(_field(where, record, "answers", list)):
        in_answer = f"{where}.answers[{n}]"
        text, start = _text(in_answer, answer, "text"), _field(in_answer, answer, "answer_start", int)
        if start < 0 or context[start : start + len(text)] != text:
            found = context.find(text)
            hint = f"; it is at {found}" if found >= 0 else ", nor anywhere in it"
            raise DataError(f"{in_answer}: {shorten(text)} is not at character {start} of the context{hint}")
        answers.append(TrueAnswer(text, start))
    if not answers:
        raise DataError(f"{where}: has no answer; each question needs one for training and for evaluation")
    return tuple(answers)
