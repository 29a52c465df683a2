"""Exercises of lesson 7: gradients by hand, on NumPy arrays."""

from collections.abc import Callable
from typing import Any

import numpy as np

from minitf.equations import gradient
from minitf.equations.attention import softmax
from minitf.equations.gradient import Array
from minitf.exercises.exercise import Case, Exercise, WrongAnswer, draw, numbers


def _array(*values: Any) -> Array:
    array: Array = numbers(*values).numpy()
    return array


def _drawn(*shape: int, seed: int, scale: float = 1.0) -> Array:
    array: Array = draw(*shape, seed=seed, scale=scale).numpy()
    return array


def _weights(*shape: int, seed: int) -> Array:
    """Draw attention weights: each row sums to 1."""
    array: Array = softmax(draw(*shape, seed=seed)).numpy()
    return array


SOFTMAX_GRADIENT = Exercise(
    "softmax_gradient",
    gradient.softmax_gradient,
    (
        Case("two weights", (_array(0.25, 0.75), _array(1.0, 0.0))),
        Case("two queries, two keys", (_array([0.25, 0.75], [0.5, 0.5]), _array([1.0, 0.0], [3.0, 1.0]))),
        Case("two heads of three tokens", (_weights(2, 3, 3, seed=1), _drawn(2, 3, 3, seed=2))),
        Case("a batch, three queries, four keys", (_weights(2, 2, 3, 4, seed=3), _drawn(2, 2, 3, 4, seed=4))),
        Case(
            "a masked key, and a row whose keys are all masked",
            (_array([0.5, 0.5, 0.0], [0.0, 0.0, 0.0]), _array([1.0, 2.0, 9.0], [1.0, 2.0, 3.0])),
            kind="corner",
        ),
        Case("the same gradient for every key", (_array(0.2, 0.3, 0.5), _array(7.0, 7.0, 7.0)), kind="corner"),
        Case("one key with weight 1", (_array(0.0, 1.0, 0.0), _array(1.0, 2.0, 3.0)), kind="corner"),
    ),
    (
        WrongAnswer(
            "diagonal only",
            "only the diagonal of the Jacobian is used: each weight depends on all scores, not only on its own",
            lambda A, dA: A * (1.0 - A) * dA,
        ),
        WrongAnswer(
            "nothing subtracted", "Σ A dA is not subtracted: if one weight rises, the others fall", lambda A, dA: A * dA
        ),
        WrongAnswer(
            "plain mean",
            "the plain mean of dA is subtracted, not the mean weighted by A",
            lambda A, dA: A * (dA - dA.mean(axis=-1, keepdims=True)),
        ),
        WrongAnswer(
            "plain sum",
            "the sum of dA is subtracted, without the weights A in it",
            lambda A, dA: A * (dA - dA.sum(axis=-1, keepdims=True)),
        ),
        WrongAnswer(
            "no factor A",
            "the factor A is missing: this is dA minus its weighted mean",
            lambda A, dA: dA - (A * dA).sum(axis=-1, keepdims=True),
        ),
        WrongAnswer(
            "mean for sum",
            "A dA is averaged over the keys, not summed: A already contains the weights",
            lambda A, dA: A * (dA - (A * dA).mean(axis=-1, keepdims=True)),
        ),
        WrongAnswer(
            "over the queries",
            "the sum is over the queries, not over the keys",
            lambda A, dA: A * (dA - (A * dA).sum(axis=-2, keepdims=True)),
        ),
        WrongAnswer(
            "over the first axis",
            "the sum is over the first axis, not over the last",
            lambda A, dA: A * (dA - (A * dA).sum(axis=0, keepdims=True)),
        ),
        WrongAnswer(
            "over everything",
            "one sum over all rows is used: each query has its own sum",
            lambda A, dA: A * (dA - (A * dA).sum()),
        ),
        WrongAnswer(
            "no keepdims",
            "keepdims is missing: the sums of the rows are broadcast along the keys",
            lambda A, dA: A * (dA - (A * dA).sum(axis=-1)),
        ),
        WrongAnswer(
            "sign",
            "the sign is wrong: dA is subtracted from the weighted mean",
            lambda A, dA: A * ((A * dA).sum(axis=-1, keepdims=True) - dA),
        ),
    ),
    gradients=False,
)


def _layer_norm_gradient(
    g: Callable[[Array, Array], Array] = lambda gamma, dy: dy * gamma,
    through_mu: float = 1.0,
    through_sigma: float = 1.0,
    s: Callable[[Array, float], Array] = lambda variance, eps: np.sqrt(variance + eps),
    lost: int = 0,
    over_rows: Callable[[Array], Array] = lambda a: a.reshape(-1, a.shape[-1]).sum(axis=0),
    divided: bool = True,
) -> Callable[[Array, Array, float, Array], tuple[Array, Array, Array]]:
    """Make a `layer_norm_gradient` with one part replaced. The variance is divided by D − `lost`."""

    def layer_norm_gradient(x: Array, gamma: Array, eps: float, dy: Array) -> tuple[Array, Array, Array]:
        D = x.shape[-1]
        centred = x - x.mean(axis=-1, keepdims=True)
        scale = s((centred**2).sum(axis=-1, keepdims=True) / (D - lost), eps)
        x_hat, above = centred / scale, g(gamma, dy)
        dx = above - through_mu * above.mean(axis=-1, keepdims=True)
        dx = dx - through_sigma * x_hat * (above * x_hat).mean(axis=-1, keepdims=True)
        return dx / scale if divided else dx, over_rows(dy * x_hat), over_rows(dy)

    return layer_norm_gradient


def _x_for_x_hat(x: Array, gamma: Array, eps: float, dy: Array) -> tuple[Array, Array, Array]:
    dx, _, dbeta = gradient.layer_norm_gradient(x, gamma, eps, dy)
    return dx, (dy * x).reshape(-1, x.shape[-1]).sum(axis=0), dbeta


def _g_for_dy(x: Array, gamma: Array, eps: float, dy: Array) -> tuple[Array, Array, Array]:
    dx, dgamma, dbeta = gradient.layer_norm_gradient(x, gamma, eps, dy)
    return dx, dgamma * gamma, dbeta * gamma


def _exchanged(x: Array, gamma: Array, eps: float, dy: Array) -> tuple[Array, Array, Array]:
    dx, dgamma, dbeta = gradient.layer_norm_gradient(x, gamma, eps, dy)
    return dx, dbeta, dgamma


def _row(*values: float) -> Array:
    """Make an array of shape [1, D]. With one token, a sum over the first axis is still correct."""
    return _array(list(values))


def _mean_of_squares(x: Array, gamma: Array, eps: float, dy: Array) -> tuple[Array, Array, Array]:
    mu, rows = x.mean(axis=-1, keepdims=True), tuple(range(x.ndim - 1))
    scale = np.sqrt(np.maximum((x**2).mean(axis=-1, keepdims=True) - mu**2, 0.0) + eps)
    x_hat, g = (x - mu) / scale, dy * gamma
    dx = (g - g.mean(axis=-1, keepdims=True) - x_hat * (g * x_hat).mean(axis=-1, keepdims=True)) / scale
    return dx, (dy * x_hat).sum(axis=rows), dy.sum(axis=rows)


_EPS = 1e-12
_ONES = _array(1.0, 1.0, 1.0, 1.0)
_GAMMA = _array(2.0, 1.0, 0.5, -1.0)

LAYER_NORM_GRADIENT = Exercise(
    "layer_norm_gradient",
    gradient.layer_norm_gradient,
    (
        Case("one token, γ = 1", (_row(1.0, -1.0, 1.0, -1.0), _ONES, 0.0, _row(1.0, 0.0, 0.0, 0.0))),
        Case("one token", (_row(1.0, 2.0, 3.0, 6.0), _GAMMA, _EPS, _row(1.0, 2.0, 0.0, -1.0))),
        Case("three tokens", (_drawn(3, 4, seed=1, scale=2.0), _GAMMA, _EPS, _drawn(3, 4, seed=2))),
        Case("two texts of three tokens", (_drawn(2, 3, 4, seed=3, scale=2.0), _GAMMA, _EPS, _drawn(2, 3, 4, seed=4))),
        Case("a large ε", (_drawn(3, 4, seed=5), _GAMMA, 0.5, _drawn(3, 4, seed=6)), kind="corner"),
        Case(
            "a token of tiny numbers, where ε matters",
            (_drawn(1, 4, seed=7, scale=1e-6), _GAMMA, _EPS, _drawn(1, 4, seed=8)),
            kind="corner",
        ),
        Case(
            "a mean much larger than the standard deviation",
            (_row(100000.3, 100001.1, 100003.4, 99996.7), _GAMMA, _EPS, _row(1.0, 2.0, 0.0, -1.0)),
            kind="huge",
        ),
        Case(
            "a token of four equal numbers",
            (_row(3.0, 3.0, 3.0, 3.0), _GAMMA, 0.01, _row(1.0, 0.0, 0.0, 2.0)),
            kind="corner",
        ),
    ),
    (
        WrongAnswer(
            "μ and σ constant",
            "μ and σ are treated as constants: the terms of the gradient through μ and σ are missing",
            _layer_norm_gradient(through_mu=0.0, through_sigma=0.0),
        ),
        WrongAnswer(
            "no way through μ",
            "the term through μ is missing: mean(g) is not subtracted",
            _layer_norm_gradient(through_mu=0.0),
        ),
        WrongAnswer(
            "no way through σ",
            "the term through σ is missing: x̂ mean(g x̂) is not subtracted",
            _layer_norm_gradient(through_sigma=0.0),
        ),
        WrongAnswer(
            "γ forgotten", "γ is left out: the gradient of x̂ is dy ⊙ γ", _layer_norm_gradient(g=lambda gamma, dy: dy)
        ),
        WrongAnswer("not divided", "dx is not divided by √(σ² + ε)", _layer_norm_gradient(divided=False)),
        WrongAnswer("unbiased", "the variance is divided by D − 1, not by D", _layer_norm_gradient(lost=1)),
        WrongAnswer(
            "mean of squares",
            "the variance is computed as mean(x²) − μ²: if μ is large, the two terms cancel and precision is lost;"
            " use the mean of (x − μ)²",
            _mean_of_squares,
        ),
        WrongAnswer("no ε", "ε is left out", _layer_norm_gradient(s=lambda variance, eps: np.sqrt(variance))),
        WrongAnswer(
            "ε outside the root",
            "the denominator is σ + ε, not √(σ² + ε)",
            _layer_norm_gradient(s=lambda v, eps: np.sqrt(v) + eps),
        ),
        WrongAnswer(
            "variance for deviation",
            "it is divided by the variance, not by its square root",
            _layer_norm_gradient(s=lambda v, eps: v + eps),
        ),
        WrongAnswer(
            "dγ over the width",
            "dγ and dβ are summed over the width, not over the tokens",
            _layer_norm_gradient(over_rows=lambda a: a.sum(axis=-1)),
        ),
        WrongAnswer(
            "dγ over the first axis",
            "dγ and dβ are summed over the first axis only: sum over all axes but the last",
            _layer_norm_gradient(over_rows=lambda a: a.sum(axis=0)),
        ),
        WrongAnswer(
            "dγ averaged",
            "dγ and dβ are averaged over the tokens, not summed",
            _layer_norm_gradient(over_rows=lambda a: a.reshape(-1, a.shape[-1]).mean(axis=0)),
        ),
        WrongAnswer(
            "dγ not summed", "dγ and dβ are not summed over the tokens", _layer_norm_gradient(over_rows=lambda a: a)
        ),
        WrongAnswer("g for dy", "dγ and dβ are computed from dy ⊙ γ, not from dy", _g_for_dy),
        WrongAnswer("x for x̂", "dγ is computed from x, not from x̂", _x_for_x_hat),
        WrongAnswer("exchanged", "dγ and dβ are exchanged", _exchanged),
    ),
    gradients=False,
)

EXERCISES: tuple[Exercise, ...] = (SOFTMAX_GRADIENT, LAYER_NORM_GRADIENT)
