"""Answers to questions on a text, or on the paragraphs of a file in SQuAD's JSON."""

import argparse
import dataclasses
import json
from typing import TYPE_CHECKING, Any, TextIO

from minitf.errors import InputError
from minitf.text.squad import Question, QuestionTable, read_squad

if TYPE_CHECKING:
    from minitf.bert import Bert
    from minitf.text.tokenizer import Tokenizer


def read(arguments: argparse.Namespace, trained: dict[str, Any]) -> QuestionTable:
    """What is asked; of a file the answers that it may hold are not looked at. Raises InputError."""
    if arguments.input:
        return read_squad(arguments.input, need_answers=False, text=arguments.text, pair=arguments.pair)
    if arguments.pair is None:
        raise InputError("this model answers questions on a text: give the text with --pair")
    for n, text in enumerate([arguments.pair, *arguments.texts]):
        if not text.strip():
            raise InputError("--pair is empty: give the text that answers" if n == 0 else f"question {n} is empty")
    questions = (Question(str(n), text, arguments.pair, (), "", n) for n, text in enumerate(arguments.texts, 1))
    return QuestionTable("", tuple(questions), "")


def tell(
    asked: QuestionTable,
    model: "Bert",
    tokenizer: "Tokenizer",
    max_length: int,
    noted: dict[str, Any],
    size: int,
    out: TextIO,
    *,
    as_table: bool,
) -> None:
    """A line for a person, or, `as_table` or from a file, the JSON that SQuAD's official script reads: {id: answer}."""
    from tqdm import tqdm

    from minitf.tasks.question_answering import QuestionAnswering
    from minitf.training.loop import answer

    task, as_json = QuestionAnswering(stride=noted.get("stride")), as_table or bool(asked.path)
    with tqdm(total=len(asked.examples), unit="question", disable=None, leave=False) as bar:
        for i in range(0, len(asked.examples), 32 * size):  # so many at a time are cut into windows
            part = dataclasses.replace(asked, examples=asked.examples[i : i + 32 * size])
            examples = task.encode(part, tokenizer, max_length)
            spans = task.spans(answer(model, task, examples, size), examples)
            for n, (question, span) in enumerate(zip(part.examples, spans, strict=True), i):
                if as_json:
                    entry = f"{json.dumps(question.id)}: {json.dumps(span.text, ensure_ascii=False)}"
                    out.write(f"{',' if n else '{'}\n{entry}")
                else:
                    out.write(f"{' '.join(span.text.split())}  ({span.p:.4f})  {' '.join(question.text.split())}\n")
                bar.update()
    if as_json:
        out.write("\n}\n")
