"""The differences between the layers of the family, as data."""

import dataclasses
from collections.abc import Callable
from typing import Any

from torch import nn

from minitf.layers.attention import MultiHeadAttention
from minitf.layers.feedforward import FeedForward, GatedFeedForward
from minitf.layers.normalization import LayerNorm, RMSNorm
from minitf.mathematics import Mathematics


@dataclasses.dataclass(frozen=True)
class LayerParts:
    """The parts of which an encoder layer or a decoder layer is built. The defaults are those of BERT.

    | model              | placement | norm      | feed_forward     | bias  | d_k   | scale |
    |--------------------|-----------|-----------|------------------|-------|-------|-------|
    | Vaswani et al.     | post_norm | LayerNorm | FeedForward      | FFN   | D / H | 1/√d_k|
    | BERT, Marian, BART | post_norm | LayerNorm | FeedForward      | True  | D / H | 1/√d_k|
    | GPT-2, ViT         | pre_norm  | LayerNorm | FeedForward      | True  | D / H | 1/√d_k|
    | T5                 | pre_norm  | RMSNorm   | FeedForward      | False | given | 1     |
    | T5 v1.1            | pre_norm  | RMSNorm   | GatedFeedForward | False | given | 1     |
    """

    placement: str = "post_norm"  # of the norm: the name of a function of the mathematics
    norm: type[LayerNorm] | type[RMSNorm] = LayerNorm
    feed_forward: type[FeedForward] | type[GatedFeedForward] = FeedForward
    bias: bool = True  # of every linear map
    attention_bias: bool = True  # False: the linear maps of the attention have none, whatever `bias` is
    d_k: int | None = None  # the width of one head; None: D / H
    scale: float | None = None  # of the scores; None: 1/√d_k
    dropout_after_activation: float = 0.0  # inside the feed-forward network

    def connection(self, math: Mathematics) -> Callable[..., Any]:
        """Return the function that connects a sub-layer to the residual path: `post_norm` or `pre_norm`."""
        connect: Callable[..., Any] = getattr(math, self.placement)
        return connect

    def make_attention(self, D: int, H: int, dropout: float, math: Mathematics) -> MultiHeadAttention:
        bias = self.bias and self.attention_bias
        return MultiHeadAttention(D, H, dropout, math, d_k=self.d_k, bias=bias, scale=self.scale)

    def make_norm(self, D: int, eps: float, math: Mathematics) -> nn.Module:
        return self.norm(D, eps, math)

    def make_feed_forward(self, D: int, F: int, activation: str, math: Mathematics) -> nn.Module:
        return self.feed_forward(D, F, activation, math, bias=self.bias, dropout=self.dropout_after_activation)


BERT_PARTS = LayerParts()
