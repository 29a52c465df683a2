"""The input of a stack: the embedding of each token and of its position."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from minitf.layers import Dropout, Embedding
from minitf.mathematics import Mathematics


class LearnedPositions(nn.Module):
    """One learned vector for each position; numbers `[…]` -> `[…, D]`. Position 0 uses row `first` of the table.

    BART's table has two unused rows before the first position. Source: Gehring et al. 2017, §3.1.
    """

    def __init__(self, S_max: int, D: int, math: Mathematics, first: int = 0):
        super().__init__()
        self.first = first
        self.table = Embedding(S_max + first, D, math)

    def forward(self, numbers: Tensor, dtype: torch.dtype) -> Tensor:
        P: Tensor = self.table(numbers + self.first)
        return P


class FixedPositions(nn.Module):
    """The vectors that an equation computes, `encoding(S, D, dtype) -> [S, D]`; numbers `[…]` -> `[…, D]`."""

    def __init__(self, D: int, encoding: Callable[..., Tensor]):
        super().__init__()
        self.D, self.encoding = D, encoding

    def forward(self, numbers: Tensor, dtype: torch.dtype) -> Tensor:
        PE = self.encoding(int(numbers.max()) + 1, self.D, dtype)
        return PE.to(numbers.device)[numbers]


class NoPositions(nn.Module):
    """No vectors, because the scores of the attention have the positions (T5). Returns 0."""

    def forward(self, numbers: Tensor, dtype: torch.dtype) -> Tensor:
        return torch.zeros((), dtype=dtype, device=numbers.device)


class NoBias(nn.Module):
    """No bias of the scores. Returns None."""

    def forward(self, S_q: int, S_k: int) -> None:
        return None


class PaddedEmbedding(Embedding):
    """An Embedding whose row `pad_id` gets no gradient from the tokens that look it up; ids `[…]` -> `[…, D]`.

    This matters in Marian, whose decoder begins with the padding token. (The logits do train the row.)
    Source: `padding_idx` in the code of fairseq and `transformers`; not in a paper.
    """

    def __init__(self, N: int, D: int, math: Mathematics, pad_id: int):
        super().__init__(N, D, math)
        self.pad_id = pad_id

    def forward(self, ids: Tensor) -> Tensor:
        X = super().forward(ids)
        return torch.where((ids == self.pad_id).unsqueeze(-1), X.detach(), X)


class InputEmbeddings(nn.Module):
    """X = Dropout(Norm(scale · E[token] + P[position])); E[token] `[B, S, D]`, numbers `[S]` or `[B, S]`.

    The word embedding E belongs to the model, because the encoder, the decoder and the logits share it. `scale` is √D
    (the paper) or 1. `norm` is the identity but in BART. `longest` is the number of positions, None for no limit.
    Raises ValueError for a position beyond it.
    Source: Vaswani et al. 2017, §3.4, §3.5 and §5.4 (dropout).
    """

    def __init__(
        self,
        position: nn.Module,
        longest: int | None,
        scale: float,
        norm: nn.Module,
        dropout: float,
        math: Mathematics,
    ):
        super().__init__()
        self.position, self.longest, self.scale, self.norm = position, longest, scale, norm
        self.dropout = Dropout(dropout, math)

    def forward(self, words: Tensor, numbers: Tensor) -> Tensor:
        if not numbers.numel():
            raise ValueError("there are no tokens")
        if self.longest is not None and (S := int(numbers.max()) + 1) > self.longest:
            raise ValueError(f"{S} tokens, but this model has only {self.longest} positions")
        X: Tensor = self.dropout(self.norm(self.scale * words + self.position(numbers, words.dtype)))
        return X
