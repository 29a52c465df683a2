"""One of C classes for each text."""

import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from minitf.datasets.dataset import Dataset
from minitf.errors import DataError
from minitf.mathematics import EQUATIONS, Mathematics
from minitf.tasks.base import Mistake
from minitf.tasks.classification.metrics import ClassificationMetrics, classification_metrics
from minitf.tasks.whole_text.encoding import encode_texts, logits_of_texts
from minitf.text.batches import Batch, Examples
from minitf.text.tokenizer import Tokenizer
from minitf.text.windows import TRUNCATE, LongText


@dataclasses.dataclass(frozen=True)
class Classification:
    """`labels` are the classes' names in the order of the logits; `class_weights [C]` weigh the loss of each class."""

    labels: tuple[str, ...]
    class_weights: Tensor | None = None
    math: Mathematics = EQUATIONS
    label_smoothing: float = 0.0
    long_text: LongText = TRUNCATE
    name: ClassVar[str] = "classification"
    head: ClassVar[str] = "classification"
    problem_type: ClassVar[str | None] = None

    def encode(self, dataset: Dataset, tokenizer: Tokenizer, max_length: int) -> Examples:
        """Texts as tokens, labels as numbers. Raises DataError for a label that is none of `labels`."""
        number = {label: i for i, label in enumerate(self.labels)}
        unknown = [e for e in dataset.examples if e.label not in number]
        if unknown:
            raise DataError(
                f"{dataset.path}, row {unknown[0].row}: the label {unknown[0].label!r} is none of"
                f" {', '.join(self.labels)}"
            )
        targets = torch.tensor([number[str(e.label)] for e in dataset.examples], dtype=torch.long)
        return encode_texts(dataset, targets, tokenizer, max_length, self.long_text)

    def logits(self, model: nn.Module, batch: Batch) -> Tensor:
        """The head's answer to each text, `[B, C]`; `model` is a Bert with a classification head."""
        return logits_of_texts(model, batch)

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy, a scalar; `logits [B, C]`, `targets [B]`."""
        weights = None if self.class_weights is None else self.class_weights.to(logits)
        # Without smoothing the equation is called as before, so that one of one's own need not know of it.
        smoothing = (self.label_smoothing,) if self.label_smoothing else ()
        loss: Tensor = self.math.cross_entropy(logits, targets, weights, *smoothing)
        return loss

    def weight(self, targets: Tensor) -> float:
        """The texts, or the sum of their classes' weights."""
        if self.class_weights is None:
            return float(len(targets))
        return float(self.class_weights.double()[targets.cpu()].sum())

    def unpad(self, logits: Tensor, batch: Batch) -> Sequence[Tensor]:
        return list(logits)

    def measure(self, logits: Sequence[Tensor], examples: Examples) -> ClassificationMetrics:
        """Loss, accuracy, and precision, recall and F1 of each class, over a whole data set."""
        z, targets = torch.stack(list(logits)), examples.targets_of(range(len(examples)))
        plain = dataclasses.replace(self, label_smoothing=0.0)  # a target softened for training says nothing of right
        loss = float(plain.loss(z, targets))
        return classification_metrics(self.labels, targets.tolist(), z.argmax(dim=-1).tolist(), loss)

    def mistakes(self, logits: Sequence[Tensor], examples: Examples, table: Dataset) -> list[Mistake]:
        log_p = torch.stack(list(logits)).double().log_softmax(dim=-1)
        rows = zip(table.examples, log_p, examples.targets_of(range(len(examples))).tolist(), strict=True)
        found = []
        for example, row, true in rows:
            said = int(row.argmax())
            if said != true:
                told = f"{self.labels[said]} ({float(row[said].exp()):.0%})"
                found.append(
                    Mistake(example.row, example.text, example.pair, self.labels[true], told, -float(row[true]))
                )
        return found

    def baseline(self, examples: Examples) -> str:
        return f"always guessing one class: {_largest_class(examples):.4f}"

    def learned(self, metrics: Any, examples: Examples) -> bool:
        assert isinstance(metrics, ClassificationMetrics)
        return metrics.accuracy > _largest_class(examples)


def _largest_class(examples: Examples) -> float:
    """Its share of the texts."""
    return int(examples.targets_of(range(len(examples))).bincount().max()) / len(examples)
