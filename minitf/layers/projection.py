"""The two kinds of weight matrix, a linear map and an embedding table, and their initialization."""

import torch
from torch import Tensor, nn

from minitf.mathematics import EQUATIONS, Mathematics


class Linear(nn.Module):
    """X Wᵀ + b with `weight [D_out, D_in]`, `bias [D_out]`; `[…, D_in] -> […, D_out]`. With `bias` False, X Wᵀ."""

    bias: nn.Parameter  # None without a bias

    def __init__(self, D_in: int, D_out: int, math: Mathematics = EQUATIONS, bias: bool = True):
        super().__init__()
        self.math = math
        self.weight = nn.Parameter(torch.empty(D_out, D_in))
        self.register_parameter("bias", nn.Parameter(torch.empty(D_out)) if bias else None)
        initialize(self)

    def forward(self, X: Tensor) -> Tensor:
        Y: Tensor = self.math.linear(X, self.weight, self.bias)
        return Y


class Embedding(nn.Module):
    """A table with one row per id, `weight [N, D]`; `[…] -> […, D]`."""

    def __init__(self, N: int, D: int, math: Mathematics = EQUATIONS):
        super().__init__()
        self.math = math
        self.weight = nn.Parameter(torch.empty(N, D))
        initialize(self)

    def forward(self, ids: Tensor) -> Tensor:
        X: Tensor = self.math.look_up(self.weight, ids)
        return X


def initialize(module: nn.Module, std: float = 0.02) -> None:
    """Draw every matrix of `module` from N(0, std²) truncated at ± 2 std; set every bias to 0; leave LayerNorm.

    Source: Devlin et al. 2019's code (`create_initializer`, std = `initializer_range`); `transformers`: no truncation.
    """
    for part in module.modules():
        if isinstance(part, Linear | Embedding) and not part.weight.is_meta:
            nn.init.trunc_normal_(part.weight, std=std, a=-2.0 * std, b=2.0 * std)
        if isinstance(part, Linear) and part.bias is not None and not part.bias.is_meta:
            nn.init.zeros_(part.bias)
