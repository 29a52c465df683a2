"""Run a text through a model and keep the attention weights of every head."""

import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from minitf.attention_maps import page, sequences, source_attribution
from minitf.attention_maps.attribution import attribute
from minitf.attention_maps.maps import AttentionMaps
from minitf.attention_maps.model import (
    OpenGenerator,
    OpenModel,
    encode,
    encoder,
    open_model,
    opened,
    readable_tokens,
    reading_of,
    segments,
)
from minitf.bert import Bert
from minitf.checkpoints.kinds import Model
from minitf.checkpoints.report import tokenizer_for
from minitf.errors import InputError
from minitf.mathematics import EQUATIONS
from minitf.tasks.inference import check_finite, evaluating
from minitf.text.sequence_tokenizer import SequenceTokenizer
from minitf.text.tokenizer import Tokenizer

ATTRIBUTION_LIMIT = 128  # a notebook shows the attribution of texts of at most this many tokens


@dataclasses.dataclass(frozen=True)
class DisplayedMaps(AttentionMaps):
    """Attention maps that a notebook displays as the interactive page, with the attribution of a classifier."""

    attribute: Callable[[], page.AnyAttribution] | None = dataclasses.field(default=None, repr=False, compare=False)

    def _repr_html_(self) -> str:
        wanted = self.attribute if len(self.tokens) <= ATTRIBUTION_LIMIT else None
        return page.in_notebook(self, wanted() if wanted else None)


def attention(
    model: Model | str | Path,
    text: str,
    pair: str | None = None,
    tokenizer: Tokenizer | SequenceTokenizer | None = None,
    max_length: int | None = None,
    query_key: bool = False,
    target: str | None = None,
    max_new_tokens: int | None = None,
    **loading: Any,
) -> AttentionMaps:
    """Return the attention maps of `text` (and `pair`); a notebook displays them as an interactive page.

    `model` is a folder or name that `minitf.load` takes, with its settings as `loading` (math, device, offline, …), or
    a loaded model with its `tokenizer`. The text is truncated to `max_length` tokens, by default the positions that
    the model has. `query_key` keeps Q and K too. The attribution of a classifier is computed when a notebook displays
    the maps.

    A model that generates text has a `target` instead of a `pair`: the one that is given, or the one that it generates
    by greedy decoding, of at most `max_new_tokens`. The maps of an encoder-decoder have three blocks:
    `maps.block("cross")`, "encoder", "decoder". Raises CheckpointError, and InputError for an empty text or a missing
    tokenizer.
    """
    if isinstance(model, str | Path):
        of = open_model(model, **loading)
    elif tokenizer is None:
        raise InputError("a loaded model needs its tokenizer: tokenizer=minitf.load_tokenizer(DIR)")
    elif loading:
        raise InputError(f"the model is loaded already; leave out {', '.join(loading)}")
    else:
        if isinstance(model, Bert) is isinstance(tokenizer, SequenceTokenizer):
            raise InputError("the tokenizer is for another kind of model; load it from the same folder")
        of = opened("model", model, tokenizer_for(model.config, tokenizer, Path("the tokenizer")))
    if isinstance(of, OpenGenerator):
        for what, value in (("a second text", pair), ("`query_key`", query_key or None)):
            if value is not None:
                encoder(of, what)
        return _displayed(of, sequences.read(of, text, target, max_length, max_new_tokens))
    for name, given in (("target", target), ("max_new_tokens", max_new_tokens)):
        if given is not None:
            raise InputError(f"`{name}` is for a model that generates text, not for an encoder like {of.name}")
    maps = collect(of, text, pair, max_length, query_key)
    if not maps.labels:
        return maps
    return dataclasses.replace(maps, attribute=partial(attribute, of, text, pair, max_length=max_length))


def _displayed(of: OpenGenerator, text: sequences.Text) -> DisplayedMaps:
    maps = sequences.collect(of, text)
    compute = partial(source_attribution.attribute, of, text) if maps.kinds else None
    return DisplayedMaps(**vars(maps), attribute=compute)


def collect(
    opened: OpenModel, text: str, pair: str | None = None, max_length: int | None = None, query_key: bool = False
) -> DisplayedMaps:
    """Return the attention maps of a text, from one forward pass in eval mode. Raises InputError for an empty text."""
    model, tokenizer = opened.model, opened.tokenizer
    batch = encode(opened, text, pair, max_length)
    recorded = _recorded(model, ("W_Q", "W_K") if query_key else ())
    with evaluating(model), torch.no_grad(), recorded as projected:
        out = model(batch.token_ids, batch.segment_ids, batch.mask, need_attention=True)
    ids = batch.token_ids[0].tolist()
    reading = reading_of(model)
    A = check_finite(torch.stack(out.attentions)[:, 0])
    length = max_length or model.config.longest
    H = model.config.num_attention_heads
    return DisplayedMaps(
        name=opened.name,
        text=text,
        pair=pair,
        tokens=tuple(tokenizer.tokens(ids)),
        segments=segments(ids, tokenizer),
        special=tuple(i in tokenizer.special_ids for i in ids),
        A=A.cpu().numpy(),
        labels=reading.labels if reading else (),
        probabilities=tuple(reading.values(check_finite(out.logits[0]))) if reading else (),
        prediction=reading.prediction(out.logits[0]) if reading else "",
        readable_tokens=tuple(readable_tokens(tokenizer, ids, text, pair, length)),
        words=tuple(tokenizer.word_numbers(text, pair, length)),
        spans=tuple(tokenizer.character_spans(text, pair, length)),
        Q=_split_heads(projected["W_Q"], H) if query_key else None,
        K=_split_heads(projected["W_K"], H) if query_key else None,
    )


@contextmanager
def _recorded(model: Bert, names: tuple[str, ...]) -> Iterator[dict[str, list[Tensor]]]:
    """Record the output of these projections of every layer's attention: by name, L × [1, S, D]."""
    outputs: dict[str, list[Tensor]] = {name: [] for name in names}
    hooks = [
        getattr(layer.attention, name).register_forward_hook(
            lambda module, inputs, output, kept=outputs[name]: kept.append(output)
        )
        for layer in model.encoder.layers
        for name in names
    ]
    try:
        yield outputs
    finally:
        for hook in hooks:
            hook.remove()


def _split_heads(projected: list[Tensor], H: int) -> np.ndarray:
    """L × [1, S, D] -> [L, H, S, d_k]."""
    parts: np.ndarray = torch.stack([EQUATIONS.split_heads(X, H)[0] for X in projected]).cpu().numpy()
    return parts
