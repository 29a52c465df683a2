"""A classifier's logits in words, by what the config of its model says that they mean."""

import dataclasses
from typing import Protocol

from torch import Tensor

from minitf.bert import BertConfig
from minitf.errors import InputError
from minitf.text.label_sets import SEPARATOR


class Wording(Protocol):
    """How the logits `z [C]` of one text are told."""

    def columns(self) -> list[str]:
        """The header of `cells`."""

    def cells(self, z: Tensor) -> list[str]:
        """For a table; the answer first."""

    def line(self, z: Tensor) -> str:
        """For a person."""


@dataclasses.dataclass(frozen=True)
class OneClass:
    """The class of the largest logit, and the softmax."""

    labels: tuple[str, ...]

    def columns(self) -> list[str]:
        return ["label", *(f"p_{label}" for label in self.labels)]

    def cells(self, z: Tensor) -> list[str]:
        p = z.double().softmax(dim=-1).tolist()
        return [self._best(p), *(f"{x:.6f}" for x in p)]

    def line(self, z: Tensor) -> str:
        p = z.double().softmax(dim=-1).tolist()
        return f"{self._best(p)}  ({_each(self.labels, p)})"

    def _best(self, p: list[float]) -> str:
        return self.labels[max(range(len(p)), key=p.__getitem__)]


@dataclasses.dataclass(frozen=True)
class SeveralLabels:
    """Each label whose probability, its own sigmoid, is above ½; none may be."""

    labels: tuple[str, ...]

    def columns(self) -> list[str]:
        return ["label", *(f"p_{label}" for label in self.labels)]

    def cells(self, z: Tensor) -> list[str]:
        return [SEPARATOR.join(self._borne(z)), *(f"{x:.6f}" for x in z.double().sigmoid().tolist())]

    def line(self, z: Tensor) -> str:
        return f"{', '.join(self._borne(z)) or 'no label'}  ({_each(self.labels, z.double().sigmoid().tolist())})"

    def _borne(self, z: Tensor) -> list[str]:
        return [label for label, logit in zip(self.labels, z.tolist(), strict=True) if logit > 0]


@dataclasses.dataclass(frozen=True)
class Number:
    """The one logit, as it is."""

    def columns(self) -> list[str]:
        return ["label"]

    def cells(self, z: Tensor) -> list[str]:
        return [f"{float(z):.6g}"]

    def line(self, z: Tensor) -> str:
        return f"{float(z):.4f}"


def wording(config: BertConfig) -> Wording:
    """What this config's logits mean; a lone one is a number, whether it says so or not. Raises InputError."""
    if config.problem_type == "multi_label_classification":
        return SeveralLabels(config.labels)
    if config.num_labels == 1:
        return Number()
    if config.problem_type == "regression":
        raise InputError(f"says {config.num_labels} numbers of each text, and only one can be told: use it from Python")
    return OneClass(config.labels)


def _each(labels: tuple[str, ...], p: list[float]) -> str:
    return ", ".join(f"{label} {x:.4f}" for label, x in zip(labels, p, strict=True))
