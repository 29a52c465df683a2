"""The two places of the norm beside a residual connection.

`sublayer` is a function of a tensor that keeps its shape: attention or the feed-forward network, with its dropout.
"""

from collections.abc import Callable

from torch import Tensor


def post_norm(X: Tensor, sublayer: Callable[[Tensor], Tensor], norm: Callable[[Tensor], Tensor]) -> Tensor:
    """norm(X + sublayer(X));  `[B, S, D] -> [B, S, D]`.

    The paper, BERT, Marian, BART. Source: Vaswani et al. 2017, §3.1.
    """
    return norm(X + sublayer(X))


def pre_norm(X: Tensor, sublayer: Callable[[Tensor], Tensor], norm: Callable[[Tensor], Tensor]) -> Tensor:
    """X + sublayer(norm(X));  `[B, S, D] -> [B, S, D]`.

    The residual path from the first layer to the last has no norm; a final norm follows the last layer. GPT-2, T5, ViT.
    Source: Xiong et al. 2020, §3.1 and table 1.
    """
    return X + sublayer(norm(X))
