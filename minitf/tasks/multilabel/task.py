"""Any number of C labels for each text: C questions with yes or no, answered at once."""

import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from minitf.datasets.dataset import Dataset
from minitf.errors import DataError
from minitf.mathematics import EQUATIONS, Mathematics
from minitf.tasks.base import Mistake
from minitf.tasks.multilabel.data import labels_in
from minitf.tasks.multilabel.metrics import MultiLabelMetrics, best_constant, multilabel_metrics
from minitf.tasks.whole_text.encoding import encode_texts, logits_of_texts
from minitf.text.batches import Batch, Examples
from minitf.text.tokenizer import Tokenizer
from minitf.text.windows import TRUNCATE, LongText


@dataclasses.dataclass(frozen=True)
class MultiLabel:
    """`labels` are the names of the logits, in their order. A text gets each label whose probability is above ½."""

    labels: tuple[str, ...]
    math: Mathematics = EQUATIONS
    long_text: LongText = TRUNCATE
    name: ClassVar[str] = "multilabel"
    head: ClassVar[str] = "classification"
    problem_type: ClassVar[str | None] = "multi_label_classification"

    def encode(self, dataset: Dataset, tokenizer: Tokenizer, max_length: int) -> Examples:
        """Texts as tokens, labels as 1 where a text bears them, `[n, C]`. Raises DataError for an unknown label."""
        number = {label: i for i, label in enumerate(self.labels)}
        targets = torch.zeros(len(dataset.examples), len(self.labels))
        for i, example in enumerate(dataset.examples):
            for label in labels_in(example.label):
                if label not in number:
                    raise DataError(
                        f"{dataset.path}, row {example.row}: the label {label!r} is none of {', '.join(self.labels)}"
                    )
                targets[i, number[label]] = 1.0
        return encode_texts(dataset, targets, tokenizer, max_length, self.long_text)

    def logits(self, model: nn.Module, batch: Batch) -> Tensor:
        """The head's answer to each text, `[B, C]`; `model` is a Bert with a classification head."""
        return logits_of_texts(model, batch)

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Binary cross-entropy, the mean over texts and labels, a scalar; both `[B, C]`."""
        loss: Tensor = self.math.binary_cross_entropy(logits, targets.to(logits))
        return loss

    def weight(self, targets: Tensor) -> float:
        """The questions answered: B · C."""
        return float(targets.numel())

    def unpad(self, logits: Tensor, batch: Batch) -> Sequence[Tensor]:
        return list(logits)

    def measure(self, logits: Sequence[Tensor], examples: Examples) -> MultiLabelMetrics:
        """Loss, F1 over all labels and of each, and how often all are right, over a whole data set."""
        z, targets = torch.stack(list(logits)), examples.targets_of(range(len(examples)))
        true, predicted = ([set(row.nonzero().flatten().tolist()) for row in rows] for rows in (targets, z > 0))
        return multilabel_metrics(self.labels, true, predicted, float(self.loss(z, targets)))

    def mistakes(self, logits: Sequence[Tensor], examples: Examples, table: Dataset) -> list[Mistake]:
        found = []
        for i, (example, row) in enumerate(zip(table.examples, logits, strict=True)):
            targets = examples.targets_of([i])
            said = [name for name, z in zip(self.labels, row.tolist(), strict=True) if z > 0]
            if set(said) != set(labels_in(example.label)):
                loss = float(self.loss(row.unsqueeze(0), targets))
                told = " | ".join(said) or "none"
                found.append(Mistake(example.row, example.text, example.pair, example.label or "none", told, loss))
        return found

    def baseline(self, examples: Examples) -> str:
        k, f1 = _best_constant(examples)
        return f"always guessing the most frequent {f'{k} labels' if k > 1 else 'label'}: micro F1 {f1:.4f}"

    def learned(self, metrics: Any, examples: Examples) -> bool:
        assert isinstance(metrics, MultiLabelMetrics)
        return metrics.micro_f1 > _best_constant(examples)[1]


def _best_constant(examples: Examples) -> tuple[int, float]:
    borne = examples.targets_of(range(len(examples))).sum(dim=0).int().tolist()
    return best_constant(borne, len(examples))
