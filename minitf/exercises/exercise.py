"""Exercises: the function that the learner writes, the cases it is tested on, and known wrong answers."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Literal

import torch
from torch import Tensor

Function = Callable[..., Any]
Use = Literal["forward", "activation", "cross_entropy", "binary_cross_entropy", "mean_squared_error", "penalty", "rule"]


@dataclasses.dataclass(frozen=True)
class Case:
    """One call of the learner's function. The judge passes copies of the inputs.

    `about` completes the sentence "wrong for …". A case with `options` is skipped for a function that does not accept
    these keywords.
    """

    about: str
    inputs: tuple[Any, ...]  # float64 where they are floats
    options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    kind: Literal["value", "huge", "corner"] = "value"  # huge: numerical stability; corner: an edge case
    check_gradient: bool = False  # check the gradient too, although the kind is not "value"


@dataclasses.dataclass(frozen=True)
class WrongAnswer:
    """A known wrong answer. `explanation` completes the sentence "this is what you get when …"."""

    name: str
    explanation: str
    function: Function


class Remark(str):
    """A sentence for the learner, which `Exercise.observe` returns instead of a value."""


def call(function: Function, *inputs: Any, **options: Any) -> Any:
    """Return the value of a call: the default `observe`."""
    return function(*inputs, **options)


@dataclasses.dataclass(frozen=True)
class Exercise:
    """A function that the learner writes under the name `name`. It is compared with `target`, the correct function.

    The smallest of the `cases` come first: the first that fails is the example that the learner sees.
    `observe(function, *inputs, **options)` calls the function and returns what is compared: numbers, tensors, arrays,
    strings, or tuples, lists and dicts of them.
    """

    name: str
    target: Function
    cases: tuple[Case, ...]
    wrong: tuple[WrongAnswer, ...] = ()
    observe: Callable[..., Any] = call
    gradients: bool = True  # compare the gradients of the floating-point inputs too
    tolerance: float = 1e-10  # of the largest value
    arguments: tuple[str, ...] = ()  # names of the inputs of a case (default: the parameters of `target`)
    results: tuple[str, ...] = ()  # names of the returned values, if there are several
    in_bert: Use | None = None  # how a BERT uses the function (see `judge.in_bert`), if it does


def draw(*shape: int, seed: int = 0, scale: float = 1.0) -> Tensor:
    """Draw float64 numbers from a normal distribution, always the same ones for a seed."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * scale


def numbers(*values: Any) -> Tensor:
    """Make a float64 tensor of the values."""
    return torch.tensor(values, dtype=torch.float64)
