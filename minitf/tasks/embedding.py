"""Sentence vectors: the last layer, pooled over the tokens of a text, with length 1. They need no head."""

from collections.abc import Iterator
from typing import TextIO

import torch
from torch import Tensor

from minitf.bert.head import mean_pooled
from minitf.checkpoints.stated import Pooling
from minitf.files import to_json
from minitf.tasks.inference import check_finite
from minitf.tasks.spec import Loaded, say_if_cut
from minitf.tasks.whole_text.inputs import TextSource
from minitf.tasks.whole_text.prediction import parts_with_progress
from minitf.text import long_texts
from minitf.text.windows import TRUNCATE


def embed(
    loaded: Loaded, texts: TextSource, *, pooling: Pooling = "mean", shown: bool = False
) -> Iterator[tuple[str, list[float]]]:
    """Yield each text with its vector `[D]`; show a progress bar if `shown`."""
    device, all_cut = next(loaded.model.parameters()).device, 0
    for part, pairs in parts_with_progress(texts, loaded.batch_size, shown=shown):
        batch, cut = long_texts.batch(loaded.tokenizer, part, pairs, loaded.max_length, TRUNCATE)
        all_cut += cut
        b = batch.to(device)
        with torch.no_grad():
            X = loaded.model(b.token_ids, b.segment_ids, b.mask).hidden_states[-1]
        vectors = mean_pooled(X, b.mask) if pooling == "mean" else first_pooled(X)
        yield from zip(part, check_finite(vectors).tolist(), strict=True)
    say_if_cut(all_cut, texts.count, loaded.max_length, loaded.say)


def first_pooled(X: Tensor) -> Tensor:
    """Return the vector of [CLS], scaled to length 1; `X [B, S, D]` -> `[B, D]`."""
    first = X[:, 0]
    unit: Tensor = first / first.norm(dim=-1, keepdim=True).clamp(min=1e-12)
    return unit


def write_vectors(loaded: Loaded, texts: TextSource, out: TextIO, *, as_table: bool, pooling: Pooling = "mean") -> None:
    """Write one JSON object per line: text and vector."""
    for text, vector in embed(loaded, texts, pooling=pooling, shown=as_table):
        out.write(to_json({"text": text, "vector": [round(x, 7) for x in vector]}, indent=None))
