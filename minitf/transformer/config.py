"""The configs of the models in `transformer`, with the field names of the official `config.json`."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any, ClassVar, Self

from minitf.datasets.config_values import (
    LARGEST_SIZE,
    MOST_LAYERS,
    check_choice,
    check_divisible,
    check_integer,
    read_labels,
    write_labels,
)
from minitf.errors import CheckpointError
from minitf.transformer.base_config import (
    BaseConfig,
    check_activation,
    check_in_vocabulary,
    checked,
    flag,
    positive,
    rate,
    size,
    token,
    tokens,
)


def _any(name: str, value: Any) -> None:
    """Accept any value: it is checked by the config as a whole."""


@dataclasses.dataclass(frozen=True)
class EncoderDecoderConfig(BaseConfig):
    """An encoder-decoder: the paper's own ("vaswani"), "marian", "bart", "t5" or "t5-v1.1".

    The field names are Marian's and BART's. The defaults are those of the paper (§3, base model, table 3).
    """

    MODELS: ClassVar = ("vaswani", "marian", "bart", "t5", "t5-v1.1")

    vocab_size: int = size()
    d_model: int = size(512)
    encoder_layers: int = size(6, high=MOST_LAYERS)
    decoder_layers: int = size(6, high=MOST_LAYERS)
    encoder_attention_heads: int = size(8)
    decoder_attention_heads: int = size(8)
    encoder_ffn_dim: int = size(2048)
    decoder_ffn_dim: int = size(2048)
    d_kv: int | None = size(None, optional=True)  # width of a head; only T5's is not d_model / heads
    activation_function: str = checked(_any, "relu")
    dropout: float = rate(0.1)
    attention_dropout: float = rate(0.0)
    activation_dropout: float = rate(0.0)  # inside the feed-forward network
    max_position_embeddings: int | None = size(512, optional=True)  # None: no limit
    scale_embedding: bool = flag(True)  # the factor √D of the word embedding
    init_std: float = positive(0.02)
    layer_norm_eps: float = positive(1e-5)
    relative_attention_num_buckets: int | None = size(None, low=4, optional=True)
    relative_attention_max_distance: int | None = size(None, optional=True)
    scale_decoder_outputs: bool = flag(False)  # the factor 1/√D before the logits
    tie_word_embeddings: bool = flag(True)  # the word embedding is also the matrix of the logits
    pad_token_id: int = token(0)
    eos_token_id: int | tuple[int, ...] | None = tokens(1)
    decoder_start_token_id: int = token(0)
    model_type: str = "vaswani"
    generation: Mapping[str, Any] = dataclasses.field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        self.check_fields()
        check_activation(self, self.activation_function)
        for name in ("pad_token_id", "decoder_start_token_id"):
            check_in_vocabulary(name, getattr(self, name), self.vocab_size)
        if self.d_kv is None:
            for part in ("encoder", "decoder"):
                name = f"{part}_attention_heads"
                check_divisible("d_model", self.d_model, name, getattr(self, name))
        if self.family.positions == "half_sinusoidal_positions" and self.d_model % 2:
            raise CheckpointError(f"config: d_model {self.d_model} must be even, for half sines and half cosines")
        if self.family.relative_bias:
            half, distance = (self.relative_attention_num_buckets or 0) // 2, self.relative_attention_max_distance or 0
            if distance <= half:
                raise CheckpointError(
                    f"config: relative_attention_max_distance must be larger than {half}, half of"
                    f" relative_attention_num_buckets, not {distance}"
                )

    @classmethod
    def from_dict(cls, official: Mapping[str, Any]) -> tuple[Self, tuple[str, ...]]:
        """Read a parsed `config.json`; return the config and the keys that have no effect. Raises CheckpointError."""
        model = official.get("model_type")
        if model == "t5" and str(official.get("feed_forward_proj")).startswith("gated-"):
            model = "t5-v1.1"
        return cls.read(str(model), official)

    @property
    def activation(self) -> str:
        """The name of the equation for `activation_function`."""
        return self.family.activations[self.activation_function]

    @property
    def start_id(self) -> int:
        """The token with which the decoder begins."""
        start: int = self._token("decoder_start_token_id")
        return start

    @property
    def longest(self) -> int | None:
        """Maximum number of tokens of a text; None: no limit."""
        return self.max_position_embeddings

    @property
    def embedding_scale(self) -> float:
        """The factor of the word embedding: √D or 1."""
        return math.sqrt(self.d_model) if self.scale_embedding else 1.0

    @property
    def initializer_range(self) -> float:
        return self.init_std

    @property
    def shape(self) -> str:
        """The sizes, for a report."""
        heads = self.encoder_attention_heads
        return f"{self.encoder_layers} + {self.decoder_layers} layers, width {self.d_model}, {heads} heads"


@dataclasses.dataclass(frozen=True)
class DecoderConfig(BaseConfig):
    """A decoder without cross-attention: GPT-2. The field names and defaults are the official ones."""

    MODELS: ClassVar = ("gpt2",)

    vocab_size: int = size()
    n_positions: int = size(1024)
    n_embd: int = size(768)
    n_layer: int = size(12, high=MOST_LAYERS)
    n_head: int = size(12)
    n_inner: int | None = size(None, optional=True)  # None: 4 n_embd
    activation_function: str = checked(_any, "gelu_new")
    resid_pdrop: float = rate(0.1)
    embd_pdrop: float = rate(0.1)
    attn_pdrop: float = rate(0.1)
    layer_norm_epsilon: float = positive(1e-5)
    initializer_range: float = positive(0.02)
    bos_token_id: int | None = token(50256)
    eos_token_id: int | tuple[int, ...] | None = tokens(50256)
    pad_token_id: int | None = token(None)
    model_type: str = "gpt2"
    generation: Mapping[str, Any] = dataclasses.field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        self.check_fields()
        check_activation(self, self.activation_function)
        check_divisible("n_embd", self.n_embd, "n_head", self.n_head)

    @classmethod
    def from_dict(cls, official: Mapping[str, Any]) -> tuple[Self, tuple[str, ...]]:
        """Read a parsed `config.json`; return the config and the keys that have no effect. Raises CheckpointError."""
        return cls.read("gpt2", official)

    @property
    def activation(self) -> str:
        """The name of the equation for `activation_function`."""
        return self.family.activations[self.activation_function]

    @property
    def ffn_width(self) -> int:
        """The width F of the feed-forward network."""
        return 4 * self.n_embd if self.n_inner is None else self.n_inner

    @property
    def start_id(self) -> int | None:
        """The token with which a text without a prompt begins, or None."""
        start: int | None = self._token("bos_token_id")
        return start

    @property
    def longest(self) -> int:
        """Maximum number of tokens of a text."""
        return self.n_positions

    @property
    def shape(self) -> str:
        """The sizes, for a report."""
        return f"{self.n_layer} layers, width {self.n_embd}, {self.n_head} heads"


@dataclasses.dataclass(frozen=True)
class VitConfig(BaseConfig):
    """An encoder of image patches: ViT. The field names and defaults are the official ones."""

    MODELS: ClassVar = ("vit",)
    OTHER_KEYS: ClassVar = ("id2label", "label2id", "num_labels")

    hidden_size: int = size(768)
    num_hidden_layers: int = size(12, high=MOST_LAYERS)
    num_attention_heads: int = size(12)
    intermediate_size: int = size(3072)
    hidden_act: str = checked(_any, "gelu")
    hidden_dropout_prob: float = rate(0.0)
    attention_probs_dropout_prob: float = rate(0.0)
    initializer_range: float = positive(0.02)
    layer_norm_eps: float = positive(1e-12)
    image_size: int | tuple[int, ...] = checked(_any, 224)  # [height, width] if it is not square
    patch_size: int | tuple[int, ...] = checked(_any, 16)
    num_channels: int = size(3)
    labels: tuple[str, ...] = ()
    model_type: str = "vit"
    generation: Mapping[str, Any] = dataclasses.field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        self.check_fields()
        check_choice("hidden_act", self.hidden_act, self.family.activations)
        check_divisible("hidden_size", self.hidden_size, "num_attention_heads", self.num_attention_heads)
        for name in ("image_size", "patch_size"):
            value = getattr(self, name)
            if isinstance(value, tuple) and len(value) != 2:
                raise CheckpointError(f"config: {name} must be one integer or two, not {value!r:.80}")
            for each in value if isinstance(value, tuple) else (value,):
                check_integer(name, each, high=1 << 14)
        if not 1 <= self.patches < LARGEST_SIZE:
            raise CheckpointError(
                f"config: image_size {self.image_size} has {self.patches} patches of patch_size {self.patch_size},"
                f" not 1 to {LARGEST_SIZE}"
            )

    @classmethod
    def from_dict(cls, official: Mapping[str, Any]) -> tuple[Self, tuple[str, ...]]:
        """Read a parsed `config.json`; return the config and the keys that have no effect. Raises CheckpointError."""
        config, ignored = cls.read("vit", official)
        return dataclasses.replace(config, labels=read_labels(official)), ignored

    def to_dict(self) -> dict[str, Any]:
        """Return the official form, for `config.json`."""
        return {**super().to_dict(), **write_labels(self.labels)}

    @property
    def num_labels(self) -> int:
        return len(self.labels)

    @property
    def longest(self) -> int:
        """The number of tokens of an image: [CLS] and the patches."""
        return 1 + self.patches

    @property
    def activation(self) -> str:
        """The name of the equation for `hidden_act`."""
        return self.family.activations[self.hidden_act]

    @property
    def image(self) -> tuple[int, int]:
        """Height and width of an image, in pixels."""
        return _pair(self.image_size)

    @property
    def patch(self) -> tuple[int, int]:
        """Height and width of a patch, in pixels."""
        return _pair(self.patch_size)

    @property
    def patches(self) -> int:
        """The number of patches of an image."""
        return (self.image[0] // self.patch[0]) * (self.image[1] // self.patch[1])

    @property
    def shape(self) -> str:
        """The sizes, for a report."""
        return f"{self.num_hidden_layers} layers, width {self.hidden_size}, {self.num_attention_heads} heads"


def _pair(value: int | tuple[int, ...]) -> tuple[int, int]:
    return (value[0], value[1]) if isinstance(value, tuple) else (value, value)
