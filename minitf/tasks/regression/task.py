"""A number for each text, such as a rating, or the similarity of two sentences."""

import dataclasses
from collections.abc import Sequence
from math import sqrt
from typing import Any, ClassVar

import torch
from torch import Tensor

from minitf.datasets.dataset import Dataset
from minitf.mathematics import EQUATIONS, Mathematics
from minitf.tasks.base import Mistake
from minitf.tasks.example_scores import ExampleScores, pearson
from minitf.tasks.regression.data import numbers_in
from minitf.tasks.regression.metrics import RegressionMetrics, regression_metrics
from minitf.tasks.whole_text.encoding import WholeTextTask, encode_texts
from minitf.text.batches import Examples
from minitf.text.tokenizer import Tokenizer
from minitf.text.windows import TRUNCATE, LongText

PAIRS = 500  # of a true and a predicted number in the report


@dataclasses.dataclass(frozen=True)
class Regression(WholeTextTask):
    """One logit, which is the number. It is not standardized, so the saved model needs no mean and no scale."""

    math: Mathematics = EQUATIONS
    long_text: LongText = TRUNCATE
    labels: ClassVar[tuple[str, ...]] = ("LABEL_0",)  # the usual name of a single logit
    name: ClassVar[str] = "regression"
    problem_type: ClassVar[str | None] = "regression"

    def encode(self, dataset: Dataset, tokenizer: Tokenizer, max_length: int) -> Examples:
        """Turn texts into tokens; the targets are the numbers, `[n]`, in float64."""
        targets = torch.tensor(numbers_in(dataset), dtype=torch.float64)
        return encode_texts(dataset, targets, tokenizer, max_length, self.long_text)

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """The mean squared error, a scalar; `logits [B, 1]`, `targets [B]`."""
        loss: Tensor = self.math.mean_squared_error(logits.squeeze(-1), targets.to(logits))
        return loss

    def weight(self, targets: Tensor) -> float:
        """The number of texts."""
        return float(len(targets))

    def measure(self, logits: Sequence[Tensor], examples: Examples) -> RegressionMetrics:
        """Compute loss and correlations over a data set."""
        predicted, targets = torch.stack(list(logits)).double(), examples.targets_of(range(len(examples)))
        return regression_metrics(
            targets.tolist(), predicted.squeeze(-1).tolist(), float(self.loss(predicted, targets))
        )

    def example_scores(self, logits: Sequence[Tensor], examples: Examples) -> ExampleScores:
        """The true and the predicted number of each text; the score is the Pearson correlation."""
        predicted = torch.stack(list(logits)).double().squeeze(-1)
        return ExampleScores(torch.stack([examples.targets_of(range(len(examples))), predicted], dim=-1), pearson)

    def mistakes(self, logits: Sequence[Tensor], examples: Examples, table: Dataset) -> list[Mistake]:
        """Return every example: no predicted number is exactly right."""
        targets = examples.targets_of(range(len(examples))).tolist()
        rows = zip(table.examples, [float(z) for z in logits], targets, strict=True)
        return [Mistake(e.row, e.text, e.pair, f"{t:g}", f"{p:.3f}", (p - t) ** 2) for e, p, t in rows]

    def report_details(self, logits: Sequence[Tensor], examples: Examples, table: Dataset, most: int) -> dict[str, Any]:
        """Return pairs of a true and the predicted number, evenly distributed over the table if there are many."""
        predicted, true = torch.stack(list(logits)).double().squeeze(-1), examples.targets_of(range(len(examples)))
        pairs = torch.stack([true, predicted], dim=-1).tolist()
        kept = pairs if len(pairs) <= PAIRS else [pairs[i * len(pairs) // PAIRS] for i in range(PAIRS)]
        return {"predictions": {"total": len(pairs), "pairs": kept}}

    def baseline(self, examples: Examples) -> str:
        return f"always the mean: rmse {_deviation(examples):.4f}"

    def learned(self, metrics: Any, examples: Examples) -> bool:
        assert isinstance(metrics, RegressionMetrics)
        return metrics.rmse < _deviation(examples)


def _deviation(examples: Examples) -> float:
    """Return the standard deviation of the targets: the error if the mean is always predicted."""
    targets = examples.targets_of(range(len(examples))).double()
    return sqrt((targets - targets.mean()).square().mean())
