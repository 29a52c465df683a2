"""Exercises: LayerNorm, and dropout, which is random and therefore compared by its statistics."""

import math
from typing import Any

import torch
from torch import Tensor

from minitf.equations import normalization
from minitf.exercises.exercise import Case, Exercise, Remark, WrongAnswer, draw, numbers
from minitf.exercises.known_mistakes import known_mistakes


def _norm(x: Tensor, dim: Any = -1) -> tuple[Tensor, Tensor]:
    return x - x.mean(dim, keepdim=True), x.var(dim, keepdim=True, unbiased=False)


def _eps_outside(x: Tensor, gamma: Tensor, beta: Tensor, eps: float) -> Tensor:
    centred, variance = _norm(x)
    return centred / (torch.sqrt(variance) + eps) * gamma + beta


def _by_std(x: Tensor, gamma: Tensor, beta: Tensor, eps: float) -> Tensor:
    return (x - x.mean(-1, keepdim=True)) / x.std(-1, keepdim=True) * gamma + beta


def _by_std_and_eps(x: Tensor, gamma: Tensor, beta: Tensor, eps: float) -> Tensor:
    return (x - x.mean(-1, keepdim=True)) / (x.std(-1, keepdim=True) + eps) * gamma + beta


def _mean_of_squares(x: Tensor, gamma: Tensor, beta: Tensor, eps: float) -> Tensor:
    mu = x.mean(-1, keepdim=True)
    variance = x.square().mean(-1, keepdim=True) - mu.square()
    return (x - mu) / torch.sqrt(variance.clamp(min=0.0) + eps) * gamma + beta


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
            "one token, other γ and β",
            (numbers([[1.0, 2.0, 3.0, 6.0]]), numbers(2.0, 1, 0.5, -1), numbers(0.0, 1, 0, 3), 1e-12),
        ),
        Case("two sentences of three tokens", (draw(2, 3, 4, seed=1), draw(4, seed=2), draw(4, seed=3), 1e-12)),
        Case("an odd width", (draw(3, 5, seed=10), draw(5, seed=11), draw(5, seed=12), 1e-12)),
        Case("a large ε", (draw(1, 2, 3, seed=4, scale=0.1), draw(3, seed=5), draw(3, seed=6), 0.5)),
        Case(
            "a token of equal numbers",
            (numbers([[3.0, 3.0, 3.0]]), numbers(1.0, 1, 1), numbers(0.0, 1, 2), 1e-12),
            kind="corner",
        ),
        Case(
            "a token of tiny numbers, where ε matters",
            (draw(1, 4, seed=13, scale=1e-6), draw(4, seed=14), draw(4, seed=15), 1e-12),
            kind="corner",
        ),
        Case("huge numbers", (draw(2, 4, seed=7, scale=1e6), draw(4, seed=8), draw(4, seed=9), 1e-12), kind="huge"),
        Case(
            "a mean much larger than the standard deviation",
            (numbers([[100000.3, 100001.1, 100003.4, 99996.7]]), draw(4, seed=16), draw(4, seed=17), 1e-12),
            kind="huge",
        ),
    ),
    (
        *known_mistakes("layer_norm"),
        WrongAnswer("ε outside the root", "ε is added outside the square root, not inside", _eps_outside),
        WrongAnswer(
            "std", "it is divided by std: the variance is divided by D − 1, not by D, and ε is missing", _by_std
        ),
        WrongAnswer(
            "std + ε",
            "it is divided by std + ε: the variance is divided by D − 1, not by D, and ε is added outside the root",
            _by_std_and_eps,
        ),
        WrongAnswer(
            "mean of squares",
            "the variance is computed as mean(x²) − μ²: if μ is large, the two terms cancel and precision is lost;"
            " use the mean of (x − μ)²",
            _mean_of_squares,
        ),
        WrongAnswer("divided by σ²", "it is divided by the variance, not by its square root", _by_variance),
        WrongAnswer("mean square", "the mean is not subtracted: this is RMSNorm", _not_centred),
        WrongAnswer(
            "numerator not centred",
            "the mean is subtracted in the variance, but not in the numerator",
            _numerator_not_centred,
        ),
        WrongAnswer("γ and β exchanged", "γ and β are exchanged", _gamma_beta_exchanged),
        WrongAnswer("1 + γ", "it is multiplied by 1 + γ, not by γ", _one_plus_gamma),
        WrongAnswer("no γ and β", "γ and β are left out", _no_gain),
        WrongAnswer(
            "over all", "mean and variance are computed over the whole tensor, not for each token", _whole_tensor
        ),
    ),
    in_bert="forward",
)

# --- dropout: random, therefore compared by its statistics


def _statistics(f: Any, x: Tensor, p: float) -> Any:
    """Summarize dropout on x ≠ 0 without its random draws: the share set to 0, the factor of the rest, the patterns."""
    y, again = f(x, p), f(x, p)
    if p in (0.0, 1.0):
        return y
    if y is None or y is Ellipsis:
        return y
    y, again = torch.as_tensor(y), torch.as_tensor(again)  # also for a NumPy result
    if y.shape != x.shape:
        return Remark(f"it has the shape {list(y.shape)}, not {list(x.shape)}")
    ratio = y / torch.as_tensor(x)
    kept = ratio != 0.0
    share = round(20 * float((~kept).double().mean())) / 20  # the standard deviation of the share is about 0.003
    scale = ratio[kept].mean() if kept.any() else torch.zeros(())
    dropped = ~kept.reshape(-1, ratio.shape[-1])  # rows and columns
    rows = float(dropped.all(-1).double().mean())
    even = bool((ratio[kept] - scale).abs().max() < 1e-9) if kept.any() else True
    return {
        "the share that is set to 0": share,
        "the factor of what is kept": float(scale) if even else "not the same for all",
        "whole rows set to 0": rows > 0.01,
        "several rows or columns drawn alike": any(
            len(torch.unique(each, dim=0)) < len(each) for each in (dropped, dropped.T)
        ),
        "two calls draw alike": bool((y == again).all()),
        "the number of zeros varies at random from row to row": _varies(dropped),
        "the number of zeros varies at random from column to column": _varies(dropped.T),
        "the number of zeros varies at random from call to call": _varies(_calls(f, x, p)),
        "the slope is the factor": _slope_is_factor(f, x, p),
    }


CALLS = 24


def _calls(f: Any, x: Any, p: float) -> Tensor:
    """Return what each of several calls on some hundred numbers sets to 0, one row per call."""
    few = x[(slice(0, 1),) * (x.ndim - 2)][..., :6, :100]
    return torch.stack([(torch.as_tensor(f(few, p)) == 0.0).flatten() for _ in range(CALLS)])


def _varies(dropped: Tensor) -> bool:
    """Whether the number of zeros per row has about the variance of independent draws, n p (1 − p).

    The variance is 0 if exactly p · n numbers are drawn. The ratio of both is between the quantiles of χ² (in the form
    of Wilson and Hilferty) that a correct function exceeds with a probability below 10⁻⁶; the seeds are fixed.
    """
    rows, n = dropped.shape
    share = float(dropped.double().mean())
    if share in (0.0, 1.0):
        return True
    ratio = float(dropped.sum(-1).double().var()) / (n * share * (1.0 - share))
    spread = 2.0 / (9.0 * (rows - 1))
    low, high = ((1.0 - spread + z * math.sqrt(spread)) ** 3 for z in (-5.0, 5.0))
    return low < ratio < high


def _slope_is_factor(f: Any, x: Any, p: float) -> bool:
    """Whether the derivative in each x is y/x. True for NumPy functions, which have no derivative."""
    if not isinstance(x, Tensor):
        return True
    leaf = x.clone().requires_grad_()
    y = f(leaf, p)
    if not isinstance(y, Tensor):
        return True
    if not y.requires_grad:
        return False
    (slope,) = torch.autograd.grad(y.sum(), leaf, allow_unused=True)
    return slope is not None and torch.allclose(slope, (y / x).detach())


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


def _p_kept(x: Tensor, p: float) -> Tensor:
    return x * torch.empty_like(x).bernoulli_(p) / p


def _exactly(of_each_row: bool) -> Any:
    def dropout(x: Tensor, p: float) -> Tensor:
        if p in (0.0, 1.0):
            return normalization.dropout(x, p)
        rows = x.reshape(-1, x.shape[-1]) if of_each_row else x.reshape(1, -1)
        zeros = torch.rand(rows.shape).argsort(-1)[:, : round(p * rows.shape[-1])]  # places, in random order
        return (torch.ones_like(rows).scatter(-1, zeros, 0.0) * rows / (1.0 - p)).reshape(x.shape)

    return dropout


def _scaled_without_drawing(x: Tensor, p: float) -> Tensor:
    return x * (1.0 - p)


def _cut_off(x: Tensor, p: float) -> Tensor:
    return normalization.dropout(x.detach(), p)


_MANY = draw(100, 200, seed=3).abs() + 0.5

DROPOUT = Exercise(
    "dropout",
    normalization.dropout,
    (
        Case("p = 0", (numbers([1.0, 2.0]), 0.0)),
        Case("twenty thousand numbers, p = 0.2", (_MANY, 0.2)),
        Case("twenty thousand numbers, p = 0.6", (_MANY, 0.6)),
        Case("three axes, p = 0.2", (_MANY.reshape(10, 20, 100), 0.2)),
        Case("p = 1, which must give zeros", (numbers([1.0, 2.0]), 1.0), kind="corner"),
    ),
    (
        *known_mistakes("dropout"),
        WrongAnswer("whole rows", "whole rows are dropped, not single numbers", _rows),
        WrongAnswer(
            "whole columns",
            "one row is drawn and used for all rows: draw for every number",
            lambda x, p: x * (1.0 - p) if p in (0.0, 1.0) else x * torch.rand(x.shape[-1]).ge(p) / (1.0 - p),
        ),
        WrongAnswer(
            "exactly p · n",
            "exactly p · n numbers are set to 0: draw for each number independently of the others",
            _exactly(of_each_row=False),
        ),
        WrongAnswer(
            "exactly p · D in each row",
            "exactly p · D numbers of each row are set to 0: draw for each number independently of the others",
            _exactly(of_each_row=True),
        ),
        WrongAnswer("cut off", "the gradient is cut off: layers before the dropout would not learn", _cut_off),
        WrongAnswer("same each time", "the same numbers are dropped at every call: draw new ones", _same_each_time),
        WrongAnswer("NaN at p = 1", "with p = 1 it divides by 1 − p = 0", _nan_at_one),
        WrongAnswer(
            "share p kept, by 1/p",
            "numbers are kept with the probability p and divided by p: it must be 1 − p in both",
            _p_kept,
        ),
        WrongAnswer(
            "nothing drawn", "all numbers are multiplied by 1 − p, and none is set to 0", _scaled_without_drawing
        ),
        WrongAnswer("nothing dropped", "nothing is dropped", lambda x, p: x * 1.0),
    ),
    observe=_statistics,
    gradients=False,
    in_bert="forward",
)

EXERCISES = (LAYER_NORM, DROPOUT)
