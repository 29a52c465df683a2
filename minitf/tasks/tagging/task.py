"""A tag for each word of a sentence.

The logits of a word are those of its first piece; its other pieces, the special tokens and padding have no target
(Devlin et al. 2019, §5.3). A sentence that is longer than the model's input is cut into overlapping windows, and each
word belongs to the window in which it has the most context on both sides. A word without pieces (only a zero-width
character) is not trained, and is predicted as O, or as the first tag of a model without O.
"""

import dataclasses
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from minitf.datasets.spellings import unknown_label
from minitf.errors import DataError
from minitf.mathematics import EQUATIONS, Mathematics
from minitf.tasks.base import Mistake
from minitf.tasks.example_scores import ExampleScores, f1_of_counts
from minitf.tasks.tagging.conll import TaggedTable
from minitf.tasks.tagging.metrics import EntityMetrics, entity_metrics, entity_sets
from minitf.tasks.tagging.sentences import worst_sentences
from minitf.tasks.tagging.tags import OUTSIDE, have_prefixes
from minitf.text.batches import IGNORED, Batch, Examples
from minitf.text.long_texts import with_special_tokens
from minitf.text.tokenizer import Pieces, Tokenizer
from minitf.text.windows import best_window, default_stride, window_ranges
from minitf.visible import visible

LONG, CONTEXT = 1000, 100  # words of a sentence that is not shown whole; words that are shown on each side


@dataclasses.dataclass(frozen=True)
class WordWindow:
    """The words of a sentence that belong to one window, and the positions of their first pieces in the window."""

    sentence: int
    words: list[int]
    positions: list[int]


@dataclasses.dataclass(frozen=True)
class TaggedExamples(Examples):
    """Windows of sentences; the targets of a window are `[S]`, IGNORED except at the positions of its words."""

    word_windows: Sequence[WordWindow] = ()
    sentences: Sequence[Sequence[str]] = ()  # the tags of all words of each sentence
    without_pieces: int = 0  # words for which the tokenizer has no piece
    default: str = OUTSIDE  # the tag that is predicted for these words

    def notes(self) -> list[str]:
        note = (
            f"{self.without_pieces} words have no word pieces (zero-width characters): not trained, predicted as"
            f" {self.default}"
        )
        return [note] if self.without_pieces else []


@dataclasses.dataclass(frozen=True)
class Tagging:
    """`labels` are the tags in the order of the logits; `class_weights [C]` are their weights in the loss.

    Two neighbouring windows of a sentence share `stride` tokens; None: a third of `max_length`.
    """

    labels: tuple[str, ...]
    class_weights: Tensor | None = None
    math: Mathematics = EQUATIONS
    label_smoothing: float = 0.0
    stride: int | None = None
    strict: bool = False  # only entities that break no rule of their scheme count
    name: ClassVar[str] = "tagging"
    head: ClassVar[str] = "tagging"
    problem_type: ClassVar[str | None] = None

    def encode(self, table: TaggedTable, tokenizer: Tokenizer, max_length: int) -> TaggedExamples:
        """Turn sentences into windows, every word in one of them; a sentence without tags has only O.

        Raises DataError for an unknown tag, and for a table to train on in which no word has a piece.
        """
        index = self._index(table)
        before, behind = tokenizer.surrounding_tokens()
        room = max_length - len(before) - len(behind)
        stride = default_stride(max_length) if self.stride is None else self.stride
        window_ranges(0, room, stride)  # raises InputError before any text is encoded
        tokens, targets, word_windows, without_pieces = [], [], [], 0
        for n, pieces in enumerate(tokenizer.pieces_of_words([s.words for s in table.examples])):
            tags = table.examples[n].tags
            without_pieces += len(table.examples[n].words) - len(set(pieces.words))
            for part, words, first_pieces in _windows_of_words(pieces, room, stride):
                row = with_special_tokens(before, pieces.ids[part.start : part.stop], behind)
                window = WordWindow(n, words, [i - part.start + len(before) for i in first_pieces])
                target = torch.full((len(row),), IGNORED)
                target[window.positions] = torch.tensor([index[tags[word]] if tags else 0 for word in words])
                tokens.append(row)
                targets.append(target)
                word_windows.append(window)
        if not tokens and any(sentence.tags for sentence in table.examples):
            raise DataError(f"{table.path}: the tokenizer has no word piece for any of its words; is it text?")
        sentences = [sentence.tags or (OUTSIDE,) * len(sentence.words) for sentence in table.examples]
        return TaggedExamples(
            tokens, targets, tokenizer.pad_id, None, word_windows, sentences, without_pieces, self.default
        )

    @property
    def default(self) -> str:
        """The tag of a word without pieces: O, or the first tag if the model has no O."""
        return OUTSIDE if OUTSIDE in self.labels else self.labels[0]

    def _index(self, table: TaggedTable) -> dict[str, int]:
        """Return the index of each tag. Raises DataError for a tag in the table that is none of `labels`."""
        index = {label: i for i, label in enumerate(self.labels)}
        for sentence in table.examples:
            for row, tag in zip(sentence.rows, sentence.tags or (), strict=False):
                if tag not in index:
                    raise DataError(unknown_label(f"{table.path}:{row}", "tag", tag, self.labels))
        return index

    def logits(self, model: nn.Module, batch: Batch) -> Tensor:
        """Compute the logits of each token, `[B, S, C]`; `model` is a Bert with a tagging head."""
        logits: Tensor = model(batch.token_ids, batch.segment_ids, batch.mask).logits
        return logits

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy, the mean over the words; `logits [B, S, C]`, `targets [B, S]`. Without words it is 0."""
        real = targets != IGNORED
        if not bool(real.any()):
            return logits.sum() * 0.0
        weights = None if self.class_weights is None else self.class_weights.to(logits)
        smoothing = (self.label_smoothing,) if self.label_smoothing else ()
        loss: Tensor = self.math.cross_entropy(logits[real], targets[real], weights, *smoothing)
        return loss

    def weight(self, targets: Tensor) -> float:
        """The number of words, or the sum of the weights of their tags."""
        real = targets[targets != IGNORED].cpu()
        return float(len(real)) if self.class_weights is None else float(self.class_weights.double()[real].sum())

    def unpad(self, logits: Tensor, batch: Batch) -> Sequence[Tensor]:
        return [row[: int(n)] for row, n in zip(logits, batch.mask.sum(dim=1), strict=True)]

    def measure(self, logits: Sequence[Tensor], examples: Examples) -> EntityMetrics:
        """Compute the loss over the words with pieces, and the other metrics over all words."""
        assert isinstance(examples, TaggedExamples)
        rows = range(len(examples))
        z = torch.cat([logits[i][examples.word_windows[i].positions] for i in rows])
        targets = torch.cat([examples.targets[i][examples.word_windows[i].positions] for i in rows])
        unsmoothed = dataclasses.replace(self, label_smoothing=0.0)  # smoothing is for training only
        predicted = [[tag for tag, _ in sentence] for sentence in self.tags(logits, examples)]
        loss = float(unsmoothed.loss(z, targets))
        return entity_metrics(examples.sentences, predicted, loss, have_prefixes(self.labels), self.strict)

    def tags(self, logits: Sequence[Tensor], examples: TaggedExamples) -> list[list[tuple[str, float]]]:
        """Return (tag, probability) of every word in every sentence; (O, 1) for a word without pieces.

        Without O among the tags, such a word has the first tag, with the same probability as every other tag.
        """
        p = 1.0 if self.default == OUTSIDE else 1 / len(self.labels)
        predicted = [[(self.default, p)] * len(tags) for tags in examples.sentences]
        for row, window in zip(logits, examples.word_windows, strict=True):
            probabilities, best = row[window.positions].double().softmax(dim=-1).max(dim=-1)
            for word, tag, p in zip(window.words, best.tolist(), probabilities.tolist(), strict=True):
                predicted[window.sentence][word] = self.labels[tag], p
        return predicted

    def example_scores(self, logits: Sequence[Tensor], examples: Examples) -> ExampleScores:
        """The counts of correct, predicted and true entities of each sentence; the score is their F1."""
        assert isinstance(examples, TaggedExamples)
        predicted = [[tag for tag, _ in sentence] for sentence in self.tags(logits, examples)]
        counts = entity_sets(examples.sentences, predicted, have_prefixes(self.labels), self.strict)
        return ExampleScores(torch.tensor([[len(s) for s in sets] for sets in counts]).double(), f1_of_counts)

    def mistakes(self, logits: Sequence[Tensor], examples: Examples, table: TaggedTable) -> list[Mistake]:
        """Return the words with a wrong tag, each in its sentence."""
        assert isinstance(examples, TaggedExamples)
        found = []
        for n, word, true, log_p in self._wrong_words(logits, examples):
            sentence, best = table.examples[n], int(log_p.argmax())
            text = _in_context(sentence.words, word)
            predicted = f"{self.labels[best]} ({float(log_p[best].exp()):.0%})"
            loss = -float(log_p[true])
            found.append(Mistake(sentence.rows[word], text, None, self.labels[true], predicted, loss))
        return found

    def report_details(
        self, logits: Sequence[Tensor], examples: Examples, table: TaggedTable, most: int
    ) -> dict[str, Any]:
        """Return the worst sentences."""
        assert isinstance(examples, TaggedExamples)
        losses = dict[int, float]()
        for n, _, true, log_p in self._wrong_words(logits, examples):
            losses[n] = max(losses.get(n, 0.0), -float(log_p[true]))
        predicted = [[tag for tag, _ in sentence] for sentence in self.tags(logits, examples)]
        prefixed = have_prefixes(self.labels)
        return {"sentences": worst_sentences(table, examples.sentences, predicted, losses, prefixed, most)}

    def _wrong_words(
        self, logits: Sequence[Tensor], examples: TaggedExamples
    ) -> Iterator[tuple[int, int, int, Tensor]]:
        """Yield each word with a wrong tag: its sentence, its index there, its true tag, log p of all tags `[C]`."""
        index = {label: i for i, label in enumerate(self.labels)}
        for row, window in zip(logits, examples.word_windows, strict=True):
            for word, log_p in zip(window.words, row[window.positions].double().log_softmax(dim=-1), strict=True):
                true = index[examples.sentences[window.sentence][word]]
                if int(log_p.argmax()) != true:
                    yield window.sentence, word, true, log_p

    def baseline(self, examples: Examples) -> str:
        tag, accuracy = self._most_frequent(examples)
        return f"always {visible(tag)}: accuracy {accuracy:.4f}"

    def learned(self, metrics: Any, examples: Examples) -> bool:
        assert isinstance(metrics, EntityMetrics)
        return metrics.accuracy > self._most_frequent(examples)[1]

    def _most_frequent(self, examples: Examples) -> tuple[str, float]:
        """Return the most frequent tag and its share of the words."""
        assert isinstance(examples, TaggedExamples)
        tags = Counter(tag for sentence in examples.sentences for tag in sentence)
        tag, n = tags.most_common(1)[0]
        return tag, n / tags.total()


def _in_context(words: Sequence[str], word: int) -> str:
    """Return the sentence with the word in brackets; of a long sentence, only the words around it."""
    start, end = (0, len(words)) if len(words) <= LONG else (max(0, word - CONTEXT), word + CONTEXT + 1)
    before, after = words[start:word], words[word + 1 : end]
    return " ".join([*(["…"] * (start > 0)), *before, f"[{words[word]}]", *after, *(["…"] * (end < len(words)))])


def _windows_of_words(pieces: Pieces, room: int, stride: int) -> Iterator[tuple[range, list[int], list[int]]]:
    """Yield each window of a sentence that has words: its pieces, the words that belong to it, their first pieces."""
    first_pieces = [i for i, word in enumerate(pieces.words) if i == 0 or pieces.words[i - 1] != word]
    parts = window_ranges(len(pieces), room, stride)
    window_of = [best_window(i, parts) for i in first_pieces]
    for number, part in enumerate(parts):
        belonging = [i for i, window in zip(first_pieces, window_of, strict=True) if window == number]
        if belonging:
            yield part, [pieces.words[i] for i in belonging], belonging
