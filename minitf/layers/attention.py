"""Multi-head attention. The arithmetic is in `equations.attention`; here are its four matrices."""

from torch import Tensor, nn

from minitf.layers.projection import Linear
from minitf.mathematics import EQUATIONS, Mathematics


class MultiHeadAttention(nn.Module):
    """MultiHead(X) = Concat(head₁, …, head_H) W_O,  headᵢ = Attention(X W_Qᵢ, X W_Kᵢ, X W_Vᵢ).

    `X [B, S, D]`, `mask` broadcasting to `[B, H, S, S]` (True where a query may look) -> `[B, S, D]` and, if asked
    for, A `[B, H, S, S]`. The W_Qᵢ of all heads lie side by side in one `W_Q [D, D]`, and so W_K and W_V.
    BERT's projections have biases; the paper's have none. Raises ValueError if H does not divide D.
    Source: Vaswani et al. 2017, §3.2.2.
    """

    def __init__(self, D: int, H: int, dropout: float = 0.0, math: Mathematics = EQUATIONS):
        super().__init__()
        if D % H:
            raise ValueError(f"the width D = {D} cannot be shared out evenly among H = {H} heads")
        self.H, self.dropout, self.math = H, dropout, math
        self.W_Q = Linear(D, D, math)
        self.W_K = Linear(D, D, math)
        self.W_V = Linear(D, D, math)
        self.W_O = Linear(D, D, math)

    def forward(
        self, X: Tensor, mask: Tensor | None = None, need_attention: bool = False
    ) -> tuple[Tensor, Tensor | None]:
        Q = self.math.split_heads(self.W_Q(X), self.H)  # [B, H, S, d_k]
        K = self.math.split_heads(self.W_K(X), self.H)
        V = self.math.split_heads(self.W_V(X), self.H)
        p = self.dropout if self.training else 0.0
        context, A = self.math.attend(Q, K, V, mask, p, need_attention)
        return self.W_O(self.math.merge_heads(context)), A  # [B, S, D], [B, H, S, S]
