"""Exercises: softmax and scaled dot-product attention."""

import math
from typing import Any

import torch
from torch import Tensor

from minitf.equations import attention
from minitf.exercises.exercise import Case, Exercise, WrongAnswer, draw, numbers
from minitf.exercises.judge.inspection import takes
from minitf.exercises.known_mistakes import known_mistakes

INF = math.inf

# --- softmax


def _no_sum(x: Tensor) -> Tensor:
    return torch.exp(x - x.amax(-1, keepdim=True))


def _overflowing(x: Tensor) -> Tensor:
    e = torch.exp(x)
    return e / e.sum(-1, keepdim=True)


def _nan_for_nothing(x: Tensor) -> Tensor:
    return torch.softmax(x, -1)


def _uniform_for_nothing(x: Tensor) -> Tensor:
    return torch.softmax(x.clamp(min=-1e9), -1)


def _largest_of_all(x: Tensor) -> Tensor:
    e = torch.exp(x - x.max())
    return torch.nan_to_num(e / e.sum(-1, keepdim=True))


def _mean_subtracted(x: Tensor) -> Tensor:
    e = torch.exp(x - x.mean(-1, keepdim=True))
    return e / e.sum(-1, keepdim=True)


def _over_everything(x: Tensor) -> Tensor:
    return torch.softmax(x.reshape(-1), 0).reshape(x.shape)


SOFTMAX = Exercise(
    "softmax",
    attention.softmax,
    (
        Case("two numbers", (numbers(1.0, 2.0),)),
        Case("numbers below zero", (numbers(-3.0, 0.0, -1.0),)),
        Case("two rows", (numbers([0.0, 1.0, 2.0], [3.0, 3.0, -1.0]),)),
        Case("four axes", (draw(2, 2, 3, 4, seed=1),)),
        Case("numbers, some of them −∞", (numbers(0.0, -INF, 1.0),), kind="corner"),
        Case(
            "a row that is −∞ everywhere, which must give zeros",
            (numbers([-INF, -INF], [0.0, 1.0]),),
            kind="corner",
            check_gradient=True,
        ),
        Case("huge numbers", (numbers(1000.0, 1001.0, -1000.0),), kind="huge"),
        Case("numbers far below zero", (numbers(-2000.0, -2001.0),), kind="huge"),
        Case("numbers far apart", (numbers(3000.0, 2999.0, -3000.0),), kind="huge"),
        Case("rows of very different size", (numbers([1000.0, 1001.0], [-1000.0, -1001.0]),), kind="huge"),
    ),
    (
        WrongAnswer("not normalised", "the exponentials are not divided by their sum", _no_sum),
        WrongAnswer("overflow", "exp of a huge number overflows: subtract the largest number first", _overflowing),
        WrongAnswer("NaN for nothing", "a row of −∞ is divided by its sum, which is 0: 0/0 is NaN", _nan_for_nothing),
        WrongAnswer(
            "uniform for nothing",
            "a row of −∞ gets equal weights: it must get zeros",
            _uniform_for_nothing,
        ),
        WrongAnswer(
            "mean subtracted",
            "the mean is subtracted, not the largest number: exp still overflows if the numbers are far apart",
            _mean_subtracted,
        ),
        WrongAnswer(
            "largest of all",
            "the largest number of the whole tensor is subtracted, not that of each row",
            _largest_of_all,
        ),
        WrongAnswer(
            "last axis but one",
            "it is computed over the last axis but one (in attention, the queries): columns sum to 1, not rows",
            lambda x: torch.softmax(x, -2),
        ),
        WrongAnswer("first axis", "it is computed over the first axis, not the last", lambda x: torch.softmax(x, 0)),
        WrongAnswer("all axes", "it is computed over all numbers at once, not over each row", _over_everything),
        WrongAnswer("base 2", "the base is 2, not e", lambda x: torch.softmax(x * math.log(2.0), -1)),
        WrongAnswer(
            "softmin", "the sign is wrong: the smallest number gets the largest weight", lambda x: torch.softmax(-x, -1)
        ),
        WrongAnswer(
            "logarithm", "the logarithm of softmax is returned, not softmax", lambda x: torch.log_softmax(x, -1)
        ),
        WrongAnswer(
            "no exp", "the numbers are divided by their sum without exp", lambda x: x / x.sum(-1, keepdim=True)
        ),
    ),
    in_bert="forward",
)

# --- attention


def _context_and_weights(f: Any, *inputs: Any, **options: Any) -> Any:
    """Call an attention function, and request A if it returns A only on request."""
    request = {"need_attention": True} if takes(f, "need_attention") else {}
    return f(*inputs, **request, **options)


def _a_times_v_missing(Q: Tensor, K: Tensor, V: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    _, A = _right(Q, K, V, mask)
    return A, A


def _right(Q: Tensor, K: Tensor, V: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    context, A = attention.scaled_dot_product_attention(Q, K, V, mask, need_attention=True)
    assert A is not None
    return context, A


def _keys_for_values(Q: Tensor, K: Tensor, V: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    return _right(Q, K, K, mask)


def _queries_and_keys_exchanged(Q: Tensor, K: Tensor, V: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    return _right(K, Q, V, mask)


def _no_softmax(Q: Tensor, K: Tensor, V: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    scores = Q @ K.transpose(-2, -1) / math.sqrt(Q.shape[-1])
    A = scores if mask is None else scores.masked_fill(~mask, 0.0)
    return A @ V, A


def _nan_where_nothing(Q: Tensor, K: Tensor, V: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    scores = Q @ K.transpose(-2, -1) / math.sqrt(Q.shape[-1])
    A = torch.softmax(scores if mask is None else scores.masked_fill(~mask, -INF), -1)
    return A @ V, A


def _large_number_for_mask(Q: Tensor, K: Tensor, V: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    scores = Q @ K.transpose(-2, -1) / math.sqrt(Q.shape[-1])
    A = torch.softmax(scores if mask is None else scores.masked_fill(~mask, -1e9), -1)
    return A @ V, A


def _zero_for_mask(Q: Tensor, K: Tensor, V: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    scores = Q @ K.transpose(-2, -1) / math.sqrt(Q.shape[-1])
    A = torch.softmax(scores if mask is None else scores.masked_fill(~mask, 0.0), -1)
    return A @ V, A


def _scaled_by_width(Q: Tensor, K: Tensor, V: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    return _right(Q * math.sqrt(Q.shape[-1] / (Q.shape[-1] * Q.shape[1])), K, V, mask)


def _scaled_by_tokens(Q: Tensor, K: Tensor, V: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    return _right(Q * math.sqrt(Q.shape[-1] / Q.shape[-2]), K, V, mask)


def _scaled_twice(Q: Tensor, K: Tensor, V: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
    return _right(Q * math.sqrt(Q.shape[-1]) * math.sqrt(Q.shape[-1]), K, V, mask)


_PADDING = torch.tensor([[True, True, False], [True, True, True]])[:, None, None, :]
_CAUSAL = torch.ones(4, 4, dtype=torch.bool).tril()[None, None]
_OF_EACH = torch.stack(
    [torch.ones(4, 4, dtype=torch.bool).tril(), torch.ones(4, 4, dtype=torch.bool).triu()]
).unsqueeze(1)
_OF_HEADS = torch.tensor([[1, 1, 0, 0], [0, 1, 1, 1], [1, 0, 0, 1]]).bool()[None, :, None, :]
_NOTHING = torch.tensor([[True, True], [False, False]])[None, None]

ATTENTION = Exercise(
    "scaled_dot_product_attention",
    attention.scaled_dot_product_attention,
    (
        Case(
            "one query, two keys and d_k = 4",
            (numbers([[[1.0, 0, 1, 0]]]), numbers([[[1.0, 2, 3, 4], [0, 1, 0, 1]]]), numbers([[[1.0], [2]]])),
        ),
        Case("two heads, three tokens", (draw(1, 2, 3, 4, seed=1), draw(1, 2, 3, 4, seed=2), draw(1, 2, 3, 4, seed=3))),
        Case(
            "more keys than queries, and values with another width",
            (draw(2, 2, 3, 4, seed=1), draw(2, 2, 5, 4, seed=2), draw(2, 2, 5, 6, seed=3)),
        ),
        Case(
            "a padded batch, mask [B, 1, 1, S]",
            (draw(2, 2, 3, 4, seed=4), draw(2, 2, 3, 4, seed=5), draw(2, 2, 3, 4, seed=6), _PADDING),
        ),
        Case(
            "a causal mask [1, 1, S, S]",
            (draw(1, 1, 4, 2, seed=7), draw(1, 1, 4, 2, seed=8), draw(1, 1, 4, 2, seed=9), _CAUSAL),
        ),
        Case(
            "two sentences, three heads, and a different mask for each sentence, [B, 1, S, S]",
            (draw(2, 3, 4, 2, seed=10), draw(2, 3, 4, 2, seed=11), draw(2, 3, 4, 2, seed=12), _OF_EACH),
        ),
        Case(
            "a mask of two axes, [S, S]",
            (draw(2, 3, 4, 2, seed=13), draw(2, 3, 4, 2, seed=14), draw(2, 3, 4, 2, seed=15), _CAUSAL[0, 0]),
            kind="corner",
        ),
        Case(
            "a mask for each head, [1, H, 1, S]",
            (draw(2, 3, 4, 2, seed=16), draw(2, 3, 4, 2, seed=17), draw(2, 3, 4, 2, seed=18), _OF_HEADS),
            kind="corner",
        ),
        Case(
            "a query whose keys are all masked, which must give zeros",
            (draw(1, 1, 2, 2, seed=7), draw(1, 1, 2, 2, seed=8), draw(1, 1, 2, 2, seed=9), _NOTHING),
            kind="corner",
            check_gradient=True,
        ),
        Case(
            "huge scores",
            (draw(1, 1, 2, 4, seed=1, scale=1e3), draw(1, 1, 3, 4, seed=2, scale=1e3), draw(1, 1, 3, 2, seed=3)),
            kind="huge",
        ),
    ),
    (
        *known_mistakes("scaled_dot_product_attention"),
        WrongAnswer("multiplied by √d_k", "the scores are multiplied by √d_k, not divided", _scaled_twice),
        WrongAnswer(
            "scaled by the model's width",
            "the scores are divided by √(H·d_k), the root of the model's width",
            _scaled_by_width,
        ),
        WrongAnswer(
            "scaled by the number of tokens",
            "the scores are divided by the root of the number of tokens, not of d_k",
            _scaled_by_tokens,
        ),
        WrongAnswer("keys for values", "A is multiplied by the keys, not by the values", _keys_for_values),
        WrongAnswer("queries for keys", "queries and keys are exchanged", _queries_and_keys_exchanged),
        WrongAnswer("no softmax", "softmax is missing: the scores are used as weights", _no_softmax),
        WrongAnswer("A for the context", "A is returned instead of A V", _a_times_v_missing),
        WrongAnswer("NaN where nothing", "a query whose keys are all masked gets 0/0 = NaN", _nan_where_nothing),
        WrongAnswer(
            "masked by −1e9",
            "masked scores are −1e9, not −∞: a query whose keys are all masked then attends to all of them",
            _large_number_for_mask,
        ),
        WrongAnswer("masked by 0", "masked scores are 0, but exp(0) = 1 is not a small weight", _zero_for_mask),
    ),
    observe=_context_and_weights,
    results=("the context", "A"),
    in_bert="forward",
)

EXERCISES = (SOFTMAX, ATTENTION)
