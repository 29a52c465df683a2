"""Functions that plant a mistake in a built model or optimizer. `proof.mistakes` lists them."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from minitf.bert import Bert
from minitf.equations import residual
from minitf.layers import EncoderLayer
from minitf.training.optimizer import Optimizer


def _replace(module: nn.Module, forward: Callable[..., Any]) -> None:
    """Replace the forward method of this module."""
    object.__setattr__(module, "forward", forward)


def each_layer(change: Callable[[EncoderLayer], None]) -> Callable[[Bert], None]:
    """Make a function that applies `change` to every layer of a model."""

    def change_model(model: Bert) -> None:
        for layer in model.encoder.layers:
            assert isinstance(layer, EncoderLayer)
            change(layer)

    return change_model


def pre_norm(layer: EncoderLayer) -> None:
    layer.connect = residual.pre_norm


def no_residual(layer: EncoderLayer) -> None:
    def forward(
        X: Tensor, mask: Tensor | None = None, need_attention: bool = False, **options: Any
    ) -> tuple[Tensor, Tensor | None]:
        attended, A = layer.attention(X, mask, need_attention, **options)
        X = layer.attention_norm(layer.dropout_after_attention(attended))
        return layer.ffn_norm(layer.dropout_after_ffn(layer.ffn(X))), A

    _replace(layer, forward)


def dropout_after_the_norm(layer: EncoderLayer) -> None:
    def forward(
        X: Tensor, mask: Tensor | None = None, need_attention: bool = False, **options: Any
    ) -> tuple[Tensor, Tensor | None]:
        attended, A = layer.attention(X, mask, need_attention, **options)
        X = layer.dropout_after_attention(layer.attention_norm(X + attended))
        return layer.dropout_after_ffn(layer.ffn_norm(X + layer.ffn(X))), A

    _replace(layer, forward)


def no_attention_dropout(layer: EncoderLayer) -> None:
    layer.attention.dropout = 0.0


def swap_queries_and_keys(layer: EncoderLayer) -> None:
    a = layer.attention
    a.W_Q, a.W_K = a.W_K, a.W_Q


def segments_ignored(model: Bert) -> None:
    table: Any = model.embeddings.segment
    _replace(table, lambda ids: table.math.look_up(table.weight, torch.zeros_like(ids)))


def positions_off_by_one(model: Bert) -> None:
    table = model.embeddings.position
    _replace(table, lambda ids: table.math.look_up(table.weight, ids + 1))


def last_token_pooled(model: Bert) -> None:
    pooler = model.pooler
    assert pooler is not None
    _replace(pooler, lambda X: torch.tanh(pooler.W(X[:, -1])))


def mean_token_pooled(model: Bert) -> None:
    pooler = model.pooler
    assert pooler is not None
    _replace(pooler, lambda X: torch.tanh(pooler.W(X.mean(dim=1))))


def no_tanh(model: Bert) -> None:
    pooler = model.pooler
    assert pooler is not None
    _replace(pooler, lambda X: pooler.W(X[:, 0]))


def everything_decays(optimizer: Optimizer) -> None:
    optimizer.decayed = set(optimizer.parameters)


def key_biases_decay(optimizer: Optimizer) -> None:
    optimizer.decayed |= {name for name in optimizer.parameters if name.endswith("W_K.bias")}
