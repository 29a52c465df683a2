"""From the last states to the logits of the vocabulary."""

import torch
from torch import Tensor, nn

from minitf.layers import Linear
from minitf.mathematics import Mathematics


class TiedHead(nn.Module):
    """logits = scale · X Eᵀ, with the word embedding E `[N, D]`; X `[B, T, D]` -> `[B, T, N]`.

    `scale` is 1, or 1/√D in T5. Source: Vaswani et al. 2017, §3.4 (the tied matrices); Press & Wolf 2017.
    """

    def __init__(self, scale: float, math: Mathematics):
        super().__init__()
        self.scale, self.math = scale, math

    def forward(self, X: Tensor, E: Tensor) -> Tensor:
        logits: Tensor = self.math.linear(self.scale * X, E)
        return logits


class BiasedHead(TiedHead):
    """logits = X Eᵀ + b, b `[1, N]`. The files of Marian and BART have b; training leaves it as it is."""

    bias: Tensor

    def __init__(self, N: int, math: Mathematics):
        super().__init__(1.0, math)
        self.register_buffer("bias", torch.zeros(1, N))

    def forward(self, X: Tensor, E: Tensor) -> Tensor:
        return super().forward(X, E) + self.bias


class OwnHead(nn.Module):
    """logits = scale · X Wᵀ, with a matrix W `[N, D]` of its own, not E; X `[B, T, D]` -> `[B, T, N]`. T5 v1.1.

    Source: Shazeer 2020; the code of Raffel et al. 2020.
    """

    def __init__(self, N: int, D: int, scale: float, math: Mathematics):
        super().__init__()
        self.scale = scale
        self.W = Linear(D, N, math, bias=False)

    def forward(self, X: Tensor, E: Tensor) -> Tensor:
        logits: Tensor = self.W(self.scale * X)
        return logits
