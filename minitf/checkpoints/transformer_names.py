"""The rename tables of the models in `transformer`: what `transformers` calls each tensor, and minitf's name.

The notation is that of `names`. `[i]` after an official name stands for part i of three: the file has W_Q, W_K and W_V
side by side in one tensor.
"""

from collections.abc import Mapping

from minitf.checkpoints.names import Rows, T

# --- Marian and BART, without the prefix `model.`


def _attention(official: str, ours: str) -> Rows:
    pairs = (("q_proj", "W_Q"), ("k_proj", "W_K"), ("v_proj", "W_V"), ("out_proj", "W_O"))
    return tuple(
        (f"{official}.{theirs}.{kind}", f"{ours}.{mine}.{kind}")
        for theirs, mine in pairs
        for kind in ("weight", "bias")
    )


def _norm(official: str, ours: str) -> Rows:
    return ((f"{official}.weight", f"{ours}.gamma"), (f"{official}.bias", f"{ours}.beta"))


def _linear(official: str, ours: str, mark: str = "") -> Rows:
    return ((f"{official}.weight", f"{ours}.weight{mark}"), (f"{official}.bias", f"{ours}.bias"))


MARIAN: Rows = (
    ("shared.weight", "word.weight"),
    ("encoder.embed_tokens.weight", "word.weight"),
    ("decoder.embed_tokens.weight", "word.weight"),
    ("encoder.embed_positions.weight", None),  # the sinusoids, in old files
    ("decoder.embed_positions.weight", None),
    *_attention("encoder.layers.{}.self_attn", "encoder.layers.{}.attention"),
    *_norm("encoder.layers.{}.self_attn_layer_norm", "encoder.layers.{}.attention_norm"),
    *_linear("encoder.layers.{}.fc1", "encoder.layers.{}.ffn.W_1"),
    *_linear("encoder.layers.{}.fc2", "encoder.layers.{}.ffn.W_2"),
    *_norm("encoder.layers.{}.final_layer_norm", "encoder.layers.{}.ffn_norm"),
    *_attention("decoder.layers.{}.self_attn", "decoder.layers.{}.self_attention"),
    *_norm("decoder.layers.{}.self_attn_layer_norm", "decoder.layers.{}.self_attention_norm"),
    *_attention("decoder.layers.{}.encoder_attn", "decoder.layers.{}.cross_attention"),
    *_norm("decoder.layers.{}.encoder_attn_layer_norm", "decoder.layers.{}.cross_attention_norm"),
    *_linear("decoder.layers.{}.fc1", "decoder.layers.{}.ffn.W_1"),
    *_linear("decoder.layers.{}.fc2", "decoder.layers.{}.ffn.W_2"),
    *_norm("decoder.layers.{}.final_layer_norm", "decoder.layers.{}.ffn_norm"),
)
BART: Rows = (
    *(row for row in MARIAN if "embed_positions" not in row[0]),
    ("encoder.embed_positions.weight", "source_embeddings.position.table.weight"),
    ("decoder.embed_positions.weight", "target_embeddings.position.table.weight"),
    *_norm("encoder.layernorm_embedding", "source_embeddings.norm"),
    *_norm("decoder.layernorm_embedding", "target_embeddings.norm"),
    ("encoder.version", None),  # written by fairseq
    ("decoder.version", None),
)
BART_HEADS: Mapping[str, Rows] = {
    "language-model": (
        ("final_logits_bias", "head.bias"),
        ("lm_head.weight", "word.weight"),
    )
}

# --- T5; in version 1.1 the feed-forward network has a gate, and the logits have their own matrix


def _t5_attention(official: str, ours: str) -> Rows:
    pairs = (("q", "W_Q"), ("k", "W_K"), ("v", "W_V"), ("o", "W_O"))
    return tuple((f"{official}.{theirs}.weight", f"{ours}.{mine}.weight") for theirs, mine in pairs)


_T5_SHARED: Rows = (
    ("shared.weight", "word.weight"),
    ("encoder.embed_tokens.weight", "word.weight"),
    ("decoder.embed_tokens.weight", "word.weight"),
    ("encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight", "encoder_bias.table.weight"),
    *_t5_attention("encoder.block.{}.layer.0.SelfAttention", "encoder.layers.{}.attention"),
    ("encoder.block.{}.layer.0.layer_norm.weight", "encoder.layers.{}.attention_norm.gamma"),
    ("encoder.block.{}.layer.1.layer_norm.weight", "encoder.layers.{}.ffn_norm.gamma"),
    ("encoder.final_layer_norm.weight", "encoder.final_norm.gamma"),
    ("decoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight", "decoder_bias.table.weight"),
    *_t5_attention("decoder.block.{}.layer.0.SelfAttention", "decoder.layers.{}.self_attention"),
    ("decoder.block.{}.layer.0.layer_norm.weight", "decoder.layers.{}.self_attention_norm.gamma"),
    *_t5_attention("decoder.block.{}.layer.1.EncDecAttention", "decoder.layers.{}.cross_attention"),
    ("decoder.block.{}.layer.1.layer_norm.weight", "decoder.layers.{}.cross_attention_norm.gamma"),
    ("decoder.block.{}.layer.2.layer_norm.weight", "decoder.layers.{}.ffn_norm.gamma"),
    ("decoder.final_layer_norm.weight", "decoder.final_norm.gamma"),
    # In old files; nothing reads it.
    ("decoder.block.0.layer.1.EncDecAttention.relative_attention_bias.weight", None),
)


def _t5_ffn(*pairs: tuple[str, str]) -> Rows:
    return tuple(
        (f"{stack}.block.{{}}.layer.{number}.DenseReluDense.{theirs}.weight", f"{stack}.layers.{{}}.ffn.{mine}.weight")
        for stack, number in (("encoder", 1), ("decoder", 2))
        for theirs, mine in pairs
    )


T5: Rows = (*_T5_SHARED, *_t5_ffn(("wi", "W_1"), ("wo", "W_2")))
T5_GATED: Rows = (*_T5_SHARED, *_t5_ffn(("wi_0", "W_gate"), ("wi_1", "W_1"), ("wo", "W_2")))
T5_HEADS: Mapping[str, Rows] = {"language-model": (("lm_head.weight", "head.W.weight"),)}

# --- GPT-2, without the prefix `transformer.`; its matrices are [D_in, D_out]

GPT2: Rows = (
    ("wte.weight", "word.weight"),
    ("wpe.weight", "embeddings.position.table.weight"),
    *_norm("h.{}.ln_1", "decoder.layers.{}.attention_norm"),
    *(
        (f"h.{{}}.attn.c_attn.{kind}[{i}]", f"decoder.layers.{{}}.attention.W_{part}.{kind}{mark}")
        for i, part in enumerate("QKV")
        for kind, mark in (("weight", T), ("bias", ""))
    ),
    *_linear("h.{}.attn.c_proj", "decoder.layers.{}.attention.W_O", T),
    *_norm("h.{}.ln_2", "decoder.layers.{}.ffn_norm"),
    *_linear("h.{}.mlp.c_fc", "decoder.layers.{}.ffn.W_1", T),
    *_linear("h.{}.mlp.c_proj", "decoder.layers.{}.ffn.W_2", T),
    *_norm("ln_f", "decoder.final_norm"),
    ("h.{}.attn.bias", None),  # the causal mask, in old files
    ("h.{}.attn.masked_bias", None),
)
GPT2_HEADS: Mapping[str, Rows] = {"language-model": (("lm_head.weight", "word.weight"),)}

# --- ViT, without the prefix `vit.`; the names in `transformers` 5, which writes the old ones, are the second ones


def _vit_layer(official: str, parts: tuple[str, ...]) -> Rows:
    ours = ("attention.W_Q", "attention.W_K", "attention.W_V", "attention.W_O", "ffn.W_1", "ffn.W_2")
    pairs = zip(parts, ours, strict=True)
    return tuple(
        row for theirs, mine in pairs for row in _linear(f"{official}.{theirs}", f"encoder.layers.{{}}.{mine}")
    )


_VIT_OLD = (
    *("attention.attention.query", "attention.attention.key", "attention.attention.value"),
    *("attention.output.dense", "intermediate.dense", "output.dense"),
)
_VIT_NEW = (
    *("attention.q_proj", "attention.k_proj", "attention.v_proj", "attention.o_proj"),
    *("mlp.fc1", "mlp.fc2"),
)
VIT: Rows = (
    ("embeddings.cls_token", "embeddings.class_token"),
    ("embeddings.position_embeddings", "embeddings.position"),
    *_linear("embeddings.patch_embeddings.projection", "embeddings.projection"),
    *_vit_layer("encoder.layer.{}", _VIT_OLD),
    *_norm("encoder.layer.{}.layernorm_before", "encoder.layers.{}.attention_norm"),
    *_norm("encoder.layer.{}.layernorm_after", "encoder.layers.{}.ffn_norm"),
    *_vit_layer("layers.{}", _VIT_NEW),
    *_norm("layers.{}.layernorm_before", "encoder.layers.{}.attention_norm"),
    *_norm("layers.{}.layernorm_after", "encoder.layers.{}.ffn_norm"),
    *_norm("layernorm", "encoder.final_norm"),
    *_linear("pooler.dense", "pooler.W"),
    ("embeddings.mask_token", None),  # only for pre-training
)
VIT_HEADS: Mapping[str, Rows] = {"classification": _linear("classifier", "head.W")}
