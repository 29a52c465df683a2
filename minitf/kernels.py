"""The equations that have a fused kernel in PyTorch: same names, same signatures, equal values (tested), faster.

A fused kernel needs one pass over memory where an equation needs several. Equations without a kernel are not
here. As in the equations, a row of scores that is −∞ everywhere gives zeros, and `need_attention` returns the attention
weights (computed by the equation, because the fused kernel never stores them).
"""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.optim.adam import adam as _torch_adam
from torch.optim.adamw import adamw as _torch_adamw

from minitf.equations import attention as _equation
from minitf.equations import domain as _domain
from minitf.equations import normalization as _normalization
from minitf.equations import update as _update


def softmax(x: Tensor) -> Tensor:
    """`equations.attention.softmax`."""
    _domain.check_floating("x", x)
    # PyTorch's kernel returns NaN for a row of −∞, in its gradient too: replace such a row, and set its result to 0.
    masked = (x == -torch.inf).all(dim=-1, keepdim=True)
    return torch.softmax(x.masked_fill(masked, 0.0), dim=-1).masked_fill(masked, 0.0)


def dropout(x: Tensor, p: float) -> Tensor:
    """`equations.normalization.dropout`; on a CPU the same random numbers from the same seed."""
    _domain.check_probability("the dropout rate", p)
    _domain.check_floating("x", x)
    return F.dropout(x, p) if p else x


def scaled_dot_product_attention(
    Q: Tensor,
    K: Tensor,
    V: Tensor,
    mask: Tensor | None = None,
    dropout: float = 0.0,
    need_attention: bool = False,
    *,
    softmax: Callable[[Tensor], Tensor] = softmax,
    drop: Callable[[Tensor, float], Tensor] = dropout,
    bias: Tensor | None = None,
    scale: float | None = None,
) -> tuple[Tensor, Tensor | None]:
    """`equations.attention.scaled_dot_product_attention`; `softmax` and `drop` are used only with `need_attention`.

    On a CPU the fused kernel gives 0 where a query or a key is NaN; the equation gives NaN.
    """
    if need_attention:
        parts: dict[str, Any] = {"softmax": softmax, "drop": drop, "bias": bias, "scale": scale}
        return _equation.scaled_dot_product_attention(Q, K, V, mask, dropout, True, **parts)
    _domain.check_attention(Q, K, V, mask, bias)
    _domain.check_probability("the dropout rate", dropout)
    if bias is not None:  # the kernel takes one of the two: a boolean mask, or numbers that it adds to the scores
        bias = bias.to(Q.dtype)
        mask = bias if mask is None else torch.where(mask, bias, -torch.inf)
    to_add = None if mask is None else torch.atleast_2d(mask)  # the kernel needs at least two axes
    return F.scaled_dot_product_attention(Q, K, V, attn_mask=to_add, dropout_p=dropout, scale=scale), None


def linear(X: Tensor, W: Tensor, b: Tensor | None = None) -> Tensor:
    """`equations.projection.linear`."""
    _domain.check_linear(X, W, b)
    return F.linear(X, W, b)


def look_up(E: Tensor, ids: Tensor) -> Tensor:
    """`equations.projection.look_up`."""
    _domain.check_look_up(E, ids)
    return F.embedding(ids, E)


def relu(x: Tensor) -> Tensor:
    """`equations.activation.relu`."""
    _domain.check_floating("x", x)
    return F.relu(x)


def gelu(x: Tensor) -> Tensor:
    """`equations.activation.gelu`."""
    _domain.check_floating("x", x)
    return F.gelu(x)


def gelu_tanh(x: Tensor) -> Tensor:
    """`equations.activation.gelu_tanh`."""
    _domain.check_floating("x", x)
    return F.gelu(x, approximate="tanh")


def gated_gelu(gate: Tensor, x: Tensor) -> Tensor:
    """`equations.activation.gated_gelu`."""
    _domain.check_alike("gate", gate, "x", x)
    return F.gelu(gate, approximate="tanh") * x


def swish(x: Tensor) -> Tensor:
    """`equations.activation.swish`."""
    _domain.check_floating("x", x)
    return F.silu(x)


def layer_norm(x: Tensor, gamma: Tensor, beta: Tensor, eps: float) -> Tensor:
    """`equations.normalization.layer_norm`."""
    _domain.check_layer_norm(x, gamma, beta)
    if not (x.dtype == gamma.dtype == beta.dtype or torch.is_autocast_enabled(x.device.type)):
        return _normalization.layer_norm(x, gamma, beta, eps)  # the kernel takes one dtype
    return F.layer_norm(x, gamma.shape, gamma, beta, eps)


def rms_norm(x: Tensor, gamma: Tensor, eps: float) -> Tensor:
    """`equations.normalization.rms_norm`."""
    _domain.check_rms_norm(x, gamma)
    if not (x.dtype == gamma.dtype or torch.is_autocast_enabled(x.device.type)):
        return _normalization.rms_norm(x, gamma, eps)  # the kernel takes one dtype
    return F.rms_norm(x, gamma.shape, gamma, eps)


def cross_entropy(
    logits: Tensor,
    labels: Tensor,
    class_weights: Tensor | None = None,
    label_smoothing: float = 0.0,
    ignore_index: int | None = None,
) -> Tensor:
    """`equations.loss.cross_entropy`."""
    _domain.check_cross_entropy(logits, labels, class_weights, label_smoothing, ignore_index)
    ignored = -100 if ignore_index is None else ignore_index  # if it is None, the check refuses −100
    return F.cross_entropy(logits, labels.long(), class_weights, ignore_index=ignored, label_smoothing=label_smoothing)


def binary_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """`equations.loss.binary_cross_entropy`."""
    _domain.check_alike("logits", logits, "targets", targets)
    return F.binary_cross_entropy_with_logits(logits, targets)


def mean_squared_error(prediction: Tensor, target: Tensor) -> Tensor:
    """`equations.loss.mean_squared_error`."""
    _domain.check_alike("prediction", prediction, "target", target)
    return F.mse_loss(prediction, target)


@torch.no_grad()
def adam(
    theta: Tensor,
    g: Tensor,
    state: dict[str, Any],
    lr: float,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    eps: float = 1e-8,
    bias_correction: bool = True,
) -> None:
    """`equations.update.adam`, which is used if the fused kernel cannot be used (`_has_fused_step`)."""
    if not _has_fused_step(theta, g, state, bias_correction):
        _update.adam(theta, g, state, lr, beta_1, beta_2, eps, bias_correction)
        return
    _fused_step(_torch_adam, theta, g, state, lr=lr, beta1=beta_1, beta2=beta_2, eps=eps, weight_decay=0.0)


@torch.no_grad()
def adamw(
    theta: Tensor,
    g: Tensor,
    state: dict[str, Any],
    lr: float,
    beta_1: float = 0.9,
    beta_2: float = 0.999,
    eps: float = 1e-8,
    weight_decay: float = 0.01,
    bias_correction: bool = True,
) -> None:
    """`equations.update.adamw`, which is used if the fused kernel cannot be used (`_has_fused_step`)."""
    if not _has_fused_step(theta, g, state, bias_correction):
        _update.adamw(theta, g, state, lr, beta_1, beta_2, eps, weight_decay, bias_correction)
        return
    _fused_step(_torch_adamw, theta, g, state, lr=lr, beta1=beta_1, beta2=beta_2, eps=eps, weight_decay=weight_decay)


def _has_fused_step(theta: Tensor, g: Tensor, state: dict[str, Any], bias_correction: bool) -> bool:
    """Whether the fused kernel computes this step.

    The fused kernel always corrects the bias. It processes the elements in memory order and ignores the strides, so θ
    and its moments must have the same strides and be dense. Otherwise it would write outside θ.
    """
    averages = [state[name] for name in ("m", "v") if name in state]
    alike = all((t.shape, t.stride(), t.dtype) == (theta.shape, theta.stride(), theta.dtype) for t in averages)
    return bias_correction and alike and _is_dense(theta) and g.shape == theta.shape and g.dtype == theta.dtype


def _is_dense(x: Tensor) -> bool:
    """Whether the elements of `x` fill their memory without gap or overlap, in any order of the axes."""
    step = 1
    for stride, size in sorted(zip(x.stride(), x.shape, strict=True)):
        if size > 1 and stride != step:
            return False
        step *= size
    return True


def _fused_step(rule: Callable[..., None], theta: Tensor, g: Tensor, state: dict[str, Any], **settings: float) -> None:
    """One step of PyTorch's functional Adam or AdamW for one θ. It needs the step as a tensor; `state` has an int."""
    if not state:
        state.update(m=torch.zeros_like(theta), v=torch.zeros_like(theta), t=0)
    if g.stride() != theta.stride():  # the kernel ignores strides
        g = torch.empty_like(theta).copy_(g)
    t = torch.tensor(float(state["t"]), device=theta.device)
    state["t"] += 1
    m, v = state["m"], state["v"]
    rule([theta], [g], [m], [v], [], [t], fused=True, amsgrad=False, maximize=False, **settings)
