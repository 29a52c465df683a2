"""The attention maps of one text, as plain data: every head of every layer, with the tokens."""

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class AttentionMaps:
    """The attention weights of one text. S counts the special tokens too; A[l, h, q, k] is the weight of key k for
    query q."""

    name: str  # of the model
    text: str
    pair: str | None
    tokens: tuple[str, ...]  # S tokens, as the vocabulary writes them
    segments: tuple[int, ...]  # S: 0 for the first text, 1 for the second
    special: tuple[bool, ...]  # S: whether it is a special token, such as [CLS]
    A: np.ndarray  # [L, H, S, S], rows sum to 1
    labels: tuple[str, ...]  # C names, () for a model without a classifier; ("number",) for one that predicts a number
    probabilities: tuple[float, ...]  # C, one for each label, as `predict` computes them; the number itself
    readable_tokens: tuple[str, ...] = ()  # S, without a tokenizer's own signs; "##" before what continues a word
    words: tuple[int, ...] = ()  # S: the number of the word that each token belongs to
    spans: tuple[tuple[int, int] | None, ...] = ()  # S: its characters (first, last + 1) in its text; None for [CLS] …
    Q: np.ndarray | None = None  # [L, H, S, d_k], queries and keys, if requested
    K: np.ndarray | None = None
    prediction: str = ""  # for people: the predicted class or labels with their probabilities, or the number

    @property
    def layers(self) -> int:
        return int(self.A.shape[0])

    @property
    def heads(self) -> int:
        return int(self.A.shape[1])

    @property
    def display_tokens(self) -> tuple[str, ...]:
        """The tokens as figures and the page label them."""
        return self.readable_tokens or self.tokens
