"""The position-wise feed-forward network: the same linear maps for every token."""

from torch import Tensor, nn

from minitf.layers.normalization import Dropout
from minitf.layers.projection import Linear
from minitf.mathematics import EQUATIONS, Mathematics


class FeedForward(nn.Module):
    """FFN(X) = act(X W_1 + b_1) W_2 + b_2; `[B, S, D] -> [B, S, D]` through `[B, S, F]`.

    `activation` is the name of a function of `math`: "relu" (the paper, BART and T5 as configured), "gelu" or
    "gelu_tanh" (BERT, GPT-2), "swish" (Marian). T5 has no biases (`bias` False). `dropout` is the rate after the
    activation: 0 in the paper, in BERT and in GPT-2.
    Source: Vaswani et al. 2017, §3.3, eq. 2.
    """

    def __init__(
        self,
        D: int,
        F: int,
        activation: str = "relu",
        math: Mathematics = EQUATIONS,
        *,
        bias: bool = True,
        dropout: float = 0.0,
    ):
        super().__init__()
        self.activation = getattr(math, activation)
        self.W_1 = Linear(D, F, math, bias)
        self.W_2 = Linear(F, D, math, bias)
        self.dropout = Dropout(dropout, math) if dropout else nn.Identity()

    def forward(self, X: Tensor) -> Tensor:
        Y: Tensor = self.W_2(self.dropout(self.activation(self.W_1(X))))
        return Y


class GatedFeedForward(nn.Module):
    """FFN(X) = act(X W_gate, X W_1) W_2; `[B, S, D] -> [B, S, D]` through two maps to `[B, S, F]`.

    `activation` is the name of a function of `math` of two arguments: "gated_gelu" (T5 v1.1).
    Source: Shazeer 2020, §2, eq. 6.
    """

    def __init__(
        self,
        D: int,
        F: int,
        activation: str = "gated_gelu",
        math: Mathematics = EQUATIONS,
        *,
        bias: bool = True,
        dropout: float = 0.0,
    ):
        super().__init__()
        self.activation = getattr(math, activation)
        self.W_gate = Linear(D, F, math, bias)
        self.W_1 = Linear(D, F, math, bias)
        self.W_2 = Linear(F, D, math, bias)
        self.dropout = Dropout(dropout, math) if dropout else nn.Identity()

    def forward(self, X: Tensor) -> Tensor:
        Y: Tensor = self.W_2(self.dropout(self.activation(self.W_gate(X), self.W_1(X))))
        return Y
