"""Update rules: each is asked for several steps in a row, for what it keeps in its state must be right too."""

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from minitf.equations import update
from minitf.proof.exercises.exercise import Case, Exercise, Remark, Wrong, draw, numbers
from minitf.proof.exercises.known import known
from minitf.proof.judge.calling import copied


def _path(rule: Any, theta: Any, gradients: Any, lr: float, **settings: Any) -> Any:
    """θ after each step: `[steps, …]`. What is left undone when θ stays where it is, is said in words."""
    start, theta, path = copied(theta), copied(theta), []
    state: dict[str, Any] = {}
    for g in gradients:
        given = copied(g)
        answer = rule(theta, given, state, lr, **settings)
        if not _same(given, g):
            return Remark("the gradient g is changed in place: only θ and its state may be")
        if answer is Ellipsis:
            return answer
        path.append(copied(theta))
    if all(_same(step, start) for step in path) and not all(_same(g, 0 * g) for g in gradients):
        returned = " (it is returned: write it into theta instead, theta -= …)" if answer is not None else ""
        what = "the blank is still there, or θ is computed anew and not written in place"
        return Remark(f"θ stays where it was: {what}{returned}")
    return torch.stack([torch.as_tensor(each) for each in path])


def _same(a: Any, b: Any) -> bool:
    return bool((a == b).all())


_STEPS = (
    Case("one weight, one step", (numbers(1.0), [numbers(0.5)], 0.1)),
    Case("one weight, three steps", (numbers(1.0), [numbers(0.5), numbers(-0.2), numbers(0.1)], 0.1)),
    Case("six weights, five steps", (draw(2, 3, seed=1), [draw(2, 3, seed=i) for i in range(2, 7)], 0.05)),
)
_ZERO = Case("a gradient of zero", (numbers(1.0, 2.0), [numbers(0.0, 0.0), numbers(1.0, 0.0)], 0.1), kind="corner")
_LONG = Case("a hundred steps", (draw(3, seed=1), [draw(3, seed=i) for i in range(100)], 0.01))


def _rule(step: Callable[..., Tensor]) -> Callable[..., None]:
    """A rule in place, of a function that gives the step that is subtracted."""

    def rule(theta: Tensor, g: Tensor, state: dict[str, Any], lr: float, **settings: Any) -> None:
        theta -= lr * step(theta, g, state, **settings)

    return functools.wraps(step)(rule)


def _average(state: dict[str, Any], name: str, value: Tensor, beta: float, new: float) -> Tensor:
    state[name] = beta * state.get(name, torch.zeros_like(value)) + new * value
    average: Tensor = state[name]
    return average


GRADIENT_DESCENT = Exercise(
    "gradient_descent",
    update.gradient_descent,
    (*_STEPS, _ZERO),
    (
        Wrong("ascent", "η g is added: this climbs", _rule(lambda theta, g, state: -g)),
        Wrong("no rate", "the learning rate is left out", lambda theta, g, state, lr: theta.sub_(g)),
        Wrong("sign only", "only the sign of the gradient counts", _rule(lambda theta, g, state: g.sign())),
        Wrong(
            "normalised", "the gradient is divided by its length", _rule(lambda theta, g, state: g / (g.norm() + 1e-12))
        ),
        Wrong("scaled by θ", "the step is multiplied by θ", _rule(lambda theta, g, state: g * theta)),
    ),
    observe=_path,
    arguments=("theta", "g of each step", "lr"),
    gradients=False,
    in_bert="rule",
)


def _forgets(theta: Tensor, g: Tensor, state: dict[str, Any], mu: float = 0.9) -> Tensor:
    return mu * torch.zeros_like(g) + g


def _damped(theta: Tensor, g: Tensor, state: dict[str, Any], mu: float = 0.9) -> Tensor:
    return _average(state, "v", g, mu, 1.0 - mu)


def _swapped(theta: Tensor, g: Tensor, state: dict[str, Any], mu: float = 0.9) -> Tensor:
    return _average(state, "v", g, 1.0 - mu, 1.0)


def _minus(theta: Tensor, g: Tensor, state: dict[str, Any], mu: float = 0.9) -> Tensor:
    return _average(state, "v", g, -mu, 1.0)


def _nesterov(theta: Tensor, g: Tensor, state: dict[str, Any], mu: float = 0.9) -> Tensor:
    return g + mu * _average(state, "v", g, mu, 1.0)


def _late(theta: Tensor, g: Tensor, state: dict[str, Any], mu: float = 0.9) -> Tensor:
    before: Tensor | None = state.get("v")
    _average(state, "v", g, mu, 1.0)
    return g * 1.0 if before is None else mu * before


MOMENTUM = Exercise(
    "momentum",
    update.momentum,
    (*_STEPS, _ZERO, Case("μ = 0.5", _STEPS[1].inputs, {"mu": 0.5})),
    (
        Wrong("nothing kept", "v is not kept between the steps: this is gradient descent", _rule(_forgets)),
        Wrong("damped", "g enters v with 1 − μ: an average, not a sum", _rule(_damped)),
        Wrong("μ and 1 − μ exchanged", "v is multiplied by 1 − μ, not by μ", _rule(_swapped)),
        Wrong("wrong sign of v", "the old v is subtracted", _rule(_minus)),
        Wrong("Nesterov", "it looks ahead: this is Nesterov's momentum", _rule(_nesterov)),
        Wrong("g comes late", "θ moves by the old v: the new g counts a step late", _rule(_late)),
    ),
    observe=_path,
    arguments=("theta", "g of each step", "lr"),
    gradients=False,
    in_bert="rule",
)


def _rms(root: bool = True, inside: bool = False, new: bool = True, squared: bool = True, swap: bool = False) -> Any:
    def step(theta: Tensor, g: Tensor, state: dict[str, Any], alpha: float = 0.99, eps: float = 1e-8) -> Tensor:
        beta = 1.0 - alpha if swap else alpha
        v = _average(state, "v", g * g if squared else g.abs(), beta, 1.0 - beta if new else 1.0)
        if inside:
            return g / torch.sqrt(v + eps)
        return g / ((v.sqrt() if root else v) + eps)

    return _rule(step)


def _corrected_rms(theta: Tensor, g: Tensor, state: dict[str, Any], alpha: float = 0.99, eps: float = 1e-8) -> Tensor:
    state["t"] = t = int(state.get("t", 0)) + 1
    return g / ((_average(state, "v", g * g, alpha, 1.0 - alpha) / (1.0 - alpha**t)).sqrt() + eps)


_TINY = Case("tiny gradients, where ε counts", (numbers(1.0, 2.0), [numbers(1e-7, 2e-8)] * 3, 0.1))

RMSPROP = Exercise(
    "rmsprop",
    update.rmsprop,
    (*_STEPS, _TINY, _ZERO, Case("α = 0.5", _STEPS[1].inputs, {"alpha": 0.5})),
    (
        Wrong("no root", "it is divided by v, not by its root", _rms(root=False)),
        Wrong("ε inside the root", "ε stands inside the root, √(v + ε)", _rms(inside=True)),
        Wrong("summed", "the squares are summed, not averaged: 1 − α is missing, nearly AdaGrad", _rms(new=False)),
        Wrong("absolute gradient", "v averages |g|, not g²", _rms(squared=False)),
        Wrong("α and 1 − α exchanged", "α and 1 − α are exchanged", _rms(swap=True)),
        Wrong("bias corrected", "v is divided by 1 − αᵗ: that is Adam's correction", _rule(_corrected_rms)),
    ),
    observe=_path,
    arguments=("theta", "g of each step", "lr"),
    gradients=False,
    in_bert="rule",
)


def _adam(
    correct_m: bool = True,
    correct_v: bool = True,
    off: int = 0,
    inside: bool = False,
    root: bool = True,
    swap: bool = False,
    numerator: str = "m",
    corrected_late: bool = False,
) -> Callable[..., None]:
    """Adam with one part of it wrong."""

    def rule(
        theta: Tensor,
        g: Tensor,
        state: dict[str, Any],
        lr: float,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        eps: float = 1e-8,
        bias_correction: bool = True,
    ) -> None:
        if swap:
            beta_1, beta_2 = beta_2, beta_1
        t = state["t"] = state.get("t", 0) + 1
        m = _average(state, "m", g, beta_1, 1.0 - beta_1)
        v = _average(state, "v", g * g, beta_2, 1.0 - beta_2)
        m_hat = m / (1.0 - beta_1 ** (t + off)) if correct_m and bias_correction else m
        v_hat = v / (1.0 - beta_2 ** (t + off)) if correct_v and bias_correction else v
        if corrected_late:  # the corrected averages are kept, and corrected again
            state["m"], state["v"] = m_hat, v_hat
        top = m_hat if numerator == "m" else g
        theta -= lr * top / (torch.sqrt(v_hat + eps) if inside else (v_hat.sqrt() if root else v_hat) + eps)

    return rule


def _decaying(where: str, adam: Callable[..., None] = update.adam) -> Callable[..., None]:
    def rule(
        theta: Tensor, g: Tensor, state: dict[str, Any], lr: float, weight_decay: float = 0.01, **settings: Any
    ) -> None:
        if where == "before, without η":
            theta *= 1.0 - weight_decay
        if where == "ascending":
            theta *= 1.0 + lr * weight_decay
        adam(theta, g, state, lr, **settings)
        if where == "after":
            theta *= 1.0 - lr * weight_decay

    return rule


def _decaying_first(adam: Callable[..., None]) -> Callable[..., None]:
    """AdamW's decay, right, before an Adam that is wrong."""

    def rule(
        theta: Tensor, g: Tensor, state: dict[str, Any], lr: float, weight_decay: float = 0.01, **settings: Any
    ) -> None:
        theta *= 1.0 - lr * weight_decay
        adam(theta, g, state, lr, **settings)

    return rule


_SETTINGS = (
    Case("other β", _STEPS[1].inputs, {"beta_1": 0.5, "beta_2": 0.9}),
    Case("without bias correction", _STEPS[1].inputs, {"bias_correction": False}),
    Case("ε = 0.1", _STEPS[1].inputs, {"eps": 0.1}),
)

_ADAMS: tuple[Wrong, ...] = (
    Wrong("no correction of v", "m is divided by 1 − β₁ᵗ, but v not by 1 − β₂ᵗ", _adam(correct_v=False)),
    Wrong("no correction of m", "v is divided by 1 − β₂ᵗ, but m not by 1 − β₁ᵗ", _adam(correct_m=False)),
    Wrong("t a step late", "t counts one too many in the bias correction", _adam(off=1)),
    Wrong("β₁ and β₂ exchanged", "β₁ and β₂ are exchanged", _adam(swap=True)),
    Wrong("no root", "it is divided by v̂, not by its root", _adam(root=False)),
    Wrong("g for m̂", "the step takes g, not its average m̂", _adam(numerator="g")),
    Wrong(
        "corrected twice",
        "the corrected averages are kept in the state, and corrected again",
        _adam(corrected_late=True),
    ),
)

ADAM = Exercise(
    "adam",
    update.adam,
    (*_STEPS, _TINY, _LONG, _ZERO, *_SETTINGS),
    (
        Wrong("no bias correction", "m and v are not divided by 1 − βᵗ", _adam(correct_m=False, correct_v=False)),
        Wrong("ε inside the root", "ε stands inside the root: √(v̂ + ε), not √v̂ + ε", _adam(inside=True)),
        *_ADAMS,
        Wrong("AdamW", "the weights decay too: this is AdamW", update.adamw),
    ),
    observe=_path,
    arguments=("theta", "g of each step", "lr"),
    gradients=False,
    in_bert="rule",
)

ADAMW = Exercise(
    "adamw",
    update.adamw,
    (
        *_STEPS,
        Case("decay 0.5", _STEPS[1].inputs, {"weight_decay": 0.5}),
        _TINY,
        _LONG,
        Case(
            "a weight without gradient, which decays alone",
            (numbers(1.0, 2.0), [numbers(0.0, 1.0)] * 3, 0.1),
            kind="corner",
        ),
        *_SETTINGS,
    ),
    (
        *known("adamw"),
        *(Wrong(w.name, w.tells, _decaying_first(w.function)) for w in _ADAMS),
        Wrong("no decay", "the weights do not decay: this is Adam", _decaying("nowhere")),
        Wrong(
            "decay without η",
            "θ is multiplied by 1 − λ: the decay wants the learning rate too",
            _decaying("before, without η"),
        ),
        Wrong(
            "decay after the step",
            "θ decays after Adam's step, not before it: the step itself decays too",
            _decaying("after"),
        ),
        Wrong("growing", "the decay has the wrong sign: the weights grow", _decaying("ascending")),
    ),
    observe=_path,
    arguments=("theta", "g of each step", "lr"),
    gradients=False,
    in_bert="rule",
)


def _clipped(f: Any, gradients: Any, most: float) -> Any:
    """The gradients as they are left, and their length before."""
    given = copied(gradients)
    norm = f(given, most)
    if norm is Ellipsis or norm is None:
        return norm
    return (*given, norm)


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
        Case("one gradient of length 5, c = 1", ([numbers(3.0, 4.0)], 1.0)),
        Case("a short one, which stays", ([numbers(0.3, 0.4)], 1.0)),
        Case("two gradients, clipped together", ([draw(2, 3, seed=1), draw(4, seed=2)], 0.5)),
        Case("gradients of zero", ([numbers(0.0, 0.0)], 1.0), kind="corner"),
    ),
    (
        Wrong("each by itself", "each gradient is clipped by its own length: the direction changes", _each_by_itself),
        Wrong("by value", "each number is cut to ±c: the direction changes", _by_value),
        Wrong("always scaled", "short gradients are lengthened to c", _always),
        Wrong("length after", "the length after clipping is returned, not the one before", _length_after),
        Wrong(
            "lengths summed",
            "the lengths are added up: the whole length is the root of the sum of their squares",
            _sum_of_lengths,
        ),
    ),
    observe=_clipped,
    gradients=False,
    tolerance=1e-5,  # with or without the 10⁻⁶ in the denominator
)

EXERCISES = (GRADIENT_DESCENT, MOMENTUM, RMSPROP, ADAM, ADAMW, CLIP_BY_NORM)
