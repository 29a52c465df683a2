"""The logit lens: what each layer would predict, if the masked-LM head read it in the place of the last.

The head was trained to read the last layer alone; what it says of an early one is a guess in a language that the layer
may not speak. Source: nostalgebraist, "interpreting GPT: the logit lens" (2020), there for GPT-2.
"""

import dataclasses

import numpy as np
import torch

from minitf.attention_maps.collect import Opened, encode, readings
from minitf.bert.pretraining_heads import PretrainingLogits
from minitf.errors import InputError

HEADS = ("masked-lm", "pretraining")
CHUNK = 64  # positions read at once: a large vocabulary has a quarter of a million logits for each


@dataclasses.dataclass(frozen=True)
class Lens:
    """The k likeliest words at each of S positions after each of L layers; row 0 is what the embeddings alone give."""

    readings: tuple[str, ...]  # S, the text's own tokens
    words: tuple[tuple[tuple[str, ...], ...], ...]  # [L + 1][S][k], likeliest first
    probabilities: np.ndarray  # [L + 1, S, k]
    own: np.ndarray  # [L + 1, S], of the token that stands there


def look_through(opened: Opened, text: str, pair: str | None = None, max_length: int | None = None, k: int = 5) -> Lens:
    """What each layer predicts at each position of `text`. Raises InputError for a model without a masked-LM head."""
    model, tokenizer = opened.model, opened.tokenizer
    if model.head_name not in HEADS:
        raise InputError(
            "the logit lens reads each layer with a masked-LM head, and this model has none;"
            " use a pre-trained checkpoint that holds one"
        )
    batch = encode(opened, text, pair, max_length)
    ids = batch.token_ids[0]
    model.eval()
    with torch.no_grad():
        states = model(batch.token_ids, batch.segment_ids, batch.mask).hidden_states
        found = [_read(opened, X, ids, k) for X in states]
    names = {i: tokenizer.words([i])[0] for i in {i for top, _, _ in found for row in top for i in row}}
    numbers = tokenizer.word_numbers(text, pair, max_length or model.config.longest)
    return Lens(
        readings=readings(tokenizer.words(ids.tolist()), numbers),
        words=tuple(tuple(tuple(names[i] for i in row) for row in top) for top, _, _ in found),
        probabilities=np.array([p for _, p, _ in found]),
        own=np.array([own for _, _, own in found]),
    )


def _read(
    opened: Opened, X: torch.Tensor, ids: torch.Tensor, k: int
) -> tuple[list[list[int]], list[list[float]], list[float]]:
    """Of one state `[1, S, D]`: the k likeliest ids, their probabilities, and that of the id that stands there."""
    top: list[list[int]] = []
    likely: list[list[float]] = []
    own: list[float] = []
    for start in range(0, X.shape[1], CHUNK):
        part = slice(start, start + CHUNK)
        _, logits = opened.model.read_out(X[:, part])
        if isinstance(logits, PretrainingLogits):
            logits = logits.masked_lm
        p = logits[0].double().softmax(-1)  # [S, N]
        best = p.topk(min(k, p.shape[-1]), dim=-1)
        top += best.indices.tolist()
        likely += best.values.tolist()
        own += p.gather(-1, ids[part, None])[:, 0].tolist()
    return top, likely, own
