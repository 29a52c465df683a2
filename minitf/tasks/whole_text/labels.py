"""What the logits of a classification head mean: one class, several labels or a number, by the model's config."""

import dataclasses
from typing import Any, Protocol

from torch import Tensor

from minitf.bert import BertConfig
from minitf.datasets.tables import SEPARATOR
from minitf.errors import InputError
from minitf.visible import visible


class Reading(Protocol):
    """Presents the logits `z [C]` of one text."""

    @property
    def labels(self) -> tuple[str, ...]:
        """The names of `values`."""

    def values(self, z: Tensor) -> list[float]:
        """Return the probability of each label, or the number."""

    def prediction(self, z: Tensor) -> str:
        """Return what is predicted, with its probability."""

    def columns(self) -> list[str]:
        """Return the header of `cells`."""

    def cells(self, z: Tensor) -> list[str]:
        """Return the cells of a table row, the prediction first."""

    def line(self, z: Tensor) -> str:
        """Return a line for a person."""

    def record(self, z: Tensor) -> dict[str, Any]:
        """Return a dictionary for Python."""


@dataclasses.dataclass(frozen=True)
class OneClass:
    """The class with the largest logit, and the softmax over all classes."""

    labels: tuple[str, ...]

    def values(self, z: Tensor) -> list[float]:
        p: list[float] = z.double().softmax(dim=-1).tolist()
        return p

    def prediction(self, z: Tensor) -> str:
        p = self.values(z)
        return f"{visible(self._best(p))} {max(p):.4f}"

    def columns(self) -> list[str]:
        return ["label", *(f"p_{label}" for label in self.labels)]

    def cells(self, z: Tensor) -> list[str]:
        p = self.values(z)
        return [self._best(p), *(f"{x:.6f}" for x in p)]

    def line(self, z: Tensor) -> str:
        p = self.values(z)
        return f"{visible(self._best(p))}  ({with_probabilities(self.labels, p)})"

    def record(self, z: Tensor) -> dict[str, Any]:
        p = self.values(z)
        return {"label": self._best(p), "probabilities": dict(zip(self.labels, p, strict=True))}

    def _best(self, p: list[float]) -> str:
        return self.labels[max(range(len(p)), key=p.__getitem__)]


@dataclasses.dataclass(frozen=True)
class SeveralLabels:
    """Every label whose probability (a sigmoid per label) is above ½; there may be none."""

    labels: tuple[str, ...]

    def values(self, z: Tensor) -> list[float]:
        p: list[float] = z.double().sigmoid().tolist()
        return p

    def prediction(self, z: Tensor) -> str:
        predicted = set(self._predicted(z))
        each = [(label, x) for label, x in zip(self.labels, self.values(z), strict=True) if label in predicted]
        return with_probabilities(tuple(label for label, _ in each), [x for _, x in each]) or "no label"

    def columns(self) -> list[str]:
        return ["label", *(f"p_{label}" for label in self.labels)]

    def cells(self, z: Tensor) -> list[str]:
        return [SEPARATOR.join(self._predicted(z)), *(f"{x:.6f}" for x in self.values(z))]

    def line(self, z: Tensor) -> str:
        p = self.values(z)
        return f"{', '.join(map(visible, self._predicted(z))) or 'no label'}  ({with_probabilities(self.labels, p)})"

    def record(self, z: Tensor) -> dict[str, Any]:
        p = self.values(z)
        return {"labels": self._predicted(z), "probabilities": dict(zip(self.labels, p, strict=True))}

    def _predicted(self, z: Tensor) -> list[str]:
        return [label for label, logit in zip(self.labels, z.tolist(), strict=True) if logit > 0]


@dataclasses.dataclass(frozen=True)
class Number:
    """The one logit, unchanged."""

    labels: tuple[str, ...] = ("number",)

    def values(self, z: Tensor) -> list[float]:
        return [float(z)]

    def prediction(self, z: Tensor) -> str:
        return self.line(z)

    def columns(self) -> list[str]:
        return ["label"]

    def cells(self, z: Tensor) -> list[str]:
        return [f"{float(z):.6g}"]

    def line(self, z: Tensor) -> str:
        return f"{float(z):.4f}"

    def record(self, z: Tensor) -> dict[str, Any]:
        return {"number": float(z)}


def reading(config: BertConfig) -> Reading:
    """Return how to read the logits of a model with this config; a single logit is a number. Raises InputError."""
    if config.problem_type == "multi_label_classification":
        return SeveralLabels(config.labels)
    if config.num_labels == 1:
        return Number()
    if config.problem_type == "regression":
        raise InputError(
            f"the model predicts {config.num_labels} numbers per text, and predict gives only one: use Python"
        )
    return OneClass(config.labels)


def with_probabilities(labels: tuple[str, ...], p: list[float]) -> str:
    """Return each label with its probability, for a person."""
    return ", ".join(f"{visible(label)} {x:.4f}" for label, x in zip(labels, p, strict=True))
