"""Exercises: split into heads, and merge them."""

import torch
from torch import Tensor

from minitf.equations import attention
from minitf.exercises.exercise import Case, Exercise, WrongAnswer, draw
from minitf.exercises.known_mistakes import known_mistakes


def _every_hth_column(X: Tensor, H: int) -> Tensor:
    B, S, D = X.shape
    return X.reshape(B, S, D // H, H).permute(0, 3, 1, 2)


def _columns_interleaved(X: Tensor) -> Tensor:
    B, H, S, d_k = X.shape
    return X.permute(0, 2, 3, 1).reshape(B, S, H * d_k)


def _heads_before_width(X: Tensor, H: int) -> Tensor:
    B, S, D = X.shape
    return X.reshape(B, S, H, D // H)


def _batch_and_heads_folded(X: Tensor, H: int) -> Tensor:
    B, S, D = X.shape
    return X.reshape(B, S, H, D // H).permute(2, 0, 1, 3)


SPLIT_HEADS = Exercise(
    "split_heads",
    attention.split_heads,
    (
        Case("two tokens of width 4, two heads", (torch.arange(8.0, dtype=torch.float64).reshape(1, 2, 4), 2)),
        Case("one head", (draw(1, 3, 4), 1)),
        Case("two sentences, three heads", (draw(2, 4, 6, seed=1), 3)),
        Case("as many tokens as heads", (draw(2, 2, 6, seed=2), 2)),
        Case("heads of width 1", (draw(2, 3, 4, seed=3), 4), kind="corner"),
    ),
    (
        *known_mistakes("split_heads"),
        WrongAnswer("every H-th column", "a head takes every H-th column, not d_k adjacent ones", _every_hth_column),
        WrongAnswer(
            "not transposed",
            "the axes are [B, S, H, d_k]: the axes of heads and tokens must be swapped",
            _heads_before_width,
        ),
        WrongAnswer("heads first", "the axes are [H, B, S, d_k]: the batch comes first", _batch_and_heads_folded),
    ),
    in_bert="forward",
)

MERGE_HEADS = Exercise(
    "merge_heads",
    attention.merge_heads,
    (
        Case("two heads of width 2, two tokens", (torch.arange(8.0, dtype=torch.float64).reshape(1, 2, 2, 2),)),
        Case("one head", (draw(1, 1, 3, 4),)),
        Case("two sentences, three heads", (draw(2, 3, 4, 2, seed=1),)),
        Case("heads of width 1", (draw(2, 4, 3, 1, seed=2),), kind="corner"),
    ),
    (
        *known_mistakes("merge_heads"),
        WrongAnswer(
            "columns interleaved",
            "the columns of the heads are interleaved, not concatenated",
            _columns_interleaved,
        ),
        WrongAnswer("summed", "the heads are added, not concatenated", lambda X: X.sum(1)),
        WrongAnswer("averaged", "the heads are averaged, not concatenated", lambda X: X.mean(1)),
    ),
    in_bert="forward",
)

EXERCISES = (SPLIT_HEADS, MERGE_HEADS)
