"""Questions on paragraphs, in the JSON of SQuAD 1.1 (Rajpurkar et al. 2016): each answer is a stretch of its paragraph.

    {"data": [{"title": …, "paragraphs": [{"context": …, "qas": [{"id": …, "question": …,
        "answers": [{"text": …, "answer_start": …}]}]}]}]}

Only the standard library. Where something is wrong is said as the place in that tree, since JSON has no rows.
"""

import dataclasses
import hashlib
import os
import re
from collections import Counter
from pathlib import Path
from typing import Any, ClassVar

from minitf.datasets.reading import decode, parse_json, read_bytes
from minitf.datasets.strings import is_unicode, shorten
from minitf.errors import DataError, InputError

ENDING = ".json"
_KINDS = {str: "a text", list: "a list", int: "a whole number"}


@dataclasses.dataclass(frozen=True)
class TrueAnswer:
    """`text` stands in the context from its character `start` on."""

    text: str
    start: int


@dataclasses.dataclass(frozen=True)
class Question:
    """One question on one paragraph. `row` counts the questions of the file, from 1."""

    id: str
    text: str
    context: str
    answers: tuple[TrueAnswer, ...]  # one is learned, the first; any of them is right
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
    def texts(self) -> list[str]:
        return [question.text for question in self.examples]

    @property
    def pairs(self) -> list[str]:
        return [question.context for question in self.examples]


def read_squad(path: str | os.PathLike[str], need_answers: bool = True, **columns: str | None) -> QuestionTable:
    """All questions. Without `need_answers` those that the file may hold are not looked at. Raises DataError."""
    name = os.fspath(path)
    given = [flag for flag, column in columns.items() if column]
    if given:
        raise InputError(f"`{given[0]}` names a column of a table; {name} has SQuAD's own keys")
    if Path(name).suffix.lower() != ENDING and Path(name).is_file():
        raise DataError(f"{name}: questions are read from SQuAD's JSON ({ENDING})")
    data = read_bytes(Path(name))
    content = parse_json(name, decode(name, data))
    questions: list[Question] = []
    for a, article in enumerate(_field(name, content, "data", list)):
        at = f"{name}: data[{a}]"
        title = article.get("title") if isinstance(article, dict) else None
        for p, paragraph in enumerate(_field(at, article, "paragraphs", list)):
            where = f"{at}.paragraphs[{p}]"
            context = _text(where, paragraph, "context")
            for q, record in enumerate(_field(where, paragraph, "qas", list)):
                place = f"{where}.qas[{q}]"
                text, number = _text(place, record, "question"), _id(place, record, len(questions) + 1)
                answers = _answers(f"{place} (id {number[:40]!r})", record, context) if need_answers else ()
                shown = title if isinstance(title, str) else ""
                questions.append(Question(number, text, context, answers, shown, len(questions) + 1))
    if not questions:
        raise DataError(f"{name}: holds no question")
    twice = [number for number, n in Counter(question.id for question in questions).items() if n > 1]
    if twice:
        raise DataError(
            f"{name}: two questions have the id {twice[0][:60]!r}: answers are told by it, so give each its own"
        )
    return QuestionTable(name, tuple(questions), hashlib.sha256(data).hexdigest())


def looks_like_squad(path: str | os.PathLike[str]) -> bool:
    """Whether the file is one object with a list called "data", or is meant to be: JSON lines have none of it."""
    if Path(path).suffix.lower() != ENDING or not Path(path).is_file():
        return False
    try:
        with open(path, "rb") as file:
            head = file.read(4096).decode("utf-8", errors="replace")
    except OSError:  # what is wrong with it is for the reader to say
        return False
    return re.match(r"\ufeff?\s*\{", head) is not None and re.search(r'"data"\s*:\s*\[', head) is not None


def _field(where: str, record: Any, key: str, kind: type) -> Any:
    """What `record` has by this key. Raises DataError unless it is of the kind."""
    if not isinstance(record, dict):
        raise DataError(f"{where}: must be an object with {key!r}, not {shorten(record)}")
    if key not in record:
        raise DataError(f"{where}: has no {key!r}; is it SQuAD's JSON?")
    value = record[key]
    if not isinstance(value, kind) or isinstance(value, bool):
        raise DataError(f"{where}: {key!r} must be {_KINDS[kind]}, not {shorten(value)}")
    return value


def _text(where: str, record: Any, key: str) -> str:
    """A text that says something."""
    text: str = _field(where, record, key, str)
    if not text.strip():
        raise DataError(f"{where}: {key!r} is empty")
    if not is_unicode(text):
        raise DataError(f"{where}: {key!r} holds half a character (a lone surrogate): {text[:60]!r}")
    return text


def _id(where: str, record: dict[str, Any], row: int) -> str:
    """The question's own; where it has none (null, or no such key), its number in the file."""
    value = record.get("id")
    if value is None:
        return str(row)
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else _text(where, record, "id")


def _answers(where: str, record: Any, context: str) -> tuple[TrueAnswer, ...]:
    if record.get("is_impossible") is True:
        raise DataError(f"{where}: has no answer (SQuAD 2.0); each question must have one in its context: leave it out")
    answers = []
    for n, answer in enumerate(_field(where, record, "answers", list)):
        at = f"{where}.answers[{n}]"
        text, start = _text(at, answer, "text"), _field(at, answer, "answer_start", int)
        if start < 0 or context[start : start + len(text)] != text:
            found = context.find(text)
            hint = f"; it stands at {found}" if found >= 0 else ", nor anywhere in it"
            raise DataError(f"{at}: {text[:60]!r} does not stand at character {start} of the context{hint}")
        answers.append(TrueAnswer(text, start))
    if not answers:
        raise DataError(f"{where}: has no answer; each question needs one to learn from or to be measured by")
    return tuple(answers)
