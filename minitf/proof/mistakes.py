"""Known mistakes in a Transformer, each one as small as it is made in life, and where it shows first.

The tests plant each and require that the suite's own comparisons reject it: that is how minitf knows that its proof
can fail. Three kinds: `overlay` replaces equations, `plant` spoils a model that is built, `spoil` an optimizer.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from minitf.bert import Bert
from minitf.equations import activation, attention, normalization, update
from minitf.layers import EncoderLayer
from minitf.training.optimizer import Optimizer


@dataclasses.dataclass(frozen=True)
class Mistake:
    name: str
    tells: str  # after "this is what you get when …"
    # The end of the label of the first tensor that differs; QKᵀ/√d_k is what softmax was given.
    shows: str
    overlay: Mapping[str, Callable[..., Any]] = dataclasses.field(default_factory=dict)
    plant: Callable[[Bert], None] = lambda model: None
    spoil: Callable[[Optimizer], None] = lambda optimizer: None
    train: bool = False  # invisible unless dropout is on


# --- attention -------------------------------------------------------------------------------------------------


def _attention(
    scale: Callable[[int], float] = math.sqrt,
    mask_scores: Callable[[Tensor, Tensor], Tensor] = lambda scores, mask: scores.masked_fill(~mask, -math.inf),
    normalise: Callable[[Tensor, Callable[[Tensor], Tensor]], Tensor] = lambda scores, softmax: softmax(scores),
    mask_weights: Callable[[Tensor, Tensor], Tensor] = lambda A, mask: A,
) -> Callable[..., tuple[Tensor, Tensor | None]]:
    """`scaled_dot_product_attention` with one part replaced."""

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


def _softmax_over_queries(scores: Tensor, softmax: Callable[[Tensor], Tensor]) -> Tensor:
    return softmax(scores.transpose(-2, -1)).transpose(-2, -1)


def _softmax_over_heads(scores: Tensor, softmax: Callable[[Tensor], Tensor]) -> Tensor:
    return softmax(scores.transpose(1, -1)).transpose(1, -1)


def _mask_queries(scores: Tensor, mask: Tensor) -> Tensor:
    return scores.masked_fill(~mask.transpose(-2, -1), -1e9)


def _split_without_transpose(X: Tensor, H: int) -> Tensor:
    B, S, D = X.shape
    return X.reshape(B, H, S, D // H)


def _merge_without_transpose(X: Tensor) -> Tensor:
    B, H, S, d_k = X.shape
    return X.reshape(B, S, H * d_k)


# --- the other equations ---------------------------------------------------------------------------------------


def _gelu_rounded(x: Tensor) -> Tensor:
    return x / 2.0 * (1.0 + torch.erf(x / 1.41421))


def _layer_norm(eps: float | None = None, unbiased: bool = False, inside: bool = True) -> Callable[..., Tensor]:
    def layer_norm(x: Tensor, gamma: Tensor, beta: Tensor, given_eps: float) -> Tensor:
        e = given_eps if eps is None else eps
        variance = x.var(dim=-1, keepdim=True, unbiased=unbiased)
        scale = torch.sqrt(variance + e) if inside else torch.sqrt(variance) + e
        return (x - x.mean(dim=-1, keepdim=True)) / scale * gamma + beta

    return layer_norm


def _layer_norm_over_tokens(x: Tensor, gamma: Tensor, beta: Tensor, eps: float) -> Tensor:
    mean, variance = x.mean(dim=1, keepdim=True), x.var(dim=1, keepdim=True, unbiased=False)
    return (x - mean) / torch.sqrt(variance + eps) * gamma + beta


def _dropout_wrong_scale(x: Tensor, p: float) -> Tensor:
    return x * torch.empty_like(x).bernoulli_(1.0 - p) / p if p else x


def _dropout_unscaled(x: Tensor, p: float) -> Tensor:
    return x * torch.empty_like(x).bernoulli_(1.0 - p) if p else x


def _dropout_keeps_p(x: Tensor, p: float) -> Tensor:
    return x * torch.empty_like(x).bernoulli_(p) / (1.0 - p) if p else x


def _sum_of_losses(logits: Tensor, labels: Tensor, class_weights: Tensor | None = None) -> Tensor:
    return nn.functional.cross_entropy(logits, labels, weight=class_weights, reduction="sum")


def _mean_over_logits(logits: Tensor, labels: Tensor, class_weights: Tensor | None = None) -> Tensor:
    return nn.functional.cross_entropy(logits, labels, weight=class_weights, reduction="sum") / logits.numel()


def _uncorrected(theta: Tensor, g: Tensor, state: update.State, lr: float, **settings: Any) -> None:
    update.adamw(theta, g, state, lr, **(settings | {"bias_correction": False}))


def _coupled_decay(
    theta: Tensor, g: Tensor, state: update.State, lr: float, weight_decay: float = 0.01, **settings: Any
) -> None:
    update.adam(theta, g + weight_decay * theta, state, lr, **settings)


@torch.no_grad()
def _eps_inside_the_root(
    theta: Tensor, g: Tensor, state: update.State, lr: float, weight_decay: float = 0.01, **settings: Any
) -> None:
    state["t"] = t = state.get("t", 0) + 1
    m, v = state.setdefault("m", torch.zeros_like(theta)), state.setdefault("v", torch.zeros_like(theta))
    m.mul_(0.9).add_(0.1 * g)
    v.mul_(0.999).add_(0.001 * g * g)
    theta.mul_(1.0 - lr * weight_decay)
    theta.sub_(lr * (m / (1.0 - 0.9**t)) / torch.sqrt(v / (1.0 - 0.999**t) + 1e-8))


# --- the model -------------------------------------------------------------------------------------------------


def _replace(module: nn.Module, forward: Callable[..., Any]) -> None:
    """Give this one module another forward."""
    object.__setattr__(module, "forward", forward)


def _each_layer(change: Callable[[EncoderLayer], None]) -> Callable[[Bert], None]:
    def plant(model: Bert) -> None:
        for layer in model.encoder.layers:
            assert isinstance(layer, EncoderLayer)
            change(layer)

    return plant


def _pre_norm(layer: EncoderLayer) -> None:
    def forward(X: Tensor, mask: Tensor | None = None, need_attention: bool = False) -> tuple[Tensor, Tensor | None]:
        attended, A = layer.attention(layer.attention_norm(X), mask, need_attention)
        X = X + layer.attention_dropout(attended)
        return X + layer.ffn_dropout(layer.ffn(layer.ffn_norm(X))), A

    _replace(layer, forward)


def _no_residual(layer: EncoderLayer) -> None:
    def forward(X: Tensor, mask: Tensor | None = None, need_attention: bool = False) -> tuple[Tensor, Tensor | None]:
        attended, A = layer.attention(X, mask, need_attention)
        X = layer.attention_norm(layer.attention_dropout(attended))
        return layer.ffn_norm(layer.ffn_dropout(layer.ffn(X))), A

    _replace(layer, forward)


def _dropout_after_the_norm(layer: EncoderLayer) -> None:
    def forward(X: Tensor, mask: Tensor | None = None, need_attention: bool = False) -> tuple[Tensor, Tensor | None]:
        attended, A = layer.attention(X, mask, need_attention)
        X = layer.attention_dropout(layer.attention_norm(X + attended))
        return layer.ffn_dropout(layer.ffn_norm(X + layer.ffn(X))), A

    _replace(layer, forward)


def _no_attention_dropout(layer: EncoderLayer) -> None:
    layer.attention.dropout = 0.0


def _swap_queries_and_keys(layer: EncoderLayer) -> None:
    a = layer.attention
    a.W_Q, a.W_K = a.W_K, a.W_Q


def _segments_ignored(model: Bert) -> None:
    table: Any = model.embeddings.segment
    _replace(table, lambda ids: table.math.look_up(table.weight, torch.zeros_like(ids)))


def _positions_off_by_one(model: Bert) -> None:
    table = model.embeddings.position
    _replace(table, lambda ids: table.math.look_up(table.weight, ids + 1))


def _last_token_pooled(model: Bert) -> None:
    pooler = model.pooler
    assert pooler is not None
    _replace(pooler, lambda X: torch.tanh(pooler.W(X[:, -1])))


def _mean_token_pooled(model: Bert) -> None:
    pooler = model.pooler
    assert pooler is not None
    _replace(pooler, lambda X: torch.tanh(pooler.W(X.mean(dim=1))))


def _no_tanh(model: Bert) -> None:
    pooler = model.pooler
    assert pooler is not None
    _replace(pooler, lambda X: pooler.W(X[:, 0]))


def _everything_decays(optimizer: Optimizer) -> None:
    optimizer.decayed = set(optimizer.parameters)


MISTAKES: tuple[Mistake, ...] = (
    Mistake(
        "no scaling",
        "the scores are not divided by √d_k",
        "QKᵀ/√d_k",
        {"scaled_dot_product_attention": _attention(scale=lambda d_k: 1.0)},
    ),
    Mistake(
        "scaled by d_k",
        "the scores are divided by d_k, not by its root",
        "QKᵀ/√d_k",
        {"scaled_dot_product_attention": _attention(scale=float)},
    ),
    Mistake(
        "softmax over queries",
        "softmax runs over the queries: each column sums to 1, not each row",
        "QKᵀ/√d_k",
        {"scaled_dot_product_attention": _attention(normalise=_softmax_over_queries)},
    ),
    Mistake(
        "softmax over heads",
        "softmax runs over the heads",
        "QKᵀ/√d_k",
        {"scaled_dot_product_attention": _attention(normalise=_softmax_over_heads)},
    ),
    Mistake(
        "mask after softmax",
        "the mask is applied after softmax, so the rows no longer sum to 1",
        ".A",
        {
            "scaled_dot_product_attention": _attention(
                mask_scores=lambda scores, mask: scores, mask_weights=lambda A, mask: A.masked_fill(~mask, 0.0)
            )
        },
    ),
    Mistake(
        "mask on queries",
        "the mask hides padded queries; padded keys are still looked at",
        ".A",
        {"scaled_dot_product_attention": _attention(mask_scores=_mask_queries)},
    ),
    Mistake(
        "mask upside down",
        "the mask hides the real tokens and shows the padding",
        "QKᵀ/√d_k",
        {
            "scaled_dot_product_attention": _attention(
                mask_scores=lambda scores, mask: scores.masked_fill(mask, -math.inf)
            )
        },
    ),
    Mistake(
        "no mask",
        "padding is looked at",
        ".A",
        {"scaled_dot_product_attention": _attention(mask_scores=lambda s, m: s)},
    ),
    Mistake(
        "heads split without transpose",
        "the heads cut the sentence, not the width: a transpose is missing",
        "QKᵀ/√d_k",
        {"split_heads": _split_without_transpose},
    ),
    Mistake(
        "heads merged without transpose",
        "the heads' answers are laid out head by head: a transpose is missing",
        ".AV",
        {"merge_heads": _merge_without_transpose},
    ),
    Mistake(
        "tanh GELU",
        "the tanh form of GELU stands in the place of the erf form",
        ".activation",
        {"gelu": activation.gelu_tanh},
    ),
    Mistake("ReLU for GELU", "ReLU stands in the place of GELU", ".activation", {"gelu": activation.relu}),
    Mistake("√2 rounded", "√2 is written 1.41421", ".activation", {"gelu": _gelu_rounded}),
    Mistake(
        "LayerNorm ε 1e-5",
        "ε is 1e-5, the default of PyTorch, not BERT's 1e-12",
        "embeddings.norm",
        {"layer_norm": _layer_norm(eps=1e-5)},
    ),
    Mistake(
        "LayerNorm unbiased",
        "the variance is divided by D − 1, not by D",
        "embeddings.norm",
        {"layer_norm": _layer_norm(unbiased=True)},
    ),
    Mistake(
        "LayerNorm over tokens",
        "mean and variance run over the tokens, not over the width",
        "embeddings.norm",
        {"layer_norm": _layer_norm_over_tokens},
    ),
    Mistake("pre-norm", "the norm comes before the sublayer", ".W_Q", plant=_each_layer(_pre_norm)),
    Mistake(
        "no residual", "the sublayer's input is not added back", ".attention_norm", plant=_each_layer(_no_residual)
    ),
    Mistake("W_Q and W_K swapped", "queries and keys are exchanged", ".W_Q", plant=_each_layer(_swap_queries_and_keys)),
    Mistake(
        "segments ignored", "every token counts as of the first sentence", "embeddings.segment", plant=_segments_ignored
    ),
    Mistake("positions off by one", "the first token stands at 1", "embeddings.position", plant=_positions_off_by_one),
    Mistake("last token pooled", "the pooler reads the last position, not [CLS]", "pooler", plant=_last_token_pooled),
    Mistake(
        "mean pooled", "the pooler reads the mean, padding included, not [CLS]", "pooler", plant=_mean_token_pooled
    ),
    Mistake("no tanh", "the pooler has no tanh", "pooler", plant=_no_tanh),
    Mistake("loss summed", "the losses are summed, not averaged", "loss", {"cross_entropy": _sum_of_losses}),
    Mistake(
        "loss over classes",
        "the loss is averaged over the logits, not the texts",
        "loss",
        {"cross_entropy": _mean_over_logits},
    ),
    Mistake("no bias correction", "m and v are not divided by 1 − βᵗ", "word.weight", {"adamw": _uncorrected}),
    Mistake(
        "coupled decay", "the decay goes through the gradient: Adam with L2", "word.weight", {"adamw": _coupled_decay}
    ),
    Mistake(
        "ε inside the root",
        "ε stands inside the root: √(v̂ + ε), not √v̂ + ε",
        "word.weight",
        {"adamw": _eps_inside_the_root},
    ),
    Mistake("everything decays", "LayerNorm and biases decay too", "norm.gamma", spoil=_everything_decays),
    Mistake(
        "dropout 1/p",
        "what is kept is divided by p, not by 1 − p",
        "embeddings",
        {"dropout": _dropout_wrong_scale},
        train=True,
    ),
    Mistake(
        "dropout unscaled",
        "what is kept is not divided by 1 − p",
        "embeddings",
        {"dropout": _dropout_unscaled},
        train=True,
    ),
    Mistake(
        "dropout keeps p", "p is taken for the share kept", "embeddings", {"dropout": _dropout_keeps_p}, train=True
    ),
    Mistake(
        "dropout after the norm",
        "dropout acts on the norm's output, not on the sublayer's",
        ".attention_norm",
        plant=_each_layer(_dropout_after_the_norm),
        train=True,
    ),
    Mistake("no attention dropout", "A is not dropped", ".AV", plant=_each_layer(_no_attention_dropout), train=True),
)
