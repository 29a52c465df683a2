"""Multi-head attention. The arithmetic is in `equations.attention`; this module owns the four matrices."""

from torch import Tensor, nn

from minitf.layers.cache import NO_CACHE, NoCache
from minitf.layers.projection import Linear
from minitf.mathematics import EQUATIONS, Mathematics


class MultiHeadAttention(nn.Module):
    """MultiHead(X, M) = Concat(head₁, …, head_H) W_O,  headᵢ = Attention(X W_Qᵢ, M W_Kᵢ, M W_Vᵢ).

    Queries come from `X [B, S_q, D]`, keys and values from `memory` M `[B, S_k, D]`. Without `memory` M = X, which is
    self-attention; with another sequence it is cross-attention. `mask` is boolean, broadcasts to `[B, H, S_q, S_k]` and
    is True where attention is allowed. Returns `[B, S_q, D]` and, if `need_attention`, A `[B, H, S_q, S_k]`, else None.
    `dropout` is the rate on A. One matrix `W_Q [H · d_k, D]` holds the W_Qᵢ of all heads; likewise W_K and W_V.

    `d_k` is D / H unless given (T5). BERT's projections have biases; the paper's and T5's have none (`bias` False).
    `scale` replaces the factor 1/√d_k of the scores: T5's is 1. In `forward`, `bias` is added to the scores (T5).
    With a `cache` the keys and values of earlier calls are used again: see `layers.cache`.
    Raises ValueError if H does not divide D and `d_k` is not given.
    Source: Vaswani et al. 2017, §3.2.2; the uses of attention: §3.2.3.
    """

    def __init__(
        self,
        D: int,
        H: int,
        dropout: float = 0.0,
        math: Mathematics = EQUATIONS,
        *,
        d_k: int | None = None,
        bias: bool = True,
        scale: float | None = None,
    ):
        super().__init__()
        if d_k is None and D % H:
            raise ValueError(f"the width D = {D} is not divisible by the number of heads H = {H}")
        self.H, self.dropout, self.scale, self.math = H, dropout, scale, math
        inner = D if d_k is None else H * d_k
        self.W_Q = Linear(D, inner, math, bias)
        self.W_K = Linear(D, inner, math, bias)
        self.W_V = Linear(D, inner, math, bias)
        self.W_O = Linear(inner, D, math, bias)

    def forward(
        self,
        X: Tensor,
        mask: Tensor | None = None,
        need_attention: bool = False,
        *,
        memory: Tensor | None = None,
        bias: Tensor | None = None,
        cache: NoCache = NO_CACHE,
    ) -> tuple[Tensor, Tensor | None]:
        M = X if memory is None else memory
        Q = self.math.split_heads(self.W_Q(X), self.H)  # [B, H, S_q, d_k]
        K, V = cache.keys_and_values(  # [B, H, S_k, d_k]
            lambda: (self.math.split_heads(self.W_K(M), self.H), self.math.split_heads(self.W_V(M), self.H))
        )
        p = self.dropout if self.training else 0.0
        context, A = self.math.attend(Q, K, V, mask, p, need_attention, bias=bias, scale=self.scale)
        return self.W_O(self.math.merge_heads(context)), A  # [B, S_q, D], [B, H, S_q, S_k]
