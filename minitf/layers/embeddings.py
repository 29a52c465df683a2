"""From ids to vectors: what a token is, where it stands, and (in BERT) which of two sentences it is in."""

import math

import torch
from torch import Tensor, nn

from minitf.layers.normalization import Dropout, LayerNorm
from minitf.layers.projection import Embedding
from minitf.mathematics import EQUATIONS, Mathematics


class BertEmbeddings(nn.Module):
    """X = Dropout(LayerNorm(E_word[token] + E_segment[segment] + E_position[0 … S − 1])).

    `token_ids`, `segment_ids` `[B, S]` -> `[B, S, D]`. Positions are learned, `S_max` of them.
    Raises ValueError if S is beyond `S_max`.
    Source: Devlin et al. 2019, §3 and figure 2; LayerNorm and dropout: their code, not in the paper.
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
    ):
        super().__init__()
        self.word = Embedding(N, D, math)
        self.segment = Embedding(segments, D, math)
        self.position = Embedding(S_max, D, math)
        self.norm = LayerNorm(D, eps, math)
        self.dropout = Dropout(dropout, math)

    def forward(self, token_ids: Tensor, segment_ids: Tensor) -> Tensor:
        S, S_max = token_ids.shape[1], self.position.weight.shape[0]
        if S > S_max:
            raise ValueError(f"{S} tokens, but this model has learned only {S_max} positions")
        positions = torch.arange(S, device=token_ids.device)
        X = self.word(token_ids) + self.segment(segment_ids) + self.position(positions)
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
