"""Exercises: the L1 and L2 penalties."""

from collections.abc import Iterable

from torch import Tensor

from minitf.equations import loss
from minitf.exercises.exercise import Case, Exercise, WrongAnswer, draw, numbers


def _first_only(parameters: Iterable[Tensor], lam: float) -> Tensor:
    return lam * next(iter(parameters)).abs().sum()


_ONE = [numbers(3.0, -4.0)]
_TWO = [draw(2, 3, seed=1), draw(4, seed=2)]
_PENALISED = (
    Case("one parameter of two weights", (_ONE, 0.1)),
    Case("two parameters", (_TWO, 0.5)),
    Case("one parameter, another λ", ([numbers(2.0)], 0.5)),
)

L1_PENALTY = Exercise(
    "l1_penalty",
    loss.l1_penalty,
    _PENALISED,
    (
        WrongAnswer("no λ", "λ is left out", lambda ps, lam: sum(p.abs().sum() for p in ps)),
        WrongAnswer(
            "averaged",
            "the absolute values are averaged, not summed",
            lambda ps, lam: lam * sum(p.abs().mean() for p in ps),
        ),
        WrongAnswer(
            "no absolute value",
            "the weights are summed with their signs",
            lambda ps, lam: lam * sum(p.sum() for p in ps),
        ),
        WrongAnswer("L2", "the squares are summed: this is the L2 penalty", loss.l2_penalty),
        WrongAnswer("first parameter only", "only the first parameter is penalised", _first_only),
        WrongAnswer("halved", "the penalty is halved", lambda ps, lam: loss.l1_penalty(ps, lam) / 2.0),
    ),
    in_bert="penalty",
)

L2_PENALTY = Exercise(
    "l2_penalty",
    loss.l2_penalty,
    _PENALISED,
    (
        WrongAnswer("no λ", "λ is left out", lambda ps, lam: sum(p.square().sum() for p in ps)),
        WrongAnswer(
            "halved",
            "the penalty is halved, so that its gradient is λθ",
            lambda ps, lam: loss.l2_penalty(ps, lam) / 2.0,
        ),
        WrongAnswer(
            "averaged", "the squares are averaged, not summed", lambda ps, lam: lam * sum(p.square().mean() for p in ps)
        ),
        WrongAnswer(
            "a norm for each",
            "the norms of the parameters are summed, not their squares",
            lambda ps, lam: lam * sum(p.norm() for p in ps),
        ),
        WrongAnswer(
            "λ squared",
            "λ is squared together with the weights",
            lambda ps, lam: sum((lam * p).square().sum() for p in ps),
        ),
        WrongAnswer("L1", "the absolute values are summed: this is the L1 penalty", loss.l1_penalty),
        WrongAnswer(
            "squared sum",
            "the sum is squared, not each weight",
            lambda ps, lam: lam * sum(p.sum().square() for p in ps),
        ),
    ),
    in_bert="penalty",
)

EXERCISES = (L1_PENALTY, L2_PENALTY)
