"""Sentence vectors: the mean of the last layer over the tokens of a text, with length 1. They need no head."""

import json
from collections.abc import Iterator
from typing import TextIO

import torch

from minitf.bert.head import mean_pooled
from minitf.tasks.spec import Loaded
from minitf.tasks.whole_text.inputs import TextSource
from minitf.tasks.whole_text.prediction import parts_with_progress


def embed(loaded: Loaded, texts: TextSource, *, shown: bool = False) -> Iterator[tuple[str, list[float]]]:
    """Yield each text with its vector `[D]`; show a progress bar if `shown`."""
    device = next(loaded.model.parameters()).device
    for part, pairs in parts_with_progress(texts, loaded.batch_size, shown=shown):
        b = loaded.tokenizer(part, pairs, loaded.max_length).to(device)
        with torch.no_grad():
            out = loaded.model(b.token_ids, b.segment_ids, b.mask)
        yield from zip(part, mean_pooled(out.hidden_states[-1], b.mask).tolist(), strict=True)


def write_vectors(loaded: Loaded, texts: TextSource, out: TextIO, *, as_table: bool) -> None:
    """Write one JSON object per line: text and vector."""
    for text, vector in embed(loaded, texts, shown=as_table):
        out.write(json.dumps({"text": text, "vector": [round(x, 7) for x in vector]}, ensure_ascii=False) + "\n")
