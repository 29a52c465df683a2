"""Exercises: the linear map, the look-up of embeddings, the positional encoding."""

import math

import torch
from torch import Tensor

from minitf.equations import position, projection
from minitf.exercises.exercise import Case, Exercise, WrongAnswer, draw, numbers

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
        WrongAnswer(
            "not transposed",
            "W is not transposed: the files hold one row per output",
            lambda X, W, b=None: X @ W + (0 if b is None else b),
        ),
        WrongAnswer("bias forgotten", "the bias is left out", lambda X, W, b=None: X @ W.T),
        WrongAnswer(
            "bias subtracted", "the bias is subtracted", lambda X, W, b=None: X @ W.T - (0 if b is None else b)
        ),
        WrongAnswer("bias needed", "it does not work without a bias", lambda X, W, b=None: X @ W.T + b),
        WrongAnswer(
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
        Case("as many words as columns", (draw(3, 3, seed=2), torch.tensor([[0, 2, 1]]))),
        Case(
            "a table with more words than the ids use",
            (draw(7, 3, seed=3), torch.tensor([[1, 3], [0, 3]])),
            kind="corner",
        ),
    ),
    (
        WrongAnswer(
            "columns",
            "it takes columns, not rows",
            lambda E, ids: E.T[ids] if int(ids.max()) < E.shape[1] else E[:, ids % E.shape[1]],
        ),
        WrongAnswer(
            "one-hot rows too short",
            "the length of the one-hot rows is taken from the largest id, not from the number of rows of E",
            lambda E, ids: torch.nn.functional.one_hot(ids).to(E.dtype) @ E,
        ),
        WrongAnswer("counted from 1", "the rows are counted from 1: id 0 is the first row", lambda E, ids: E[ids - 1]),
        WrongAnswer("summed", "the rows of a sentence are added", lambda E, ids: E[ids].sum(-2)),
        WrongAnswer("averaged", "the rows of a sentence are averaged", lambda E, ids: E[ids].mean(-2)),
    ),
    in_bert="forward",
)


def _angles(
    S: int,
    D: int,
    exponent: float = 1.0,
    first: int = 0,
    base: float = 10000.0,
    dtype: torch.dtype = torch.float64,
) -> Tensor:
    pos = torch.arange(first, S + first, dtype=dtype)[:, None]
    return pos / base ** (exponent * torch.arange(0, D, 2, dtype=dtype) / D)


def _interleaved(angle: Tensor) -> Tensor:
    return torch.stack([angle.sin(), angle.cos()], -1).flatten(-2)


def _each_its_own(S: int, D: int) -> Tensor:
    angle = torch.arange(S, dtype=torch.float64)[:, None] / 10000.0 ** (2.0 * torch.arange(D, dtype=torch.float64) / D)
    return torch.where(torch.arange(D) % 2 == 0, angle.sin(), angle.cos())


SINUSOIDAL_POSITIONS = Exercise(
    "sinusoidal_positions",
    position.sinusoidal_positions,
    (
        Case("two positions, width 2", (2, 2)),
        Case("three positions, width 4", (3, 4)),
        Case("fifty positions, width 32", (50, 32)),
        Case("5,000 positions, width 64", (5000, 64), kind="huge"),
    ),
    (
        WrongAnswer(
            "halves",
            "all sines come first, then all cosines, as in some code; in the paper they alternate",
            lambda S, D: torch.cat([_angles(S, D).sin(), _angles(S, D).cos()], -1),
        ),
        WrongAnswer(
            "cosine first",
            "each cosine comes before its sine",
            lambda S, D: torch.stack([_angles(S, D).cos(), _angles(S, D).sin()], -1).flatten(-2),
        ),
        WrongAnswer(
            "counted from 1", "the positions are counted from 1", lambda S, D: _interleaved(_angles(S, D, first=1))
        ),
        WrongAnswer(
            "exponent i/D", "the exponent is i/D, not 2i/D", lambda S, D: _interleaved(_angles(S, D, exponent=0.5))
        ),
        WrongAnswer(
            "exponent 4i/D",
            "the exponent is 2(2i)/D: 2i is doubled a second time",
            lambda S, D: _interleaved(_angles(S, D, exponent=2.0)),
        ),
        WrongAnswer(
            "i is the column",
            "i counts columns, not pairs of columns: every column has a different wavelength",
            _each_its_own,
        ),
        WrongAnswer(
            "float32 angles",
            "the angles are computed in float32, which is inaccurate at large positions: compute them in float64",
            lambda S, D: _interleaved(_angles(S, D, dtype=torch.float32)),
        ),
        WrongAnswer(
            "float32 angles by exp",
            "exp(−2i/D · log 10000) and the angles are computed in float32, which is inaccurate at large positions:"
            " compute them in float64",
            lambda S, D: _interleaved(
                torch.arange(S)[:, None] * torch.exp(torch.arange(0, D, 2).float() * (-math.log(10000.0) / D))
            ),
        ),
        WrongAnswer(
            "base 1000", "the base is 1,000, not 10,000", lambda S, D: _interleaved(_angles(S, D, base=1000.0))
        ),
        WrongAnswer("only sines", "every column is a sine", lambda S, D: _angles(S, D).sin().repeat_interleave(2, -1)),
        WrongAnswer(
            "transposed",
            "rows and columns are exchanged: positions are the rows",
            lambda S, D: _interleaved(_angles(S, D)).T,
        ),
    ),
    gradients=False,
    tolerance=2e-5,  # the equation returns float32, and the learner's function may too
)

EXERCISES = (LINEAR, LOOK_UP, SINUSOIDAL_POSITIONS)
