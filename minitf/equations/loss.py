"""Loss functions, one number per batch, and penalties on the weights that can be added to them.

The losses take logits, not probabilities, so that they stay finite.

Weight decay is not here: AdamW decays θ itself (`update.adamw`), while a penalty is added to the loss, so that it
changes the gradient, which Adam then rescales. Compare:

    L2 penalty λ‖θ‖₂²:       g ← ∇loss + 2λθ ;   θ ← θ − η · adam(g)
    decoupled weight decay:  g ← ∇loss       ;   θ ← θ − η · adam(g) − η λ θ

For plain gradient descent both are the same (with λ halved); for Adam they are not (Loshchilov & Hutter 2019, §2).
"""

from collections.abc import Iterable

import torch
from torch import Tensor

from minitf.equations import domain


def log_softmax(z: Tensor) -> Tensor:
    """log softmax(z)ᵢ = zᵢ − log Σⱼ exp(zⱼ), over the last axis; `[…, C] -> […, C]`. Stable for large |z|.

    Source: Goodfellow et al. 2016, §6.2.2.3; the largest z is subtracted against overflow, §4.1.
    """
    if not z.numel():
        return z.clone()  # no largest element
    shifted = z - z.detach().amax(dim=-1, keepdim=True)
    return shifted - torch.exp(shifted).sum(dim=-1, keepdim=True).log()


def cross_entropy(
    logits: Tensor,
    labels: Tensor,
    class_weights: Tensor | None = None,
    label_smoothing: float = 0.0,
    ignore_index: int | None = None,
) -> Tensor:
    """−Σ w_y Σ_c q_c log softmax(z)_c / Σ w_y over the examples, w = 1 without `class_weights`; a scalar.

    q is 1 for the label and 0 elsewhere; with `label_smoothing` ε it is (1 − ε) of that plus ε/C for every class, each
    weighted by its own w_c. `logits [B, C]`, `labels [B]` (integers 0 … C − 1), `class_weights [C]`.
    Examples with the label `ignore_index` (often −100) do not count. Without examples the loss is NaN.
    Raises ValueError for other labels, shapes and dtypes, and for an ε outside 0 … 1.
    Source: Goodfellow et al. 2016, §6.2.2.3; dividing by the sum of the weights keeps the scale of the loss.
    Label smoothing: Szegedy et al. 2016, §7; with class weights as in PyTorch.
    """
    domain.check_cross_entropy(logits, labels, class_weights, label_smoothing, ignore_index)
    labels = labels.long()
    if ignore_index is not None:
        logits, labels = logits[labels != ignore_index], labels[labels != ignore_index]
    log_p = log_softmax(logits)  # [B, C]
    w = logits.new_ones(logits.shape[-1]) if class_weights is None else class_weights  # [C]
    w_y = w[labels]  # [B]
    loss = -w_y * log_p.gather(-1, labels.unsqueeze(-1)).squeeze(-1)  # [B]
    if label_smoothing:
        loss = (1.0 - label_smoothing) * loss - label_smoothing * (w * log_p).mean(dim=-1)
    return loss.sum() / w_y.sum()


def binary_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """−mean(t log σ(z) + (1 − t) log(1 − σ(z))), a scalar; `logits` and `targets` of the same shape, t in [0, 1].

    Computed as (1 − t) z + log(1 + exp(−z)), which is equal and does not overflow. Raises ValueError for different
    shapes or dtypes. Source: Goodfellow et al. 2016, §6.2.2.2.
    """
    domain.check_alike("logits", logits, "targets", targets)
    return ((1.0 - targets) * logits + torch.logaddexp(torch.zeros_like(logits), -logits)).mean()


def mean_squared_error(prediction: Tensor, target: Tensor) -> Tensor:
    """mean((y − t)²), a scalar; both of the same shape. Raises ValueError for different shapes or dtypes.

    Source: Goodfellow et al. 2016, §5.1.4.
    """
    domain.check_alike("prediction", prediction, "target", target)
    return (prediction - target).square().mean()


def l1_penalty(parameters: Iterable[Tensor], lam: float) -> Tensor:
    """λ ‖θ‖₁ = λ Σ |θᵢ|, a scalar. Its gradient ±λ pulls every weight to 0 at the same speed, so many become 0.

    Source: Tibshirani 1996; Goodfellow et al. 2016, §7.1.2.
    """
    total: Tensor = sum((theta.abs().sum() for theta in parameters), start=torch.zeros(()))
    return lam * total


def l2_penalty(parameters: Iterable[Tensor], lam: float) -> Tensor:
    """λ ‖θ‖₂² = λ Σ θᵢ², a scalar. Its gradient 2λθ pulls every weight to 0 in proportion to its size.

    Source: Hoerl & Kennard 1970; Goodfellow et al. 2016, §7.1.1, with a factor 1/2.
    """
    total: Tensor = sum((theta.square().sum() for theta in parameters), start=torch.zeros(()))
    return lam * total
