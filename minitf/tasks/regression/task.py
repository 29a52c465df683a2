"""A number for each text, as it stands in the table: how alike two sentences are, how many stars."""

import dataclasses
from collections.abc import Sequence
from math import sqrt
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from minitf.datasets.dataset import Dataset
from minitf.mathematics import EQUATIONS, Mathematics
from minitf.tasks.base import Mistake
from minitf.tasks.regression.data import numbers_in
from minitf.tasks.regression.metrics import RegressionMetrics, regression_metrics
from minitf.tasks.whole_text.encoding import encode_texts, logits_of_texts
from minitf.text.batches import Batch, Examples
from minitf.text.tokenizer import Tokenizer
from minitf.text.windows import TRUNCATE, LongText


@dataclasses.dataclass(frozen=True)
class Regression:
    """One logit, which is the number: no standardising, so that what is saved needs nothing beside it."""

    math: Mathematics = EQUATIONS
    long_text: LongText = TRUNCATE
    labels: ClassVar[tuple[str, ...]] = ("LABEL_0",)  # as every library calls a lone logit
    name: ClassVar[str] = "regression"
    head: ClassVar[str] = "classification"
    problem_type: ClassVar[str | None] = "regression"

    def encode(self, dataset: Dataset, tokenizer: Tokenizer, max_length: int) -> Examples:
        """Texts as tokens, and their numbers, `[n]`, not yet rounded to what a model computes in."""
        targets = torch.tensor(numbers_in(dataset), dtype=torch.float64)
        return encode_texts(dataset, targets, tokenizer, max_length, self.long_text)

    def logits(self, model: nn.Module, batch: Batch) -> Tensor:
        """The number for each text, `[B, 1]`; `model` is a Bert with a classification head of one output."""
        return logits_of_texts(model, batch)

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The mean squared error, a scalar; `logits [B, 1]`, `targets [B]`."""
        loss: Tensor = self.math.mean_squared_error(logits.squeeze(-1), targets.to(logits))
        return loss

    def weight(self, targets: Tensor) -> float:
        """The texts."""
        return float(len(targets))

    def unpad(self, logits: Tensor, batch: Batch) -> Sequence[Tensor]:
        return list(logits)

    def measure(self, logits: Sequence[Tensor], examples: Examples) -> RegressionMetrics:
        """Loss and correlations, over a whole data set."""
        predicted, targets = torch.stack(list(logits)).double(), examples.targets_of(range(len(examples)))
        return regression_metrics(
            targets.tolist(), predicted.squeeze(-1).tolist(), float(self.loss(predicted, targets))
        )

    def mistakes(self, logits: Sequence[Tensor], examples: Examples, table: Dataset) -> list[Mistake]:
        """Every example: no number is quite right."""
        targets = examples.targets_of(range(len(examples))).tolist()
        rows = zip(table.examples, [float(z) for z in logits], targets, strict=True)
        return [
            Mistake(e.row, e.text, e.pair, f"{true:g}", f"{said:.3f}", (said - true) ** 2) for e, said, true in rows
        ]

    def baseline(self, examples: Examples) -> str:
        return f"always the mean: rmse {_deviation(examples):.4f}"

    def learned(self, metrics: Any, examples: Examples) -> bool:
        assert isinstance(metrics, RegressionMetrics)
        return metrics.rmse < _deviation(examples)


def _deviation(examples: Examples) -> float:
    """Of the numbers from their mean: the error of one who always says the mean."""
    targets = examples.targets_of(range(len(examples))).double()
    return sqrt((targets - targets.mean()).square().mean())
