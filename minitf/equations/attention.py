"""Attention (Vaswani et al. 2017, §3.2): softmax, the scaled dot product, and the split into heads.

Not here: the projections W_Q, W_K, W_V, W_O, which own weights (`layers.attention`).
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from minitf.equations import domain
from minitf.equations.normalization import dropout as _dropout


def softmax(x: Tensor) -> Tensor:
    """softmax(x)ᵢ = exp(xᵢ) / Σⱼ exp(xⱼ), over the last axis; `[…, S] -> […, S]`.

    A row of −∞ (a query that may look nowhere) gives zeros, not NaN; an empty axis stays empty.
    Source: Bridle 1990; used in Vaswani et al. 2017, §3.2.1.
    """
    domain.check_floating("x", x)
    if not x.numel():
        return x.clone()  # no largest element
    # softmax(x) = softmax(x − c) for any c. With c = max x no exp overflows, and the sum is at least exp(0) = 1.
    peak = x.detach().amax(dim=-1, keepdim=True)
    e = torch.exp(x - peak.masked_fill(peak == -math.inf, 0.0))
    return e / e.sum(dim=-1, keepdim=True).clamp(min=1.0)  # the clamp changes only a row of −∞: 0 / 1


def scaled_dot_product_attention(
    Q: Tensor,
    K: Tensor,
    V: Tensor,
    mask: Tensor | None = None,
    dropout: float = 0.0,
    need_attention: bool = False,
    *,
    softmax: Callable[[Tensor], Tensor] = softmax,
    drop: Callable[[Tensor, float], Tensor] = _dropout,
    bias: Tensor | None = None,
    scale: float | None = None,
) -> tuple[Tensor, Tensor | None]:
    """Attention(Q, K, V) = softmax(QKᵀ / √d_k) V

    `Q [B, H, S_q, d_k]`, `K [B, H, S_k, d_k]`, `V [B, H, S_k, d_v]` -> context `[B, H, S_q, d_v]` and, if
    `need_attention`, the attention weights `A [B, H, S_q, S_k]` before dropout, else None.
    `mask` is boolean, broadcasts to `[B, H, S_q, S_k]`, and is True where a query may look. `bias` broadcasts
    likewise and is added to the scaled scores. With `scale`, the scores are QKᵀ · scale instead; T5's is 1. Raises
    ValueError for other shapes, and for a mask that is not boolean.
    Source: Vaswani et al. 2017, §3.2.1, eq. 1; dropout on A: the authors' and BERT's code, not in the paper; the bias:
    Raffel et al. 2020, §2.1.
    """
    domain.check_attention(Q, K, V, mask, bias)
    d_k = Q.shape[-1]
    QK = Q @ K.transpose(-2, -1)  # [B, H, S_q, S_k]
    scores = QK / math.sqrt(d_k) if scale is None else QK * scale
    if bias is not None:
        scores = scores + bias.to(scores.dtype)
    if mask is not None:
        scores = scores.masked_fill(~mask, -math.inf)
    A = softmax(scores)
    context = drop(A, dropout) @ V  # [B, H, S_q, d_v]
    return context, A if need_attention else None


def split_heads(X: Tensor, H: int) -> Tensor:
    """`[B, S, D] -> [B, H, S, d_k]` with d_k = D / H: head h gets columns h·d_k … (h+1)·d_k − 1.

    Source: Vaswani et al. 2017, §3.2.2 (there H separate projections; one wide projection split in H is the same).
    """
    B, S, D = X.shape
    return X.reshape(B, S, H, D // H).transpose(1, 2)


def merge_heads(X: Tensor) -> Tensor:
    """Concat(head₁, …, head_H): `[B, H, S, d_k] -> [B, S, D]`, the inverse of `split_heads`.

    Source: Vaswani et al. 2017, §3.2.2.
    """
    B, H, S, d_k = X.shape
    return X.transpose(1, 2).reshape(B, S, H * d_k)
