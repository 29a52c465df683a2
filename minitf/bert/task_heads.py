"""The heads of fine-tuning: dropout and a linear map of the pooled vector, of every token, or of the first token.

The table in `heads` says which task has which head, with its width and dropout rate.
"""

from collections.abc import Callable

from torch import Tensor

from minitf.bert.head import Head
from minitf.layers import Dropout, Linear
from minitf.mathematics import Mathematics


class PooledHead(Head):
    """Dropout(pooled) Wᵀ + b; logits `[B, C]`.

    With C classes it is a classifier (Devlin et al. 2019, §4.1, where W has no bias). With C = 1 it scores one choice
    of a question: the choices are rows of the batch, `logits.view(-1, choices)` puts them side by side, and a softmax
    over them gives the probability of each (their §4.4, SWAG).
    """

    reads_pooled = reads_cls_only = True

    def __init__(self, D: int, C: int, dropout: float, math: Mathematics):
        super().__init__()
        self.dropout = Dropout(dropout, math)
        self.W = Linear(D, C, math)

    def forward(self, X: Tensor, pooled: Tensor, E: Tensor) -> Tensor:
        logits: Tensor = self.W(self.dropout(pooled))
        return logits


class TokenHead(Head):
    """Dropout(X) Wᵀ + b; logits `[B, S, C]`.

    With C tags it classifies each token (Devlin et al. 2019, §5.3). With C = 2 it scores each token as the start and as
    the end of an answer (their §4.2, where the rows of W are the vectors S and E).
    """

    def __init__(self, D: int, C: int, dropout: float, math: Mathematics):
        super().__init__()
        self.dropout = Dropout(dropout, math)
        self.W = Linear(D, C, math)

    def forward(self, X: Tensor, pooled: Tensor | None, E: Tensor) -> Tensor:
        logits: Tensor = self.W(self.dropout(X))
        return logits


class FirstTokenHead(Head):
    """Dropout(act(Dropout_in(x_[CLS]) W_poolᵀ + b_pool)) Wᵀ + b; logits `[B, C]`: a head with its own pooling layer.

    Used by RoBERTa and DistilBERT. Source: their code, not the papers.
    """

    reads_cls_only = True

    def __init__(
        self,
        D: int,
        C: int,
        dropout: float,
        math: Mathematics,
        activation: Callable[[Tensor], Tensor],
        dropout_in: float = 0.0,
    ):
        super().__init__()
        self.activation = activation
        self.dropout_in, self.dropout = Dropout(dropout_in, math), Dropout(dropout, math)
        self.W_pool = Linear(D, D, math)
        self.W = Linear(D, C, math)

    def forward(self, X: Tensor, pooled: Tensor | None, E: Tensor) -> Tensor:
        x = self.activation(self.W_pool(self.dropout_in(X[:, 0])))
        logits: Tensor = self.W(self.dropout(x))
        return logits
