"""Modules that own weights. They take numbers and a `Mathematics`, never a config, and do not depend on BERT.

The encoder of Vaswani et al. 2017 is built from these alone:

    embeddings = SinusoidalEmbeddings(N=32_000, D=512, dropout=0.1)
    encoder = Encoder(L=6, D=512, H=8, F=2048, activation="relu", dropout=0.1)
    states, attentions = encoder(embeddings(token_ids), padding_mask(mask))  # mask [B, S], 1 for a real token

and its decoder reads the encoder's last state, M = states[-1]:

    decoder = Decoder(L=6, D=512, H=8, F=2048, activation="relu", dropout=0.1)
    targets, _, _ = decoder(embeddings(target_ids), M, causal_mask(target_ids.shape[1]), padding_mask(mask))
"""

from minitf.layers.attention import MultiHeadAttention
from minitf.layers.cache import KeyValueCache, MemoryCache, StackCache
from minitf.layers.decoder import Decoder, DecoderLayer
from minitf.layers.embeddings import (
    BertEmbeddings,
    RelativePositionBias,
    SinusoidalEmbeddings,
    after_padding,
    from_zero,
)
from minitf.layers.encoder import Encoder, EncoderLayer, IdentityLayer
from minitf.layers.feedforward import FeedForward, GatedFeedForward
from minitf.layers.mask import padding_mask
from minitf.layers.normalization import Dropout, LayerNorm, RMSNorm
from minitf.layers.parts import LayerParts
from minitf.layers.projection import Embedding, Linear, initialize

__all__ = [
    "BertEmbeddings",
    "Decoder",
    "DecoderLayer",
    "Dropout",
    "Embedding",
    "Encoder",
    "EncoderLayer",
    "FeedForward",
    "GatedFeedForward",
    "IdentityLayer",
    "KeyValueCache",
    "LayerNorm",
    "LayerParts",
    "Linear",
    "MemoryCache",
    "MultiHeadAttention",
    "RMSNorm",
    "RelativePositionBias",
    "SinusoidalEmbeddings",
    "StackCache",
    "after_padding",
    "from_zero",
    "initialize",
    "padding_mask",
]
