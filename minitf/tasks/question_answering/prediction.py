"""The predicted answers to questions about a text, or to those in a file in SQuAD's JSON, computed in parts."""

import dataclasses
import json
from collections.abc import Iterator
from typing import Any, TextIO

from tqdm import tqdm

from minitf.files import to_json
from minitf.tasks.inference import check_finite, predict_logits
from minitf.tasks.question_answering.spans import Span
from minitf.tasks.question_answering.squad import Question, QuestionTable
from minitf.tasks.question_answering.task import QuestionAnswering
from minitf.tasks.spec import Loaded

BATCHES = 32  # of questions per part


@dataclasses.dataclass(frozen=True)
class AnswerPrediction:
    """The best answer to each question, a span of its paragraph."""

    loaded: Loaded
    questions: QuestionTable

    def records(self) -> Iterator[dict[str, Any]]:
        for question, span in self._answered():
            yield {
                "question": question.text,
                "answer": span.text,
                "probability": span.p,
                "start": span.start,
                "end": span.end,
            }

    def write(self, out: TextIO, *, as_table: bool) -> None:
        """Write a line per question; for a file, or `as_table`, the JSON of SQuAD's official script: {id: answer}."""
        as_json = as_table or bool(self.questions.path)
        with tqdm(total=len(self.questions.examples), unit="question", disable=None, leave=False) as bar:
            for n, (question, span) in enumerate(self._answered()):
                if as_json:
                    answer = to_json(span.text, indent=None).rstrip("\n")
                    out.write(f"{',' if n else '{'}\n{json.dumps(question.id)}: {answer}")
                else:
                    out.write(f"{' '.join(span.text.split())}  ({span.p:.4f})  {' '.join(question.text.split())}\n")
                bar.update()
        if as_json:
            out.write("\n}\n")

    def _answered(self) -> Iterator[tuple[Question, Span]]:
        loaded, questions = self.loaded, self.questions.examples
        task, size = QuestionAnswering(stride=loaded.settings.stride), BATCHES * loaded.batch_size
        for i in range(0, len(questions), size):
            part = dataclasses.replace(self.questions, examples=questions[i : i + size])
            examples = task.encode(part, loaded.tokenizer, loaded.max_length)
            logits = [check_finite(z) for z in predict_logits(loaded.model, task, examples, loaded.batch_size)]
            spans = task.spans(logits, examples)
            yield from zip(part.examples, spans, strict=True)
