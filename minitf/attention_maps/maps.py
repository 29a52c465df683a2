"""The attention maps of one text, as plain data: every head of every layer, with the tokens."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class Kind:
    """One of the three kinds of attention of an encoder-decoder, a block of `AttentionMaps.A`."""

    name: str  # encoder, decoder or cross
    queries: int  # the segment of its queries: 0 for the source, 1 for the target
    keys: int
    layers: int
    heads: int


@dataclasses.dataclass(frozen=True)
class Block:
    """The attention weights of one kind, `A [L, H, n, m]`, with the labels of its n queries and m keys."""

    name: str  # of the model
    A: np.ndarray
    query_labels: tuple[str, ...]
    key_labels: tuple[str, ...]

    @property
    def layers(self) -> int:
        return int(self.A.shape[0])

    @property
    def heads(self) -> int:
        return int(self.A.shape[1])


@dataclasses.dataclass(frozen=True)
class AttentionMaps:
    """The attention weights of one text. S counts the special tokens too; A[l, h, q, k] is the weight of key k for
    query q.

    For an encoder-decoder the S tokens are those of the source and then the inputs of the decoder, and A has a block
    for each of `kinds`, 0 elsewhere. So a row of the target has two blocks that sum to 1 each: `block` cuts one out.
    """

    name: str  # of the model
    text: str
    pair: str | None
    tokens: tuple[str, ...]  # S tokens, as the vocabulary writes them
    segments: tuple[int, ...]  # S: 0 for the first text, 1 for the second
    special: tuple[bool, ...]  # S: whether it is a special token, such as [CLS]
    A: np.ndarray  # [L, H, S, S], rows sum to 1 (in each block)
    labels: tuple[str, ...]  # C names, () for a model without a classifier; ("number",) for one that predicts a number
    probabilities: tuple[float, ...]  # C, one for each label, as `predict` computes them; the number itself
    readable_tokens: tuple[str, ...] = ()  # S, without a tokenizer's own signs; "##" before what continues a word
    words: tuple[int, ...] = ()  # S: the number of the word that each token belongs to
    spans: tuple[tuple[int, int] | None, ...] = ()  # S: its characters (first, last + 1) in its text; None for [CLS] …
    Q: np.ndarray | None = None  # [L, H, S, d_k], queries and keys, if requested
    K: np.ndarray | None = None
    prediction: str = ""  # for people: the predicted class or labels with their probabilities, or the number
    kinds: tuple[Kind, ...] = ()  # of an encoder-decoder, the most informative first
    # S, of an encoder-decoder: a query of its decoder has the label of the token that is predicted there.
    query_tokens: tuple[str, ...] = ()
    query_special: tuple[bool, ...] = ()
    query_words: tuple[int, ...] = ()
    roles: tuple[str, str] = ("1", "2")  # the names of the two texts

    @property
    def layers(self) -> int:
        return int(self.A.shape[0])

    @property
    def heads(self) -> int:
        return int(self.A.shape[1])

    @property
    def query_labels(self) -> tuple[str, ...]:
        return self.query_tokens or self.display_tokens

    @property
    def key_labels(self) -> tuple[str, ...]:
        return self.display_tokens

    def block(self, name: str) -> Block:
        """Return the weights of one kind of an encoder-decoder: "encoder", "decoder" or "cross"."""
        kind = next(kind for kind in self.kinds if kind.name == name)
        of = np.array(self.segments)
        q, k = np.flatnonzero(of == kind.queries), np.flatnonzero(of == kind.keys)
        A = self.A[: kind.layers, : kind.heads, q[0] : q[-1] + 1, k[0] : k[-1] + 1]
        labels = (self.query_labels, q), (self.key_labels, k)
        return Block(self.name, A, *(tuple(words[i] for i in indices) for words, indices in labels))

    @property
    def display_tokens(self) -> tuple[str, ...]:
        """The tokens as figures and the page label them."""
        return self.readable_tokens or self.tokens
