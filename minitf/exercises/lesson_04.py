"""Exercise of lesson 4: the encoder layer, composed of its four parts."""

from collections.abc import Callable

import torch
from torch import Tensor

from minitf.equations.activation import gelu, relu
from minitf.equations.attention import softmax
from minitf.equations.normalization import layer_norm
from minitf.exercises.exercise import Case, Exercise, WrongAnswer, draw, numbers

Part = Callable[[Tensor], Tensor]


def encoder_layer(X: Tensor, attention: Part, ffn: Part, norm_1: Part, norm_2: Part) -> Tensor:
    """X ← norm_1(X + attention(X)) ;  X ← norm_2(X + ffn(X)); `[B, S, D] -> [B, S, D]`.

    The computation of `layers.encoder.EncoderLayer` in eval mode, with its parts given as functions of X.
    Source: Vaswani et al. 2017, §3.1.
    """
    X = norm_1(X + attention(X))
    return norm_2(X + ffn(X))


# --- the parts used in the cases: first simple ones for a calculation by hand, then realistic ones


def mean_of_the_tokens(X: Tensor) -> Tensor:
    return X.mean(dim=-2, keepdim=True).expand_as(X)


def subtract_the_mean(X: Tensor) -> Tensor:
    return X - X.mean(dim=-1, keepdim=True)


def double(X: Tensor) -> Tensor:
    return 2.0 * X


def attend_to_similar_tokens(X: Tensor) -> Tensor:
    A: Tensor = softmax(X @ X.transpose(-2, -1) / 2.0)
    return A @ X


def two_matrices(X: Tensor) -> Tensor:
    return gelu(X @ draw(4, 8, seed=1)) @ draw(8, 4, seed=2)


def first_norm(X: Tensor) -> Tensor:
    return layer_norm(X, draw(4, seed=3), draw(4, seed=4), 1e-12)


def second_norm(X: Tensor) -> Tensor:
    return layer_norm(X, draw(4, seed=5), draw(4, seed=6), 1e-12)


def return_zeros(X: Tensor) -> Tensor:
    return torch.zeros_like(X)


_PLAIN = (mean_of_the_tokens, relu, subtract_the_mean, double)
_USUAL = (attend_to_similar_tokens, two_matrices, first_norm, second_norm)

CASES = (
    Case("two tokens of width 2, with parts that are easy to calculate by hand", (numbers([[0, 4], [2, 0]]), *_PLAIN)),
    Case("a batch of sentences, with attention, a feed-forward network and two norms", (draw(2, 3, 4), *_USUAL)),
    Case(
        "sublayers that return zeros",
        (draw(1, 3, 4, seed=7), return_zeros, return_zeros, first_norm, second_norm),
        kind="corner",
    ),
)


def _pre_norm(X: Tensor, attention: Part, ffn: Part, norm_1: Part, norm_2: Part) -> Tensor:
    X = X + attention(norm_1(X))
    return X + ffn(norm_2(X))


def _no_residual(X: Tensor, attention: Part, ffn: Part, norm_1: Part, norm_2: Part) -> Tensor:
    return norm_2(ffn(norm_1(attention(X))))


def _norm_of_the_sublayer(X: Tensor, attention: Part, ffn: Part, norm_1: Part, norm_2: Part) -> Tensor:
    X = X + norm_1(attention(X))
    return X + norm_2(ffn(X))


def _adds_the_input_twice(X: Tensor, attention: Part, ffn: Part, norm_1: Part, norm_2: Part) -> Tensor:
    return norm_2(X + ffn(norm_1(X + attention(X))))


def _one_residual(X: Tensor, attention: Part, ffn: Part, norm_1: Part, norm_2: Part) -> Tensor:
    return norm_2(ffn(norm_1(X + attention(X))))


def _side_by_side(X: Tensor, attention: Part, ffn: Part, norm_1: Part, norm_2: Part) -> Tensor:
    return norm_2(norm_1(X + attention(X)) + ffn(X))


def _first_text_only(X: Tensor, attention: Part, ffn: Part, norm_1: Part, norm_2: Part) -> Tensor:
    return encoder_layer(X, lambda Y: attention(Y)[0], ffn, norm_1, norm_2)


def _no_norm_between(X: Tensor, attention: Part, ffn: Part, norm_1: Part, norm_2: Part) -> Tensor:
    X = X + attention(X)
    return norm_2(X + ffn(X))


def _norms_exchanged(X: Tensor, attention: Part, ffn: Part, norm_1: Part, norm_2: Part) -> Tensor:
    return encoder_layer(X, attention, ffn, norm_2, norm_1)


def _ffn_first(X: Tensor, attention: Part, ffn: Part, norm_1: Part, norm_2: Part) -> Tensor:
    return encoder_layer(X, ffn, attention, norm_1, norm_2)


EXERCISES: tuple[Exercise, ...] = (
    Exercise(
        name="encoder_layer",
        target=encoder_layer,
        cases=CASES,
        wrong=(
            WrongAnswer("pre-norm", "the norm comes before the sublayer, not after the sum (pre-norm)", _pre_norm),
            WrongAnswer(
                "no residual", "the residual connections are missing: the sublayer's input is not added", _no_residual
            ),
            WrongAnswer(
                "norm of the sublayer",
                "only the sublayer's output is normalised, and its input is added afterwards",
                _norm_of_the_sublayer,
            ),
            WrongAnswer(
                "residual around both",
                "the second residual connection adds the layer's input, not the output of the first norm",
                _adds_the_input_twice,
            ),
            WrongAnswer(
                "one residual", "the residual connection around the feed-forward network is missing", _one_residual
            ),
            WrongAnswer(
                "side by side",
                "the input of the feed-forward network is the layer's input, not the output of the first norm",
                _side_by_side,
            ),
            WrongAnswer("no norm between", "the first norm is left out", _no_norm_between),
            WrongAnswer(
                "first text only",
                "attention(X)[0], the output for the first text, is added to all texts: attention returns no pair here",
                _first_text_only,
            ),
            WrongAnswer("norms exchanged", "the two norms are exchanged", _norms_exchanged),
            WrongAnswer("ffn first", "the feed-forward network comes before the attention", _ffn_first),
        ),
    ),
)
