"""Quantise numbers for the page: integers of one or two bytes, with a scale for each row.

A value is its integer times the scale of its row, with an error of at most half the scale. The scale comes from the
row's own largest value, so a row of small weights is as precise as a row with a large one.
"""

import base64

import numpy as np

from minitf.errors import InputError


def quantise(x: np.ndarray, kind: type[np.unsignedinteger | np.signedinteger]) -> tuple[np.ndarray, np.ndarray]:
    """`[…, n] -> (integers […, n], scales […])`: x ≈ integer · scale, for `kind` np.uint8 (x ≥ 0) or np.int16.

    Raises InputError for NaN, infinity, or values too large for a scale in float32.
    """
    most = np.iinfo(kind).max
    with np.errstate(over="ignore"):
        scale = (np.abs(x).max(axis=-1) / most).astype(np.float32)
    if not np.isfinite(scale).all():
        raise InputError("the attention maps have NaN or infinite numbers: the weights of this model are broken")
    # A scale that underflows in float32 is 0, and so is its row.
    step = np.where(scale > 0, scale, 1).astype(np.float64)[..., None]
    least = 0 if np.issubdtype(kind, np.unsignedinteger) else -most
    numbers = np.clip(np.rint(x / step), least, most) * (scale > 0)[..., None]
    return numbers.astype(kind), scale


def weights(A: np.ndarray) -> str:
    """Encode A of one layer, `[H, S, S]`, as text: one line for each head, base64 of S scales and S · S bytes."""
    return _lines(*quantise(A, np.uint8))


def queries_and_keys(Q: np.ndarray, K: np.ndarray) -> str:
    """Encode Q and K of one layer, each `[H, S, d_k]`: one line for each head, base64 of 2 S scales and 2 S · d_k
    integers of two bytes, because the errors of d_k products add up.
    """
    return _lines(*quantise(np.concatenate([Q, K], axis=1), np.int16))


def _lines(numbers: np.ndarray, scales: np.ndarray) -> str:
    little = numbers.astype(numbers.dtype.newbyteorder("<"))
    return "\n".join(
        base64.b64encode(scale.astype("<f4").tobytes() + head.tobytes()).decode("ascii")
        for head, scale in zip(little, scales, strict=True)
    )
