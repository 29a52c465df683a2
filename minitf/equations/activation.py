"""Activation functions, used between the linear maps of the feed-forward network; elementwise, `[…] -> […]`.

There are two forms of GELU in use: for the same published weights Google's BERT code computes the tanh form and
`transformers` the erf form. They differ by at most 5e-4.
"""

import math

import torch
from torch import Tensor

from minitf.equations import domain


def relu(x: Tensor) -> Tensor:
    """max(0, x). Source: Vaswani et al. 2017, §3.3, eq. 2."""
    domain.check_floating("x", x)
    return x.masked_fill(x <= 0.0, 0.0)  # clamp(min=0) has the gradient 1 at 0; the convention is 0


def gelu(x: Tensor) -> Tensor:
    """x Φ(x) = x/2 · (1 + erf(x / √2)). Source: Hendrycks & Gimpel 2016, §2."""
    domain.check_floating("x", x)
    return x / 2.0 * (1.0 + torch.erf(x / math.sqrt(2.0)))


def gelu_tanh(x: Tensor) -> Tensor:
    """x/2 · (1 + tanh(√(2/π) · (x + 0.044715 x³))). Source: Hendrycks & Gimpel 2016, §2; Google's `modeling.py`."""
    domain.check_floating("x", x)
    return x / 2.0 * (1.0 + torch.tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x**3)))


def gated_gelu(gate: Tensor, x: Tensor) -> Tensor:
    """GELU(g) ⊙ x, g = `gate`, with the tanh form of GELU; two tensors of one shape.

    Between the linear maps of a feed-forward network with two maps in parallel, g = X W and x = X V, this is GEGLU.
    Source: Shazeer 2020, §2, eq. 6; the tanh form: the code of T5 v1.1.
    """
    domain.check_alike("gate", gate, "x", x)
    return gelu_tanh(gate) * x


def swish(x: Tensor) -> Tensor:
    """x σ(x) = x / (1 + exp(−x)). Also called SiLU. Source: Ramachandran et al. 2017, §4, with β = 1."""
    domain.check_floating("x", x)
    return x * torch.sigmoid(x)
