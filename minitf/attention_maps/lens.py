"""The logit lens: what each layer would predict if the masked-LM head read it instead of the last layer.

The head was trained on the last layer alone, so its predictions for early layers are only a hint. Source:
nostalgebraist, "interpreting GPT: the logit lens" (2020), there for GPT-2.
"""

import dataclasses

import numpy as np
import torch

from minitf.attention_maps.model import OpenModel, encode, readable_tokens
from minitf.bert.pretraining_heads import PretrainingLogits
from minitf.errors import InputError
from minitf.tasks.inference import check_finite, evaluating
from minitf.tasks.masked_lm.words import likeliest_words

HEADS = ("masked-lm", "pretraining")
CHUNK = 64  # positions at once: a large vocabulary has 250,000 logits for each


@dataclasses.dataclass(frozen=True)
class Lens:
    """The k likeliest words at each of S positions after each of L layers; index 0 is the output of the embeddings."""

    tokens: tuple[str, ...]  # S, the tokens of the text
    words: tuple[tuple[tuple[str, ...], ...], ...]  # [L + 1][S][k], likeliest first
    probabilities: np.ndarray  # [L + 1, S, k]
    own: np.ndarray  # [L + 1, S], of the text's own token


def read_layers(
    opened: OpenModel, text: str, pair: str | None = None, max_length: int | None = None, k: int = 5
) -> Lens:
    """Compute what each layer predicts at each position. Raises InputError for a model without a masked-LM head."""
    model, tokenizer = opened.model, opened.tokenizer
    if model.head_name not in HEADS:
        raise InputError(
            "the logit lens needs a masked-LM head, and this model has none; use a pre-trained checkpoint that has one"
        )
    batch = encode(opened, text, pair, max_length)
    ids = batch.token_ids[0]
    with evaluating(model), torch.no_grad():
        states = model(batch.token_ids, batch.segment_ids, batch.mask).hidden_states
        layers = [_read(opened, X, ids, k) for X in states]
    return Lens(
        tokens=tuple(readable_tokens(tokenizer, ids.tolist(), text, pair, max_length or model.config.longest)),
        words=tuple(tuple(tuple(word for word, _ in row) for row in best) for best, _ in layers),
        probabilities=np.array([[[p for _, p in row] for row in best] for best, _ in layers]),
        own=np.array([own for _, own in layers]),
    )


def _read(
    opened: OpenModel, X: torch.Tensor, ids: torch.Tensor, k: int
) -> tuple[list[list[tuple[str, float]]], list[float]]:
    """Apply the head to one hidden state `[1, S, D]`: the k likeliest words, and the probability of the own token."""
    best: list[list[tuple[str, float]]] = []
    own: list[float] = []
    for start in range(0, X.shape[1], CHUNK):
        part = slice(start, start + CHUNK)
        _, logits = opened.model.read_out(X[:, part])
        if isinstance(logits, PretrainingLogits):
            logits = logits.masked_lm
        p = check_finite(logits[0]).double().softmax(-1)  # [S, N]
        best += likeliest_words(p, opened.tokenizer, k)
        own += p.gather(-1, ids[part, None])[:, 0].tolist()
    return best, own
