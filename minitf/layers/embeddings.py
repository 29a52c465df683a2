"""From ids to vectors: the embedding of each token, its position and (in BERT) its segment."""

import math
from collections.abc import Callable

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

    Source: Vaswani et al. 2017, §3.4 (the factor √D), §3.5 (PE) and §5.4 (dropout).
    """

    def __init__(self, N: int, D: int, dropout: float = 0.0, math: Mathematics = EQUATIONS):
        super().__init__()
        self.math = math
        self.word = Embedding(N, D, math)
        self.dropout = Dropout(dropout, math)

    def forward(self, token_ids: Tensor) -> Tensor:
        X = self.word(token_ids)  # [B, S, D]
        S, D = X.shape[1:]
        PE = self.math.sinusoidal_positions(S, D, X.dtype).to(X.device)
        Y: Tensor = self.dropout(math.sqrt(D) * X + PE)
        return Y
