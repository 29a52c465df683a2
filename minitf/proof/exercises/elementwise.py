"""What acts on each token by itself: activations, LayerNorm, dropout, the affine map, look-up and positions."""

import math
from typing import Any

import torch
from torch import Tensor

from minitf.equations import activation, normalization, position, projection
from minitf.proof.exercises.exercise import Case, Exercise, Wrong, draw, numbers
from minitf.proof.exercises.known import known

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
        Wrong("absolute value", "the sign is dropped: |x|", torch.abs),
        Wrong(
            "leaky",
            "a hundredth of what is below zero gets through: the leaky ReLU",
            torch.nn.functional.leaky_relu,
        ),
        Wrong("min", "the smaller of x and 0 is taken", lambda x: x.clamp(max=0.0)),
        Wrong("step", "it gives 1 where x is positive, not x", lambda x: (x > 0).to(x.dtype)),
        Wrong("GELU for ReLU", "GELU stands in the place of ReLU", activation.gelu),
        Wrong("capped", "what is above 6 is cut: ReLU6", lambda x: x.clamp(0.0, 6.0)),
    ),
    in_bert="activation",
)

GELU = Exercise(
    "gelu",
    activation.gelu,
    _SOME,
    (
        *known("gelu"),
        Wrong("no √2", "erf is taken of x, not of x/√2", lambda x: x / 2.0 * (1.0 + torch.erf(x))),
        Wrong(
            "Φ alone", "the factor x is missing: this is Φ(x)", lambda x: (1.0 + torch.erf(x / math.sqrt(2.0))) / 2.0
        ),
        Wrong("not halved", "the half is missing", lambda x: x * (1.0 + torch.erf(x / math.sqrt(2.0)))),
        Wrong(
            "sigmoid GELU",
            "x σ(1.702 x) stands in the place of x Φ(x), an approximation",
            lambda x: x * torch.sigmoid(1.702 * x),
        ),
        Wrong("SiLU", "x σ(x) stands in the place of x Φ(x): that is SiLU", torch.nn.functional.silu),
    ),
    in_bert="activation",
)


def _tanh_form(root: float = math.sqrt(2.0 / math.pi), c: float = 0.044715, power: int = 3) -> Any:
    return lambda x: x / 2.0 * (1.0 + torch.tanh(root * (x + c * x**power)))


GELU_TANH = Exercise(
    "gelu_tanh",
    activation.gelu_tanh,
    _SOME,
    (
        Wrong("erf form", "the erf form of GELU stands in the place of the tanh form", activation.gelu),
        Wrong("x² for x³", "the square of x is taken, not the cube", _tanh_form(power=2)),
        Wrong("no √(2/π)", "the factor √(2/π) is missing", _tanh_form(root=1.0)),
        Wrong("2/π without root", "the factor is 2/π, not its root", _tanh_form(root=2.0 / math.pi)),
        Wrong("0.44715", "the constant is 0.44715, ten times too large", _tanh_form(c=0.44715)),
        Wrong("not halved", "the half is missing", lambda x: 2.0 * activation.gelu_tanh(x)),
        Wrong("root of π/2", "the factor is √(π/2), upside down", _tanh_form(root=math.sqrt(math.pi / 2.0))),
    ),
    in_bert="activation",
)


def _norm(x: Tensor, dim: Any = -1) -> tuple[Tensor, Tensor]:
    return x - x.mean(dim, keepdim=True), x.var(dim, keepdim=True, unbiased=False)


def _eps_outside(x: Tensor, gamma: Tensor, beta: Tensor, eps: float) -> Tensor:
    centred, variance = _norm(x)
    return centred / (torch.sqrt(variance) + eps) * gamma + beta


def _by_variance(x: Tensor, gamma: Tensor, beta: Tensor, eps: float) -> Tensor:
    centred, variance = _norm(x)
    return centred / (variance + eps) * gamma + beta


def _not_centred(x: Tensor, gamma: Tensor, beta: Tensor, eps: float) -> Tensor:
    return x / torch.sqrt(x.square().mean(-1, keepdim=True) + eps) * gamma + beta


def _numerator_not_centred(x: Tensor, gamma: Tensor, beta: Tensor, eps: float) -> Tensor:
    return x / torch.sqrt(_norm(x)[1] + eps) * gamma + beta


def _gamma_beta_exchanged(x: Tensor, gamma: Tensor, beta: Tensor, eps: float) -> Tensor:
    return normalization.layer_norm(x, beta, gamma, eps)


def _one_plus_gamma(x: Tensor, gamma: Tensor, beta: Tensor, eps: float) -> Tensor:
    return normalization.layer_norm(x, 1.0 + gamma, beta, eps)


def _no_gain(x: Tensor, gamma: Tensor, beta: Tensor, eps: float) -> Tensor:
    return normalization.layer_norm(x, torch.ones_like(gamma), torch.zeros_like(beta), eps)


def _whole_tensor(x: Tensor, gamma: Tensor, beta: Tensor, eps: float) -> Tensor:
    centred, variance = _norm(x, tuple(range(x.dim())))
    return centred / torch.sqrt(variance + eps) * gamma + beta


LAYER_NORM = Exercise(
    "layer_norm",
    normalization.layer_norm,
    (
        Case(
            "one token, γ = 1, β = 0",
            (numbers([[1.0, 2.0, 3.0, 6.0]]), numbers(1.0, 1, 1, 1), numbers(0.0, 0, 0, 0), 1e-12),
        ),
        Case(
            "one token, γ and β of its own",
            (numbers([[1.0, 2.0, 3.0, 6.0]]), numbers(2.0, 1, 0.5, -1), numbers(0.0, 1, 0, 3), 1e-12),
        ),
        Case("two sentences of three tokens", (draw(2, 3, 4, seed=1), draw(4, seed=2), draw(4, seed=3), 1e-12)),
        Case("a large ε", (draw(1, 2, 3, seed=4, scale=0.1), draw(3, seed=5), draw(3, seed=6), 0.5)),
        Case(
            "a token whose numbers are all alike",
            (numbers([[3.0, 3.0, 3.0]]), numbers(1.0, 1, 1), numbers(0.0, 1, 2), 1e-12),
            kind="corner",
        ),
        Case("huge numbers", (draw(2, 4, seed=7, scale=1e6), draw(4, seed=8), draw(4, seed=9), 1e-12), kind="huge"),
    ),
    (
        *known("layer_norm"),
        Wrong("ε outside the root", "ε is added to the root, not under it", _eps_outside),
        Wrong("divided by σ²", "it is divided by the variance, not by its root", _by_variance),
        Wrong("mean square", "the mean is never subtracted: this is RMSNorm", _not_centred),
        Wrong("numerator not centred", "the mean is subtracted in the variance only", _numerator_not_centred),
        Wrong("γ and β exchanged", "γ and β are exchanged", _gamma_beta_exchanged),
        Wrong("1 + γ", "it is multiplied by 1 + γ, not by γ", _one_plus_gamma),
        Wrong("no γ and β", "γ and β are left out", _no_gain),
        Wrong("over all", "mean and variance run over the whole tensor, not over each token", _whole_tensor),
    ),
    in_bert="forward",
)

# --- dropout: random, so that its traces are compared


def _traces(f: Any, x: Tensor, p: float) -> Any:
    """What dropout does to x ≠ 0, free of the draws: the share set to 0, the factor of the rest, and how it draws."""
    y, again = f(x, p), f(x, p)
    if p in (0.0, 1.0):
        return y
    if y is None or y is Ellipsis:
        return y
    ratio = torch.as_tensor(y) / torch.as_tensor(x)  # a NumPy answer too
    kept = ratio != 0.0
    share = round(20 * float((~kept).double().mean())) / 20  # the spread of its estimate is a hundredth of this
    scale = ratio[kept].mean() if kept.any() else torch.zeros(())
    rows = float((ratio.reshape(-1, ratio.shape[-1]) == 0).all(-1).double().mean())
    even = bool((ratio[kept] - scale).abs().max() < 1e-9) if kept.any() else True
    return {
        "the share that is set to 0": share,
        "the factor of what is kept": float(scale) if even else "not the same for all",
        "whole rows set to 0": rows > 0.01,
        "two calls draw alike": bool((torch.as_tensor(y) == torch.as_tensor(again)).all()),
    }


def _rows(x: Tensor, p: float) -> Tensor:
    if p in (0.0, 1.0):
        return normalization.dropout(x, p)
    return x * torch.empty(x.shape[:-1]).bernoulli_(1.0 - p).unsqueeze(-1) / (1.0 - p)


def _same_each_time(x: Tensor, p: float) -> Tensor:
    if p in (0.0, 1.0):
        return normalization.dropout(x, p)
    return x * torch.empty_like(x).bernoulli_(1.0 - p, generator=torch.Generator().manual_seed(0)) / (1.0 - p)


def _nan_at_one(x: Tensor, p: float) -> Tensor:
    return x * torch.empty_like(x).bernoulli_(1.0 - p) / (1.0 - p)


def _scaled_without_drawing(x: Tensor, p: float) -> Tensor:
    return x * (1.0 - p)


_MANY = draw(100, 200, seed=3).abs() + 0.5

DROPOUT = Exercise(
    "dropout",
    normalization.dropout,
    (
        Case("p = 0", (numbers([1.0, 2.0]), 0.0)),
        Case("twenty thousand numbers, p = 0.2", (_MANY, 0.2)),
        Case("twenty thousand numbers, p = 0.6", (_MANY, 0.6)),
        Case("p = 1, which must give zeros", (numbers([1.0, 2.0]), 1.0), kind="corner"),
    ),
    (
        *known("dropout"),
        Wrong("whole rows", "whole rows are dropped, not single numbers", _rows),
        Wrong("same each time", "the same numbers are dropped at every call: draw anew", _same_each_time),
        Wrong("NaN at p = 1", "with p = 1 it divides by 1 − p = 0", _nan_at_one),
        Wrong("nothing drawn", "everything is multiplied by 1 − p, nothing is drawn", _scaled_without_drawing),
        Wrong("nothing dropped", "nothing is dropped", lambda x, p: x * 1.0),
    ),
    observe=_traces,
    gradients=False,
    in_bert="forward",
)

# --- into a vector

LINEAR = Exercise(
    "linear",
    projection.linear,
    (
        Case(
            "one token of width 2, to width 3",
            (numbers([[1.0, 2.0]]), numbers([1.0, 0], [0, 1], [1, 1]), numbers(0.0, 0, 1)),
        ),
        Case("two sentences", (draw(2, 3, 4, seed=1), draw(5, 4, seed=2), draw(5, seed=3))),
        Case("a square W", (draw(1, 2, 3, seed=1), draw(3, 3, seed=2), draw(3, seed=3))),
        Case("no bias", (draw(1, 2, 3, seed=4), draw(2, 3, seed=5))),
    ),
    (
        Wrong(
            "not transposed",
            "W is not transposed: the files hold one row per output",
            lambda X, W, b=None: X @ W + (0 if b is None else b),
        ),
        Wrong("bias forgotten", "the bias is left out", lambda X, W, b=None: X @ W.T),
        Wrong("bias subtracted", "the bias is subtracted", lambda X, W, b=None: X @ W.T - (0 if b is None else b)),
        Wrong("bias needed", "it does not work without a bias", lambda X, W, b=None: X @ W.T + b),
        Wrong(
            "transposed on the other side",
            "it computes W X",
            lambda X, W, b=None: (W @ X.transpose(-1, -2)) + (0 if b is None else b),
        ),
    ),
    in_bert="forward",
)


LOOK_UP = Exercise(
    "look_up",
    projection.look_up,
    (
        Case("three words of width 2", (numbers([0.0, 1], [2, 3], [4, 5]), torch.tensor([2, 0]))),
        Case("two sentences", (draw(5, 3, seed=1), torch.tensor([[0, 4, 4], [1, 2, 3]]))),
        Case("as many words as numbers in each", (draw(3, 3, seed=2), torch.tensor([[0, 2, 1]]))),
    ),
    (
        Wrong(
            "columns",
            "it takes columns, not rows",
            lambda E, ids: E.T[ids] if int(ids.max()) < E.shape[1] else E[:, ids % E.shape[1]],
        ),
        Wrong("counted from 1", "the rows are counted from 1: id 0 is the first row", lambda E, ids: E[ids - 1]),
        Wrong("summed", "the rows of a sentence are added up", lambda E, ids: E[ids].sum(-2)),
        Wrong("averaged", "the rows of a sentence are averaged", lambda E, ids: E[ids].mean(-2)),
    ),
    in_bert="forward",
)


def _angles(S: int, D: int, exponent: float = 1.0, first: int = 0, base: float = 10000.0) -> Tensor:
    pos = torch.arange(first, S + first, dtype=torch.float64)[:, None]
    return pos / base ** (exponent * torch.arange(0, D, 2, dtype=torch.float64) / D)


def _interleaved(angle: Tensor) -> Tensor:
    return torch.stack([angle.sin(), angle.cos()], -1).flatten(-2)


SINUSOIDAL_POSITIONS = Exercise(
    "sinusoidal_positions",
    position.sinusoidal_positions,
    (
        Case("two positions, width 2", (2, 2)),
        Case("three positions, width 4", (3, 4)),
        Case("fifty positions, width 32", (50, 32)),
    ),
    (
        Wrong(
            "halves",
            "all sines come first, then all cosines, as in some code; the paper has them in turn",
            lambda S, D: torch.cat([_angles(S, D).sin(), _angles(S, D).cos()], -1),
        ),
        Wrong(
            "cosine first",
            "each cosine stands before its sine",
            lambda S, D: torch.stack([_angles(S, D).cos(), _angles(S, D).sin()], -1).flatten(-2),
        ),
        Wrong("counted from 1", "the positions are counted from 1", lambda S, D: _interleaved(_angles(S, D, first=1))),
        Wrong("exponent i/D", "the exponent is i/D, not 2i/D", lambda S, D: _interleaved(_angles(S, D, exponent=0.5))),
        Wrong(
            "exponent 4i/D",
            "the exponent is 2(2i)/D, doubled once too often",
            lambda S, D: _interleaved(_angles(S, D, exponent=2.0)),
        ),
        Wrong("base 1000", "the base is 1,000, not 10,000", lambda S, D: _interleaved(_angles(S, D, base=1000.0))),
        Wrong("only sines", "every column is a sine", lambda S, D: _angles(S, D).sin().repeat_interleave(2, -1)),
        Wrong("transposed", "positions run over the columns", lambda S, D: _interleaved(_angles(S, D)).T),
    ),
    gradients=False,
    tolerance=2e-5,  # the equation answers in float32, and so may the learner
)

EXERCISES = (RELU, GELU, GELU_TANH, LAYER_NORM, DROPOUT, LINEAR, LOOK_UP, SINUSOIDAL_POSITIONS)
