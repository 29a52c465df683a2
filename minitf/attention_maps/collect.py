"""The attention maps of one text: every head of every layer, with the tokens, as arrays."""

import dataclasses
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from minitf.bert import Bert
from minitf.checkpoints.load import STORED_HEAD, load_with_report
from minitf.errors import InputError
from minitf.mathematics import EQUATIONS, Mathematics
from minitf.text.batches import Batch
from minitf.text.tokenizer import Tokenizer


@dataclasses.dataclass(frozen=True)
class AttentionMaps:
    """What `collect` found. S counts the special tokens too; A[l, h, q, k] is what query q gives to key k."""

    name: str  # of the model
    text: str
    pair: str | None
    tokens: tuple[str, ...]  # S word pieces, as the vocabulary writes them
    segments: tuple[int, ...]  # S: 0 for the first text, 1 for the second
    special: tuple[bool, ...]  # S: whether a token stands for no word
    A: np.ndarray  # [L, H, S, S], rows sum to 1
    labels: tuple[str, ...]  # C names, () for a model without a classifier
    probabilities: tuple[float, ...]  # C, of the labels
    readings: tuple[str, ...] = ()  # S, each token as a person reads it, "##" before what continues a word
    words: tuple[int, ...] = ()  # S: the number of the word that each token is a piece of
    Q: np.ndarray | None = None  # [L, H, S, d_k], queries and keys, if they were asked for
    K: np.ndarray | None = None

    @property
    def layers(self) -> int:
        return int(self.A.shape[0])

    @property
    def heads(self) -> int:
        return int(self.A.shape[1])

    @property
    def shown(self) -> tuple[str, ...]:
        """The tokens as pictures label them."""
        return self.readings or self.tokens

    def _repr_html_(self) -> str:
        """In a notebook: the page of `page.html`, in a frame of its own; of large maps how to get it."""
        from minitf.attention_maps import page

        return page.in_notebook(self)


@dataclasses.dataclass(frozen=True)
class Opened:
    """A model with all that is needed to look into it."""

    name: str
    model: Bert
    tokenizer: Tokenizer


def open_model(
    source: str | Path,
    math: str | Mathematics = "kernels",
    dtype: torch.dtype = torch.float32,
    device: str | torch.device = "cpu",
    offline: bool = False,
) -> Opened:
    """The model of `source` with the head that it holds, and its tokenizer. Raises CheckpointError, InputError."""
    model, report = load_with_report(source, STORED_HEAD, math=math, dtype=dtype, device=device, offline=offline)
    tokenizer = report.tokenizer or report.files.tokenizer()  # the second says why there is none
    return Opened(str(source), model, tokenizer)


def collect(
    model: Bert | str | Path,
    text: str,
    pair: str | None = None,
    tokenizer: Tokenizer | None = None,
    max_length: int | None = None,
    query_key: bool = False,
) -> AttentionMaps:
    """The maps of `text` (and `pair`), cut to `max_length` tokens, by default as many as the model has positions.

    `model` is a Bert, which needs its `tokenizer`, or any source of one, which does not. The logits are those of a pass
    that asks for no maps. `query_key` keeps Q and K too. Raises InputError for a text that is empty or a tokenizer that
    lacks.
    """
    if isinstance(model, Bert):
        if tokenizer is None:
            raise InputError("collect needs the model's tokenizer: tokenizer=minitf.load_tokenizer(DIR)")
        opened = Opened("model", model, tokenizer)
    else:
        opened = open_model(model)
    return look(opened, text, pair, max_length, query_key)


def look(
    opened: Opened, text: str, pair: str | None = None, max_length: int | None = None, query_key: bool = False
) -> AttentionMaps:
    """`collect`, for a model that is open already."""
    model, tokenizer = opened.model, opened.tokenizer
    batch = encode(opened, text, pair, max_length)
    training = model.training
    model.eval()
    try:
        with torch.no_grad(), _heard(model, ("W_Q", "W_K") if query_key else ()) as heard:
            out = model(batch.token_ids, batch.segment_ids, batch.mask, need_attention=True)
    finally:
        model.train(training)
    ids = batch.token_ids[0].tolist()
    classifies = model.head_name == "classification"
    numbers = tokenizer.word_numbers(text, pair, max_length or model.config.longest)
    H = model.config.num_attention_heads
    return AttentionMaps(
        name=opened.name,
        text=text,
        pair=pair,
        tokens=tuple(tokenizer.tokens(ids)),
        segments=segments(ids, tokenizer),
        special=tuple(i in tokenizer.special_ids for i in ids),
        A=torch.stack(out.attentions)[:, 0].cpu().numpy(),
        labels=model.config.labels if classifies else (),
        probabilities=tuple(out.logits[0].double().softmax(-1).tolist()) if classifies else (),
        readings=readings(tokenizer.words(ids), numbers),
        words=tuple(numbers),
        Q=_by_head(heard["W_Q"], H) if query_key else None,
        K=_by_head(heard["W_K"], H) if query_key else None,
    )


@contextmanager
def _heard(model: Bert, names: tuple[str, ...]) -> Iterator[dict[str, list[Tensor]]]:
    """Inside the block, what these projections of every layer's attention give is kept: by name, L × [1, S, D]."""
    heard: dict[str, list[Tensor]] = {name: [] for name in names}
    hooks = [
        getattr(layer.attention, name).register_forward_hook(
            lambda module, inputs, output, kept=heard[name]: kept.append(output)
        )
        for layer in model.encoder.layers
        for name in names
    ]
    try:
        yield heard
    finally:
        for hook in hooks:
            hook.remove()


def _by_head(projected: list[Tensor], H: int) -> np.ndarray:
    """L × [1, S, D] -> [L, H, S, d_k]."""
    parts: np.ndarray = torch.stack([EQUATIONS.split_heads(X, H)[0] for X in projected]).cpu().numpy()
    return parts


def readings(words: list[str], numbers: list[int]) -> tuple[str, ...]:
    """Tokens as a person reads them; what continues a word begins with "##", as BERT writes it, in every family."""
    shown = []
    for i, (word, number) in enumerate(zip(words, numbers, strict=True)):
        continues = i > 0 and numbers[i - 1] == number and not word.startswith("##")
        shown.append("##" + word if continues else word)
    return tuple(shown)


def encode(opened: Opened, text: str, pair: str | None, max_length: int | None) -> Batch:
    """The one text as a batch on the model's device. Raises InputError for what cannot be looked at."""
    for what, given in (("the text", text), ("the second text", pair)):
        if given is not None and not given.strip():
            raise InputError(f"{what} is empty: there is nothing to look at")
    longest = opened.model.config.longest
    if max_length is not None and max_length > longest:
        raise InputError(f"max_length {max_length}: this model has learned only {longest} positions")
    batch = opened.tokenizer([text], None if pair is None else [pair], max_length=max_length or longest)
    return batch.to(next(opened.model.parameters()).device)


def segments(ids: list[int], tokenizer: Tokenizer) -> tuple[int, ...]:
    """Which of two texts each token is in, counted by the separators: a RoBERTa has no segment ids to tell."""
    found, passed = [], False
    for i, token in enumerate(ids):
        found.append(int(passed))
        # RoBERTa separates by two tokens; what follows the first run of separators is the second text.
        if token == tokenizer.separator_id and (i + 1 == len(ids) or ids[i + 1] != tokenizer.separator_id):
            passed = True
    return tuple(found)
