"""Right answers to the exercises, each written differently from the package's own function."""

import collections
import math

import numpy as np
import torch
import torch.nn.functional as F


def softmax_by_logsumexp(x):
    nothing = torch.isneginf(x).all(-1, keepdim=True)
    return torch.exp(x - torch.logsumexp(x.masked_fill(nothing, 0.0), -1, keepdim=True)).masked_fill(nothing, 0.0)


def softmax_of_torch(x):
    nothing = (x == -math.inf).all(-1, keepdim=True)
    return torch.softmax(x.masked_fill(nothing, 0.0), dim=-1) * ~nothing


def softmax_in_numpy(x):
    peak = np.where(np.isneginf(x.max(-1, keepdims=True)), 0.0, x.max(-1, keepdims=True))
    e = np.exp(x - peak)
    total = e.sum(-1, keepdims=True)
    return np.divide(e, total, out=np.zeros_like(e), where=total > 0)


def attention_by_einsum(queries, keys, values, mask=None):
    scores = torch.einsum("bhqd,bhkd->bhqk", queries, keys) * queries.size(-1) ** -0.5
    if mask is not None:
        scores = torch.where(mask, scores, torch.full_like(scores, -math.inf))
    A = torch.nan_to_num(torch.softmax(scores, -1))
    return torch.einsum("bhqk,bhkd->bhqd", A, values), A


def attention_of_scaled_queries(Q, K, V, mask=None, dropout=0.0, need_attention=False):
    scores = (Q / math.sqrt(Q.shape[-1])) @ K.mT
    bias = 0.0 if mask is None else torch.zeros_like(scores).masked_fill(~mask, -1e30)
    A = F.softmax(scores + bias, -1)
    if mask is not None:
        A = A * mask.any(-1, keepdim=True)
    return F.dropout(A, dropout) @ V, A


def attention_in_numpy(Q, K, V, mask=None):
    scores = Q @ np.swapaxes(K, -1, -2) / np.sqrt(Q.shape[-1])
    if mask is not None:
        scores = np.where(mask, scores, -np.inf)
    A = softmax_in_numpy(scores)
    return A @ V, A


def attention_of_torch_with_a_root_of_numpy(Q, K, V, mask=None):
    scores = Q @ K.transpose(-2, -1) / np.sqrt(Q.shape[-1])
    if mask is not None:
        scores = scores.masked_fill(~mask, -np.inf)
    A = scores.softmax(-1).nan_to_num(0.0)
    return A @ V, A


def split_by_unflatten(X, H):
    return X.unflatten(-1, (H, -1)).permute(0, 2, 1, 3)


def split_by_chunks(X, H):
    return torch.stack(X.chunk(H, dim=-1), dim=1)


def merge_by_flatten(X):
    return X.permute(0, 2, 1, 3).flatten(2)


def merge_by_cat(X):
    return torch.cat(X.unbind(1), dim=-1)


def linear_by_einsum(X, W, b=None):
    out = torch.einsum("...i,oi->...o", X, W)
    return out if b is None else out + b


def linear_of_torch(X, W, b=None):
    return F.linear(X, W, b)


def look_up_by_one_hot(E, ids):
    return F.one_hot(ids, len(E)).to(E.dtype) @ E


def look_up_by_index_select(E, ids):
    return E.index_select(0, ids.reshape(-1)).reshape(*ids.shape, -1)


def positions_by_loop(S, D):
    table = torch.zeros(S, D, dtype=torch.float64)
    for pos in range(S):
        for i in range(D // 2):
            angle = pos / 10000 ** (2 * i / D)
            table[pos, 2 * i], table[pos, 2 * i + 1] = math.sin(angle), math.cos(angle)
    return table


def positions_by_exp(S, D):
    pos = np.arange(S)[:, None]
    factor = np.exp(-math.log(10000.0) * np.arange(0, D, 2) / D)
    table = np.empty((S, D))
    table[:, 0::2], table[:, 1::2] = np.sin(pos * factor), np.cos(pos * factor)
    return table


def relu_by_product(x):
    return x * (x > 0)


def relu_by_where(x):
    return torch.where(x > 0, x, torch.zeros_like(x))


def gelu_by_normal(x):
    return x * torch.distributions.Normal(0.0, 1.0).cdf(x)


def gelu_by_erfc(x):
    return 0.5 * x * torch.erfc(-x * math.sqrt(0.5))


def gelu_of_torch_with_a_root_of_numpy(x):
    return x * (1 + (x / np.sqrt(2)).erf()) / 2


gelu_number_by_number = np.vectorize(lambda x: x * (1.0 + math.erf(x / math.sqrt(2.0))) / 2.0)
gelu_number_by_number.__name__ = "gelu_number_by_number"


def gelu_tanh_of_torch(x):
    return F.gelu(x, approximate="tanh")


def gelu_tanh_by_sigmoid(x):
    return x * torch.sigmoid(2 * math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x))


def layer_norm_of_torch(x, gamma, beta, eps):
    return F.layer_norm(x, (x.shape[-1],), gamma, beta, eps)


def layer_norm_by_rsqrt(x, g, b, e):
    centred = x - x.mean(-1, True)
    return torch.addcmul(b, centred * torch.rsqrt(x.var(-1, unbiased=False, keepdim=True) + e), g)


def layer_norm_in_numpy(x, gamma, beta, eps):
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + eps) * gamma + beta


def dropout_by_rand(x, p):
    if p >= 1:
        return torch.zeros_like(x)
    return x * (torch.rand(x.shape) >= p) / (1 - p)


def dropout_of_torch(x, p):
    return F.dropout(x, p, training=True)


def dropout_in_numpy(x, p):
    return x * 0.0 if p == 1 else x * (np.random.rand(*x.shape) >= p) / (1 - p)


def log_softmax_by_logsumexp(z):
    return z - z.logsumexp(-1, keepdim=True)


def cross_entropy_by_logsumexp(logits, labels):
    return (torch.logsumexp(logits, -1) - logits[torch.arange(len(labels)), labels]).mean()


def cross_entropy_in_numpy(logits, labels):
    shifted = logits - logits.max(-1, keepdims=True)
    return np.mean(np.log(np.exp(shifted).sum(-1)) - shifted[np.arange(len(labels)), labels])


def cross_entropy_of_torch(logits, labels, class_weights=None, label_smoothing=0.0):
    return F.cross_entropy(logits, labels, weight=class_weights, label_smoothing=label_smoothing)


def binary_cross_entropy_by_logsigmoid(z, t):
    return -(t * F.logsigmoid(z) + (1 - t) * F.logsigmoid(-z)).mean()


def binary_cross_entropy_by_max(z, t):
    return (z.clamp(min=0) - z * t + torch.log1p(torch.exp(-z.abs()))).mean()


def mean_squared_error_by_pow(y, t):
    return ((y - t) ** 2).sum() / y.numel()


def l1_by_loop(parameters, lam):
    total = 0.0
    for p in parameters:
        total = total + lam * torch.linalg.vector_norm(p, 1)
    return total


def l2_by_dot(parameters, lam):
    return sum(lam * torch.dot(p.flatten(), p.flatten()) for p in parameters)


@torch.no_grad()
def descent_by_add(theta, g, state, lr):
    theta.add_(g, alpha=-lr)


def descent_in_numpy(theta, g, state, lr):
    theta[...] = theta - lr * g


def momentum_by_get(theta, g, state, lr, mu=0.9):
    state["v"] = mu * state.get("v", 0.0) + g
    theta -= lr * state["v"]


def rmsprop_by_lerp(theta, g, state, lr, alpha=0.99, eps=1e-8):
    v = state.get("square", torch.zeros_like(theta))
    state["square"] = torch.lerp(g.square(), v, alpha)
    theta.copy_(theta - lr * g / (torch.sqrt(state["square"]) + eps))


def adam_in_numpy(theta, g, state, lr, beta_1=0.9, beta_2=0.999, eps=1e-8):
    t, m, v = state.get("all", (0, np.zeros_like(theta), np.zeros_like(theta)))
    t, m, v = t + 1, beta_1 * m + (1 - beta_1) * g, beta_2 * v + (1 - beta_2) * g**2
    state["all"] = t, m, v
    theta -= lr * (m / (1 - beta_1**t)) / (np.sqrt(v / (1 - beta_2**t)) + eps)


def adam_by_step_size(theta, g, state, lr, beta_1=0.9, beta_2=0.999, eps=1e-8, bias_correction=True):
    state["step"] = state.get("step", 0) + 1
    state["m"] = state.get("m", torch.zeros_like(g)).lerp(g, 1 - beta_1)
    state["v"] = beta_2 * state.get("v", torch.zeros_like(g)) + (1 - beta_2) * g * g
    c1 = 1 - beta_1 ** state["step"] if bias_correction else 1.0
    c2 = 1 - beta_2 ** state["step"] if bias_correction else 1.0
    theta.addcdiv_(state["m"], state["v"].sqrt() / math.sqrt(c2) + eps, value=-lr / c1)


def adamw_subtracting_at_once(theta, g, state, lr, beta_1=0.9, beta_2=0.999, eps=1e-8, weight_decay=0.01):
    before = theta.clone()
    adam_by_step_size(theta, g, state, lr, beta_1, beta_2, eps)
    theta -= lr * weight_decay * before


def clip_without_the_millionth(gradients, most):
    norm = torch.sqrt(sum((g**2).sum() for g in gradients))
    if norm > most:
        for g in gradients:
            g.mul_(most / norm)
    return norm


# The functions of the lessons in unusual forms: arrays for pairs and lists, a result rounded to float32, other bounds.


def pieces_as_array(word, vocabulary):
    pieces, rest, mark = [], word, ""
    while rest:
        sizes = [n for n in range(1, len(rest) + 1) if mark + rest[:n] in vocabulary]
        if not sizes:
            return np.array(["[UNK]"])
        pieces.append(mark + rest[: sizes[-1]])
        rest, mark = rest[sizes[-1] :], "##"
    return np.array(pieces)


def cosine_of_torch(a, b):
    return F.cosine_similarity(a, b, dim=-1)


def cosine_of_normalized_vectors(a, b):
    return (F.normalize(a, dim=-1) * F.normalize(b, dim=-1)).sum(-1)


def cosine_with_a_bound_on_the_product(a, b):
    return (a * b).sum(-1) / (a.norm(dim=-1) * b.norm(dim=-1)).clamp(min=1e-12)


def stopping_by_windows(losses, patience):
    for n in range(patience + 1, len(losses) + 1):
        if min(losses[n - patience : n]) >= min(losses[: n - patience]):
            return n
    return len(losses)


def counts_by_bincount(predicted, actual, C):
    return np.bincount(actual * C + predicted, minlength=C * C).reshape(C, C)


def layer_norm_gradient_by_jacobian(x, gamma, eps, dy):
    D, shape = x.shape[-1], x.shape
    x, dy = x.reshape(-1, D), dy.reshape(-1, D)
    s = np.sqrt(x.var(-1) + eps)
    x_hat = (x - x.mean(-1, keepdims=True)) / s[:, None]
    J = (np.eye(D) - 1 / D - x_hat[:, :, None] * x_hat[:, None, :] / D) / s[:, None, None]
    return [np.einsum("nij,nj->ni", J, dy * gamma).reshape(shape), (dy * x_hat).sum(0), dy.sum(0)]


def varint_by_division(n):
    head = bytearray()
    while n >= 128:
        n, group = divmod(n, 128)
        head.append(128 + group)
    return head + bytes([n])


def momentum_of_a_clone(theta, g, state, lr, mu=0.9):
    if "v" not in state:
        state["v"] = torch.clone(g).detach()
    else:
        state["v"].mul_(mu).add_(g)
    theta.add_(state["v"], alpha=-lr)


def interval(correct, n):
    p = correct / n
    return np.clip(p + np.array([-1.96, 1.96]) * np.sqrt(p * (1 - p) / n), 0, 1)


def interval_of_torch(correct, n):
    p = torch.tensor(correct / n)
    half = 1.96 * torch.sqrt(p * (1 - p) / n)
    return torch.stack([p - half, p + half]).clamp(0, 1)


def mean_and_sd_as_array(scores):
    return np.array([np.mean(scores), np.std(scores, ddof=1) if len(scores) > 1 else 0.0])


def mean_and_sd_as_tensor(scores):
    return torch.tensor(mean_and_sd_as_array(scores).tolist())


def counts_as_lists(predicted, actual, C):
    counts = collections.Counter(zip(actual.tolist(), predicted.tolist(), strict=True))
    return [[counts[t, p] for p in range(C)] for t in range(C)]


def drawn_by_binomial(x, p):
    return x * np.random.binomial(1, 1 - p, x.shape) / max(1 - p, 1e-12)


def positions_rounded_last(S, D):
    angle = torch.outer(torch.arange(S).double(), 10000.0 ** (-torch.arange(0, D, 2).double() / D))
    return torch.stack([angle.sin(), angle.cos()], -1).flatten(1).float()


def stopping_by_the_place_of_the_best(losses, patience):
    for n in range(1, len(losses) + 1):
        if n - (losses.index(min(losses[:n])) + 1) >= patience:
            return n
    return len(losses)


RIGHT = {
    "softmax": (softmax_by_logsumexp, softmax_of_torch, softmax_in_numpy),
    "scaled_dot_product_attention": (
        attention_by_einsum,
        attention_of_scaled_queries,
        attention_in_numpy,
        attention_of_torch_with_a_root_of_numpy,
    ),
    "split_heads": (split_by_unflatten, split_by_chunks),
    "merge_heads": (merge_by_flatten, merge_by_cat),
    "linear": (linear_by_einsum, linear_of_torch),
    "look_up": (look_up_by_one_hot, look_up_by_index_select),
    "sinusoidal_positions": (positions_by_loop, positions_by_exp, positions_rounded_last),
    "relu": (relu_by_product, relu_by_where),
    "gelu": (gelu_by_normal, gelu_by_erfc, gelu_of_torch_with_a_root_of_numpy, gelu_number_by_number),
    "gelu_tanh": (gelu_tanh_of_torch, gelu_tanh_by_sigmoid),
    "layer_norm": (layer_norm_of_torch, layer_norm_by_rsqrt, layer_norm_in_numpy),
    "dropout": (dropout_by_rand, dropout_of_torch, dropout_in_numpy, drawn_by_binomial),
    "log_softmax": (log_softmax_by_logsumexp,),
    "cross_entropy": (cross_entropy_by_logsumexp, cross_entropy_in_numpy, cross_entropy_of_torch),
    "binary_cross_entropy": (binary_cross_entropy_by_logsigmoid, binary_cross_entropy_by_max),
    "mean_squared_error": (mean_squared_error_by_pow,),
    "l1_penalty": (l1_by_loop,),
    "l2_penalty": (l2_by_dot,),
    "gradient_descent": (descent_by_add, descent_in_numpy),
    "momentum": (momentum_by_get, momentum_of_a_clone),
    "rmsprop": (rmsprop_by_lerp,),
    "adam": (adam_in_numpy, adam_by_step_size),
    "adamw": (adamw_subtracting_at_once,),
    "clip_by_norm": (clip_without_the_millionth,),
    "wordpiece": (pieces_as_array,),
    "cosine_similarity": (cosine_of_torch, cosine_of_normalized_vectors, cosine_with_a_bound_on_the_product),
    "layer_norm_gradient": (layer_norm_gradient_by_jacobian,),
    "varint": (varint_by_division,),
    "confusion_matrix": (counts_by_bincount, counts_as_lists),
    "accuracy_interval": (interval, interval_of_torch),
    "mean_and_sd": (mean_and_sd_as_array, mean_and_sd_as_tensor),
    "stop_at": (stopping_by_windows, stopping_by_the_place_of_the_best),
}
