"""Modules that own weights. They take numbers and a `Mathematics`, never a config, and do not depend on BERT.

The encoder of Vaswani et al. 2017 is built from these alone:

    embeddings = SinusoidalEmbeddings(N=32_000, D=512, dropout=0.1)
    encoder = Encoder(L=6, D=512, H=8, F=2048, activation="relu", dropout=0.1)
    states, attentions = encoder(embeddings(token_ids), padding_mask(mask))  # mask [B, S], 1 for a real token
"""

from minitf.layers.attention import MultiHeadAttention
from minitf.layers.embeddings import BertEmbeddings, SinusoidalEmbeddings, after_padding, from_zero
from minitf.layers.encoder import Encoder, EncoderLayer, IdentityLayer
from minitf.layers.feedforward import FeedForward
from minitf.layers.mask import padding_mask
from minitf.layers.normalization import Dropout, LayerNorm
from minitf.layers.projection import Embedding, Linear, initialize

__all__ = [
    "BertEmbeddings",
    "Dropout",
    "Embedding",
    "Encoder",
    "EncoderLayer",
    "FeedForward",
    "IdentityLayer",
    "LayerNorm",
    "Linear",
    "MultiHeadAttention",
    "SinusoidalEmbeddings",
    "after_padding",
    "from_zero",
    "initialize",
    "padding_mask",
]
