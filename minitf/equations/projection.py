"""The affine map of every projection, and the look-up of a row in an embedding table."""

from torch import Tensor

from minitf.equations import domain


def linear(X: Tensor, W: Tensor, b: Tensor | None = None) -> Tensor:
    """X Wᵀ + b;  `X […, D_in]`, `W [D_out, D_in]`, `b [D_out]` -> `[…, D_out]`.

    The paper writes X W. The official PyTorch files store W transposed, one row per output, and so does minitf, so that
    weights are loaded and saved bit for bit. (TensorFlow files store the paper's W.)
    Source: Vaswani et al. 2017, §3.2.2 without b, §3.3, eq. 2 with b.
    """
    domain.check_linear(X, W, b)
    Y = X @ W.transpose(0, 1)
    return Y if b is None else Y + b


def look_up(E: Tensor, ids: Tensor) -> Tensor:
    """Row E[i] for every i of `ids`;  `E [N, D]`, `ids […]` (integers) -> `[…, D]`.

    Equal to the product of a one-hot row and E, without the multiplications by zero. Raises ValueError for an id
    outside 0 … N − 1. Source: Vaswani et al. 2017, §3.4.
    """
    domain.check_look_up(E, ids)
    return E[ids]
