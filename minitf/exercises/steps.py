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
    start, theta, path = deep_copy(theta), deep_copy(theta), []
    state: dict[str, Any] = {}
    rates = lr if isinstance(lr, list) else [lr] * len(gradients)
    for g, rate in zip(gradients, rates, strict=True):
        given = deep_copy(g)
        returned = rule(theta, given, state, rate, **settings)
        if not same(given, g):
            return Remark("the gradient g is changed in place: only θ and its state may be")
        if returned is Ellipsis:
            return returned
        path.append(deep_copy(theta))
    if all(same(step, start) for step in path) and not all(same(g, 0 * g) for g in gradients):
        note = " (it is returned: write it into theta instead, theta -= …)" if returned is not None else ""
        what = "the blank is still there, or θ is computed anew and not written in place"
        return Remark(f"θ stays where it was: {what}{note}")
    alternating: list[tuple[Any, dict[str, Any]]] = [(deep_copy(start), {}), (deep_copy(start), {})]
    for g, rate in zip(gradients, rates, strict=True):
        for other, its_state in alternating:
            rule(other, deep_copy(g), its_state, rate, **settings)
    if any(same(theta, theta) and not same(other, theta) for other, _ in alternating):  # NaN is not equal to itself
        return Remark(
            "two parameters in turn disturb one another: what is kept belongs into `state`, each θ has its own"
        )
    return torch.stack([torch.as_tensor(each) for each in path])


def same(a: Any, b: Any) -> bool:
    """Whether all numbers are equal."""
    return bool((a == b).all())


STEPS = (
    Case("one weight, one step", (numbers(1.0), [numbers(0.5)], 0.1)),
    Case("one weight, three steps", (numbers(1.0), [numbers(0.5), numbers(-0.2), numbers(0.1)], 0.1)),
    Case("six weights, five steps", (draw(2, 3, seed=1), [draw(2, 3, seed=i) for i in range(2, 7)], 0.05)),
)
FALLING = Case(
    "a rate that falls", (numbers(1.0), [numbers(0.5), numbers(-0.2), numbers(0.1)], [0.1, 0.05, 0.01]), kind="corner"
)
ZERO = Case("a gradient of zero", (numbers(1.0, 2.0), [numbers(0.0, 0.0), numbers(1.0, 0.0)], 0.1), kind="corner")
LONG = Case("a hundred steps", (draw(3, seed=1), [draw(3, seed=i) for i in range(100)], 0.01))


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


TINY = Case("tiny gradients, where ε counts", (numbers(1.0, 2.0), [numbers(1e-7, 2e-8)] * 3, 0.1))
