"""Exercises of lesson 5: the pooler, and two steps of reading a TensorFlow checkpoint."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from minitf.exercises.exercise import Case, Exercise, Function, Remark, WrongAnswer, draw, numbers

Array = np.ndarray[Any, np.dtype[Any]]


def pooled(X: Tensor, W: Tensor, b: Tensor) -> Tensor:
    """tanh(W x_[CLS] + b); `X [B, S, D]`, `W [D, D]`, `b [D]` -> `[B, D]`. Source: Devlin et al. 2019's code."""
    return torch.tanh(X[:, 0] @ W.transpose(0, 1) + b)


def from_tensorflow(name: str, array: Array) -> Array:
    """Convert the TensorFlow tensor `name` to PyTorch's layout: transpose a kernel, return others unchanged.

    Source: the rename tables, `checkpoints.names.TENSORFLOW`.
    """
    return array.T if name.endswith("/kernel") else array


def varint(n: int) -> bytes:
    """Encode `n` in groups of seven bits, lowest first. The eighth bit of a byte is 1 if more bytes follow.

    Source: protocol buffers, base 128 varints.
    """
    written = bytearray()
    while n > 0x7F:
        written.append(n & 0x7F | 0x80)
        n >>= 7
    written.append(n)
    return bytes(written)


# --- pooled


def _not_transposed(X: Tensor, W: Tensor, b: Tensor) -> Tensor:
    return torch.tanh(X[:, 0] @ W + b)


def _first_of_the_batch(X: Tensor, W: Tensor, b: Tensor) -> Tensor:
    return torch.tanh(X[0] @ W.transpose(0, 1) + b)


POOLED = Exercise(
    name="pooled",
    target=pooled,
    cases=(
        Case(
            "one sentence of two tokens of width 2",
            (numbers([[1, 0], [5, 5]]), numbers([0, 1], [-1, 0]), numbers(0, 0.5)),
        ),
        Case("a batch of sentences", (draw(2, 3, 4), draw(4, 4, seed=1), draw(4, seed=2))),
        Case(
            "large numbers, at which tanh is almost ±1",
            (draw(2, 3, 4, seed=3, scale=1e4), draw(4, 4, seed=4), draw(4, seed=5)),
            kind="huge",
        ),
        Case("a sentence of [CLS] alone", (draw(1, 1, 4, seed=6), draw(4, 4, seed=7), draw(4, seed=8)), kind="corner"),
    ),
    wrong=(
        WrongAnswer("last token", "the last token is used, not [CLS]", lambda X, W, b: pooled(X[:, -1:], W, b)),
        WrongAnswer("mean", "the mean of the tokens is used, not [CLS]", lambda X, W, b: pooled(X.mean(1, True), W, b)),
        WrongAnswer(
            "first sentence",
            "the first sentence of the batch is used, not the first token of each sentence",
            _first_of_the_batch,
        ),
        WrongAnswer(
            "every token",
            "every token goes through the pooler, not [CLS] alone",
            lambda X, W, b: torch.tanh(X @ W.transpose(0, 1) + b),
        ),
        WrongAnswer(
            "axis kept",
            "the axis of tokens is kept, with length 1: an index removes it, a slice does not",
            lambda X, W, b: torch.tanh(X[:, :1] @ W.transpose(0, 1) + b),
        ),
        WrongAnswer("no tanh", "tanh is missing", lambda X, W, b: X[:, 0] @ W.transpose(0, 1) + b),
        WrongAnswer("W turned", "x W is computed, not x Wᵀ: W has the layout of PyTorch's files", _not_transposed),
        WrongAnswer("no bias", "b is not added", lambda X, W, b: pooled(X, W, torch.zeros_like(b))),
        WrongAnswer(
            "tanh first",
            "tanh is applied before the product with W, not after it",
            lambda X, W, b: X[:, 0].tanh() @ W.transpose(0, 1) + b,
        ),
    ),
)

# --- from_tensorflow

_LAYER = "bert/encoder/layer_0"


def _grid(*shape: int) -> Array:
    """Make an array of different numbers, so that every reordering is visible."""
    return np.arange(1.0, 1.0 + np.prod(shape)).reshape(shape)


FROM_TENSORFLOW = Exercise(
    name="from_tensorflow",
    target=from_tensorflow,
    cases=(
        Case("a kernel, 2 in and 3 out", (f"{_LAYER}/intermediate/dense/kernel", _grid(2, 3))),
        Case("a square kernel", (f"{_LAYER}/attention/self/query/kernel", _grid(2, 2))),
        Case("a kernel outside of the encoder", ("bert/pooler/dense/kernel", _grid(3, 2))),
        Case("the word embeddings", ("bert/embeddings/word_embeddings", _grid(4, 3))),
        Case("a bias", (f"{_LAYER}/attention/self/query/bias", _grid(3))),
        Case("LayerNorm's γ", (f"{_LAYER}/output/LayerNorm/gamma", _grid(3))),
        Case(
            "the weights of the next-sentence head", ("cls/seq_relationship/output_weights", _grid(2, 3)), kind="corner"
        ),
    ),
    wrong=(
        WrongAnswer("as it is", "nothing is transposed", lambda name, array: array),
        WrongAnswer("every matrix", "every matrix is transposed, not only the kernels", lambda name, array: array.T),
        WrongAnswer(
            "reshaped",
            "the kernel is reshaped, not transposed: its numbers stay in the same order",
            lambda name, array: array.reshape(array.shape[::-1]) if name.endswith("/kernel") else array,
        ),
        WrongAnswer(
            "encoder only",
            "only the kernels of the encoder are transposed: the pooler and the heads have kernels too",
            lambda name, array: array.T if "encoder" in name and name.endswith("/kernel") else array,
        ),
        WrongAnswer(
            "tables alone",
            "every tensor except the kernels is transposed",
            lambda name, array: array if name.endswith("/kernel") else array.T,
        ),
        WrongAnswer(
            "all but the embeddings",
            "output_weights is transposed too: it is a matrix, but not a kernel",
            lambda name, array: array if "embeddings" in name else array.T,
        ),
    ),
    gradients=False,
)

# --- varint


def _groups(n: int) -> list[int]:
    """Split `n` into groups of seven bits, lowest first, at least one group."""
    return [n >> at & 0x7F for at in range(0, max(1, n.bit_length()), 7)]


def _highest_first(n: int) -> bytes:
    *others, last = reversed(_groups(n))
    return bytes([*(group | 0x80 for group in others), last])


def _to_128(n: int) -> bytes:
    written = bytearray()
    while n > 128:
        written.append(n & 0x7F | 0x80)
        n >>= 7
    return bytes([*written, n])


def _nothing_for_0(n: int) -> bytes:
    return varint(n) if n else b""


def _eight_bits(n: int) -> bytes:
    return n.to_bytes(max(1, (n.bit_length() + 7) // 8), "little")


def as_hex(function: Function, n: int) -> Any:
    """Format the returned bytes in hexadecimal. A blank is returned unchanged, so that the judge reports it."""
    written = function(n)
    if isinstance(written, bytes | bytearray):
        return written.hex(" ")
    if written is None or written is Ellipsis:
        return written
    return Remark(f"it is of type {type(written).__name__}, not bytes: bytes([172, 2]) makes bytes of numbers")


VARINT = Exercise(
    name="varint",
    target=varint,
    cases=(
        Case("1, which fits into one byte", (1,)),
        Case("300, the example in the description of protocol buffers", (300,)),
        Case("127, the largest number of one byte", (127,), kind="corner"),
        Case("128, the smallest number of two bytes", (128,), kind="corner"),
        Case("0, which takes one byte", (0,), kind="corner"),
        Case("16,384, whose low bits are all 0", (16_384,), kind="corner"),
        Case("30,522, the size of BERT's vocabulary", (30_522,)),
        Case("2⁴⁰ + 5", (2**40 + 5,)),
        Case("2⁶⁴ − 1, the largest number of 64 bits: ten bytes", (2**64 - 1,)),
    ),
    wrong=(
        WrongAnswer("highest first", "the highest seven bits come first, not the lowest", _highest_first),
        WrongAnswer(
            "eight bits",
            "each byte has eight bits of the number, and no bit says whether more bytes follow",
            _eight_bits,
        ),
        WrongAnswer(
            "no mark", "the eighth bit is never set: nothing says that more bytes follow", lambda n: bytes(_groups(n))
        ),
        WrongAnswer(
            "mark on all",
            "the eighth bit of the last byte is set, although no byte follows",
            lambda n: bytes(g | 0x80 for g in _groups(n)),
        ),
        WrongAnswer("32 bits", "only the lowest 32 bits of the number are written", lambda n: varint(n & 0xFFFFFFFF)),
        WrongAnswer("nine bytes", "at most nine bytes are written: 64 bits need ten", lambda n: varint(n & 2**63 - 1)),
        WrongAnswer("128 in one byte", "128 is written in one byte: the largest number of seven bits is 127", _to_128),
        WrongAnswer("nothing for 0", "nothing is written for 0: it takes one byte", _nothing_for_0),
    ),
    observe=as_hex,
    gradients=False,
)

EXERCISES: tuple[Exercise, ...] = (POOLED, FROM_TENSORFLOW, VARINT)
