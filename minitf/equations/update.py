"""Update rules of the optimizers. Each function is one step for one parameter θ of any shape.

They are not pure: θ and its `state` (a dict, empty before the first step) are written in place, under
`torch.no_grad()`, because copying the weights at every step would cost more than the step itself. In the formulas
g is the gradient, η the learning rate `lr`, t the number of the step, from 1; all operations are elementwise, and a g
whose shape differs from that of θ raises ValueError.
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from minitf.equations import domain

State = dict[str, Any]


@torch.no_grad()
def gradient_descent(theta: Tensor, g: Tensor, state: State, lr: float) -> None:
    """θ ← θ − η g. Source: Cauchy 1847; stochastic, on batches: Robbins & Monro 1951."""
    domain.check_update(theta, g)
    theta -= lr * g


@torch.no_grad()
def momentum(theta: Tensor, g: Tensor, state: State, lr: float, mu: float = 0.9) -> None:
    """v ← μ v + g ;  θ ← θ − η v. Source: Polyak 1964; η outside of v, as in PyTorch.

    Sutskever et al. 2013 put η inside, v ← μ v − η g, which differs when η changes.
    """
    domain.check_update(theta, g)
    v = _moment(state, "v", theta)
    v *= mu
    v += g
    theta -= lr * v


@torch.no_grad()
def rmsprop(theta: Tensor, g: Tensor, state: State, lr: float, alpha: float = 0.99, eps: float = 1e-8) -> None:
    """v ← α v + (1 − α) g² ;  θ ← θ − η g / (√v + ε). Source: Tieleman & Hinton 2012, lecture 6e."""
    domain.check_update(theta, g)
    v = _moment(state, "v", theta)
    v *= alpha
    v += (1.0 - alpha) * g * g
    theta -= lr * g / (v.sqrt() + eps)


@torch.no_grad()
def adam(
    theta: Tensor,
    g: Tensor,
    state: State,
    lr: float,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    eps: float = 1e-8,
    bias_correction: bool = True,
) -> None:
    """m ← β₁ m + (1 − β₁) g ;  v ← β₂ v + (1 − β₂) g² ;  m̂ = m / (1 − β₁ᵗ) ;  v̂ = v / (1 − β₂ᵗ) ;
    θ ← θ − η m̂ / (√v̂ + ε).

    Without `bias_correction` m̂ = m and v̂ = v, as in Google's BERT code: the first steps are then larger, by
    the factor (1 − β₁ᵗ) / √(1 − β₂ᵗ) ≈ 3.2 at t = 1. Source: Kingma & Ba 2014, algorithm 1.
    """
    domain.check_update(theta, g)
    state["t"] = t = state.get("t", 0) + 1
    m = _moment(state, "m", theta)
    v = _moment(state, "v", theta)
    m *= beta_1
    m += (1.0 - beta_1) * g
    v *= beta_2
    v += (1.0 - beta_2) * g * g
    m_scale, v_scale = (1.0 - beta_1**t, 1.0 - beta_2**t) if bias_correction else (1.0, 1.0)
    theta -= lr * (m / m_scale) / (v.sqrt() / math.sqrt(v_scale) + eps)


@torch.no_grad()
def adamw(
    theta: Tensor,
    g: Tensor,
    state: State,
    lr: float,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.01,
    bias_correction: bool = True,
) -> None:
    """θ ← θ − η λ θ, then Adam's step with a gradient that does not include the decay; λ is `weight_decay`.

    The paper scales the decay by the schedule only; PyTorch, `transformers` and Google's BERT code by η, as here.
    Google's `AdamWeightDecayOptimizer` is this with ε = 1e-6 and no bias correction.
    Source: Loshchilov & Hutter 2019, algorithm 2, line 12.
    """
    domain.check_update(theta, g)
    theta *= 1.0 - lr * weight_decay
    adam(theta, g, state, lr, beta_1, beta_2, eps, bias_correction)


def _moment(state: State, name: str, theta: Tensor) -> Tensor:
    """Return the moving average `name` of θ, zeros before the first step."""
    if name not in state:
        state[name] = torch.zeros_like(theta)
    moment: Tensor = state[name]
    return moment


@torch.no_grad()
def clip_by_norm(gradients: Sequence[Tensor], most: float) -> Tensor:
    """gᵢ ← gᵢ · min(1, c / (‖g‖₂ + 10⁻⁶)), in place, ‖g‖₂ over all gᵢ together; returns ‖g‖₂ before clipping, a scalar.

    The direction does not change; the norm is limited to c = `most`. Without gradients the norm is 0.
    Source: Pascanu et al. 2013, §3.2, algorithm 1.
    The 10⁻⁶ is PyTorch's, not the paper's; it makes both agree and is negligible for an ordinary gradient.
    """
    if not gradients:
        return torch.zeros(())
    norm: Tensor = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(g) for g in gradients]))
    factor = (most / (norm + 1e-6)).clamp(max=1.0).nan_to_num(1.0)  # NaN in one gradient must not spread to the others
    for g in gradients:
        g *= factor
    return norm
