"""The encoder layer, and the stack of L of them."""

from torch import Tensor, nn

from minitf.layers.attention import MultiHeadAttention
from minitf.layers.feedforward import FeedForward
from minitf.layers.normalization import Dropout, LayerNorm
from minitf.mathematics import EQUATIONS, Mathematics


class EncoderLayer(nn.Module):
    """X ← LayerNorm(X + Dropout(MultiHead(X))) ;  X ← LayerNorm(X + Dropout(FFN(X))); `[B, S, D] -> [B, S, D]`.

    The norm comes after the residual connection ("post-norm"), as in the paper and in BERT; later models put it before.
    Two kinds of dropout: `attention_dropout` is the rate on the attention weights A, `dropout` the rate on the output
    of both sub-layers ("residual dropout"). `dropout_after_attention` overrides `dropout` for the first sub-layer
    (DistilBERT has none there).

    Queries and the residual come from X, keys and values from `memory [B, S_k, D]`, or from X without it. So
    `layer(X[:, :1], mask, memory=X)` is row 0 of `layer(X, mask)`, with less computation.
    Returns `(X, A)`, A `[B, H, S, S_k]` if `need_attention`, else None.
    Source: Vaswani et al. 2017, §3.1 and §5.4.
    """

    def __init__(
        self,
        D: int,
        H: int,
        F: int,
        activation: str = "relu",
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        eps: float = 1e-12,
        math: Mathematics = EQUATIONS,
        dropout_after_attention: float | None = None,
    ):
        super().__init__()
        self.attention = MultiHeadAttention(D, H, attention_dropout, math)
        self.dropout_after_attention = Dropout(
            dropout if dropout_after_attention is None else dropout_after_attention, math
        )
        self.attention_norm = LayerNorm(D, eps, math)
        self.ffn = FeedForward(D, F, activation, math)
        self.dropout_after_ffn = Dropout(dropout, math)
        self.ffn_norm = LayerNorm(D, eps, math)

    def forward(
        self, X: Tensor, mask: Tensor | None = None, need_attention: bool = False, *, memory: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        attended, A = self.attention(X, mask, need_attention, memory=memory)
        X = self.attention_norm(X + self.dropout_after_attention(attended))
        X = self.ffn_norm(X + self.dropout_after_ffn(self.ffn(X)))
        return X, A


class IdentityLayer(nn.Module):
    """A layer that returns X unchanged and no A: a placeholder for an EncoderLayer that is computed elsewhere."""

    def forward(
        self, X: Tensor, mask: Tensor | None = None, need_attention: bool = False, *, memory: Tensor | None = None
    ) -> tuple[Tensor, None]:
        return X, None


class Encoder(nn.Module):
    """L encoder layers in sequence: `[B, S, D]` -> the states before and after each layer, and all A.

    Returns `(states, attentions)`: a tuple of L + 1 tensors `[B, S, D]`, the input first, and a tuple of L tensors
    `[B, H, S, S]`, empty unless `need_attention`. The arguments after L are those of EncoderLayer.
    """

    def __init__(
        self,
        L: int,
        D: int,
        H: int,
        F: int,
        activation: str = "relu",
        dropout: float = 0.0,
        attention_dropout: float = 0.0,
        eps: float = 1e-12,
        math: Mathematics = EQUATIONS,
        dropout_after_attention: float | None = None,
    ):
        super().__init__()
        self.layers = nn.ModuleList(
            EncoderLayer(D, H, F, activation, dropout, attention_dropout, eps, math, dropout_after_attention)
            for _ in range(L)
        )

    def forward(
        self, X: Tensor, mask: Tensor | None = None, need_attention: bool = False
    ) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        states, attentions = [X], []
        for layer in self.layers:
            X, A = layer(X, mask, need_attention)
            states.append(X)
            attentions.append(A)
        return tuple(states), tuple(attentions) if need_attention else ()
