"""What the logits of a classification head mean: one class, several labels or a number, by the model's config.

A line has the probabilities of the most likely labels. A table row has those of every label; with more than
MANY_CLASSES labels, those of the LIKELIEST. A record for Python always has the probabilities of all labels.
"""

import dataclasses
from collections import Counter
from typing import Any, Protocol

from torch import Tensor

from minitf.bert import BertConfig
from minitf.datasets.findings import MANY_CLASSES
from minitf.datasets.strings import cut
from minitf.datasets.tables import SEPARATOR
from minitf.errors import InputError
from minitf.visible import visible

LIKELIEST = 5  # labels of a text that are written, if there are too many to write all


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
    """The class with the largest logit, and the softmax over all classes; a line has the `shown` most likely."""

    labels: tuple[str, ...]
    shown: int | None = 3  # None: all

    def values(self, z: Tensor) -> list[float]:
        p: list[float] = z.double().softmax(dim=-1).tolist()
        return p

    def prediction(self, z: Tensor) -> str:
        p = self.values(z)
        return f"{visible(self._best(p))} {max(p):.4f}"

    def columns(self) -> list[str]:
        return ["label", *_probability_columns(self.labels)]

    def cells(self, z: Tensor) -> list[str]:
        p = self.values(z)
        return [self._best(p), *_probability_cells(self.labels, p)]

    def line(self, z: Tensor) -> str:
        p = self.values(z)
        return f"{visible(self._best(p))}  ({_likeliest_shown(self.labels, p, self.shown)})"

    def record(self, z: Tensor) -> dict[str, Any]:
        p = self.values(z)
        return {"label": self._best(p), "probabilities": dict(zip(self.labels, p, strict=True))}

    def _best(self, p: list[float]) -> str:
        return self.labels[max(range(len(p)), key=p.__getitem__)]


@dataclasses.dataclass(frozen=True)
class SeveralLabels:
    """Every label whose probability (a sigmoid per label) is above ½; there may be none."""

    labels: tuple[str, ...]
    shown: int | None = 3  # labels in a line; None: all

    def values(self, z: Tensor) -> list[float]:
        p: list[float] = z.double().sigmoid().tolist()
        return p

    def prediction(self, z: Tensor) -> str:
        names = tuple(self._predicted(z))
        p = [x for x, logit in zip(self.values(z), z.tolist(), strict=True) if logit > 0]
        if len(names) > MANY_CLASSES:
            return _likeliest_shown(names, p, LIKELIEST)
        return with_probabilities(names, p) or "no label"

    def columns(self) -> list[str]:
        return ["label", *_probability_columns(self.labels)]

    def cells(self, z: Tensor) -> list[str]:
        return [SEPARATOR.join(self._predicted(z)), *_probability_cells(self.labels, self.values(z))]

    def line(self, z: Tensor) -> str:
        predicted, likeliest = self._predicted(z), _likeliest_shown(self.labels, self.values(z), self.shown)
        if len(predicted) > MANY_CLASSES:
            return f"{len(predicted):,} labels  ({likeliest})"
        return f"{', '.join(map(visible, predicted)) or 'no label'}  ({likeliest})"

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


def reading(config: BertConfig, shown: int | None = 3) -> Reading:
    """Return how to read the logits of a model with this config; a single logit is a number. Raises InputError.

    `shown` is the number of labels in a line, None for all.
    """
    if twice := [label for label, n in Counter(config.labels).items() if n > 1]:
        raise InputError(
            f"the model has two classes of the name {visible(twice[0])}; correct id2label in the config.json"
            " of the model"
        )
    if config.problem_type == "multi_label_classification":
        return SeveralLabels(config.labels, shown)
    if config.num_labels == 1:
        return Number()
    if config.problem_type == "regression":
        raise InputError(
            f"the model predicts {config.num_labels} numbers per text, and predict gives only one: use Python"
        )
    return OneClass(config.labels, shown)


def _likeliest(labels: tuple[str, ...], p: list[float], most: int | None) -> list[tuple[str, float]]:
    """Return the most likely labels with their probabilities; equal probabilities keep the order of the labels."""
    return sorted(zip(labels, p, strict=True), key=lambda pair: -pair[1])[:most]


def _probability_columns(labels: tuple[str, ...]) -> list[str]:
    """Return a column per label; with many labels `label_1`, `p_1` … for the most likely labels of each text."""
    if len(labels) <= MANY_CLASSES:
        return [f"p_{label}" for label in labels]
    return [name for n in range(1, LIKELIEST + 1) for name in (f"label_{n}", f"p_{n}")]


def _probability_cells(labels: tuple[str, ...], p: list[float]) -> list[str]:
    """Return the cells of `_probability_columns`."""
    if len(labels) <= MANY_CLASSES:
        return [f"{x:.6f}" for x in p]
    return [cell for label, x in _likeliest(labels, p, LIKELIEST) for cell in (label, f"{x:.6f}")]


def _likeliest_shown(labels: tuple[str, ...], p: list[float], most: int | None) -> str:
    """Return the `most` most likely labels with their probabilities, as text for a person."""
    likeliest = ", ".join(f"{visible(cut(label))} {x:.4f}" for label, x in _likeliest(labels, p, most))
    return likeliest if most is None or len(labels) <= most else f"{likeliest}, …"


def with_probabilities(labels: tuple[str, ...], p: list[float]) -> str:
    """Return each label with its probability, for a person."""
    return ", ".join(f"{visible(label)} {x:.4f}" for label, x in zip(labels, p, strict=True))
