"""One of C classes for each text."""

import dataclasses
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from minitf.bert import Bert
from minitf.bert.shortcut import logits_of_first_token
from minitf.errors import DataError
from minitf.mathematics import EQUATIONS, Mathematics
from minitf.text.batches import Batch, Examples
from minitf.text.datasets import Dataset
from minitf.text.tokenizer import Tokenizer
from minitf.training.metrics import ClassificationMetrics, classification_metrics


@dataclasses.dataclass(frozen=True)
class Classification:
    """`labels` are the classes' names in the order of the logits; `class_weights [C]` weigh the loss of each class."""

    labels: tuple[str, ...]
    class_weights: Tensor | None = None
    math: Mathematics = EQUATIONS
    head = "classification"

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
        return Examples(tokenizer.encode(dataset.texts, dataset.pairs, max_length), targets, tokenizer.pad_id)

    def logits(self, model: nn.Module, batch: Batch) -> Tensor:
        """The head's answer to `batch`, `[B, C]`; `model` is a Bert with a classification head."""
        assert isinstance(model, Bert)
        return logits_of_first_token(model, batch.token_ids, batch.segment_ids, batch.mask)

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy, a scalar; `logits [B, C]`, `targets [B]`."""
        weights = None if self.class_weights is None else self.class_weights.to(logits)
        loss: Tensor = self.math.cross_entropy(logits, targets, weights)
        return loss

    def measure(self, logits: Tensor, targets: Tensor) -> ClassificationMetrics:
        """Loss, accuracy, and precision, recall and F1 of each class, over a whole data set."""
        return classification_metrics(
            self.labels, targets.tolist(), logits.argmax(dim=-1).tolist(), float(self.loss(logits, targets))
        )


def balanced_weights(targets: Sequence[int], C: int) -> Tensor:
    """n / (C · n_c) for each class c: every class weighs the same in the sum of the losses; `[C]`."""
    counts = torch.bincount(torch.tensor(targets), minlength=C).double()
    return len(targets) / (C * counts)
