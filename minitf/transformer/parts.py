"""Build the parts of a model from the data of its family and the numbers of its config."""

from torch import nn

from minitf.layers import Embedding, LayerParts, RelativePositionBias
from minitf.layers.feedforward import FeedForward, GatedFeedForward
from minitf.layers.normalization import LayerNorm, RMSNorm
from minitf.mathematics import Mathematics
from minitf.transformer.embeddings import FixedPositions, LearnedPositions, NoBias, NoPositions, PaddedEmbedding
from minitf.transformer.family import Family

NORMS: dict[str, type[LayerNorm] | type[RMSNorm]] = {"layer_norm": LayerNorm, "rms_norm": RMSNorm}


def layer_parts(family: Family, d_k: int | None = None, dropout_after_activation: float = 0.0) -> LayerParts:
    """Return the parts of an encoder or decoder layer."""
    return LayerParts(
        placement=family.placement,
        norm=NORMS[family.norm],
        feed_forward=GatedFeedForward if family.gated else FeedForward,
        bias=family.ffn_biases,
        attention_bias=family.attention_biases,
        d_k=d_k,
        scale=None if family.scaled_scores else 1.0,
        dropout_after_activation=dropout_after_activation,
    )


def word_part(family: Family, N: int, D: int, pad_id: int, math: Mathematics) -> Embedding:
    """Return the word embedding."""
    return Embedding(N, D, math) if family.padding_is_trained else PaddedEmbedding(N, D, math, pad_id)


def position_part(family: Family, S_max: int | None, D: int, math: Mathematics) -> nn.Module:
    """Return the module that gives each position its vector."""
    if family.positions == "none":
        return NoPositions()
    if family.positions == "learned":
        return LearnedPositions(S_max or 0, D, math, family.first_position)
    return FixedPositions(D, getattr(math, family.positions))


def bias_part(
    family: Family, H: int, bidirectional: bool, buckets: int | None, max_distance: int | None, math: Mathematics
) -> nn.Module:
    """Return the module that gives the bias of the scores."""
    if not family.relative_bias:
        return NoBias()
    return RelativePositionBias(H, bidirectional, buckets or 0, max_distance or 0, math)
