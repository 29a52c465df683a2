"""The level of each text: trained as a class, predicted as the median of the probabilities."""

import dataclasses
import statistics
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from minitf.datasets.dataset import Dataset
from minitf.mathematics import EQUATIONS, Mathematics
from minitf.tasks.base import Mistake
from minitf.tasks.example_scores import ExampleScores, mean
from minitf.tasks.whole_text.encoding import WholeTextTask, encode_texts
from minitf.text.batches import Examples
from minitf.text.tokenizer import Tokenizer
from minitf.text.windows import TRUNCATE, LongText
from tests.toy_task.data import LEVELS
from tests.toy_task.metrics import LevelMetrics, level_metrics, mean_distance, median_level


@dataclasses.dataclass(frozen=True)
class WordCount(WholeTextTask):
    math: Mathematics = EQUATIONS
    long_text: LongText = TRUNCATE
    labels: ClassVar[tuple[str, ...]] = LEVELS
    name: ClassVar[str] = "word-count"
    problem_type: ClassVar[str | None] = None

    def encode(self, dataset: Dataset, tokenizer: Tokenizer, max_length: int) -> Examples:
        targets = torch.tensor([LEVELS.index(str(example.label)) for example in dataset.examples])
        return encode_texts(dataset, targets, tokenizer, max_length, self.long_text)

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy, a scalar; `logits [B, 3]`, `targets [B]`."""
        loss: Tensor = self.math.cross_entropy(logits, targets)
        return loss

    def weight(self, targets: Tensor) -> float:
        return float(len(targets))

    def measure(self, logits: Sequence[Tensor], examples: Examples) -> LevelMetrics:
        loss = float(self.loss(torch.stack(list(logits)), examples.targets_of(range(len(examples)))))
        return level_metrics(LEVELS, _true(examples), [predicted_level(z) for z in logits], loss)

    def example_scores(self, logits: Sequence[Tensor], examples: Examples) -> ExampleScores:
        """The distance of each text from its level: the score is the mean."""
        pairs = zip(_true(examples), map(predicted_level, logits), strict=True)
        return ExampleScores(torch.tensor([[abs(a - b)] for a, b in pairs], dtype=torch.float64), mean)

    def mistakes(self, logits: Sequence[Tensor], examples: Examples, table: Dataset) -> list[Mistake]:
        found = []
        for example, true, z in zip(table.examples, _true(examples), logits, strict=True):
            if (predicted := predicted_level(z)) != true:
                loss = -float(z.double().log_softmax(dim=-1)[true])
                found.append(Mistake(example.row, example.text, example.pair, LEVELS[true], LEVELS[predicted], loss))
        return found

    def baseline(self, examples: Examples) -> str:
        return f"always the median level: distance {_constant(examples):.4f}"

    def learned(self, metrics: Any, examples: Examples) -> bool:
        assert isinstance(metrics, LevelMetrics)
        return metrics.distance < _constant(examples)


def predicted_level(z: Tensor) -> int:
    """Return the level that the logits `z [3]` of a text predict."""
    return median_level(z.double().softmax(dim=-1).tolist())


def _true(examples: Examples) -> list[int]:
    levels: list[int] = examples.targets_of(range(len(examples))).tolist()
    return levels


def _constant(examples: Examples) -> float:
    """Return the distance of the best constant prediction."""
    true = _true(examples)
    return mean_distance(true, [int(statistics.median_low(true))] * len(true))
