"""One of C classes for each text."""

import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from minitf.datasets.dataset import Dataset
from minitf.datasets.spellings import unknown_label
from minitf.errors import DataError
from minitf.mathematics import EQUATIONS, Mathematics
from minitf.tasks.base import Mistake
from minitf.tasks.calibration import calibration
from minitf.tasks.classification.metrics import ClassificationMetrics, classification_metrics
from minitf.tasks.example_scores import ExampleScores, mean
from minitf.tasks.whole_text.encoding import WholeTextTask, encode_texts
from minitf.text.batches import Examples
from minitf.text.tokenizer import Tokenizer
from minitf.text.windows import TRUNCATE, LongText


@dataclasses.dataclass(frozen=True)
class Classification(WholeTextTask):
    """`labels` are the class names in the order of the logits; `class_weights [C]` are the weights in the loss."""

    labels: tuple[str, ...]
    class_weights: Tensor | None = None
    math: Mathematics = EQUATIONS
    label_smoothing: float = 0.0
    long_text: LongText = TRUNCATE
    name: ClassVar[str] = "classification"
    problem_type: ClassVar[str | None] = None

    def encode(self, dataset: Dataset, tokenizer: Tokenizer, max_length: int) -> Examples:
        """Turn texts into tokens and labels into class indices. Raises DataError for an unknown label."""
        index = {label: i for i, label in enumerate(self.labels)}
        unknown = next((example for example in dataset.examples if example.label not in index), None)
        if unknown:
            where = f"{dataset.path}:{unknown.row}"
            raise DataError(unknown_label(where, "label", unknown.label or "", self.labels))
        targets = torch.tensor([index[str(example.label)] for example in dataset.examples], dtype=torch.long)
        return encode_texts(dataset, targets, tokenizer, max_length, self.long_text)

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy, a scalar; `logits [B, C]`, `targets [B]`."""
        weights = None if self.class_weights is None else self.class_weights.to(logits)
        # The argument is passed only if needed: a user's own cross_entropy may not accept it.
        smoothing = (self.label_smoothing,) if self.label_smoothing else ()
        loss: Tensor = self.math.cross_entropy(logits, targets, weights, *smoothing)
        return loss

    def weight(self, targets: Tensor) -> float:
        """The number of texts, or the sum of their class weights."""
        if self.class_weights is None:
            return float(len(targets))
        return float(self.class_weights.double()[targets.cpu()].sum())

    def measure(self, logits: Sequence[Tensor], examples: Examples) -> ClassificationMetrics:
        """Compute loss, accuracy, and precision, recall and F1 of each class over a data set."""
        z, targets = torch.stack(list(logits)), examples.targets_of(range(len(examples)))
        unsmoothed = dataclasses.replace(self, label_smoothing=0.0)  # smoothing is for training only
        loss = float(unsmoothed.loss(z, targets))
        return classification_metrics(self.labels, targets.tolist(), z.argmax(dim=-1).tolist(), loss)

    def example_scores(self, logits: Sequence[Tensor], examples: Examples) -> ExampleScores:
        """Whether the prediction for each text is correct; the score is the accuracy."""
        right = torch.stack(list(logits)).argmax(dim=-1) == examples.targets_of(range(len(examples)))
        return ExampleScores(right.double().unsqueeze(-1), mean, is_share=True)

    def mistakes(self, logits: Sequence[Tensor], examples: Examples, table: Dataset) -> list[Mistake]:
        log_p = torch.stack(list(logits)).double().log_softmax(dim=-1)
        rows = zip(table.examples, log_p, examples.targets_of(range(len(examples))).tolist(), strict=True)
        found = []
        for example, row, true in rows:
            predicted = int(row.argmax())
            if predicted != true:
                shown = f"{self.labels[predicted]} ({float(row[predicted].exp()):.0%})"
                loss = -float(row[true])
                found.append(Mistake(example.row, example.text, example.pair, self.labels[true], shown, loss))
        return found

    def report_details(self, logits: Sequence[Tensor], examples: Examples, table: Dataset, most: int) -> dict[str, Any]:
        """Return the calibration of the predicted classes."""
        p, predicted = torch.stack(list(logits)).double().softmax(dim=-1).max(dim=-1)
        right = predicted == examples.targets_of(range(len(examples)))
        return {
            "calibration": calibration(p, right, "probability of the predicted class", "share of right predictions")
        }

    def baseline(self, examples: Examples) -> str:
        return f"always guessing one class: {_largest_class(examples):.4f}"

    def learned(self, metrics: Any, examples: Examples) -> bool:
        assert isinstance(metrics, ClassificationMetrics)
        return metrics.accuracy > _largest_class(examples)


def _largest_class(examples: Examples) -> float:
    """Return the share of texts in the most frequent class."""
    return int(examples.targets_of(range(len(examples))).bincount().max()) / len(examples)
