"""Call an update rule for several steps in a row, to check the state that it keeps, and the cases for this."""

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from minitf.exercises.exercise import Case, Remark, draw, numbers
from minitf.exercises.judge.values import deep_copy


def path_of(rule: Any, theta: Any, gradients: Any, lr: float, **settings: Any) -> Any:
    """Return θ after each step, `[steps, …]`, or a Remark if the rule does not update θ in place as it must."""
    start = deep_copy(theta)
    rates = lr if isinstance(lr, list) else [lr] * len(gradients)
    theta, path = deep_copy(start), []
    state: dict[str, Any] = {}
    given = deep_copy(gradients)  # a tensor of its own for each step
    for copy, g, rate in zip(given, gradients, rates, strict=True):
        returned = rule(theta, copy, state, rate, **settings)
        if not same(copy, g):
            return Remark("the gradient g is changed in place: change only θ and `state`")
        if returned is Ellipsis:
            return returned
        path.append(deep_copy(theta))
    end = deep_copy(theta)
    if all(same(step, start) for step in path) and not all(same(g, 0 * g) for g in gradients):
        rule(theta, deep_copy(gradients[-1]), state, rates[-1], **settings)
        if same(theta, start):  # not only in the first step
            if returned is not None:
                return Remark("θ does not change: your function returns it; write it into theta instead, theta -= …")
            return Remark("θ does not change: the blank is still there, or the new θ is not written in place")
    if _keeps_the_gradient(rule, start, end, gradients, rates, settings):
        return Remark(
            "`state` holds the gradient tensor g itself, not a copy: training reuses its memory for the next"
            " gradient, and in-place operations on the state change g; write g.clone()"
        )
    alternating: list[tuple[Any, dict[str, Any]]] = [(deep_copy(start), {}), (deep_copy(start), {})]
    for g, rate in zip(gradients, rates, strict=True):
        for other, its_state in alternating:
            rule(other, deep_copy(g), its_state, rate, **settings)
    if any(_differ(end, other) for other, _ in alternating):
        return Remark(
            "updating two parameters in turn changes the results: keep everything in `state`, one for each parameter"
        )
    return torch.stack([torch.as_tensor(each) for each in path])


def _keeps_the_gradient(
    rule: Any, start: Any, end: Any, gradients: Any, rates: list[float], settings: dict[str, Any]
) -> bool:
    """Whether the final θ differs from `end` if one buffer holds the gradient of every step, as in training."""
    theta, buffer = deep_copy(start), deep_copy(gradients[0])
    state: dict[str, Any] = {}
    for g, rate in zip(gradients, rates, strict=True):
        buffer[...] = g
        rule(theta, buffer, state, rate, **settings)
    return _differ(end, theta)


def _differ(theta: Any, other: Any) -> bool:
    return same(theta, theta) and not same(other, theta)  # NaN is not equal to itself


def same(a: Any, b: Any) -> bool:
    """Whether all numbers are equal."""
    return bool((a == b).all())


STEPS = (
    Case("one weight, one step", (numbers(1.0), [numbers(0.5)], 0.1)),
    Case("one weight, three steps", (numbers(1.0), [numbers(0.5), numbers(-0.2), numbers(0.1)], 0.1)),
    Case("six weights, five steps", (draw(2, 3, seed=1), [draw(2, 3, seed=i) for i in range(2, 7)], 0.05)),
)
FALLING = Case(
    "a learning rate that decreases",
    (numbers(1.0), [numbers(0.5), numbers(-0.2), numbers(0.1)], [0.1, 0.05, 0.01]),
    kind="corner",
)
ZERO = Case("a gradient of zero", (numbers(1.0, 2.0), [numbers(0.0, 0.0), numbers(1.0, 0.0)], 0.1), kind="corner")
LONG = Case("100 steps", (draw(3, seed=1), [draw(3, seed=i) for i in range(100)], 0.01))


def rule(step: Callable[..., Tensor]) -> Callable[..., None]:
    """Make a rule that works in place, from a function that returns the step to subtract."""

    def rule(theta: Tensor, g: Tensor, state: dict[str, Any], lr: float, **settings: Any) -> None:
        theta -= lr * step(theta, g, state, **settings)

    return functools.wraps(step)(rule)


def average(state: dict[str, Any], name: str, value: Tensor, beta: float, new: float) -> Tensor:
    """Update a moving average in the state: β · old + `new` · value."""
    state[name] = beta * state.get(name, torch.zeros_like(value)) + new * value
    average: Tensor = state[name]
    return average


TINY = Case("tiny gradients, where ε matters", (numbers(1.0, 2.0), [numbers(1e-7, 2e-8)] * 3, 0.1))
