"""Modules that own weights. They take numbers and a `Mathematics`, never a config, and know nothing of BERT.

Any encoder of Vaswani et al. 2017 is built from these alone:

    embeddings = SinusoidalEmbeddings(N=32_000, D=512, dropout=0.1)
    encoder = Encoder(L=6, D=512, H=8, F=2048, activation="relu", dropout=0.1)
    may_look = mask[:, None, None, :].bool()  # [B, S] with 1 for a real token -> [B, 1, 1, S]
    states, attentions = encoder(embeddings(token_ids), may_look)
"""

from minitf.layers.attention import MultiHeadAttention
from minitf.layers.embeddings import BertEmbeddings, SinusoidalEmbeddings, after_padding, from_zero
from minitf.layers.encoder import Encoder, EncoderLayer, Passed
from minitf.layers.feedforward import FeedForward
from minitf.layers.normalization import Dropout, LayerNorm
from minitf.layers.projection import Embedding, Linear, initialize

__all__ = [
    "BertEmbeddings",
    "Dropout",
    "Embedding",
    "Encoder",
    "EncoderLayer",
    "FeedForward",
    "LayerNorm",
    "Linear",
    "MultiHeadAttention",
    "Passed",
    "SinusoidalEmbeddings",
    "after_padding",
    "from_zero",
    "initialize",
]
