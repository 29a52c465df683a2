"""What an exercise is: a function to be written, the questions it is asked, and the wrong answers that are known."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Literal

import torch
from torch import Tensor

Function = Callable[..., Any]
Use = Literal["forward", "activation", "cross_entropy", "binary_cross_entropy", "mean_squared_error", "penalty", "rule"]


@dataclasses.dataclass(frozen=True)
class Case:
    """One call. `about` ends the sentence "wrong for …"; the judge hands out copies of the inputs, never these.

    A case with `options` is put only to a function that takes keywords of these names.
    """

    about: str
    inputs: tuple[Any, ...]  # float64 where they are floats
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    kind: Literal["value", "huge", "corner"] = "value"  # huge: is it stable; corner: what is easily forgotten
    slope: bool = False  # whether its derivatives are judged although it is no plain case


@dataclasses.dataclass(frozen=True)
class Wrong:
    """A known wrong answer: what it is called, and what the learner is told, after "this is what you get when …"."""

    name: str
    tells: str
    function: Function


class Remark(str):
    """What an `observe` gives in the place of a value when there is none: a sentence for the learner."""


def call(function: Function, *inputs: Any, **options: Any) -> Any:
    """What is compared, if nothing else is said: the value of a call."""
    return function(*inputs, **options)


@dataclasses.dataclass(frozen=True)
class Exercise:
    """A function to be written under the name `name`, and how it is judged: against `target`, which is right.

    `cases` stand smallest first: the first that fails is the example that the learner sees. `observe(function, *inputs,
    **options)` makes of a call what is compared: numbers, tensors, arrays, strings, or tuples, lists and dicts of them.
    """

    name: str
    target: Function
    cases: tuple[Case, ...]
    wrong: tuple[Wrong, ...] = ()
    observe: Callable[..., Any] = call
    gradients: bool = True  # whether the derivatives in the floating inputs are compared too
    tolerance: float = 1e-10  # of the largest value
    arguments: tuple[str, ...] = ()  # what the inputs of a case are called; those of the target, if not said
    results: tuple[str, ...] = ()  # what the values are called, if it gives several
    in_bert: Use | None = None  # how a real BERT uses it (see `judge.in_bert`); None: it does not


def draw(*shape: int, seed: int = 0, scale: float = 1.0) -> Tensor:
    """Numbers from a normal distribution, the same ones each time; float64."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * scale


def numbers(*values: Any) -> Tensor:
    """A float64 tensor, to be read."""
    return torch.tensor(values, dtype=torch.float64)
