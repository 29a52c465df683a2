"""Exercises: gradient descent, momentum, RMSprop, and clipping by the norm."""

from typing import Any

import torch
from torch import Tensor

from minitf.equations import update
from minitf.exercises.exercise import Case, Exercise, Remark, WrongAnswer, draw, numbers
from minitf.exercises.judge.values import deep_copy
from minitf.exercises.steps import FALLING, LONG, STEPS, TINY, ZERO, average, path_of, rule

GRADIENT_DESCENT = Exercise(
    "gradient_descent",
    update.gradient_descent,
    (*STEPS, LONG, ZERO, FALLING),
    (
        WrongAnswer("ascent", "η g is added: the loss rises", rule(lambda theta, g, state: -g)),
        WrongAnswer("no rate", "the learning rate is left out", lambda theta, g, state, lr: theta.sub_(g)),
        WrongAnswer("sign only", "only the sign of the gradient is used", rule(lambda theta, g, state: g.sign())),
        WrongAnswer(
            "normalised", "the gradient is divided by its norm", rule(lambda theta, g, state: g / (g.norm() + 1e-12))
        ),
        WrongAnswer("scaled by θ", "the step is multiplied by θ", rule(lambda theta, g, state: g * theta)),
    ),
    observe=path_of,
    arguments=("theta", "g of each step", "lr"),
    gradients=False,
    in_bert="rule",
)


def _forgets(theta: Tensor, g: Tensor, state: dict[str, Any], mu: float = 0.9) -> Tensor:
    return mu * torch.zeros_like(g) + g


def _climbing(theta: Tensor, g: Tensor, state: dict[str, Any], mu: float = 0.9) -> Tensor:
    return -average(state, "v", g, mu, 1.0)


def _damped(theta: Tensor, g: Tensor, state: dict[str, Any], mu: float = 0.9) -> Tensor:
    return average(state, "v", g, mu, 1.0 - mu)


def _swapped(theta: Tensor, g: Tensor, state: dict[str, Any], mu: float = 0.9) -> Tensor:
    return average(state, "v", g, 1.0 - mu, 1.0)


def _minus(theta: Tensor, g: Tensor, state: dict[str, Any], mu: float = 0.9) -> Tensor:
    return average(state, "v", g, -mu, 1.0)


def _nesterov(theta: Tensor, g: Tensor, state: dict[str, Any], mu: float = 0.9) -> Tensor:
    return g + mu * average(state, "v", g, mu, 1.0)


def _late(theta: Tensor, g: Tensor, state: dict[str, Any], mu: float = 0.9) -> Tensor:
    before: Tensor | None = state.get("v")
    average(state, "v", g, mu, 1.0)
    return g * 1.0 if before is None else mu * before


def _old(theta: Tensor, g: Tensor, state: dict[str, Any], mu: float = 0.9) -> Tensor:
    before: Tensor = state.get("v", torch.zeros_like(g))
    average(state, "v", g, mu, 1.0)
    return before


def _rate_inside(theta: Tensor, g: Tensor, state: dict[str, Any], lr: float, mu: float = 0.9) -> None:
    theta -= average(state, "v", g, mu, lr)


MOMENTUM = Exercise(
    "momentum",
    update.momentum,
    (*STEPS, LONG, ZERO, FALLING, Case("μ = 0.5", STEPS[1].inputs, {"mu": 0.5})),
    (
        WrongAnswer("climbing", "η v is added: the loss rises", rule(_climbing)),
        WrongAnswer("nothing kept", "v is not kept between the steps: this is gradient descent", rule(_forgets)),
        WrongAnswer("damped", "g is multiplied by 1 − μ: v is then an average, not a sum", rule(_damped)),
        WrongAnswer("μ and 1 − μ exchanged", "v is multiplied by 1 − μ, not by μ", rule(_swapped)),
        WrongAnswer("wrong sign of v", "the old v is subtracted", rule(_minus)),
        WrongAnswer("Nesterov", "the step is g + μ v: this is Nesterov's momentum", rule(_nesterov)),
        WrongAnswer("η inside v", "η is inside v, v ← μ v + η g: the result differs when η changes", _rate_inside),
        WrongAnswer("old v", "θ is updated with v before g is added to v: update v first", rule(_old)),
        WrongAnswer(
            "g comes late", "θ is updated with μ times the old v: the new g takes effect one step late", rule(_late)
        ),
    ),
    observe=path_of,
    arguments=("theta", "g of each step", "lr"),
    gradients=False,
    in_bert="rule",
)


def _rms(root: bool = True, inside: bool = False, new: bool = True, squared: bool = True, swap: bool = False) -> Any:
    def step(theta: Tensor, g: Tensor, state: dict[str, Any], alpha: float = 0.99, eps: float = 1e-8) -> Tensor:
        beta = 1.0 - alpha if swap else alpha
        v = average(state, "v", g * g if squared else g.abs(), beta, 1.0 - beta if new else 1.0)
        if inside:
            return g / torch.sqrt(v + eps)
        return g / ((v.sqrt() if root else v) + eps)

    return rule(step)


def _corrected_rms(theta: Tensor, g: Tensor, state: dict[str, Any], alpha: float = 0.99, eps: float = 1e-8) -> Tensor:
    state["t"] = t = int(state.get("t", 0)) + 1
    return g / ((average(state, "v", g * g, alpha, 1.0 - alpha) / (1.0 - alpha**t)).sqrt() + eps)


RMSPROP = Exercise(
    "rmsprop",
    update.rmsprop,
    (*STEPS, TINY, LONG, ZERO, FALLING, Case("α = 0.5", STEPS[1].inputs, {"alpha": 0.5})),
    (
        WrongAnswer("no root", "g is divided by v, not by its square root", _rms(root=False)),
        WrongAnswer("ε inside the root", "ε is inside the square root: √(v + ε), not √v + ε", _rms(inside=True)),
        WrongAnswer("summed", "the squares are summed, not averaged: the factor 1 − α is missing", _rms(new=False)),
        WrongAnswer("absolute gradient", "v is the average of |g|, not of g²", _rms(squared=False)),
        WrongAnswer("α and 1 − α exchanged", "α and 1 − α are exchanged", _rms(swap=True)),
        WrongAnswer("bias corrected", "v is divided by 1 − αᵗ: this is Adam's bias correction", rule(_corrected_rms)),
    ),
    observe=path_of,
    arguments=("theta", "g of each step", "lr"),
    gradients=False,
    in_bert="rule",
)


def _clipped(f: Any, gradients: Any, most: float) -> Any:
    """Return the gradients after clipping, and their norm before it."""
    given = deep_copy(gradients)
    held = list(given)
    norm = f(given, most)
    if norm is Ellipsis or norm is None:
        return norm
    if any(a is not b for a, b in zip(given, held, strict=False)):
        return Remark("the list has new gradients, and the original tensors are unchanged: write g *= …")
    return (*held, norm)


def _length(gradients: list[Tensor]) -> Tensor:
    length: Tensor = torch.linalg.vector_norm(torch.cat([g.flatten() for g in gradients]))
    return length


def _each_by_itself(gradients: list[Tensor], most: float) -> Tensor:
    return _length([update.clip_by_norm([g], most) for g in gradients])


def _by_value(gradients: list[Tensor], most: float) -> Tensor:
    norm = _length(gradients)
    for g in gradients:
        g.clamp_(-most, most)
    return norm


def _always(gradients: list[Tensor], most: float) -> Tensor:
    norm = _length(gradients)
    for g in gradients:
        g *= most / (norm + 1e-6)
    return norm


def _length_after(gradients: list[Tensor], most: float) -> Tensor:
    return update.clip_by_norm(gradients, most).clamp(max=most)


def _sum_of_lengths(gradients: list[Tensor], most: float) -> Tensor:
    norm: Tensor = torch.stack([g.norm() for g in gradients]).sum()
    for g in gradients:
        g *= (most / (norm + 1e-6)).clamp(max=1.0)
    return norm


CLIP_BY_NORM = Exercise(
    "clip_by_norm",
    update.clip_by_norm,
    (
        Case("one gradient of norm 5, c = 1", ([numbers(3.0, 4.0)], 1.0)),
        Case("a gradient with a norm below c, which does not change", ([numbers(0.3, 0.4)], 1.0)),
        Case("two gradients, clipped together", ([draw(2, 3, seed=1), draw(4, seed=2)], 0.5)),
        Case("gradients of zero", ([numbers(0.0, 0.0)], 1.0), kind="corner"),
    ),
    (
        WrongAnswer(
            "each by itself", "each gradient is clipped by its own norm: the direction changes", _each_by_itself
        ),
        WrongAnswer("by value", "each number is limited to ±c: the direction changes", _by_value),
        WrongAnswer("always scaled", "gradients with a norm below c are scaled up to c", _always),
        WrongAnswer("length after", "the norm after clipping is returned, not the norm before", _length_after),
        WrongAnswer(
            "lengths summed",
            "the norms are added: the total norm is the square root of the sum of their squares",
            _sum_of_lengths,
        ),
    ),
    observe=_clipped,
    gradients=False,
    tolerance=1e-5,  # with or without the 10⁻⁶ in the denominator
)

EXERCISES = (GRADIENT_DESCENT, MOMENTUM, RMSPROP, CLIP_BY_NORM)
