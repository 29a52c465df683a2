"""Exercises: ReLU and both forms of GELU."""

import math
from typing import Any

import torch
from torch import Tensor

from minitf.equations import activation
from minitf.exercises.exercise import Case, Exercise, WrongAnswer, draw, numbers
from minitf.exercises.known_mistakes import known_mistakes

_SOME = (
    Case("three numbers", (numbers(-1.0, 0.5, 2.0),)),
    Case("a batch of tokens", (draw(2, 3, 4, seed=1, scale=2.0),)),
    Case("zero", (numbers(0.0, -0.0),), kind="corner"),
    Case("huge numbers", (numbers(-1e4, 1e4, 50.0, -50.0),), kind="huge"),
)

RELU = Exercise(
    "relu",
    activation.relu,
    _SOME,
    (
        WrongAnswer("absolute value", "the sign is dropped: |x|", torch.abs),
        WrongAnswer(
            "leaky",
            "negative numbers are multiplied by 0.01, not set to 0: this is the leaky ReLU",
            torch.nn.functional.leaky_relu,
        ),
        WrongAnswer("min", "the minimum of x and 0 is taken, not the maximum", lambda x: x.clamp(max=0.0)),
        WrongAnswer("step", "it gives 1 where x is positive, not x", lambda x: (x > 0).to(x.dtype)),
        WrongAnswer("GELU for ReLU", "GELU is used instead of ReLU", activation.gelu),
        WrongAnswer("capped", "the output is limited to 6: this is ReLU6", lambda x: x.clamp(0.0, 6.0)),
    ),
    in_bert="activation",
)

GELU = Exercise(
    "gelu",
    activation.gelu,
    _SOME,
    (
        *known_mistakes("gelu"),
        WrongAnswer("no √2", "erf is taken of x, not of x/√2", lambda x: x / 2.0 * (1.0 + torch.erf(x))),
        WrongAnswer(
            "Φ alone", "the factor x is missing: this is Φ(x)", lambda x: (1.0 + torch.erf(x / math.sqrt(2.0))) / 2.0
        ),
        WrongAnswer("not halved", "the factor ½ is missing", lambda x: x * (1.0 + torch.erf(x / math.sqrt(2.0)))),
        WrongAnswer(
            "sigmoid GELU",
            "x σ(1.702 x) is used instead of x Φ(x): this is an approximation",
            lambda x: x * torch.sigmoid(1.702 * x),
        ),
        WrongAnswer("SiLU", "x σ(x) is used instead of x Φ(x): this is SiLU", torch.nn.functional.silu),
    ),
    in_bert="activation",
)


def _tanh_form(root: float = math.sqrt(2.0 / math.pi), c: float = 0.044715, power: int = 3) -> Any:
    return lambda x: x / 2.0 * (1.0 + torch.tanh(root * (x + c * x**power)))


def _cube_outside(x: Tensor) -> Tensor:
    return x / 2.0 * (1.0 + torch.tanh(math.sqrt(2.0 / math.pi) * x) + 0.044715 * x**3)


GELU_TANH = Exercise(
    "gelu_tanh",
    activation.gelu_tanh,
    _SOME,
    (
        WrongAnswer("erf form", "the erf form of GELU is used instead of the tanh form", activation.gelu),
        WrongAnswer("x² for x³", "the square of x is taken, not the cube", _tanh_form(power=2)),
        WrongAnswer("no √(2/π)", "the factor √(2/π) is missing", _tanh_form(root=1.0)),
        WrongAnswer("2/π without root", "the factor is 2/π, not its square root", _tanh_form(root=2.0 / math.pi)),
        WrongAnswer("cube outside", "the cubic term is outside the tanh", _cube_outside),
        WrongAnswer("0.44715", "the constant is 0.44715, ten times too large", _tanh_form(c=0.44715)),
        WrongAnswer("not halved", "the factor ½ is missing", lambda x: 2.0 * activation.gelu_tanh(x)),
        WrongAnswer("root of π/2", "the factor is √(π/2), not √(2/π)", _tanh_form(root=math.sqrt(math.pi / 2.0))),
    ),
    in_bert="activation",
)

EXERCISES = (RELU, GELU, GELU_TANH)
