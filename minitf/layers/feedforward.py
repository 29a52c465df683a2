"""The position-wise feed-forward network: the same two linear maps for every token."""

from torch import Tensor, nn

from minitf.layers.projection import Linear
from minitf.mathematics import EQUATIONS, Mathematics


class FeedForward(nn.Module):
    """FFN(X) = act(X W_1 + b_1) W_2 + b_2; `[B, S, D] -> [B, S, D]` through `[B, S, F]`.

    `activation` is the name of a function of `math`: "relu" (the paper), "gelu" or "gelu_tanh" (BERT).
    Source: Vaswani et al. 2017, §3.3, eq. 2.
    """

    def __init__(self, D: int, F: int, activation: str = "relu", math: Mathematics = EQUATIONS):
        super().__init__()
        self.activation = getattr(math, activation)
        self.W_1 = Linear(D, F, math)
        self.W_2 = Linear(F, D, math)

    def forward(self, X: Tensor) -> Tensor:
        Y: Tensor = self.W_2(self.activation(self.W_1(X)))
        return Y
