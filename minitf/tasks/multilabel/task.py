"""Any number of C labels for each text: a yes-or-no decision for each label."""

import dataclasses
from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from minitf.datasets.dataset import Dataset
from minitf.datasets.findings import MANY_CLASSES
from minitf.datasets.spellings import unknown_label
from minitf.datasets.tables import SEPARATOR
from minitf.errors import DataError
from minitf.mathematics import EQUATIONS, Mathematics
from minitf.tasks.base import Mistake
from minitf.tasks.calibration import calibration
from minitf.tasks.example_scores import ExampleScores, f1_of_counts
from minitf.tasks.multilabel.data import labels_in
from minitf.tasks.multilabel.metrics import MultiLabelMetrics, best_constant, metrics_of_counts
from minitf.tasks.whole_text.encoding import WholeTextTask, encode_texts
from minitf.text.batches import Examples
from minitf.text.tokenizer import Tokenizer
from minitf.text.windows import TRUNCATE, LongText


@dataclasses.dataclass(frozen=True)
class MultiLabel(WholeTextTask):
    """`labels` are the names of the logits, in order. Every label with a probability above ½ is predicted."""

    labels: tuple[str, ...]
    math: Mathematics = EQUATIONS
    long_text: LongText = TRUNCATE
    name: ClassVar[str] = "multilabel"
    problem_type: ClassVar[str | None] = "multi_label_classification"

    def encode(self, dataset: Dataset, tokenizer: Tokenizer, max_length: int) -> Examples:
        """Turn texts into tokens, and labels into `[n, C]`: 1 if the text has the label. Raises DataError."""
        index = {label: i for i, label in enumerate(self.labels)}
        targets = torch.zeros(len(dataset.examples), len(self.labels))
        for i, example in enumerate(dataset.examples):
            for label in labels_in(example.label):
                if label not in index:
                    raise DataError(unknown_label(f"{dataset.path}:{example.row}", "label", label, self.labels))
                targets[i, index[label]] = 1.0
        return encode_texts(dataset, targets, tokenizer, max_length, self.long_text)

    def loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Binary cross-entropy, the mean over texts and labels, a scalar; both `[B, C]`."""
        loss: Tensor = self.math.binary_cross_entropy(logits, targets.to(logits))
        return loss

    def weight(self, targets: Tensor) -> float:
        """The number of decisions, B · C."""
        return float(targets.numel())

    def measure(self, logits: Sequence[Tensor], examples: Examples) -> MultiLabelMetrics:
        """Compute loss, F1 (over all labels, and of each) and the share of exactly right texts over a data set."""
        z, targets = torch.stack(list(logits)), examples.targets_of(range(len(examples)))
        true, predicted = targets > 0, z > 0
        hits, predictions, support = (each.sum(dim=0).tolist() for each in (true & predicted, predicted, true))
        exact, loss = int((true == predicted).all(dim=1).sum()), float(self.loss(z, targets))
        return metrics_of_counts(self.labels, hits, predictions, support, exact, len(z), loss)

    def example_scores(self, logits: Sequence[Tensor], examples: Examples) -> ExampleScores:
        """The counts of correct, predicted and true labels of each text; the score is the micro F1."""
        true, predicted = examples.targets_of(range(len(examples))) > 0, torch.stack(list(logits)) > 0
        counts = [labels.sum(dim=-1) for labels in (true & predicted, predicted, true)]
        return ExampleScores(torch.stack(counts, dim=-1).double(), f1_of_counts)

    def mistakes(self, logits: Sequence[Tensor], examples: Examples, table: Dataset) -> list[Mistake]:
        found = []
        for i, (example, row) in enumerate(zip(table.examples, logits, strict=True)):
            targets = examples.targets_of([i])
            if not torch.equal(row > 0, targets[0] > 0):
                loss = float(self.loss(row.unsqueeze(0), targets))
                shown = _listed([self.labels[c] for c in (row > 0).nonzero().flatten().tolist()], " | ")
                true = _listed(labels_in(example.label), SEPARATOR)
                found.append(Mistake(example.row, example.text, example.pair, true, shown, loss))
        return found

    def report_details(self, logits: Sequence[Tensor], examples: Examples, table: Dataset, most: int) -> dict[str, Any]:
        """Return the calibration of all labels of all texts."""
        p, true = torch.stack(list(logits)).sigmoid().flatten(), examples.targets_of(range(len(examples))).flatten()
        return {"calibration": calibration(p, true > 0, "probability of a label", "share of texts with the label")}

    def baseline(self, examples: Examples) -> str:
        k, f1 = _best_constant(examples)
        return f"always guessing the most frequent {f'{k} labels' if k > 1 else 'label'}: micro F1 {f1:.4f}"

    def learned(self, metrics: Any, examples: Examples) -> bool:
        assert isinstance(metrics, MultiLabelMetrics)
        return metrics.micro_f1 > _best_constant(examples)[1]


def _listed(names: Sequence[str], separator: str) -> str:
    """Join the labels of one text; of many, only the first."""
    more = [f"… ({len(names):,} labels)"] if len(names) > MANY_CLASSES else []
    return separator.join([*names[:MANY_CLASSES], *more]) or "none"


def _best_constant(examples: Examples) -> tuple[int, float]:
    counts = examples.targets_of(range(len(examples))).sum(dim=0).int().tolist()
    return best_constant(counts, len(examples))
