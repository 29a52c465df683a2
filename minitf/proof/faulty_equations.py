"""Equations with a mistake in each. `proof.mistakes` lists them."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from minitf.equations import attention, normalization, update


def faulty_attention(
    scale: Callable[[int], float] = math.sqrt,
    mask_scores: Callable[[Tensor, Tensor], Tensor] = lambda scores, mask: scores.masked_fill(~mask, -math.inf),
    normalise: Callable[[Tensor, Callable[[Tensor], Tensor]], Tensor] = lambda scores, softmax: softmax(scores),
    mask_weights: Callable[[Tensor, Tensor], Tensor] = lambda A, mask: A,
) -> Callable[..., tuple[Tensor, Tensor | None]]:
    """Make a `scaled_dot_product_attention` with one part replaced."""

    def attend(
        Q: Tensor,
        K: Tensor,
        V: Tensor,
        mask: Tensor | None = None,
        dropout: float = 0.0,
        need_attention: bool = False,
        *,
        softmax: Callable[[Tensor], Tensor] = attention.softmax,
        drop: Callable[[Tensor, float], Tensor] = normalization.dropout,
    ) -> tuple[Tensor, Tensor | None]:
        scores = Q @ K.transpose(-2, -1) / scale(Q.shape[-1])
        A = normalise(scores if mask is None else mask_scores(scores, mask), softmax)
        A = A if mask is None else mask_weights(A, mask)
        return drop(A, dropout) @ V, A if need_attention else None

    return attend


def softmax_over_queries(scores: Tensor, softmax: Callable[[Tensor], Tensor]) -> Tensor:
    return softmax(scores.transpose(-2, -1)).transpose(-2, -1)


def softmax_over_heads(scores: Tensor, softmax: Callable[[Tensor], Tensor]) -> Tensor:
    return softmax(scores.transpose(1, -1)).transpose(1, -1)


def mask_queries(scores: Tensor, mask: Tensor) -> Tensor:
    return scores.masked_fill(~mask.transpose(-2, -1), -1e9)


def split_without_transpose(X: Tensor, H: int) -> Tensor:
    B, S, D = X.shape
    return X.reshape(B, H, S, D // H)


def merge_without_transpose(X: Tensor) -> Tensor:
    B, H, S, d_k = X.shape
    return X.reshape(B, S, H * d_k)


def gelu_rounded(x: Tensor) -> Tensor:
    return x / 2.0 * (1.0 + torch.erf(x / 1.41421))


def faulty_layer_norm(eps: float | None = None, unbiased: bool = False) -> Callable[..., Tensor]:
    """Make a `layer_norm` with another ε, or with the variance divided by D − 1."""

    def layer_norm(x: Tensor, gamma: Tensor, beta: Tensor, given_eps: float) -> Tensor:
        e = given_eps if eps is None else eps
        variance = x.var(dim=-1, keepdim=True, unbiased=unbiased)
        return (x - x.mean(dim=-1, keepdim=True)) / torch.sqrt(variance + e) * gamma + beta

    return layer_norm


def layer_norm_over_tokens(x: Tensor, gamma: Tensor, beta: Tensor, eps: float) -> Tensor:
    mean, variance = x.mean(dim=1, keepdim=True), x.var(dim=1, keepdim=True, unbiased=False)
    return (x - mean) / torch.sqrt(variance + eps) * gamma + beta


def dropout_wrong_scale(x: Tensor, p: float) -> Tensor:
    return x * torch.empty_like(x).bernoulli_(1.0 - p) / p if p else x


def dropout_unscaled(x: Tensor, p: float) -> Tensor:
    return x * torch.empty_like(x).bernoulli_(1.0 - p) if p else x


def dropout_keeps_p(x: Tensor, p: float) -> Tensor:
    return x * torch.empty_like(x).bernoulli_(p) / (1.0 - p) if p else x


def sum_of_losses(logits: Tensor, labels: Tensor, class_weights: Tensor | None = None) -> Tensor:
    return nn.functional.cross_entropy(logits, labels, weight=class_weights, reduction="sum")


def mean_over_logits(logits: Tensor, labels: Tensor, class_weights: Tensor | None = None) -> Tensor:
    return nn.functional.cross_entropy(logits, labels, weight=class_weights, reduction="sum") / logits.numel()


def adamw_without_bias_correction(theta: Tensor, g: Tensor, state: update.State, lr: float, **settings: Any) -> None:
    update.adamw(theta, g, state, lr, **(settings | {"bias_correction": False}))


def coupled_decay(
    theta: Tensor, g: Tensor, state: update.State, lr: float, weight_decay: float = 0.01, **settings: Any
) -> None:
    update.adam(theta, g + weight_decay * theta, state, lr, **settings)


@torch.no_grad()
def eps_inside_the_root(
    theta: Tensor, g: Tensor, state: update.State, lr: float, weight_decay: float = 0.01, **settings: Any
) -> None:
    state["t"] = t = state.get("t", 0) + 1
    m, v = state.setdefault("m", torch.zeros_like(theta)), state.setdefault("v", torch.zeros_like(theta))
    m.mul_(0.9).add_(0.1 * g)
    v.mul_(0.999).add_(0.001 * g * g)
    theta.mul_(1.0 - lr * weight_decay)
    theta.sub_(lr * (m / (1.0 - 0.9**t)) / torch.sqrt(v / (1.0 - 0.999**t) + 1e-8))
