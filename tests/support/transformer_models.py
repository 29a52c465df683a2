"""The models of `minitf.transformer` as `transformers` has them, small, with redrawn weights, and batches for them."""

import dataclasses
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any
from unittest import mock

import torch
import transformers
from torch import Tensor
from transformers.models.t5 import modeling_t5

from minitf.text.learned_vocabulary import learn_vocabulary
from tests.support.tiny import redraw

N = 53  # tokens
PAD, END = 1, 2
_STACKS = {  # no two sizes that could be confused are equal
    "d_model": 24,
    "encoder_layers": 2,
    "decoder_layers": 3,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 3,
    "encoder_ffn_dim": 40,
    "decoder_ffn_dim": 36,
}
_TOKENS = {"vocab_size": N, "pad_token_id": PAD, "eos_token_id": END}
_MARIAN = _STACKS | _TOKENS | {"max_position_embeddings": 20, "decoder_start_token_id": PAD, "forced_eos_token_id": END}
_T5 = _TOKENS | {"d_model": 24, "d_kv": 5, "d_ff": 40, "num_layers": 2, "num_decoder_layers": 3, "num_heads": 4}
_T5 |= {"decoder_start_token_id": PAD, "relative_attention_num_buckets": 8, "relative_attention_max_distance": 9}
_GPT2 = {"vocab_size": N, "n_embd": 24, "n_layer": 3, "n_head": 4, "n_positions": 20, "n_inner": 40}
_GPT2 |= {"bos_token_id": END, "eos_token_id": END}

# name -> (config, model, settings)
REFERENCES: dict[str, tuple[type, type, dict[str, Any]]] = {
    "marian": (
        transformers.MarianConfig,
        transformers.MarianMTModel,
        _MARIAN | {"activation_function": "swish", "scale_embedding": True},
    ),
    "bart": (
        transformers.BartConfig,
        transformers.BartForConditionalGeneration,
        _MARIAN | {"activation_function": "gelu", "decoder_start_token_id": END},
    ),
    "t5": (transformers.T5Config, transformers.T5ForConditionalGeneration, _T5),
    "t5-v1.1": (
        transformers.T5Config,
        transformers.T5ForConditionalGeneration,
        _T5 | {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False},
    ),
    "gpt2": (transformers.GPT2Config, transformers.GPT2LMHeadModel, _GPT2),
}
ENCODER_DECODERS = ("marian", "bart", "t5", "t5-v1.1")

GENERATED_FROM = ["the third of May 1998", "a", "12 June 2004", "7.1.2021"]
# The settings of models with a vocabulary of characters, whose tokens 0 and 1 are padding and end.
WITH_CHARACTERS: dict[str, dict[str, Any]] = {
    "marian": {"decoder_start_token_id": 0, "forced_eos_token_id": None, "max_position_embeddings": 40},
    "bart": {"decoder_start_token_id": 0, "forced_eos_token_id": None, "max_position_embeddings": 40},
    "t5": {"decoder_start_token_id": 0, "num_decoder_layers": 2},
    "gpt2": {"n_positions": 40, "bos_token_id": 1},
}


def make_reference(name: str, seed: int = 0, shrink: float = 1.0, **changes: Any) -> Any:
    """Return the reference model with redrawn weights, in float64 and eval mode. Sinusoids are not redrawn.

    `shrink` multiplies every matrix.
    """
    config, model, settings = REFERENCES[name]
    theirs = model(config(**(settings | changes), attn_implementation="eager"))
    own_matrix = name == "t5-v1.1"
    if own_matrix:  # the constructor of transformers 5 ties the matrices; its loader does not
        theirs.lm_head.weight = torch.nn.Parameter(torch.empty_like(theirs.shared.weight))
    redraw(theirs, seed)
    with torch.no_grad():
        for p in theirs.parameters():
            p *= shrink if p.dim() > 1 else 1.0
    generator = torch.Generator().manual_seed(seed)
    for part in theirs.modules():
        if hasattr(part, "create_weight"):
            with torch.no_grad():
                part.weight.copy_(part.create_weight())
    if hasattr(theirs, "final_logits_bias"):
        theirs.final_logits_bias.copy_(torch.randn(theirs.final_logits_bias.shape, generator=generator))
    return theirs.double().eval()


def write_with_characters(folder: Path, kind: str, generation: dict[str, Any] | None = None, **changes: Any) -> Path:
    """Write a small model, as `transformers` does, and a vocabulary of the characters of `GENERATED_FROM`."""
    tokenizer = learn_vocabulary(GENERATED_FROM, ends=kind != "gpt2")
    ids = {"vocab_size": tokenizer.vocab_size, "pad_token_id": 0, "eos_token_id": 1}
    model = make_reference(kind, **(ids | WITH_CHARACTERS[kind] | changes)).float()
    model.generation_config = transformers.GenerationConfig(
        **({"pad_token_id": 0, "eos_token_id": 1, "decoder_start_token_id": 0} | (generation or {}))
    )
    model.save_pretrained(folder)
    tokenizer.save(folder, 40)
    return folder


def write_reference(folder: Path, name: str, seed: int = 0, dtype: torch.dtype = torch.float64, **changes: Any) -> Any:
    """Write the reference model as `transformers` does, and return it."""
    theirs = make_reference(name, seed, **changes).to(dtype)
    theirs.save_pretrained(folder)
    return theirs


def t5_norm_in_float64() -> AbstractContextManager[Any]:
    """Replace the line of T5LayerNorm that computes the variance in float32 by its form in the type of the input."""

    def forward(self: Any, hidden_states: Tensor) -> Tensor:
        variance = hidden_states.pow(2).mean(-1, keepdim=True)
        return self.weight * (hidden_states * torch.rsqrt(variance + self.variance_epsilon))

    return mock.patch.object(modeling_t5.T5LayerNorm, "forward", forward)


def untouched() -> AbstractContextManager[Any]:
    return nullcontext()


PATCHES: dict[str, Callable[[], AbstractContextManager[Any]]] = {
    "t5": t5_norm_in_float64,
    "t5-v1.1": t5_norm_in_float64,
}


@dataclasses.dataclass(frozen=True)
class Pairs:
    """A padded batch of sources and targets. `inputs` is `labels` shifted right; padding has the label −100."""

    source: Tensor
    mask: Tensor
    inputs: Tensor
    target_mask: Tensor
    labels: Tensor


def pairs(
    start: int, seed: int = 0, sources: tuple[int, ...] = (11, 4, 7), targets: tuple[int, ...] = (3, 8, 6)
) -> Pairs:
    """Return random pairs of these lengths; each ends with END and is padded with PAD on the right."""
    source, mask = _padded(sources, seed)
    labels, target_mask = _padded(targets, seed + 1)
    inputs = torch.cat([torch.full((len(labels), 1), start), labels[:, :-1]], dim=1)
    return Pairs(source, mask, inputs, target_mask, labels.masked_fill(target_mask == 0, -100))


def _padded(lengths: tuple[int, ...], seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    ids = torch.full((len(lengths), max(lengths)), PAD)
    mask = torch.zeros_like(ids)
    for row, n in enumerate(lengths):
        ids[row, : n - 1] = torch.randint(END + 1, N, (n - 1,), generator=generator)
        ids[row, n - 1], mask[row, :n] = END, 1
    return ids, mask
