"""A stretch of a paragraph that answers a question: where it starts, and where it ends (Devlin et al. 2019, §4.2).

Question and paragraph are read as a pair, `[CLS] question [SEP] paragraph [SEP]`; a paragraph that is longer than the
model reads is cut into windows that overlap, and each of them is an example to learn from. In a window that does not
hold the answer whole, [CLS] is both its start and its end.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from minitf.errors import InputError
from minitf.mathematics import EQUATIONS, Mathematics
from minitf.tasks.base import Mistake
from minitf.tasks.question_answering.metrics import SpanMetrics, f1, span_metrics
from minitf.tasks.question_answering.spans import Span, Window, best_span
from minitf.tasks.question_answering.squad import Question, QuestionTable, TrueAnswer
from minitf.text.batches import Batch, Examples, Tokens
from minitf.text.tokenizer import Pieces, Tokenizer
from minitf.text.windows import default_stride, window_ranges

LONGEST_QUESTION = 64  # pieces, as in Google's run_squad.py; of what is longer the end is not read
CHUNK = 256  # questions whose paragraphs are cut into pieces at once


@dataclasses.dataclass(frozen=True)
class QuestionExamples(Examples):
    """Windows of paragraphs, each with its question; the targets are `[n, 2]`, the tokens of start and end."""

    looked: Sequence[Window] = ()
    questions: Sequence[Question] = ()
    spans: Sequence[Sequence[tuple[int, int]]] = ()  # of each question's paragraph: the characters of its pieces
    cut: int = 0  # questions that were
    unseen: int = 0  # questions whose answer no window holds whole

    def notes(self) -> list[str]:
        notes = []
        if self.cut:
            notes.append(f"{self.cut} questions are longer than {LONGEST_QUESTION} word pieces, or half the room: cut")
        if self.unseen:
            notes.append(f"{self.unseen} questions have an answer that no window holds whole: learned as unanswered")
        return notes


@dataclasses.dataclass(frozen=True)
class QuestionAnswering:
    """Two windows of a paragraph share `stride` tokens; None: a third of the longest."""

    math: Mathematics = EQUATIONS
    stride: int | None = None
    labels: ClassVar[tuple[str, ...]] = ()
    name: ClassVar[str] = "qa"
    head: ClassVar[str] = "qa"
    problem_type: ClassVar[str | None] = None

    def encode(self, table: QuestionTable, tokenizer: Tokenizer, max_length: int) -> QuestionExamples:
        """Every piece of every paragraph in a window. Raises InputError if `max_length` leaves no room."""
        before, between, behind = tokenizer.surrounding_tokens(pair=True)
        whole = max_length - len(before) - len(between) - len(behind)
        asked = min(LONGEST_QUESTION, whole // 2)
        if asked < 1:
            raise InputError(f"`max_length` {max_length} has no room for a question and a text")
        stride = min(default_stride(max_length), whole - asked - 1) if self.stride is None else self.stride
        window_ranges(0, whole - asked, stride)  # refused before any text is read
        second = tokenizer.segments - 1
        tokens, targets, looked, spans, cut, unseen = [], [], [], [], 0, 0
        for n, (question, q, context) in enumerate(_pieces(table, tokenizer)):
            cut += len(q) > asked
            ids = [*before.ids, *q.ids[:asked], *between.ids]
            segments = [*before.segments, *([0] * len(q.ids[:asked])), *between.segments]
            place = answer_place(question.answers[0], context.spans) if question.answers else None
            seen = False
            for part in window_ranges(len(context), whole - len(q.ids[:asked]), stride):
                row = [*ids, *context.ids[part.start : part.stop], *behind.ids]
                tokens.append(Tokens(row, [*segments, *([second] * len(part)), *behind.segments]))
                looked.append(Window(n, len(ids), part))
                if place is not None and place[0] in part and place[1] in part:
                    targets.append([len(ids) + i - part.start for i in place])
                    seen = True
                else:
                    targets.append([0, 0])
            unseen += bool(question.answers) and not seen
            spans.append(context.spans)
        return QuestionExamples(
            tokens, torch.tensor(targets), tokenizer.pad_id, None, looked, table.examples, spans, cut, unseen
        )

    def logits(self, model: nn.Module, batch: Batch) -> Tensor:
        """That the answer starts at a token, and that it ends there, `[B, S, 2]`; padding is as good as −∞.

        `model` is a Bert with a question-answering head. Google's code lets padding take part in the softmax; here it
        does not, so that what a window is learned as does not hang on its neighbours.
        """
        logits: Tensor = model(batch.token_ids, batch.segment_ids, batch.mask).logits
        return logits.masked_fill(batch.mask.unsqueeze(-1) == 0, torch.finfo(logits.dtype).min / 2)

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The mean of the cross-entropies of start and end, a scalar; `logits [B, S, 2]`, `targets [B, 2]`."""
        start, end = (self.math.cross_entropy(logits[..., i], targets[:, i]) for i in (0, 1))
        loss: Tensor = (start + end) / 2
        return loss

    def weight(self, targets: Tensor) -> float:
        """The windows."""
        return float(len(targets))

    def unpad(self, logits: Tensor, batch: Batch) -> Sequence[Tensor]:
        return [row[: int(n)] for row, n in zip(logits, batch.mask.sum(dim=1), strict=True)]

    def spans(self, logits: Sequence[Tensor], examples: QuestionExamples) -> list[Span]:
        """The best answer to each question, over all its windows."""
        of: list[list[int]] = [[] for _ in examples.questions]
        for row, window in enumerate(examples.looked):
            of[window.question].append(row)
        return [
            best_span([(logits[i], examples.looked[i]) for i in rows], examples.spans[n], question.context)
            for n, (question, rows) in enumerate(zip(examples.questions, of, strict=True))
        ]

    def measure(self, logits: Sequence[Tensor], examples: Examples) -> SpanMetrics:
        """Loss over the windows; exact match and F1 over the questions."""
        assert isinstance(examples, QuestionExamples)
        said = [span.text for span in self.spans(logits, examples)]
        parts = [(float(self.loss(z, targets)), len(z)) for z, targets in _padded(logits, examples)]
        return span_metrics(said, _right(examples), sum(loss * n for loss, n in parts) / len(examples))

    def mistakes(self, logits: Sequence[Tensor], examples: Examples, table: QuestionTable) -> list[Mistake]:
        """The questions whose answer is not one of the right ones word for word."""
        assert isinstance(examples, QuestionExamples)
        losses = [loss for z, targets in _padded(logits, examples) for loss in _of_each(z, targets)]
        worst = [0.0] * len(table.examples)
        for window, loss in zip(examples.looked, losses, strict=True):
            worst[window.question] = max(worst[window.question], loss)
        found = []
        for n, (question, span) in enumerate(zip(table.examples, self.spans(logits, examples), strict=True)):
            right = [answer.text for answer in question.answers]
            if f1(span.text, right) < 1.0:
                said = f"{span.text} ({span.p:.0%})"
                found.append(Mistake(question.row, question.text, question.context, right[0], said, worst[n]))
        return found

    def baseline(self, examples: Examples) -> str:
        return f"answering with the whole paragraph: F1 {_whole_paragraph(examples):.4f}"

    def learned(self, metrics: Any, examples: Examples) -> bool:
        assert isinstance(metrics, SpanMetrics)
        return metrics.f1 > _whole_paragraph(examples)


def answer_place(answer: TrueAnswer, spans: Sequence[tuple[int, int]]) -> tuple[int, int] | None:
    """The first and the last piece with a character of the answer; None if there is no such piece."""
    start, end = answer.start, answer.start + len(answer.text)
    inside = [i for i, (a, b) in enumerate(spans) if a < end and b > start]
    return (inside[0], inside[-1]) if inside else None


def _pieces(table: QuestionTable, tokenizer: Tokenizer) -> Iterator[tuple[Question, Pieces, Pieces]]:
    """Each question with its own pieces and those of its paragraph, which is cut into pieces once."""
    known: dict[str, Pieces] = {}
    for i in range(0, len(table.examples), CHUNK):
        part = table.examples[i : i + CHUNK]
        fresh = list(dict.fromkeys(question.context for question in part if question.context not in known))
        known = {q.context: known[q.context] for q in part if q.context in known}
        known |= zip(fresh, tokenizer.pieces(fresh), strict=True)
        for question, pieces in zip(part, tokenizer.pieces([question.text for question in part]), strict=True):
            yield question, pieces, known[question.context]


def _padded(logits: Sequence[Tensor], examples: QuestionExamples, size: int = 64) -> Iterator[tuple[Tensor, Tensor]]:
    """Logits `[B, S, 2]` and targets `[B, 2]` of so many windows after another, padding as good as −∞."""
    for i in range(0, len(logits), size):
        rows = list(logits[i : i + size])
        floor = torch.finfo(rows[0].dtype).min / 2
        yield nn.utils.rnn.pad_sequence(rows, True, floor), examples.targets_of(range(i, i + len(rows)))


def _of_each(z: Tensor, targets: Tensor) -> list[float]:
    """The loss of each window by itself."""
    log_p = z.double().log_softmax(dim=1).gather(1, targets.unsqueeze(1)).squeeze(1)  # [B, 2]
    found: list[float] = (-log_p.mean(dim=-1)).tolist()
    return found


def _right(examples: QuestionExamples) -> list[list[str]]:
    return [[answer.text for answer in question.answers] for question in examples.questions]


def _whole_paragraph(examples: Examples) -> float:
    assert isinstance(examples, QuestionExamples)
    said = [question.context for question in examples.questions]
    return span_metrics(said, _right(examples), 0.0).f1
