"""Exercise of lesson 3: multi-head attention, composed of the equations."""

import math
from collections.abc import Callable
from typing import Any

from torch import Tensor

from minitf.equations import attention, projection
from minitf.exercises.exercise import Case, Exercise, WrongAnswer, draw, numbers
from minitf.exercises.known_mistakes import known_mistakes


def multi_head_attention(X: Tensor, W_Q: Tensor, W_K: Tensor, W_V: Tensor, W_O: Tensor, H: int) -> Tensor:
    """Concat(head₁, …, head_H) W_O,  headᵢ = Attention(X W_Qᵢ, X W_Kᵢ, X W_Vᵢ), without biases and mask.

    `X [B, S, D]`, each W `[D_out, D_in]` = `[D, D]` as in a PyTorch file, its rows ordered by head
    -> `[B, S, D]`. Source: Vaswani et al. 2017, §3.2.2.
    """
    return _composed()(X, W_Q, W_K, W_V, W_O, H)


def _composed(
    linear: Callable[[Tensor, Tensor], Tensor] = projection.linear,
    split: Callable[[Tensor, int], Tensor] = attention.split_heads,
    attend: Callable[..., tuple[Tensor, Any]] = attention.scaled_dot_product_attention,
    merge: Callable[[Tensor], Tensor] = attention.merge_heads,
) -> Callable[..., Tensor]:
    """Make a multi-head attention of these parts."""

    def attend_with_all_heads(X: Tensor, W_Q: Tensor, W_K: Tensor, W_V: Tensor, W_O: Tensor, H: int) -> Tensor:
        Q, K, V = (split(linear(X, W), H) for W in (W_Q, W_K, W_V))
        return linear(merge(attend(Q, K, V)[0]), W_O)

    return attend_with_all_heads


def _unmixed(X: Tensor, W_Q: Tensor, W_K: Tensor, W_V: Tensor, W_O: Tensor, H: int) -> Tensor:
    Q, K, V = (attention.split_heads(projection.linear(X, W), H) for W in (W_Q, W_K, W_V))
    return attention.merge_heads(attention.scaled_dot_product_attention(Q, K, V)[0])


def _scaled_by_model_width(Q: Tensor, K: Tensor, V: Tensor) -> tuple[Tensor, Any]:
    return attention.scaled_dot_product_attention(Q / math.sqrt(Q.shape[1]), K, V)


(_SPLIT,), (_MERGED,) = known_mistakes("split_heads"), known_mistakes("merge_heads")


def _drawn(B: int, S: int, D: int, H: int, seed: int, scale: float = 1.0) -> tuple[Any, ...]:
    matrices = (draw(D, D, seed=seed + i) for i in range(1, 5))
    return draw(B, S, D, seed=seed, scale=scale), *matrices, H


EXERCISES: tuple[Exercise, ...] = (
    Exercise(
        "multi_head_attention",
        multi_head_attention,
        (
            Case(
                "two words, D = 2 and two heads",
                (
                    numbers([[1.0, 0], [0, 2]]),
                    *(numbers([1.0, 1], [0, 1]), numbers([1.0, 0], [2, 1])),
                    *(numbers([1.0, 2], [0, 1]), numbers([0.0, 1], [1, 1]), 2),
                ),
            ),
            Case("one head", _drawn(1, 3, 4, 1, seed=10)),
            Case("two heads of width 2", _drawn(1, 3, 4, 2, seed=20)),
            Case("two texts, three heads of width 2", _drawn(2, 5, 6, 3, seed=30)),
            Case("a text of one word, which attends to itself only", _drawn(2, 1, 4, 2, seed=40), kind="corner"),
            Case("huge numbers", _drawn(1, 3, 4, 2, seed=50, scale=1e3), kind="huge"),
        ),
        (
            WrongAnswer(_SPLIT.name, _SPLIT.explanation, _composed(split=_SPLIT.function)),
            WrongAnswer(_MERGED.name, _MERGED.explanation, _composed(merge=_MERGED.function)),
            WrongAnswer(
                "X W",
                "X is multiplied by W as it is in the file, not by its transpose",
                _composed(linear=lambda X, W: X @ W),
            ),
            WrongAnswer(
                "scaled by the model's width",
                "the scores are divided by √D, the root of the model's width, not of a head's",
                _composed(attend=_scaled_by_model_width),
            ),
            WrongAnswer("no W_O", "the product with W_O is missing: it mixes the heads", _unmixed),
            WrongAnswer(
                "queries for keys",
                "queries and keys are exchanged",
                lambda X, W_Q, W_K, W_V, W_O, H: multi_head_attention(X, W_K, W_Q, W_V, W_O, H),
            ),
            WrongAnswer(
                "keys for values",
                "A is multiplied by the keys, not by the values",
                lambda X, W_Q, W_K, W_V, W_O, H: multi_head_attention(X, W_Q, W_K, W_K, W_O, H),
            ),
            WrongAnswer(
                "values for keys",
                "keys and values are exchanged",
                lambda X, W_Q, W_K, W_V, W_O, H: multi_head_attention(X, W_Q, W_V, W_K, W_O, H),
            ),
            WrongAnswer(
                "one head",
                "H is not used: there is one head with the whole width",
                lambda X, W_Q, W_K, W_V, W_O, H: multi_head_attention(X, W_Q, W_K, W_V, W_O, 1),
            ),
            WrongAnswer(
                "input added",
                "X is added to the output: the residual connection is part of the layer, not of attention",
                lambda X, *rest: X + multi_head_attention(X, *rest),
            ),
        ),
    ),
)
