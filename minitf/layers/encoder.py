"""The encoder layer, and the stack of L of them."""

from torch import Tensor, nn

from minitf.layers.cache import NO_CACHE, NoCache, StackCache
from minitf.layers.normalization import Dropout
from minitf.layers.parts import BERT_PARTS, LayerParts
from minitf.mathematics import EQUATIONS, Mathematics


class EncoderLayer(nn.Module):
    """X ← LayerNorm(X + Dropout(MultiHead(X))) ;  X ← LayerNorm(X + Dropout(FFN(X))); `[B, S, D] -> [B, S, D]`.

    The norm comes after the residual connection ("post-norm"), as in the paper and in BERT. With other `parts` it
    comes before the sub-layer ("pre-norm"), is an RMSNorm, and so on: `LayerParts` lists the differences.
    With pre-norm and a causal mask this is also the layer of GPT-2, which needs no layer of its own.
    Two kinds of dropout: `attention_dropout` is the rate on the attention weights A, `dropout` the rate on the output
    of both sub-layers ("residual dropout"). `dropout_after_attention` overrides `dropout` for the first sub-layer
    (DistilBERT has none there).

    Queries and the residual come from X, keys and values from `memory [B, S_k, D]`, or from X without it. So
    `layer(X[:, :1], mask, memory=X)` is row 0 of `layer(X, mask)`, with less computation. (With pre-norm the memory
    must be `attention_norm(X)`: nothing normalizes the memory.) `bias` is added to the scores, `cache` keeps keys and
    values: see MultiHeadAttention.
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
        *,
        parts: LayerParts = BERT_PARTS,
    ):
        super().__init__()
        self.connect = parts.connection(math)
        self.attention = parts.make_attention(D, H, attention_dropout, math)
        self.dropout_after_attention = Dropout(
            dropout if dropout_after_attention is None else dropout_after_attention, math
        )
        self.attention_norm = parts.make_norm(D, eps, math)
        self.ffn = parts.make_feed_forward(D, F, activation, math)
        self.dropout_after_ffn = Dropout(dropout, math)
        self.ffn_norm = parts.make_norm(D, eps, math)

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
        A: Tensor | None = None

        def attend(X: Tensor) -> Tensor:
            nonlocal A
            attended, A = self.attention(X, mask, need_attention, memory=memory, bias=bias, cache=cache)
            Y: Tensor = self.dropout_after_attention(attended)
            return Y

        X = self.connect(X, attend, self.attention_norm)
        X = self.connect(X, lambda X: self.dropout_after_ffn(self.ffn(X)), self.ffn_norm)
        return X, A


class IdentityLayer(nn.Module):
    """A layer that returns X unchanged and no A: a placeholder for an EncoderLayer that is computed elsewhere."""

    def forward(
        self,
        X: Tensor,
        mask: Tensor | None = None,
        need_attention: bool = False,
        *,
        memory: Tensor | None = None,
        bias: Tensor | None = None,
        cache: NoCache = NO_CACHE,
    ) -> tuple[Tensor, None]:
        return X, None


class Encoder(nn.Module):
    """L encoder layers in sequence: `[B, S, D]` -> the states before and after each layer, and all A.

    Returns `(states, attentions)`: a tuple of L + 1 tensors `[B, S, D]`, the input first, and a tuple of L tensors
    `[B, H, S, S]`, empty unless `need_attention`. The arguments after L are those of EncoderLayer. With `final_norm`
    the last state has passed one more norm, which pre-norm layers need. `bias` `[1, H, S, S]` is added to the scores
    of every layer. With a `cache` of L layers, X is the continuation of the earlier calls; the attention weights are
    then `[B, H, S, S_k]` with all S_k positions so far, and so are the mask and the bias.
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
        *,
        parts: LayerParts = BERT_PARTS,
        final_norm: bool = False,
    ):
        super().__init__()
        numbers = (D, H, F, activation, dropout, attention_dropout, eps, math, dropout_after_attention)
        self.layers = nn.ModuleList(EncoderLayer(*numbers, parts=parts) for _ in range(L))
        self.final_norm = parts.make_norm(D, eps, math) if final_norm else nn.Identity()

    def forward(
        self,
        X: Tensor,
        mask: Tensor | None = None,
        need_attention: bool = False,
        *,
        bias: Tensor | None = None,
        cache: StackCache | None = None,
    ) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...]]:
        states, attentions = [X], []
        caches = [NO_CACHE] * len(self.layers) if cache is None else [own for own, _ in cache.layers]
        for layer, own in zip(self.layers, caches, strict=True):
            X, A = layer(X, mask, need_attention, bias=bias, cache=own)
            states.append(X)
            attentions.append(A)
        return (*states[:-1], self.final_norm(X)), tuple(attentions) if need_attention else ()
