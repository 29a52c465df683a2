"""The norms with their weights, and dropout that is active in training mode only."""

import torch
from torch import Tensor, nn

from minitf.mathematics import EQUATIONS, Mathematics


class LayerNorm(nn.Module):
    """`equations.normalization.layer_norm` with `gamma [D]` and `beta [D]`; `[…, D] -> […, D]`."""

    def __init__(self, D: int, eps: float = 1e-12, math: Mathematics = EQUATIONS):
        super().__init__()
        self.math, self.eps = math, eps
        self.gamma = nn.Parameter(torch.ones(D))
        self.beta = nn.Parameter(torch.zeros(D))

    def forward(self, X: Tensor) -> Tensor:
        Y: Tensor = self.math.layer_norm(X, self.gamma, self.beta, self.eps)
        return Y


class RMSNorm(nn.Module):
    """`equations.normalization.rms_norm` with `gamma [D]`; `[…, D] -> […, D]`."""

    def __init__(self, D: int, eps: float = 1e-6, math: Mathematics = EQUATIONS):
        super().__init__()
        self.math, self.eps = math, eps
        self.gamma = nn.Parameter(torch.ones(D))

    def forward(self, X: Tensor) -> Tensor:
        Y: Tensor = self.math.rms_norm(X, self.gamma, self.eps)
        return Y


class Dropout(nn.Module):
    """`equations.normalization.dropout` at rate `p` in training mode, the identity in eval mode."""

    def __init__(self, p: float, math: Mathematics = EQUATIONS):
        super().__init__()
        self.math, self.p = math, p

    def forward(self, X: Tensor) -> Tensor:
        Y: Tensor = self.math.dropout(X, self.p if self.training else 0.0)
        return Y
