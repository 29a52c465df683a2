"""From ids to vectors: the embedding of each token, its position and (in BERT) its segment."""

from collections.abc import Callable
from math import sqrt

import torch
from torch import Tensor, nn

from minitf.equations import domain
from minitf.layers.normalization import Dropout, LayerNorm
from minitf.layers.projection import Embedding
from minitf.mathematics import EQUATIONS, Mathematics


def from_zero(token_ids: Tensor) -> Tensor:
    """Positions 0, 1, …, S − 1 for any tokens: `[B, S] -> [S]`. Source: Devlin et al. 2019's code."""
    return torch.arange(token_ids.shape[1], device=token_ids.device)


def after_padding(pad_id: int) -> Callable[[Tensor], Tensor]:
    """Return a function `[B, S] -> [B, S]` that numbers real tokens pad_id + 1, pad_id + 2, …, and padding pad_id.

    So padding uses row pad_id of the position table and the rows before it are unused: RoBERTa has 514 rows for 512
    tokens. Source: `make_positions` in the code of Liu et al. 2019 (fairseq); not in the paper.
    """

    def number(token_ids: Tensor) -> Tensor:
        real = token_ids != pad_id
        return real.cumsum(dim=1) * real + pad_id

    return number


class NoEmbedding(nn.Module):
    """A placeholder for a missing embedding table: returns 0 for any ids."""

    def forward(self, ids: Tensor) -> Tensor:
        return ids.new_zeros(())


class BertEmbeddings(nn.Module):
    """X = Dropout(LayerNorm(E_word[token] + E_segment[segment] + E_position[position])).

    `token_ids`, `segment_ids` `[B, S]` -> `[B, S, D]`. Positions are learned; the table has `S_max`
    rows. `number_positions` gives each token its position; positions below `first_position` are reserved. With
    `segments` = 0 there is no E_segment. Raises ValueError if S exceeds the number of positions, for ids outside a
    table, and for ids of different shapes.
    Source: Devlin et al. 2019, §3 and figure 2; LayerNorm: their code, not in the paper; dropout: Vaswani et al. 2017,
    §5.4.
    """

    def __init__(
        self,
        N: int,
        D: int,
        S_max: int = 512,
        segments: int = 2,
        dropout: float = 0.0,
        eps: float = 1e-12,
        math: Mathematics = EQUATIONS,
        number_positions: Callable[[Tensor], Tensor] = from_zero,
        first_position: int = 0,
    ):
        super().__init__()
        self.number_positions, self.first_position = number_positions, first_position
        self.word = Embedding(N, D, math)
        self.segment = Embedding(segments, D, math) if segments else NoEmbedding()
        self.position = Embedding(S_max, D, math)
        self.norm = LayerNorm(D, eps, math)
        self.dropout = Dropout(dropout, math)

    def forward(self, token_ids: Tensor, segment_ids: Tensor) -> Tensor:
        domain.check_tokens(token_ids, "segment_ids", segment_ids)
        S, S_max = token_ids.shape[1], self.position.weight.shape[0] - self.first_position
        if S > S_max:
            raise ValueError(f"{S} tokens, but this model has only {S_max} positions")
        X = self.word(token_ids) + self.segment(segment_ids) + self.position(self.number_positions(token_ids))
        Y: Tensor = self.dropout(self.norm(X))
        return Y


class SinusoidalEmbeddings(nn.Module):
    """X = Dropout(√D · E[token] + PE); `token_ids [B, S] -> [B, S, D]`, for any S.

    `positions` is the name of a function of `math`: "sinusoidal_positions" (the paper) or "half_sinusoidal_positions"
    (Marian). `scale` replaces the factor √D. `start` is the position of the first token: with a cache, the number of
    tokens before it.
    Source: Vaswani et al. 2017, §3.4 (the factor √D), §3.5 (PE) and §5.4 (dropout).
    """

    def __init__(
        self,
        N: int,
        D: int,
        dropout: float = 0.0,
        math: Mathematics = EQUATIONS,
        *,
        positions: str = "sinusoidal_positions",
        scale: float | None = None,
    ):
        super().__init__()
        self.positions = getattr(math, positions)
        self.scale = sqrt(D) if scale is None else scale
        self.word = Embedding(N, D, math)
        self.dropout = Dropout(dropout, math)

    def forward(self, token_ids: Tensor, start: int = 0) -> Tensor:
        X = self.word(token_ids)  # [B, S, D]
        S, D = X.shape[1:]
        PE = self.positions(start + S, D, X.dtype)[start:].to(X.device)
        Y: Tensor = self.dropout(self.scale * X + PE)
        return Y


class RelativePositionBias(nn.Module):
    """T5's bias of the scores, one number for each bucket and head; `[1, H, S_q, S_k]`. It has `buckets` · H weights.

    `bidirectional` in the encoder. The queries are the last `S_q` of `S_k` positions. All layers use the same bias.
    Source: Raffel et al. 2020, §2.1.
    """

    def __init__(
        self,
        H: int,
        bidirectional: bool = True,
        buckets: int = 32,
        max_distance: int = 128,
        math: Mathematics = EQUATIONS,
    ):
        super().__init__()
        self.math, self.bidirectional, self.buckets, self.max_distance = math, bidirectional, buckets, max_distance
        self.table = Embedding(buckets, H, math)

    def forward(self, S_q: int, S_k: int) -> Tensor:
        E = self.table.weight  # [buckets, H]
        buckets = self.math.relative_position_buckets(
            S_q, S_k, self.bidirectional, self.buckets, self.max_distance, E.device
        )
        bias: Tensor = self.math.relative_position_bias(E, buckets)
        return bias
