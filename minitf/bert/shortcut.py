"""An exact saving: a head that reads [CLS] alone needs the last layer's answer for no other token.

So in that layer only [CLS] asks, projects and feeds forward, while its keys and values still come from every token:
about four fifths of one layer less work, the same logits and gradients. With dropout the draws are fewer, so a seeded
run differs from one without the saving as two seeds do. `Bert.forward` stays whole for all who look inside.
"""

from typing import cast

from torch import Tensor

from minitf.bert.model import Bert
from minitf.errors import InputError
from minitf.layers import EncoderLayer, Passed


def logits_of_first_token(model: Bert, token_ids: Tensor, segment_ids: Tensor, mask: Tensor) -> Tensor:
    """`model(token_ids, segment_ids, mask).logits` for a head that reads [CLS] alone; `[B, S]` in, `[B, C]` out.

    Raises InputError for a model without such a head.
    """
    if model.head is None or not model.head.reads_first_alone:
        raise InputError(f"the head {model.head_name} does not read [CLS] alone")
    may_look = mask[:, None, None, :].bool()  # [B, 1, 1, S]
    X = model.embeddings(token_ids, segment_ids)
    *lower, last = cast("list[EncoderLayer]", list(model.encoder.layers))
    for layer in lower:
        X, _ = layer(X, may_look)
    X = X[:, :1] if isinstance(last, Passed) else first_token(last, X, may_look)  # [B, 1, D]
    logits: Tensor = model.read_out(X)[1]
    return logits


def first_token(layer: EncoderLayer, X: Tensor, mask: Tensor) -> Tensor:
    """Row 0 of `layer(X, mask)`; `[B, S, D] -> [B, 1, D]`. Line by line `EncoderLayer.forward` with one query."""
    attention, math = layer.attention, layer.attention.math
    x = X[:, :1]  # [B, 1, D]
    Q = math.split_heads(attention.W_Q(x), attention.H)  # [B, H, 1, d_k]
    K = math.split_heads(attention.W_K(X), attention.H)
    V = math.split_heads(attention.W_V(X), attention.H)
    p = attention.dropout if layer.training else 0.0
    context, _ = math.attend(Q, K, V, mask, p, False)
    x = layer.attention_norm(x + layer.attention_dropout(attention.W_O(math.merge_heads(context))))
    y: Tensor = layer.ffn_norm(x + layer.ffn_dropout(layer.ffn(x)))
    return y
