"""Layer normalization, root-mean-square normalization and dropout."""

import torch
from torch import Tensor

from minitf.equations import domain


def layer_norm(x: Tensor, gamma: Tensor, beta: Tensor, eps: float) -> Tensor:
    """(x − μ) / √(σ² + ε) ⊙ γ + β, with μ and σ² over the last axis; `[…, D] -> […, D]`, `gamma`, `beta` `[D]`.

    σ² is the mean of (x − μ)², not the unbiased estimate. BERT's ε is 1e-12.
    Source: Ba et al. 2016, §3.1, eq. 4 (gain g and bias b there; γ and β are the names in the official files).
    """
    domain.check_layer_norm(x, gamma, beta)
    mu = x.mean(dim=-1, keepdim=True)
    variance = (x - mu).square().mean(dim=-1, keepdim=True)
    return (x - mu) / torch.sqrt(variance + eps) * gamma + beta


def rms_norm(x: Tensor, gamma: Tensor, eps: float) -> Tensor:
    """x / √(mean(x²) + ε) ⊙ γ, the mean over the last axis; `[…, D] -> […, D]`, `gamma` `[D]`.

    A LayerNorm without the mean and without β. T5's ε is 1e-6.
    Source: Zhang & Sennrich 2019, §3, eq. 4; ε is inside the root, as in T5's code.
    """
    domain.check_rms_norm(x, gamma)
    return x / torch.sqrt(x.square().mean(dim=-1, keepdim=True) + eps) * gamma


def dropout(x: Tensor, p: float) -> Tensor:
    """x ⊙ b / (1 − p),  b ~ Bernoulli(1 − p) for each element; any shape. With p = 0, x itself.

    The division keeps the expectation at x, so no rescaling is needed when dropout is off. Raises ValueError for a p
    outside 0 … 1.
    Source: Srivastava et al. 2014, §4 and §10 ("inverted dropout"); where it is applied: Vaswani et al. 2017, §5.4.
    """
    domain.check_probability("the dropout rate", p)
    domain.check_floating("x", x)
    if p == 0.0:
        return x
    if p == 1.0:
        return x * 0.0
    return x * torch.empty_like(x).bernoulli_(1.0 - p).div_(1.0 - p)
