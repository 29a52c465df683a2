"""A new model for a task that generates text: random weights, and a vocabulary learned from the training data.

It has the layout of an official model, so that `transformers` opens it: an encoder-decoder that of Marian, with ReLU as
in Vaswani et al. 2017, and a language model that of GPT-2.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import torch

from minitf.errors import InputError
from minitf.fine_tuning.config import FineTuneConfig
from minitf.fine_tuning.data import Splits
from minitf.mathematics import Mathematics
from minitf.tasks.spec import TaskSpec
from minitf.text.learned_vocabulary import learn_vocabulary
from minitf.text.sequence_tokenizer import SequenceTokenizer
from minitf.transformer import DecoderConfig, DecoderModel, EncoderDecoder, EncoderDecoderConfig

LAYERS, WIDTH, VOCABULARY = 2, 128, 4000
HEAD_WIDTH = 32  # D / H, unless `heads` is set
POSITIONS = 512  # tokens of a text, unless `max_length` is larger

Config = EncoderDecoderConfig | DecoderConfig


@dataclasses.dataclass(frozen=True)
class NewModel:
    """What is reported of a new model, as a `LoadReport` does of one that is loaded."""

    config: Config
    tokenizer: SequenceTokenizer
    sizes: dict[str, int]
    parameters: int
    loaded: tuple[str, ...] = ()  # no tensor

    @property
    def stated_config(self) -> Any:
        """The config, of which a run that is resumed needs the same."""
        return self.config

    def checked_tokenizer(self, say: Callable[[str], None] = lambda line: None) -> SequenceTokenizer:
        return self.tokenizer

    def short(self) -> str:
        layers = f"{self.sizes['layers']} layers" + (" each" if isinstance(self.config, EncoderDecoderConfig) else "")
        kind = "encoder-decoder" if isinstance(self.config, EncoderDecoderConfig) else "decoder"
        shape = f"{layers}, width {self.sizes['width']}, {self.sizes['heads']} heads"
        vocabulary = f"{self.tokenizer.vocab_size:,} tokens learned from the training texts"
        return f"new {kind}: {shape}, {self.parameters:,} parameters, {vocabulary}"

    def __str__(self) -> str:
        return f"{self.short()}\n  in the layout of {self.config.family.title}, all weights random"


def create(
    spec: TaskSpec,
    splits: Splits,
    config: FineTuneConfig,
    math: Mathematics,
    device: torch.device,
    change: Callable[[Config], Config] = lambda config: config,
) -> tuple[EncoderDecoder | DecoderModel, NewModel]:
    """Create a new model for the task, with torch's random generator; `change` may replace values of its config.

    Raises InputError for sizes that do not fit.
    """
    stated, train = config.model, splits["train"]
    width = stated.width or WIDTH
    heads = stated.heads or max(1, width // HEAD_WIDTH)
    if width % heads or width % 2:
        raise InputError(f"`width` {width} must be even and a multiple of `heads` {heads}; choose other numbers")
    is_pair = spec.model == "encoder-decoder"
    texts = [*train.texts, *((train.labels or []) if is_pair else [])]
    vocabulary = stated.vocabulary or VOCABULARY
    tokenizer = learn_vocabulary(texts, vocabulary, ends=is_pair)
    sizes = {"layers": stated.layers or LAYERS, "width": width, "heads": heads}
    positions = max(POSITIONS, config.data.max_length or 0)
    model = _build(change((_marian if is_pair else _gpt2)(tokenizer, **sizes, positions=positions)), math)
    parameters = sum(p.numel() for p in model.parameters())
    return model.to(device).eval(), NewModel(model.config, tokenizer, sizes | {"vocabulary": vocabulary}, parameters)


def _build(config: Config, math: Mathematics) -> EncoderDecoder | DecoderModel:
    if isinstance(config, EncoderDecoderConfig):
        return EncoderDecoder(config, math)
    return DecoderModel(config, math)


def _marian(tokenizer: SequenceTokenizer, layers: int, width: int, heads: int, positions: int) -> EncoderDecoderConfig:
    assert tokenizer.start_id is not None
    return EncoderDecoderConfig(
        model_type="marian",
        vocab_size=tokenizer.vocab_size,
        d_model=width,
        encoder_layers=layers,
        decoder_layers=layers,
        encoder_attention_heads=heads,
        decoder_attention_heads=heads,
        encoder_ffn_dim=4 * width,
        decoder_ffn_dim=4 * width,
        activation_function="relu",
        max_position_embeddings=positions,
        scale_embedding=True,
        init_std=width**-0.5,
        pad_token_id=tokenizer.pad_id,
        eos_token_id=tokenizer.end_id,
        decoder_start_token_id=tokenizer.start_id,
    )


def _gpt2(tokenizer: SequenceTokenizer, layers: int, width: int, heads: int, positions: int) -> DecoderConfig:
    return DecoderConfig(
        vocab_size=tokenizer.vocab_size,
        n_positions=positions,
        n_embd=width,
        n_layer=layers,
        n_head=heads,
        initializer_range=min(0.02, width**-0.5),
        bos_token_id=tokenizer.end_id,  # as in GPT-2: one token stands between texts
        eos_token_id=tokenizer.end_id,
        pad_token_id=tokenizer.pad_id,
    )
