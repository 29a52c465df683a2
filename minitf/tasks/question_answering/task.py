"""The span of a paragraph that answers a question: its start and its end (Devlin et al. 2019, §4.2).

Question and paragraph are a pair, `[CLS] question [SEP] paragraph [SEP]`. A paragraph that does not fit is cut into
overlapping windows, and each window is one example. In a window that does not contain the whole answer, the target of
both start and end is [CLS].
"""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from minitf.errors import InputError
from minitf.mathematics import EQUATIONS, Mathematics
from minitf.tasks.base import Mistake
from minitf.tasks.example_scores import ExampleScores, mean
from minitf.tasks.question_answering.metrics import SpanMetrics, f1, span_metrics
from minitf.tasks.question_answering.spans import ParagraphWindow, Span, best_span
from minitf.tasks.question_answering.squad import Question, QuestionTable, TrueAnswer
from minitf.text.batches import Batch, Examples
from minitf.text.long_texts import with_special_tokens
from minitf.text.tokenizer import Pieces, Tokenizer
from minitf.text.windows import default_stride, window_ranges

LONGEST_QUESTION = 64  # word pieces, as in Google's run_squad.py; a longer question is cut
CHUNK = 256  # questions that are tokenized at once


@dataclasses.dataclass(frozen=True)
class QuestionExamples(Examples):
    """Windows of paragraphs, each with its question; the targets are `[n, 2]`, the tokens of start and end."""

    paragraph_windows: Sequence[ParagraphWindow] = ()
    questions: Sequence[Question] = ()
    piece_spans: Sequence[Sequence[tuple[int, int]]] = ()  # the characters of each piece, for each question's paragraph
    cut: int = 0  # questions that are too long
    answer_divided: int = 0  # questions whose answer is not whole in any window

    def notes(self) -> list[str]:
        notes = []
        if self.cut:
            notes.append(f"{self.cut} questions are cut: longer than {LONGEST_QUESTION} word pieces, or half the input")
        if self.answer_divided:
            notes.append(
                f"{self.answer_divided} questions have an answer that is not whole in any window: trained as unanswered"
            )
        return notes


@dataclasses.dataclass(frozen=True)
class QuestionAnswering:
    """Two neighbouring windows of a paragraph share `stride` tokens; None: a third of `max_length`."""

    math: Mathematics = EQUATIONS
    stride: int | None = None
    labels: ClassVar[tuple[str, ...]] = ()
    name: ClassVar[str] = "qa"
    head: ClassVar[str] = "qa"
    problem_type: ClassVar[str | None] = None

    def encode(self, table: QuestionTable, tokenizer: Tokenizer, max_length: int) -> QuestionExamples:
        """Turn each paragraph into windows that cover it. Raises InputError if `max_length` leaves no room."""
        before, between, behind = tokenizer.surrounding_tokens(pair=True)
        room = max_length - len(before) - len(between) - len(behind)
        longest = min(LONGEST_QUESTION, room // 2)
        if longest < 1:
            raise InputError(f"`max_length` {max_length} has no room for a question and a text")
        stride = min(default_stride(max_length), room - longest - 1) if self.stride is None else self.stride
        window_ranges(0, room - longest, stride)  # raises InputError before any text is encoded
        tokens, targets, paragraph_windows, piece_spans, cut, answer_divided = [], [], [], [], 0, 0
        for n, (question, q, context) in enumerate(_pieces(table, tokenizer)):
            cut += len(q) > longest
            first = with_special_tokens(before, q.ids[:longest], between)
            answer = answer_pieces(question.answers[0], context.spans) if question.answers else None
            whole = False
            for part in window_ranges(len(context), room - len(q.ids[:longest]), stride):
                tokens.append(
                    with_special_tokens(first, context.ids[part.start : part.stop], behind, tokenizer.segments - 1)
                )
                paragraph_windows.append(ParagraphWindow(n, len(first), part))
                inside = answer is not None and answer[0] in part and answer[1] in part
                targets.append([len(first) + i - part.start for i in answer] if answer and inside else [0, 0])
                whole = whole or inside
            answer_divided += bool(question.answers) and not whole
            piece_spans.append(context.spans)
        return QuestionExamples(
            tokens,
            torch.tensor(targets),
            tokenizer.pad_id,
            paragraph_windows=paragraph_windows,
            questions=table.examples,
            piece_spans=piece_spans,
            cut=cut,
            answer_divided=answer_divided,
        )

    def logits(self, model: nn.Module, batch: Batch) -> Tensor:
        """Compute the logits of start and end at each token, `[B, S, 2]`; those of padding are very low.

        `model` is a Bert with a question-answering head. In Google's code padding takes part in the softmax. Here it
        does not, so the loss of a window does not depend on the other windows of the batch.
        """
        logits: Tensor = model(batch.token_ids, batch.segment_ids, batch.mask).logits
        return logits.masked_fill(batch.mask.unsqueeze(-1) == 0, torch.finfo(logits.dtype).min / 2)

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The mean of the cross-entropies of start and end, a scalar; `logits [B, S, 2]`, `targets [B, 2]`."""
        start, end = (self.math.cross_entropy(logits[..., i], targets[:, i]) for i in (0, 1))
        loss: Tensor = (start + end) / 2
        return loss

    def weight(self, targets: Tensor) -> float:
        """The number of windows."""
        return float(len(targets))

    def unpad(self, logits: Tensor, batch: Batch) -> Sequence[Tensor]:
        return [row[: int(n)] for row, n in zip(logits, batch.mask.sum(dim=1), strict=True)]

    def spans(self, logits: Sequence[Tensor], examples: QuestionExamples) -> list[Span]:
        """Return the best answer to each question, over all windows of its paragraph."""
        rows_of: list[list[int]] = [[] for _ in examples.questions]
        for row, window in enumerate(examples.paragraph_windows):
            rows_of[window.question].append(row)
        return [
            best_span(
                [(logits[i], examples.paragraph_windows[i]) for i in rows], examples.piece_spans[n], question.context
            )
            for n, (question, rows) in enumerate(zip(examples.questions, rows_of, strict=True))
        ]

    def measure(self, logits: Sequence[Tensor], examples: Examples) -> SpanMetrics:
        """Compute the loss over the windows, and exact match and F1 over the questions."""
        assert isinstance(examples, QuestionExamples)
        predicted = [span.text for span in self.spans(logits, examples)]
        parts = [(float(self.loss(z, targets)), len(z)) for z, targets in _batches(logits, examples)]
        return span_metrics(predicted, _true_answers(examples), sum(loss * n for loss, n in parts) / len(examples))

    def example_scores(self, logits: Sequence[Tensor], examples: Examples) -> ExampleScores:
        """The F1 of the words of each answer; the score is the mean."""
        assert isinstance(examples, QuestionExamples)
        answers = zip(self.spans(logits, examples), _true_answers(examples), strict=True)
        scores = [[f1(span.text, true)] for span, true in answers]
        return ExampleScores(torch.tensor(scores, dtype=torch.float64), mean)

    def mistakes(self, logits: Sequence[Tensor], examples: Examples, table: QuestionTable) -> list[Mistake]:
        """Return the questions whose predicted answer does not have exactly the words of a right one."""
        assert isinstance(examples, QuestionExamples)
        losses = [loss for z, targets in _batches(logits, examples) for loss in _window_losses(z, targets)]
        largest = [0.0] * len(table.examples)
        for window, loss in zip(examples.paragraph_windows, losses, strict=True):
            largest[window.question] = max(largest[window.question], loss)
        found = []
        for n, (question, span) in enumerate(zip(table.examples, self.spans(logits, examples), strict=True)):
            true = [answer.text for answer in question.answers]
            if f1(span.text, true) < 1.0:
                predicted = f"{span.text} ({span.p:.0%})"
                first = question.answers[0]
                answers = {"true": (first.start, first.start + len(first.text)), "predicted": (span.start, span.end)}
                found.append(
                    Mistake(question.row, question.text, question.context, true[0], predicted, largest[n], answers)
                )
        return found

    def report_details(
        self, logits: Sequence[Tensor], examples: Examples, table: QuestionTable, most: int
    ) -> dict[str, Any]:
        return {}

    def baseline(self, examples: Examples) -> str:
        return f"answering with the whole paragraph: F1 {_whole_paragraph(examples):.4f}"

    def learned(self, metrics: Any, examples: Examples) -> bool:
        assert isinstance(metrics, SpanMetrics)
        return metrics.f1 > _whole_paragraph(examples)


def answer_pieces(answer: TrueAnswer, spans: Sequence[tuple[int, int]]) -> tuple[int, int] | None:
    """Return the first and the last piece that has a character of the answer; None if there is no such piece."""
    start, end = answer.start, answer.start + len(answer.text)
    inside = [i for i, (a, b) in enumerate(spans) if a < end and b > start]
    return (inside[0], inside[-1]) if inside else None


def _pieces(table: QuestionTable, tokenizer: Tokenizer) -> Iterator[tuple[Question, Pieces, Pieces]]:
    """Yield each question with its pieces and those of its paragraph, which is tokenized once."""
    known: dict[str, Pieces] = {}
    for i in range(0, len(table.examples), CHUNK):
        part = table.examples[i : i + CHUNK]
        new = list(dict.fromkeys(question.context for question in part if question.context not in known))
        known = {q.context: known[q.context] for q in part if q.context in known}
        known |= zip(new, tokenizer.pieces(new), strict=True)
        for question, pieces in zip(part, tokenizer.pieces([question.text for question in part]), strict=True):
            yield question, pieces, known[question.context]


def _batches(logits: Sequence[Tensor], examples: QuestionExamples, size: int = 64) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield logits `[B, S, 2]`, padded with a very low value, and targets `[B, 2]` of `size` windows at a time."""
    for i in range(0, len(logits), size):
        rows = list(logits[i : i + size])
        floor = torch.finfo(rows[0].dtype).min / 2
        yield nn.utils.rnn.pad_sequence(rows, True, floor), examples.targets_of(range(i, i + len(rows)))


def _window_losses(z: Tensor, targets: Tensor) -> list[float]:
    """Compute the loss of each window."""
    log_p = z.double().log_softmax(dim=1).gather(1, targets.unsqueeze(1)).squeeze(1)  # [B, 2]
    losses: list[float] = (-log_p.mean(dim=-1)).tolist()
    return losses


def _true_answers(examples: QuestionExamples) -> list[list[str]]:
    return [[answer.text for answer in question.answers] for question in examples.questions]


def _whole_paragraph(examples: Examples) -> float:
    """Return the F1 of whole paragraphs as answers."""
    assert isinstance(examples, QuestionExamples)
    paragraphs = [question.context for question in examples.questions]
    return span_metrics(paragraphs, _true_answers(examples), 0.0).f1
