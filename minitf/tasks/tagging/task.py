"""A tag for each word of a sentence.

A word's tag is that of its first piece; what the model says of its other pieces, of the frame and of padding counts for
nothing (Devlin et al. 2019, §5.3). A sentence longer than the model reads is cut into windows that overlap, and each
word is judged in the one where it has most to both sides. A word without any piece (a zero-width character alone)
teaches nothing, and is said to be O.
"""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from minitf.errors import DataError
from minitf.mathematics import EQUATIONS, Mathematics
from minitf.tasks.base import Mistake
from minitf.tasks.tagging.conll import TaggedTable
from minitf.tasks.tagging.metrics import EntityMetrics, entity_metrics
from minitf.tasks.tagging.tags import OUTSIDE, have_prefixes
from minitf.text.batches import IGNORED, Batch, Examples, Tokens
from minitf.text.tokenizer import Tokenizer
from minitf.text.windows import best_window, default_stride, windows


@dataclasses.dataclass(frozen=True)
class LabelledWords:
    """What one window is asked: the words `words` of sentence `sentence`, at the tokens `places` of the window."""

    sentence: int
    words: list[int]
    places: list[int]


@dataclasses.dataclass(frozen=True)
class TaggedExamples(Examples):
    """Windows of sentences; the targets of window i are `[S]`, IGNORED but at its places."""

    labelled: Sequence[LabelledWords] = ()
    sentences: Sequence[Sequence[str]] = ()  # the tags of each, all words
    lost: int = 0  # words without a piece

    def notes(self) -> list[str]:
        what = f"{self.lost} words are nothing to the tokenizer (zero-width characters): not learned, said to be O"
        return [what] if self.lost else []


@dataclasses.dataclass(frozen=True)
class Tagging:
    """`labels` are the tags in the order of the logits; `class_weights [C]` weigh the loss of each.

    Two windows of a sentence share `stride` tokens; None: a third of the longest.
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
        """Every word in one window. Raises DataError for a tag that is none of `labels`, or if no word has a piece.

        Words without tags (a file to be answered) count as O.
        """
        number = {label: i for i, label in enumerate(self.labels)}
        for sentence in table.examples:
            for row, tag in zip(sentence.rows, sentence.tags or (), strict=False):
                if tag not in number:
                    raise DataError(f"{table.path}:{row}: the tag {tag!r} is none of {', '.join(self.labels)}")
        before, behind = tokenizer.frame()
        room = max_length - len(before) - len(behind)
        stride = default_stride(max_length) if self.stride is None else self.stride
        windows(0, room, stride)  # refused before any text is read
        tokens, targets, labelled, lost = [], [], [], 0
        for n, pieces in enumerate(tokenizer.pieces_of_words([s.words for s in table.examples])):
            tags = table.examples[n].tags
            first = [i for i, word in enumerate(pieces.words) if i == 0 or pieces.words[i - 1] != word]
            lost += len(table.examples[n].words) - len(first)
            parts = windows(len(pieces), room, stride)
            owner = [best_window(i, parts) for i in first]
            for w, part in enumerate(parts):
                mine = [i for i, window in zip(first, owner, strict=True) if window == w]
                if not mine:
                    continue
                ids = [*before.ids, *pieces.ids[part.start : part.stop], *behind.ids]
                target = torch.full((len(ids),), IGNORED)
                one = LabelledWords(n, [pieces.words[i] for i in mine], [i - part.start + len(before) for i in mine])
                target[one.places] = torch.tensor([number[tags[word]] if tags else 0 for word in one.words])
                tokens.append(Tokens(ids, [0] * len(ids)))
                targets.append(target)
                labelled.append(one)
        if not tokens and any(sentence.tags for sentence in table.examples):
            raise DataError(f"{table.path}: no word of it is anything to this tokenizer; is it text?")
        sentences = [sentence.tags or (OUTSIDE,) * len(sentence.words) for sentence in table.examples]
        return TaggedExamples(tokens, targets, tokenizer.pad_id, None, labelled, sentences, lost)

    def logits(self, model: nn.Module, batch: Batch) -> Tensor:
        """What the head says of each token, `[B, S, C]`; `model` is a Bert with a tagging head."""
        logits: Tensor = model(batch.token_ids, batch.segment_ids, batch.mask).logits
        return logits

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy, the mean over the words; `logits [B, S, C]`, `targets [B, S]`. Of no words it is 0."""
        real = targets != IGNORED
        if not bool(real.any()):
            return logits.sum() * 0.0
        weights = None if self.class_weights is None else self.class_weights.to(logits)
        smoothing = (self.label_smoothing,) if self.label_smoothing else ()
        loss: Tensor = self.math.cross_entropy(logits[real], targets[real], weights, *smoothing)
        return loss

    def weight(self, targets: Tensor) -> float:
        """The words, or the sum of their tags' weights."""
        real = targets[targets != IGNORED].cpu()
        return float(len(real)) if self.class_weights is None else float(self.class_weights.double()[real].sum())

    def unpad(self, logits: Tensor, batch: Batch) -> Sequence[Tensor]:
        return [row[: int(n)] for row, n in zip(logits, batch.mask.sum(dim=1), strict=True)]

    def measure(self, logits: Sequence[Tensor], examples: Examples) -> EntityMetrics:
        """Loss over the words with a piece, all else over every word of every sentence."""
        assert isinstance(examples, TaggedExamples)
        rows = range(len(examples))
        z = torch.cat([logits[i][examples.labelled[i].places] for i in rows])
        targets = torch.cat([examples.targets[i][examples.labelled[i].places] for i in rows])
        plain = dataclasses.replace(self, label_smoothing=0.0)
        said = [[tag for tag, _ in sentence] for sentence in self.tags(logits, examples)]
        prefixed = have_prefixes(self.labels)
        return entity_metrics(examples.sentences, said, float(plain.loss(z, targets)), prefixed, self.strict)

    def tags(self, logits: Sequence[Tensor], examples: TaggedExamples) -> list[list[tuple[str, float]]]:
        """(tag, its probability) of every word of every sentence; O, with certainty, for a word without a piece."""
        said = [[(OUTSIDE, 1.0)] * len(tags) for tags in examples.sentences]
        for row, labelled in zip(logits, examples.labelled, strict=True):
            p, best = row[labelled.places].double().softmax(dim=-1).max(dim=-1)
            for word, tag, sure in zip(labelled.words, best.tolist(), p.tolist(), strict=True):
                said[labelled.sentence][word] = self.labels[tag], sure
        return said

    def mistakes(self, logits: Sequence[Tensor], examples: Examples, table: TaggedTable) -> list[Mistake]:
        """The words with a wrong tag, each in its sentence."""
        assert isinstance(examples, TaggedExamples)
        found = []
        for row, labelled in zip(logits, examples.labelled, strict=True):
            sentence = table.examples[labelled.sentence]
            log_p = row[labelled.places].double().log_softmax(dim=-1)
            for word, z in zip(labelled.words, log_p, strict=True):
                true, best = examples.sentences[labelled.sentence][word], int(z.argmax())
                if self.labels[best] != true:
                    shown = " ".join([*sentence.words[:word], f"[{sentence.words[word]}]", *sentence.words[word + 1 :]])
                    said = f"{self.labels[best]} ({float(z[best].exp()):.0%})"
                    loss = -float(z[self.labels.index(true)])
                    found.append(Mistake(sentence.rows[word], shown, None, true, said, loss))
        return found

    def baseline(self, examples: Examples) -> str:
        most, accuracy = self._most_frequent(examples)
        return f"always {most}: accuracy {accuracy:.4f}"

    def learned(self, metrics: Any, examples: Examples) -> bool:
        assert isinstance(metrics, EntityMetrics)
        return metrics.accuracy > self._most_frequent(examples)[1]

    def _most_frequent(self, examples: Examples) -> tuple[str, float]:
        """The most frequent tag, and its share of the words."""
        assert isinstance(examples, TaggedExamples)
        tags = Counter(tag for sentence in examples.sentences for tag in sentence)
        tag, n = tags.most_common(1)[0]
        return tag, n / tags.total()
