"""Exercises of lesson 6: cosine similarity, and the mean of a sentence's token vectors."""

import torch
from torch import Tensor

from minitf.exercises.exercise import Case, Exercise, WrongAnswer, draw, numbers

LEAST = 1e-12  # the lower bound of a length, to avoid division by 0


def length(a: Tensor, dim: int = -1) -> Tensor:
    """Compute ‖a‖ along an axis."""
    return (a * a).sum(dim=dim).sqrt()


def cosine_similarity(a: Tensor, b: Tensor) -> Tensor:
    """a · b / (‖a‖ ‖b‖) along the last axis; `a, b [… , D]` -> `[…]`. It is 0 for a vector of zeros."""
    return (a * b).sum(dim=-1) / (length(a).clamp(min=LEAST) * length(b).clamp(min=LEAST))


def mean_of_tokens(X: Tensor, mask: Tensor) -> Tensor:
    """Compute the mean over a text's real tokens: `X [B, S, D]`, `mask [B, S]` -> `[B, D]`; 0 without a real token.

    `bert.head.mean_pooled` also scales it to length 1.
    """
    weight = mask.unsqueeze(-1).to(X.dtype)  # [B, S, 1]
    return (X * weight).sum(dim=1) / weight.sum(dim=1).clamp(min=1.0)


def _without_check(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum(dim=-1) / (length(a) * length(b))


def _epsilon_added(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum(dim=-1) / (length(a) * length(b) + 1e-8)


def _tiny_epsilon_added(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum(dim=-1) / (length(a) * length(b) + LEAST)


def _clamped_high(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum(dim=-1) / (length(a).clamp(min=1e-3) * length(b).clamp(min=1e-3))


def _one_length(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum(dim=-1) / length(a).clamp(min=LEAST)


def _squared_lengths(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum(dim=-1) / ((a * a).sum(dim=-1) * (b * b).sum(dim=-1)).clamp(min=LEAST)


def _length_of_all(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum(dim=-1) / (length(a.flatten()) * length(b.flatten())).clamp(min=LEAST)


def _correlation(a: Tensor, b: Tensor) -> Tensor:
    return cosine_similarity(a - a.mean(dim=-1, keepdim=True), b - b.mean(dim=-1, keepdim=True))


COSINE_SIMILARITY = Exercise(
    name="cosine_similarity",
    target=cosine_similarity,
    cases=(
        Case("two vectors of width 2", (numbers(3.0, 4.0), numbers(4.0, 3.0))),
        Case("two vectors with the same direction", (numbers(1.0, 2.0, 2.0), numbers(2.0, 4.0, 4.0))),
        Case(
            "vectors at a right angle and opposite ones",
            (numbers([1.0, 0.0], [1.0, 2.0]), numbers([0.0, 5.0], [-1.0, -2.0])),
        ),
        Case("[2, 3, 4]: 2 × 3 vectors of width 4", (draw(2, 3, 4, seed=1), draw(2, 3, 4, seed=2))),
        Case("one vector and five vectors, broadcast", (draw(4, seed=3), draw(5, 4, seed=4))),
        Case("very short vectors", (draw(2, 4, seed=5, scale=1e-3), draw(2, 4, seed=6, scale=1e-3)), kind="corner"),
        Case(
            "tiny vectors, and a tiny and a long one",
            (draw(2, 4, seed=7) * numbers([1e-6], [1e-7]), draw(2, 4, seed=8) * numbers([1e-6], [1e3])),
            kind="corner",
        ),
        Case("a vector of zeros", (numbers([0.0, 0.0], [3.0, 4.0]), numbers([4.0, 3.0], [4.0, 3.0])), kind="corner"),
    ),
    wrong=(
        WrongAnswer("dot product", "the dot product is not divided by the norms", lambda a, b: (a * b).sum(dim=-1)),
        WrongAnswer("one length", "the dot product is divided by the norm of a only", _one_length),
        WrongAnswer(
            "squared lengths",
            "the dot product is divided by the squared norms: the square root is missing",
            _squared_lengths,
        ),
        WrongAnswer(
            "one length for all", "the norm is computed over the whole tensor, not along the last axis", _length_of_all
        ),
        WrongAnswer(
            "first axis",
            "dot product and norms are computed along the first axis, not the last",
            lambda a, b: (a * b).sum(dim=0) / (length(a, dim=0) * length(b, dim=0)).clamp(min=LEAST),
        ),
        WrongAnswer(
            "distance",
            "1 − cosine is returned: this is the cosine distance",
            lambda a, b: 1.0 - cosine_similarity(a, b),
        ),
        WrongAnswer(
            "correlation", "the mean of each vector is subtracted first: this is the correlation", _correlation
        ),
        WrongAnswer("0 / 0", "a vector of zeros is divided by its norm, 0", _without_check),
        WrongAnswer(
            "ε added",
            "an ε is added to the denominator: the cosine of short vectors is too small",
            _epsilon_added,
        ),
        WrongAnswer(
            "large lower bound",
            "the lower bound of the norms is too large: short vectors are divided by it, not by their norm;"
            " 10⁻¹² is small enough",
            _clamped_high,
        ),
        WrongAnswer(
            "tiny ε added",
            "an ε of 10⁻¹² is added to the product of the norms: it changes the cosine of short vectors; use clamp",
            _tiny_epsilon_added,
        ),
    ),
    gradients=False,  # undefined at a vector of zeros
)


def _padding_counted(X: Tensor, mask: Tensor) -> Tensor:
    return X.mean(dim=1)


def _divided_by_s(X: Tensor, mask: Tensor) -> Tensor:
    return (X * mask.unsqueeze(-1)).mean(dim=1)


def _divided_by_all(X: Tensor, mask: Tensor) -> Tensor:
    return (X * mask.unsqueeze(-1)).sum(dim=1) / mask.sum().clamp(min=1)


def _no_check(X: Tensor, mask: Tensor) -> Tensor:
    return (X * mask.unsqueeze(-1)).sum(dim=1) / mask.sum(dim=1, keepdim=True)


def _of_length_1(X: Tensor, mask: Tensor) -> Tensor:
    mean = mean_of_tokens(X, mask)
    return mean / length(mean).unsqueeze(-1).clamp(min=LEAST)


def _upside_down(X: Tensor, mask: Tensor) -> Tensor:
    return mean_of_tokens(X, 1 - mask)


def _largest(X: Tensor, mask: Tensor) -> Tensor:
    return torch.where(mask.unsqueeze(-1) > 0, X, X.new_tensor(-1e9)).amax(dim=1)


MASK = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0], [1, 0, 0, 0]])

MEAN_OF_TOKENS = Exercise(
    name="mean_of_tokens",
    target=mean_of_tokens,
    cases=(
        Case(
            "two tokens and one of padding", (numbers([[1.0, 0.0], [3.0, 4.0], [9.0, 9.0]]), torch.tensor([[1, 1, 0]]))
        ),
        Case("three texts of 4, 2 and 1 tokens", (draw(3, 4, 5, seed=1), MASK)),
        Case("texts without padding", (draw(2, 3, 4, seed=2), torch.ones(2, 3, dtype=torch.long))),
        Case(
            "a text of padding alone, beside one of two tokens",
            (draw(2, 3, 4, seed=3), torch.tensor([[1, 1, 0], [0, 0, 0]])),
            kind="corner",
        ),
    ),
    wrong=(
        WrongAnswer("padding counted", "padding is included in the mean: its vectors are not 0", _padding_counted),
        WrongAnswer("divided by S", "the sum is divided by S, not by the number of real tokens", _divided_by_s),
        WrongAnswer(
            "divided by all", "each sum is divided by the number of tokens of the whole batch", _divided_by_all
        ),
        WrongAnswer(
            "sum",
            "the sum is not divided by the number of tokens",
            lambda X, mask: (X * mask.unsqueeze(-1)).sum(dim=1),
        ),
        WrongAnswer("[CLS]", "only the first token is used", lambda X, mask: X[:, 0]),
        WrongAnswer("largest", "the largest value is taken, not the mean", _largest),
        WrongAnswer("mask upside down", "the mean of the padding is computed", _upside_down),
        WrongAnswer("of length 1", "the mean is scaled to norm 1", _of_length_1),
        WrongAnswer("0 / 0", "a text of padding alone is divided by 0 tokens", _no_check),
    ),
    gradients=False,  # ways to avoid 0 / 0 give different gradients
)

EXERCISES: tuple[Exercise, ...] = (COSINE_SIMILARITY, MEAN_OF_TOKENS)
