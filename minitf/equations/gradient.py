"""The gradients by hand, in NumPy: of the equations, and of one encoder layer composed of them.

`dX` is ∂loss/∂X and has the shape of X. Each function takes the inputs of its equation and then the gradient of the
equation's output; it returns the gradients of the inputs. Arrays are float64.

They are for reading; minitf does not train with them. PyTorch is not imported, so autograd is not involved.
Not here: dropout, class weights and label smoothing. A mask needs no code of its own: where A is 0, so is its gradient.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from minitf.equations import domain

Array = NDArray[np.float64]

# --- losses ----------------------------------------------------------------------------------------------------


def cross_entropy_gradient(logits: Array, labels: NDArray[np.integer], ignore_index: int | None = None) -> Array:
    """dz = (p − y) / B, p = softmax(z), y the label as a one-hot vector; `[B, C]`, `labels [B]` -> `[B, C]`.

    From log pᵢ = zᵢ − log Σⱼ exp(zⱼ): ∂(−log p_label)/∂zᵢ = pᵢ − yᵢ. Source: Bishop 2006, §4.3.4 and eq. 5.18.
    The row of a label `ignore_index` is 0, and B excludes it. Raises ValueError for inputs that the loss refuses.
    """
    domain.check_cross_entropy(logits, labels, None, 0.0, ignore_index)
    if ignore_index is None:
        B, C = logits.shape
        y = np.eye(C)[labels]  # [B, C]
        dz: Array = (_softmax(logits) - y) / B
    else:
        kept = labels != ignore_index
        dz = np.zeros_like(logits)
        dz[kept] = cross_entropy_gradient(logits[kept], labels[kept])
    return dz


def binary_cross_entropy_gradient(logits: Array, targets: Array) -> Array:
    """dz = (σ(z) − t) / n, n the number of logits; any shape. Source: Bishop 2006, §4.3.2 and eq. 5.18."""
    domain.check_alike("logits", logits, "targets", targets)
    sigma = np.exp(-np.logaddexp(0.0, -logits))  # 1 / (1 + exp(−z)), without overflow
    return (sigma - targets) / logits.size


def mean_squared_error_gradient(prediction: Array, target: Array) -> Array:
    """dy = 2 (y − t) / n, n the number of predictions; any shape. Source: Bishop 2006, eq. 5.18 (for half the sum)."""
    domain.check_alike("prediction", prediction, "target", target)
    return 2.0 * (prediction - target) / prediction.size


# --- equations -------------------------------------------------------------------------------------------------


def linear_gradient(X: Array, W: Array, dY: Array) -> tuple[Array, Array, Array]:
    """dX = dY W ;  dW = dYᵀ X ;  db = Σ dY, of Y = X Wᵀ + b. dW and db are sums over all rows.

    `X […, D_in]`, `W [D_out, D_in]`, `dY […, D_out]` -> `dX […, D_in]`, `dW [D_out, D_in]`, `db [D_out]`.
    Source: Goodfellow et al. 2016, §6.5.6.
    """
    rows_of_dY, rows_of_X = dY.reshape(-1, dY.shape[-1]), X.reshape(-1, X.shape[-1])
    return dY @ W, rows_of_dY.T @ rows_of_X, rows_of_dY.sum(axis=0)


def gelu_gradient(x: Array, dy: Array) -> Array:
    """dx = (Φ(x) + x φ(x)) dy, of y = x Φ(x). φ = Φ′ is the density of the normal distribution; any shape.

    Source: the derivative of the equation in Hendrycks & Gimpel 2016, §2.
    """
    density = np.exp(-x * x / 2.0) / math.sqrt(2.0 * math.pi)
    return (_normal_cdf(x) + x * density) * dy


def gelu_tanh_gradient(x: Array, dy: Array) -> Array:
    """dx = ((1 + t)/2 + x/2 · (1 − t²) u′) dy, of y = x/2 · (1 + t), t = tanh(u), u = √(2/π) · (x + 0.044715 x³).

    Here u′ = √(2/π) · (1 + 3 · 0.044715 x²); any shape.
    Source: the derivative of the equation in Hendrycks & Gimpel 2016, §2, with tanh′ = 1 − tanh².
    """
    root = math.sqrt(2.0 / math.pi)
    t = np.tanh(root * (x + 0.044715 * x**3))
    slope = root * (1.0 + 3.0 * 0.044715 * x * x)  # u′
    return ((1.0 + t) / 2.0 + x / 2.0 * (1.0 - t * t) * slope) * dy


def gated_gelu_gradient(gate: Array, x: Array, dy: Array) -> tuple[Array, Array]:
    """dg = GELU′(g) ⊙ x ⊙ dy ;  dx = GELU(g) ⊙ dy, of y = GELU(g) ⊙ x, the tanh form of GELU; arrays of one shape.

    Source: the product rule, on Shazeer 2020, §2, eq. 6.
    """
    gelu = gate / 2.0 * (1.0 + np.tanh(math.sqrt(2.0 / math.pi) * (gate + 0.044715 * gate**3)))
    return gelu_tanh_gradient(gate, x * dy), gelu * dy


def swish_gradient(x: Array, dy: Array) -> Array:
    """dx = σ(x) (1 + x (1 − σ(x))) dy, of y = x σ(x), with σ′ = σ (1 − σ); any shape.

    Source: the derivative of the equation in Ramachandran et al. 2017, §4, with β = 1.
    """
    sigma = np.exp(-np.logaddexp(0.0, -x))
    return sigma * (1.0 + x * (1.0 - sigma)) * dy


def rms_norm_gradient(x: Array, gamma: Array, eps: float, dy: Array) -> tuple[Array, Array]:
    """dx = (g − x̂ mean(g ⊙ x̂)) / r ;  dγ = Σ dy ⊙ x̂, of y = x̂ ⊙ γ. Here g = dy ⊙ γ.

    x̂ = x / r and r = √(mean(x²) + ε). The means are over the last axis, the sum is over all rows. Of the three terms of
    `layer_norm_gradient`, the one from μ is missing. `x […, D]`, `gamma [D]`, `dy […, D]` -> `dx […, D]`, `dgamma [D]`.
    Source: Zhang & Sennrich 2019, §4.
    """
    r = np.sqrt((x * x).mean(axis=-1, keepdims=True) + eps)
    x_hat, g = x / r, dy * gamma
    dx = (g - x_hat * (g * x_hat).mean(axis=-1, keepdims=True)) / r
    return dx, (dy * x_hat).reshape(-1, x.shape[-1]).sum(axis=0)


def layer_norm_gradient(x: Array, gamma: Array, eps: float, dy: Array) -> tuple[Array, Array, Array]:
    """dx = (g − mean(g) − x̂ mean(g ⊙ x̂)) / s ;  dγ = Σ dy ⊙ x̂ ;  dβ = Σ dy, of y = x̂ ⊙ γ + β. Here g = dy ⊙ γ.

    x̂ = (x − μ) / s and s = √(σ² + ε). The means are over the last axis, the sums over all rows. In dx the second
    term comes from μ, the third from σ². `x […, D]`, `gamma [D]`, `dy […, D]` -> `dx […, D]`,
    `dgamma [D]`, `dbeta [D]`. Source: Ioffe & Szegedy 2015, §3, where the means are over the batch.
    """
    D = x.shape[-1]
    x_hat, s = _standardised(x, eps)
    g = dy * gamma
    dx = (g - g.mean(axis=-1, keepdims=True) - x_hat * (g * x_hat).mean(axis=-1, keepdims=True)) / s
    return dx, (dy * x_hat).reshape(-1, D).sum(axis=0), dy.reshape(-1, D).sum(axis=0)


def softmax_gradient(A: Array, dA: Array) -> Array:
    """dscores = A ⊙ (dA − Σⱼ Aⱼ dAⱼ), of A = softmax(scores), row by row;  `[…, S_k] -> […, S_k]`.

    A score that a causal or padding mask sets to −∞ has A = 0, so its gradient is 0.

    This is dA times the Jacobian ∂Aⱼ/∂scoresᵢ = Aⱼ (δᵢⱼ − Aᵢ), without building the Jacobian. Source: Bridle 1990.
    """
    dscores: Array = A * (dA - (A * dA).sum(axis=-1, keepdims=True))
    return dscores


def attention_gradient(Q: Array, K: Array, V: Array, A: Array, dcontext: Array) -> tuple[Array, Array, Array]:
    """dQ = dscores K / √d_k ;  dK = dscoresᵀ Q / √d_k ;  dV = Aᵀ dcontext, of context = softmax(QKᵀ / √d_k) V.

    dscores is the `softmax_gradient` of A and dA = dcontext Vᵀ, where A is softmax(QKᵀ / √d_k) of the forward pass.

    `Q […, S_q, d_k]`, `K […, S_k, d_k]`, `V […, S_k, d_v]`, `A […, S_q, S_k]`, `dcontext […, S_q, d_v]` -> dQ, dK, dV
    in the shapes of Q, K, V. Source: Dao et al. 2022, appendix B.2.
    """
    d_k = Q.shape[-1]
    dV = _transpose(A) @ dcontext
    dA = dcontext @ _transpose(V)  # [B, H, S_q, S_k]
    dscores = softmax_gradient(A, dA)
    return dscores @ K / math.sqrt(d_k), _transpose(dscores) @ Q / math.sqrt(d_k), dV


# --- one encoder layer -----------------------------------------------------------------------------------------


class Kept(NamedTuple):
    """What the backward pass needs of the forward pass: the input of every step that is nonlinear or has a weight."""

    X: Array  # [B, S, D]
    Q: Array  # [B, H, S, d_k], also K and V
    K: Array
    V: Array
    A: Array  # [B, H, S, S]
    context: Array  # A V with merged heads, [B, S, D]
    R_1: Array  # X + MultiHead(X), [B, S, D]
    Z: Array  # LayerNorm(R_1), [B, S, D]
    U: Array  # Z W_1ᵀ + b_1, [B, S, F]
    R_2: Array  # Z + FFN(Z), [B, S, D]


def encoder_layer(
    X: Array, theta: Mapping[str, Array], H: int, eps: float, mask: NDArray[np.bool_] | None = None
) -> tuple[Array, Kept]:
    """Z = LayerNorm(X + MultiHead(X)) ;  Y = LayerNorm(Z + FFN(Z)). With GELU and without dropout.

    The same as `layers.EncoderLayer`, but it also returns the intermediate values that the backward pass needs.
    `X [B, S, D]` -> Y `[B, S, D]` and `Kept`. `theta` holds the weights by their names in that layer
    (`attention.W_Q.weight` …); `mask` broadcasts to `[B, H, S, S]` and is True where a query may look.
    Source: Vaswani et al. 2017, §3.1.
    """

    def linear(name: str, X: Array) -> Array:
        return X @ theta[f"{name}.weight"].T + theta[f"{name}.bias"]

    def layer_norm(name: str, x: Array) -> Array:
        return _standardised(x, eps)[0] * theta[f"{name}.gamma"] + theta[f"{name}.beta"]

    Q, K, V = (_split_heads(linear(f"attention.{W}", X), H) for W in ("W_Q", "W_K", "W_V"))
    scores = Q @ _transpose(K) / math.sqrt(Q.shape[-1])
    A = _softmax(scores if mask is None else np.where(mask, scores, -np.inf))
    context = _merge_heads(A @ V)
    R_1 = X + linear("attention.W_O", context)
    Z = layer_norm("attention_norm", R_1)
    U = linear("ffn.W_1", Z)
    R_2 = Z + linear("ffn.W_2", _gelu(U))
    return layer_norm("ffn_norm", R_2), Kept(X, Q, K, V, A, context, R_1, Z, U, R_2)


def encoder_layer_gradient(
    kept: Kept, theta: Mapping[str, Array], H: int, eps: float, dY: Array
) -> tuple[Array, dict[str, Array]]:
    """dY → dR₂ → dU → dZ → dR₁ → dcontext → dQ, dK, dV → dX. The backward pass of `encoder_layer`.

    Returns dX `[B, S, D]` and the gradient of each weight in `theta`. Where the forward pass uses a value twice, as at
    each residual connection, the gradients of both uses are added.
    Source: back-propagation, Rumelhart et al. 1986; Goodfellow et al. 2016, §6.5.
    """
    d: dict[str, Array] = {}

    def linear(name: str, X: Array, dY: Array) -> Array:
        dX, d[f"{name}.weight"], d[f"{name}.bias"] = linear_gradient(X, theta[f"{name}.weight"], dY)
        return dX

    def layer_norm(name: str, x: Array, dy: Array) -> Array:
        dx, d[f"{name}.gamma"], d[f"{name}.beta"] = layer_norm_gradient(x, theta[f"{name}.gamma"], eps, dy)
        return dx

    dR_2 = layer_norm("ffn_norm", kept.R_2, dY)
    dU = gelu_gradient(kept.U, linear("ffn.W_2", _gelu(kept.U), dR_2))
    dZ = dR_2 + linear("ffn.W_1", kept.Z, dU)
    dR_1 = layer_norm("attention_norm", kept.R_1, dZ)
    dcontext = _split_heads(linear("attention.W_O", kept.context, dR_1), H)
    dQ, dK, dV = (_merge_heads(g) for g in attention_gradient(kept.Q, kept.K, kept.V, kept.A, dcontext))
    dX = dR_1
    for name, dM in (("attention.W_Q", dQ), ("attention.W_K", dK), ("attention.W_V", dV)):
        dX = dX + linear(name, kept.X, dM)
    return dX, d


# --- the equations that the gradients need ---------------------------------------------------------------------


def _softmax(x: Array) -> Array:
    """`attention.softmax`; a row of −∞ gives zeros."""
    peak = x.max(axis=-1, keepdims=True, initial=-np.inf)
    e = np.exp(x - np.where(np.isneginf(peak), 0.0, peak))
    total: Array = e.sum(axis=-1, keepdims=True)
    return e / np.maximum(total, 1.0)


# NumPy has no erf, and SciPy is not a dependency. The standard library's takes one number at a time: slow, but exact.
_erf = np.vectorize(math.erf, otypes=[np.float64])


def _normal_cdf(x: Array) -> Array:
    """Φ(x), the cumulative distribution function of the standard normal distribution."""
    phi: Array = (1.0 + _erf(x / math.sqrt(2.0))) / 2.0
    return phi


def _gelu(x: Array) -> Array:
    return x * _normal_cdf(x)


def _standardised(x: Array, eps: float) -> tuple[Array, Array]:
    """x̂ = (x − μ) / s and s = √(σ² + ε), row by row."""
    centred = x - x.mean(axis=-1, keepdims=True)
    s: Array = np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + eps)
    return centred / s, s


def _transpose(X: Array) -> Array:
    return X.swapaxes(-2, -1)


def _split_heads(X: Array, H: int) -> Array:
    B, S, D = X.shape
    return X.reshape(B, S, H, D // H).swapaxes(1, 2)


def _merge_heads(X: Array) -> Array:
    """The inverse of `_split_heads` and also its gradient, because both only rearrange entries."""
    B, H, S, d_k = X.shape
    return X.swapaxes(1, 2).reshape(B, S, H * d_k)
