"""Tiny random encoder-decoders and decoders of `transformers`, and its `generate` in float64."""

import random
from collections.abc import Collection
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor
from transformers.generation import utils

from tests.support.tiny import redraw

VOCABULARY, LIMIT = 30, 10
_ENDS = {"vocab_size": VOCABULARY, "eos_token_id": 1, "forced_eos_token_id": None}
_BART = {
    "d_model": 16,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 24,
    "decoder_ffn_dim": 24,
    "max_position_embeddings": 40,
    "pad_token_id": 0,
    "dropout": 0.0,
}
_T5 = {"d_model": 16, "d_kv": 6, "d_ff": 24, "num_layers": 2, "num_heads": 2, "decoder_start_token_id": 0}
_GPT2 = {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 48, "pad_token_id": 0, "bos_token_id": 1}
MODELS: dict[str, tuple[type, type, dict[str, Any]]] = {
    "marian": (
        transformers.MarianMTModel,
        transformers.MarianConfig,
        _BART | {"decoder_start_token_id": 0, "scale_embedding": True, "activation_function": "swish"},
    ),
    "bart": (transformers.BartForConditionalGeneration, transformers.BartConfig, _BART | {"decoder_start_token_id": 1}),
    "t5": (transformers.T5ForConditionalGeneration, transformers.T5Config, _T5),
    "t5-v1.1": (
        transformers.T5ForConditionalGeneration,
        transformers.T5Config,
        _T5 | {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False},
    ),
    "gpt2": (transformers.GPT2LMHeadModel, transformers.GPT2Config, _GPT2),
}


SEEDS = {"marian": 2, "bart": 3, "t5": 1, "t5-v1.1": 3, "gpt2": 0}  # with these, outputs differ and many of them end


def reference(kind: str, **changes: Any) -> Any:
    """Return a tiny random model of this kind, in float64; with small biases the outputs depend on the prompt."""
    cls, config, numbers = MODELS[kind]
    model = cls(config(**(_ENDS | numbers | changes), attn_implementation="eager"))
    redraw(model, SEEDS[kind])
    with torch.no_grad():
        for name, p in model.named_parameters():
            if name.endswith("bias"):
                p *= 0.1
    return model.double().eval()


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
    if monkeypatch is not None:
        monkeypatch.setattr(utils, "torch", _Float64())
    with torch.no_grad():
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


class ReferenceDecoding:
    """A model of the reference as the strategies need it, without a cache."""

    def __init__(self, model: Any, ids: Tensor, mask: Tensor):
        self.model, self.ids, self.mask = model, ids, mask
        self.encoder_decoder = model.config.is_encoder_decoder
        start = torch.full((len(ids), 1), model.config.decoder_start_token_id) if self.encoder_decoder else ids
        self.prompt = start

    @torch.no_grad()
    def next_logits(self, ids: Tensor) -> Tensor:
        if self.encoder_decoder:
            out = self.model(input_ids=self.ids, attention_mask=self.mask, decoder_input_ids=ids)
            return out.logits[:, -1]
        new = torch.ones(len(ids), ids.shape[1] - self.mask.shape[1], dtype=torch.long)
        mask = torch.cat([self.mask, new], 1)
        positions = (mask.cumsum(-1) - 1).clamp(min=0)
        return self.model(input_ids=ids, attention_mask=mask, position_ids=positions).logits[:, -1]

    def repeat(self, times: int) -> None:
        self.ids, self.mask, self.prompt = (x.repeat_interleave(times, 0) for x in (self.ids, self.mask, self.prompt))

    def reorder(self, rows: Tensor) -> None:
        """Nothing to do: each call reads the whole rows, and the rows of a text have the same source."""
