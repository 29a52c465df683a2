"""The encoder layer, and the stack of L of them."""

from torch import Tensor, nn

from minitf.layers.attention import MultiHeadAttention
from minitf.layers.feedforward import FeedForward
from minitf.layers.normalization import Dropout, LayerNorm
from minitf.mathematics import EQUATIONS, Mathematics


class EncoderLayer(nn.Module):
    """X ← LayerNorm(X + Dropout(MultiHead(X))) ;  X ← LayerNorm(X + Dropout(FFN(X))); `[B, S, D] -> [B, S, D]`.

    The norm comes after the sum ("post-norm"), as in the paper and in BERT; later models put it before.
    `dropout` is the rate of both, `attended_dropout` that of the first alone (DistilBERT has none there).
    Returns `(X, A)`, A `[B, H, S, S]` if `need_attention`, else None.
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
        attended_dropout: float | None = None,
    ):
        super().__init__()
        self.attention = MultiHeadAttention(D, H, attention_dropout, math)
        self.attention_dropout = Dropout(dropout if attended_dropout is None else attended_dropout, math)
        self.attention_norm = LayerNorm(D, eps, math)
        self.ffn = FeedForward(D, F, activation, math)
        self.ffn_dropout = Dropout(dropout, math)
        self.ffn_norm = LayerNorm(D, eps, math)

    def forward(
        self, X: Tensor, mask: Tensor | None = None, need_attention: bool = False
    ) -> tuple[Tensor, Tensor | None]:
        attended, A = self.attention(X, mask, need_attention)
        X = self.attention_norm(X + self.attention_dropout(attended))
        X = self.ffn_norm(X + self.ffn_dropout(self.ffn(X)))
        return X, A


class Passed(nn.Module):
    """In the place of a layer whose work is done already: `X` as it came, and no A."""

    def forward(self, X: Tensor, mask: Tensor | None = None, need_attention: bool = False) -> tuple[Tensor, None]:
        return X, None


class Encoder(nn.Module):
    """L encoder layers, one after another: `[B, S, D]` -> the states before and after each layer, and all A.

    Returns `(states, attentions)`: a tuple of L + 1 tensors `[B, S, D]`, the input first, and a tuple of
    L tensors `[B, H, S, S]`, empty unless `need_attention`. Takes EncoderLayer's arguments after L.
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
        attended_dropout: float | None = None,
    ):
        super().__init__()
        self.layers = nn.ModuleList(
            EncoderLayer(D, H, F, activation, dropout, attention_dropout, eps, math, attended_dropout) for _ in range(L)
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
