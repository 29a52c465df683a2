"""The decoder layer, and the stack of L of them."""

from torch import Tensor, nn

from minitf.layers.cache import NO_CACHE, NoCache, StackCache
from minitf.layers.normalization import Dropout
from minitf.layers.parts import BERT_PARTS, LayerParts
from minitf.mathematics import EQUATIONS, Mathematics


class DecoderLayer(nn.Module):
    """Three sub-layers: self-attention of the target, cross-attention from the target to the source, feed-forward.

    X ← LayerNorm(X + Dropout(MultiHead(X))) ;  X ← LayerNorm(X + Dropout(MultiHead(X, M))) ;
    X ← LayerNorm(X + Dropout(FFN(X))); `[B, T, D] -> [B, T, D]`. M is `memory [B, S, D]`, the output of the encoder.

    `mask` broadcasts to `[B, H, T, T]` and must contain the causal mask: the layer adds none. `memory_mask` broadcasts
    to `[B, H, T, S]` and hides the padding of the source. `bias` is added to the scores of the self-attention (T5).
    `cache` is a pair of caches, of the self-attention and of the cross-attention; with it, X continues the targets of
    the earlier calls, and `mask` and `bias` have a column for each target so far.
    Returns `(X, A_self, A_cross)`: the attention weights are `[B, H, T, T]` and `[B, H, T, S]` if `need_attention`,
    else None. `parts` are the differences between the models, as in EncoderLayer.
    Source: Vaswani et al. 2017, §3.1 and §3.2.3.
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
        *,
        parts: LayerParts = BERT_PARTS,
    ):
        super().__init__()
        self.connect = parts.connection(math)
        self.self_attention = parts.make_attention(D, H, attention_dropout, math)
        self.self_attention_norm = parts.make_norm(D, eps, math)
        self.cross_attention = parts.make_attention(D, H, attention_dropout, math)
        self.cross_attention_norm = parts.make_norm(D, eps, math)
        self.ffn = parts.make_feed_forward(D, F, activation, math)
        self.ffn_norm = parts.make_norm(D, eps, math)
        self.dropout = Dropout(dropout, math)

    def forward(
        self,
        X: Tensor,
        memory: Tensor,
        mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        need_attention: bool = False,
        *,
        bias: Tensor | None = None,
        cache: tuple[NoCache, NoCache] = (NO_CACHE, NO_CACHE),
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        own, of_memory = cache
        A_self: Tensor | None = None
        A_cross: Tensor | None = None

        def attend_to_target(X: Tensor) -> Tensor:
            nonlocal A_self
            attended, A_self = self.self_attention(X, mask, need_attention, bias=bias, cache=own)
            Y: Tensor = self.dropout(attended)
            return Y

        def attend_to_source(X: Tensor) -> Tensor:
            nonlocal A_cross
            attended, A_cross = self.cross_attention(X, memory_mask, need_attention, memory=memory, cache=of_memory)
            Y: Tensor = self.dropout(attended)
            return Y

        X = self.connect(X, attend_to_target, self.self_attention_norm)
        X = self.connect(X, attend_to_source, self.cross_attention_norm)
        X = self.connect(X, lambda X: self.dropout(self.ffn(X)), self.ffn_norm)
        return X, A_self, A_cross


class Decoder(nn.Module):
    """L decoder layers in sequence: `[B, T, D]`, `memory [B, S, D]` -> the states and all attention weights.

    Returns `(states, self_attentions, cross_attentions)`: a tuple of L + 1 tensors `[B, T, D]`, the input first, and
    two tuples of L tensors, `[B, H, T, T]` and `[B, H, T, S]`, empty unless `need_attention`. The arguments after L are
    those of DecoderLayer. With `final_norm` the last state has passed one more norm. `cache` has L layers.
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
        *,
        parts: LayerParts = BERT_PARTS,
        final_norm: bool = False,
    ):
        super().__init__()
        numbers = (D, H, F, activation, dropout, attention_dropout, eps, math)
        self.layers = nn.ModuleList(DecoderLayer(*numbers, parts=parts) for _ in range(L))
        self.final_norm = parts.make_norm(D, eps, math) if final_norm else nn.Identity()

    def forward(
        self,
        X: Tensor,
        memory: Tensor,
        mask: Tensor | None = None,
        memory_mask: Tensor | None = None,
        need_attention: bool = False,
        *,
        bias: Tensor | None = None,
        cache: StackCache | None = None,
    ) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...], tuple[Tensor, ...]]:
        states, self_attentions, cross_attentions = [X], [], []
        caches = [(NO_CACHE, NO_CACHE)] * len(self.layers) if cache is None else cache.layers
        for layer, pair in zip(self.layers, caches, strict=True):
            X, A_self, A_cross = layer(X, memory, mask, memory_mask, need_attention, bias=bias, cache=pair)
            states.append(X)
            self_attentions.append(A_self)
            cross_attentions.append(A_cross)
        all_states = (*states[:-1], self.final_norm(X))
        return (all_states, tuple(self_attentions), tuple(cross_attentions)) if need_attention else (all_states, (), ())
