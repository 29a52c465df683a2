"""Tiny random encoder-decoders and decoders of `transformers`, and its `generate` in float64."""

import functools
import random
import tempfile
from collections.abc import Collection
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers.generation import utils

import minitf
from minitf.generation.decoding import DecoderDecoding, Decoding, EncoderDecoderDecoding
from tests.support.transformer_models import PATCHES, make_reference, untouched

VOCABULARY, LIMIT = 30, 10
KINDS = ("marian", "bart", "t5", "t5-v1.1", "gpt2")
_TOKENS = {"vocab_size": VOCABULARY, "pad_token_id": 0, "eos_token_id": 1}
_SMALL = {
    **{kind: {"d_model": 12, "encoder_layers": 1, "decoder_layers": 2} for kind in ("marian", "bart")},
    # As many layers in both stacks: the cache of the reference's T5 has only as many as the encoder.
    **{kind: {"d_model": 12, "num_layers": 2, "num_decoder_layers": 2} for kind in ("t5", "t5-v1.1")},
    "gpt2": {"n_embd": 12, "n_layer": 2, "bos_token_id": 1},
}
_STARTS = {"marian": 0, "bart": 1, "t5": 0, "t5-v1.1": 0}
SEEDS = {"marian": 3, "bart": 2, "t5": 1, "t5-v1.1": 3, "gpt2": 2}  # with these, outputs differ and many of them end


def reference(kind: str, seed: int | None = None) -> Any:
    """Return a tiny random model of this kind, in float64; with small biases the outputs depend on the prompt."""
    changes = _TOKENS | _SMALL[kind]
    if kind in _STARTS:
        changes |= {"decoder_start_token_id": _STARTS[kind]}
    if kind in ("marian", "bart"):
        changes |= {"forced_eos_token_id": None, "max_position_embeddings": 40}
    model = make_reference(kind, SEEDS[kind] if seed is None else seed, **changes)
    with torch.no_grad():
        for name, p in [*model.named_parameters(), *model.named_buffers()]:
            if name.endswith("bias"):
                p *= 0.1
    return model


@functools.cache
def both(kind: str) -> tuple[Any, Any]:
    """Return the tiny model of this kind, of the reference and of minitf, which has loaded it from its files."""
    model = reference(kind)
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        return model, minitf.load(folder, dtype=torch.float64)


def decoding(kind: str, ids: Tensor, mask: Tensor, cached: bool = True) -> Decoding:
    """Return minitf's decoding of a batch."""
    cls: Any = DecoderDecoding if kind == "gpt2" else EncoderDecoderDecoding
    found: Decoding = cls(both(kind)[1], ids, mask, cached=cached)
    return found


def prompts(kind: str, count: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Return random sources or prompts of 1 to 9 tokens and their mask, [count, 9]; GPT-2's are padded on the left."""
    draw = random.Random(seed)
    ids, mask = torch.zeros(count, 9, dtype=torch.long), torch.zeros(count, 9, dtype=torch.long)
    for row in range(count):
        n = draw.randint(1, 9) if row else 9
        where = slice(9 - n, 9) if kind == "gpt2" else slice(0, n)
        ids[row, where] = torch.tensor([draw.randrange(2, VOCABULARY) for _ in range(n)])
        mask[row, where] = 1
    return ids, mask


class _Float64:
    """`torch`, whose float32 is float64: the reference rounds logits and the scores of beams to float32."""

    float32 = float = torch.float64

    def __getattr__(self, name: str) -> Any:
        return getattr(torch, name)


def generated(
    model: Any,
    ids: Tensor,
    mask: Tensor,
    monkeypatch: pytest.MonkeyPatch | None,
    n: int = 1,
    end: Collection[int] = (1,),
    **settings: Any,
) -> list[list[tuple[list[int], float | None]]]:
    """Return the ids, without prompt and padding, and the score that the reference gives to `n` outputs per text.

    In float64 if `monkeypatch` is given, as the reference is otherwise.
    """
    settings = {"max_new_tokens": LIMIT, "return_dict_in_generate": True, "output_scores": True} | settings
    patched = PATCHES.get("t5" if model.config.model_type == "t5" else "", untouched)
    if monkeypatch is not None:
        monkeypatch.setattr(utils, "torch", _Float64())
    with torch.no_grad(), patched():
        out = model.generate(
            input_ids=ids, attention_mask=mask, num_return_sequences=n, do_sample=False, pad_token_id=0, **settings
        )
    if monkeypatch is not None:
        monkeypatch.undo()
    skipped = 1 if model.config.is_encoder_decoder else ids.shape[1]
    scores = out.sequences_scores.tolist() if "sequences_scores" in out else [None] * len(out.sequences)
    rows = [(until_end(row[skipped:], end), score) for row, score in zip(out.sequences.tolist(), scores, strict=True)]
    return [rows[i : i + n] for i in range(0, len(rows), n)]


def until_end(ids: list[int], end: Collection[int]) -> list[int]:
    """Cut after the first end token."""
    return ids[: next((i for i, token in enumerate(ids, 1) if token in end), None)]
