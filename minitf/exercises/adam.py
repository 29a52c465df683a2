"""Exercises: Adam and AdamW."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from minitf.equations import update
from minitf.exercises.exercise import Case, Exercise, WrongAnswer, numbers
from minitf.exercises.known_mistakes import known_mistakes
from minitf.exercises.steps import FALLING, LONG, STEPS, TINY, ZERO, average, path_of


def _adam(
    correct_m: bool = True,
    correct_v: bool = True,
    off: int = 0,
    inside: bool = False,
    root: bool = True,
    swap: bool = False,
    numerator: str = "m",
    corrected_late: bool = False,
    squared: bool = True,
) -> Callable[..., None]:
    """Make an Adam with one part of it wrong."""

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
        m = average(state, "m", g, beta_1, 1.0 - beta_1)
        v = average(state, "v", g * g if squared else g, beta_2, 1.0 - beta_2)
        m_hat = m / torch.tensor(1.0 - beta_1 ** (t + off), dtype=torch.float64) if correct_m and bias_correction else m
        v_hat = v / torch.tensor(1.0 - beta_2 ** (t + off), dtype=torch.float64) if correct_v and bias_correction else v
        if corrected_late:  # the corrected averages are stored, and corrected again in the next step
            state["m"], state["v"] = m_hat, v_hat
        top = m_hat if numerator == "m" else g
        theta -= lr * top / (torch.sqrt(v_hat + eps) if inside else (v_hat.sqrt() if root else v_hat) + eps)

    return rule


def _as_in_adamw(lr: float, decay: float) -> float:
    return 1.0 - lr * decay


def _never(lr: float, decay: float) -> float:
    return 1.0


def _decaying(
    before: Callable[[float, float], float] = _never,
    after: Callable[[float, float], float] = _never,
    adam: Callable[..., None] = update.adam,
) -> Callable[..., None]:
    """Make an Adam that multiplies θ by a factor of η and λ before the step, and by another after it."""

    def rule(
        theta: Tensor, g: Tensor, state: dict[str, Any], lr: float, weight_decay: float = 0.01, **settings: Any
    ) -> None:
        theta *= before(lr, weight_decay)
        adam(theta, g, state, lr, **settings)
        theta *= after(lr, weight_decay)

    return rule


_SETTINGS = (
    Case("other β", STEPS[1].inputs, {"beta_1": 0.5, "beta_2": 0.9}),
    Case("without bias correction", STEPS[1].inputs, {"bias_correction": False}),
    Case("ε = 0.1", STEPS[1].inputs, {"eps": 0.1}),
)

_ADAMS: tuple[WrongAnswer, ...] = (
    WrongAnswer("t from 0", "t counts from 0: the first correction divides by 1 − β⁰ = 0", _adam(off=-1)),
    WrongAnswer("g not squared", "v is the average of g, not of g²", _adam(squared=False)),
    WrongAnswer("no correction of v", "m is divided by 1 − β₁ᵗ, but v not by 1 − β₂ᵗ", _adam(correct_v=False)),
    WrongAnswer("no correction of m", "v is divided by 1 − β₂ᵗ, but m not by 1 − β₁ᵗ", _adam(correct_m=False)),
    WrongAnswer("t a step late", "t is too large by 1 in the bias correction", _adam(off=1)),
    WrongAnswer("β₁ and β₂ exchanged", "β₁ and β₂ are exchanged", _adam(swap=True)),
    WrongAnswer("no root", "m̂ is divided by v̂, not by its square root", _adam(root=False)),
    WrongAnswer("g for m̂", "the step uses g, not its average m̂", _adam(numerator="g")),
    WrongAnswer(
        "corrected twice",
        "the corrected averages are stored in the state and corrected again in the next step",
        _adam(corrected_late=True),
    ),
)

ADAM = Exercise(
    "adam",
    update.adam,
    (*STEPS, TINY, LONG, ZERO, FALLING, *_SETTINGS),
    (
        WrongAnswer("no bias correction", "m and v are not divided by 1 − βᵗ", _adam(correct_m=False, correct_v=False)),
        WrongAnswer("ε inside the root", "ε is inside the square root: √(v̂ + ε), not √v̂ + ε", _adam(inside=True)),
        *_ADAMS,
        WrongAnswer("AdamW", "weight decay is applied too: this is AdamW", update.adamw),
    ),
    observe=path_of,
    arguments=("theta", "g of each step", "lr"),
    gradients=False,
    in_bert="rule",
)

ADAMW = Exercise(
    "adamw",
    update.adamw,
    (
        *STEPS,
        Case("decay 0.5", STEPS[1].inputs, {"weight_decay": 0.5}),
        TINY,
        LONG,
        Case(
            "a weight with gradient 0, changed by weight decay only",
            (numbers(1.0, 2.0), [numbers(0.0, 1.0)] * 3, 0.1),
            kind="corner",
        ),
        FALLING,
        *_SETTINGS,
    ),
    (
        *known_mistakes("adamw"),
        *(WrongAnswer(w.name, w.explanation, _decaying(_as_in_adamw, adam=w.function)) for w in _ADAMS),
        WrongAnswer("no decay", "weight decay is missing: this is Adam", _decaying()),
        WrongAnswer(
            "decay without η",
            "θ is multiplied by 1 − λ, not by 1 − ηλ: the learning rate is missing in the decay",
            _decaying(lambda lr, decay: 1.0 - decay),
        ),
        WrongAnswer(
            "decay after the step",
            "θ decays after Adam's step, not before it: the step decays too",
            _decaying(after=_as_in_adamw),
        ),
        WrongAnswer(
            "growing", "the decay has the wrong sign: the weights grow", _decaying(lambda lr, decay: 1.0 + lr * decay)
        ),
    ),
    observe=path_of,
    arguments=("theta", "g of each step", "lr"),
    gradients=False,
    in_bert="rule",
)

EXERCISES = (ADAM, ADAMW)
