"""The family: one set of equations with a handful of differences. Each model is one entry here, as data.

    Vaswani    Vaswani et al. 2017: the paper's own encoder and decoder
    Marian     Junczys-Dowmunt et al. 2018; the translation models of Tiedemann & Thottingal 2020 (opus-mt)
    BART       Lewis et al. 2020
    T5         Raffel et al. 2020; version 1.1: Shazeer 2020 (gated GELU)
    GPT-2      Radford et al. 2019
    ViT        Dosovitskiy et al. 2021

An entry names the equations that a model uses. The modules are built from it once; no `forward` asks for a model type.
BERT's own family is in `bert.family`; the names of the tensors are in `checkpoints.transformer_names`.
"""

import dataclasses
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal

# Name of an activation function in the official files -> name of the equation.
ACTIVATIONS = MappingProxyType(
    {
        "relu": "relu",
        "gelu": "gelu",
        "gelu_new": "gelu_tanh",
        "gelu_pytorch_tanh": "gelu_tanh",
        "gelu_tanh": "gelu_tanh",
        "swish": "swish",
        "silu": "swish",
    }
)


@dataclasses.dataclass(frozen=True)
class Family:
    """The differences of one model from BERT. The defaults are BERT's.

    "Field" is a field of the config, "key" a key of the official `config.json`. A default, and a value in `only`, may
    be a function of the parsed `config.json`.
    """

    title: str
    model_type: str  # in config.json
    class_name: str  # in `transformers`; "" if it has no such class
    # --- the equations
    norm: Literal["layer_norm", "rms_norm"] = "layer_norm"
    placement: Literal["post_norm", "pre_norm"] = "post_norm"
    final_norm: bool = False  # one more norm after the last layer
    final_dropout: bool = False  # and dropout after that
    embedding_norm: bool = True  # a norm after the sum of the embeddings
    padding_is_trained: bool = True  # the embedding of the padding token, by the tokens that look it up
    positions: str = "learned"  # "learned", the name of an equation, or "none"
    first_position: int = 0  # the row of the position table that the first token uses
    relative_bias: bool = False  # T5's bias on the scores, by buckets of relative positions
    attention_biases: bool = True  # of W_Q, W_K, W_V, W_O
    ffn_biases: bool = True
    gated: bool = False  # act(X W_1) ∘ (X V) instead of act(X W_1)
    scaled_scores: bool = True  # the factor 1/√d_k
    logit_bias: bool = False  # added to the logits
    # --- the config
    keys: Mapping[str, str] = dataclasses.field(default_factory=dict)  # field -> its key, where the names differ
    defaults: Mapping[str, Any] = dataclasses.field(
        default_factory=dict
    )  # field -> default, where it is not that of the config class
    fixed: Mapping[str, Any] = dataclasses.field(default_factory=dict)  # field -> its only value; it has no key
    only: Mapping[str, Any] = dataclasses.field(
        default_factory=dict
    )  # key that would change the computation -> its only supported value
    # key -> value that only `transformers` reads, or a function of the config
    written: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    activations: Mapping[str, str] = dataclasses.field(default_factory=lambda: ACTIVATIONS)  # official name -> equation


_NO_RELATIVE = {"d_kv": None, "relative_attention_num_buckets": None, "relative_attention_max_distance": None}
_ONE_TABLE = {"scale_decoder_outputs": False, "tie_word_embeddings": True, "layer_norm_eps": 1e-5}
_WRITTEN = {
    "is_encoder_decoder": True,
    # The default of `transformers` is not None.
    "forced_eos_token_id": lambda config: config.generation.get("forced_eos_token_id"),
}
_ENCODER_DECODER = {"is_encoder_decoder": True, "is_decoder": False}

_T5: dict[str, Any] = {
    "model_type": "t5",
    "class_name": "T5ForConditionalGeneration",
    "norm": "rms_norm",
    "placement": "pre_norm",
    "final_norm": True,
    "final_dropout": True,
    "embedding_norm": False,
    "positions": "none",
    "relative_bias": True,
    "attention_biases": False,
    "ffn_biases": False,
    "scaled_scores": False,
    "keys": {
        "encoder_layers": "num_layers",
        "decoder_layers": "num_decoder_layers",
        "encoder_attention_heads": "num_heads",
        "decoder_attention_heads": "num_heads",
        "encoder_ffn_dim": "d_ff",
        "decoder_ffn_dim": "d_ff",
        "activation_function": "feed_forward_proj",
        "dropout": "dropout_rate",
        "attention_dropout": "dropout_rate",
        "activation_dropout": "dropout_rate",
        "layer_norm_eps": "layer_norm_epsilon",
    },
    "defaults": {
        "decoder_layers": lambda official: official.get("num_layers", 6),
        "d_kv": 64,
        "relative_attention_num_buckets": 32,
        "relative_attention_max_distance": 128,
        "attention_dropout": 0.1,
        "activation_dropout": 0.1,
        "layer_norm_eps": 1e-6,
        # `transformers` scales the outputs unless the file says that the matrices are not tied.
        "scale_decoder_outputs": lambda official: official.get("tie_word_embeddings") is not False,
        "pad_token_id": 0,
        "eos_token_id": 1,
        "decoder_start_token_id": lambda official: official.get("pad_token_id", 0),
    },
    "fixed": {"scale_embedding": False, "max_position_embeddings": None, "init_std": 0.02},
    "only": _ENCODER_DECODER,
    "written": {"is_encoder_decoder": True},
}

# By name: the official `model_type`, with T5 1.1 apart, and the paper's model, which has none.
FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        "vaswani": Family(
            title="Vaswani et al. 2017",
            model_type="",
            class_name="",
            embedding_norm=False,
            positions="sinusoidal_positions",
            attention_biases=False,
            fixed={**_NO_RELATIVE, **_ONE_TABLE},
        ),
        "marian": Family(
            title="Marian",
            model_type="marian",
            class_name="MarianMTModel",
            embedding_norm=False,
            positions="half_sinusoidal_positions",
            logit_bias=True,
            padding_is_trained=False,
            defaults={
                "d_model": 1024,
                "encoder_layers": 12,
                "decoder_layers": 12,
                "encoder_attention_heads": 16,
                "decoder_attention_heads": 16,
                "encoder_ffn_dim": 4096,
                "decoder_ffn_dim": 4096,
                "activation_function": "gelu",
                "max_position_embeddings": 1024,
                "scale_embedding": False,
                "pad_token_id": 58100,
                "eos_token_id": 0,
                "decoder_start_token_id": 58100,
            },
            fixed={**_NO_RELATIVE, **_ONE_TABLE},
            only={
                **_ENCODER_DECODER,
                "share_encoder_decoder_embeddings": True,
                "tie_word_embeddings": True,
                "decoder_vocab_size": lambda official: official.get("vocab_size"),
                "normalize_before": False,
                "normalize_embedding": False,
                "static_position_embeddings": True,
                "add_bias_logits": False,
                "add_final_layer_norm": False,
            },
            written=_WRITTEN,
        ),
        "bart": Family(
            title="BART",
            model_type="bart",
            class_name="BartForConditionalGeneration",
            first_position=2,
            logit_bias=True,
            padding_is_trained=False,
            defaults={
                "d_model": 1024,
                "encoder_layers": 12,
                "decoder_layers": 12,
                "encoder_attention_heads": 16,
                "decoder_attention_heads": 16,
                "encoder_ffn_dim": 4096,
                "decoder_ffn_dim": 4096,
                "activation_function": "gelu",
                "max_position_embeddings": 1024,
                "scale_embedding": False,
                "pad_token_id": 1,
                "eos_token_id": 2,
                "decoder_start_token_id": 2,
            },
            fixed={**_NO_RELATIVE, **_ONE_TABLE},
            only={
                **_ENCODER_DECODER,
                "tie_word_embeddings": True,
                "normalize_before": False,
                "normalize_embedding": True,
                "static_position_embeddings": False,
                "add_bias_logits": False,
                "add_final_layer_norm": False,
            },
            written=_WRITTEN,
        ),
        "t5": Family(title="T5", **_T5),
        "t5-v1.1": Family(
            title="T5 v1.1",
            gated=True,
            activations=MappingProxyType({"gated-gelu": "gated_gelu"}),
            **_T5,
        ),
        "gpt2": Family(
            title="GPT-2",
            model_type="gpt2",
            class_name="GPT2LMHeadModel",
            placement="pre_norm",
            final_norm=True,
            embedding_norm=False,
            only={
                "add_cross_attention": False,
                "is_encoder_decoder": False,
                "scale_attn_weights": True,
                "scale_attn_by_inverse_layer_idx": False,
                "tie_word_embeddings": True,
            },
        ),
        "vit": Family(
            title="ViT",
            model_type="vit",
            class_name="ViTModel",
            placement="pre_norm",
            final_norm=True,
            embedding_norm=False,
            only={
                "qkv_bias": True,
                "pooler_act": "tanh",
                "pooler_output_size": lambda official: official.get("hidden_size", 768),
            },
        ),
    }
)
