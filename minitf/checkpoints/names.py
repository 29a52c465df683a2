"""The rename tables: the official name of each tensor, and minitf's. They show the architecture of BERT.

`{}` stands for the number of a layer; `ᵀ` marks a matrix that the file stores transposed. None marks a tensor that is
left out on purpose, because no model has it. A name that begins with `*` matches every name with this ending. Two rows
with the same target are two names of one tensor: a tied decoder is the word embedding. `renaming` applies the tables.
"""

from collections.abc import Mapping

Rows = tuple[tuple[str, str | None], ...]

T = "ᵀ"


def _under(part: str, rows: Rows) -> Rows:
    """Return the rows of a head that is part of another head."""
    return tuple((official, ours and ours.replace("head.", f"head.{part}.", 1)) for official, ours in rows)


# --- what `transformers` writes for BERT, RoBERTa and XLM-RoBERTa, without the prefix `bert.` or `roberta.`

BERT: Rows = (
    ("embeddings.word_embeddings.weight", "embeddings.word.weight"),
    ("embeddings.token_type_embeddings.weight", "embeddings.segment.weight"),
    ("embeddings.position_embeddings.weight", "embeddings.position.weight"),
    ("embeddings.LayerNorm.weight", "embeddings.norm.gamma"),
    ("embeddings.LayerNorm.bias", "embeddings.norm.beta"),
    ("encoder.layer.{}.attention.self.query.weight", "encoder.layers.{}.attention.W_Q.weight"),
    ("encoder.layer.{}.attention.self.query.bias", "encoder.layers.{}.attention.W_Q.bias"),
    ("encoder.layer.{}.attention.self.key.weight", "encoder.layers.{}.attention.W_K.weight"),
    ("encoder.layer.{}.attention.self.key.bias", "encoder.layers.{}.attention.W_K.bias"),
    ("encoder.layer.{}.attention.self.value.weight", "encoder.layers.{}.attention.W_V.weight"),
    ("encoder.layer.{}.attention.self.value.bias", "encoder.layers.{}.attention.W_V.bias"),
    ("encoder.layer.{}.attention.output.dense.weight", "encoder.layers.{}.attention.W_O.weight"),
    ("encoder.layer.{}.attention.output.dense.bias", "encoder.layers.{}.attention.W_O.bias"),
    ("encoder.layer.{}.attention.output.LayerNorm.weight", "encoder.layers.{}.attention_norm.gamma"),
    ("encoder.layer.{}.attention.output.LayerNorm.bias", "encoder.layers.{}.attention_norm.beta"),
    ("encoder.layer.{}.intermediate.dense.weight", "encoder.layers.{}.ffn.W_1.weight"),
    ("encoder.layer.{}.intermediate.dense.bias", "encoder.layers.{}.ffn.W_1.bias"),
    ("encoder.layer.{}.output.dense.weight", "encoder.layers.{}.ffn.W_2.weight"),
    ("encoder.layer.{}.output.dense.bias", "encoder.layers.{}.ffn.W_2.bias"),
    ("encoder.layer.{}.output.LayerNorm.weight", "encoder.layers.{}.ffn_norm.gamma"),
    ("encoder.layer.{}.output.LayerNorm.bias", "encoder.layers.{}.ffn_norm.beta"),
    ("pooler.dense.weight", "pooler.W.weight"),
    ("pooler.dense.bias", "pooler.W.bias"),
    ("embeddings.position_ids", None),  # 0 … 511, written by old versions of `transformers`
)
_CLASSIFIER: Rows = (
    ("classifier.weight", "head.W.weight"),
    ("classifier.bias", "head.W.bias"),
)
_QA: Rows = (
    ("qa_outputs.weight", "head.W.weight"),
    ("qa_outputs.bias", "head.W.bias"),
)
_BERT_MASKED_LM: Rows = (
    ("cls.predictions.transform.dense.weight", "head.W.weight"),
    ("cls.predictions.transform.dense.bias", "head.W.bias"),
    ("cls.predictions.transform.LayerNorm.weight", "head.norm.gamma"),
    ("cls.predictions.transform.LayerNorm.bias", "head.norm.beta"),
    ("cls.predictions.bias", "head.bias"),
    ("cls.predictions.decoder.bias", "head.bias"),
    ("cls.predictions.decoder.weight", "embeddings.word.weight"),
)
_BERT_NEXT_SENTENCE: Rows = (
    ("cls.seq_relationship.weight", "head.W.weight"),
    ("cls.seq_relationship.bias", "head.W.bias"),
)
BERT_HEADS: Mapping[str, Rows] = {
    "masked-lm": _BERT_MASKED_LM,
    "next-sentence": _BERT_NEXT_SENTENCE,
    "pretraining": _under("masked_lm", _BERT_MASKED_LM) + _under("next_sentence", _BERT_NEXT_SENTENCE),
    "classification": _CLASSIFIER,
    "multiple-choice": _CLASSIFIER,
    "tagging": _CLASSIFIER,
    "qa": _QA,
}
ROBERTA_HEADS: Mapping[str, Rows] = {
    "masked-lm": (
        ("lm_head.dense.weight", "head.W.weight"),
        ("lm_head.dense.bias", "head.W.bias"),
        ("lm_head.layer_norm.weight", "head.norm.gamma"),
        ("lm_head.layer_norm.bias", "head.norm.beta"),
        ("lm_head.bias", "head.bias"),
        ("lm_head.decoder.bias", "head.bias"),
        ("lm_head.decoder.weight", "embeddings.word.weight"),
    ),
    "classification": (
        ("classifier.dense.weight", "head.W_pool.weight"),
        ("classifier.dense.bias", "head.W_pool.bias"),
        ("classifier.out_proj.weight", "head.W.weight"),
        ("classifier.out_proj.bias", "head.W.bias"),
    ),
    "multiple-choice": _CLASSIFIER,
    "tagging": _CLASSIFIER,
    "qa": _QA,
}

# --- what `transformers` writes for DistilBERT, without the prefix `distilbert.`

DISTILBERT: Rows = (
    ("embeddings.word_embeddings.weight", "embeddings.word.weight"),
    ("embeddings.position_embeddings.weight", "embeddings.position.weight"),
    ("embeddings.LayerNorm.weight", "embeddings.norm.gamma"),
    ("embeddings.LayerNorm.bias", "embeddings.norm.beta"),
    ("transformer.layer.{}.attention.q_lin.weight", "encoder.layers.{}.attention.W_Q.weight"),
    ("transformer.layer.{}.attention.q_lin.bias", "encoder.layers.{}.attention.W_Q.bias"),
    ("transformer.layer.{}.attention.k_lin.weight", "encoder.layers.{}.attention.W_K.weight"),
    ("transformer.layer.{}.attention.k_lin.bias", "encoder.layers.{}.attention.W_K.bias"),
    ("transformer.layer.{}.attention.v_lin.weight", "encoder.layers.{}.attention.W_V.weight"),
    ("transformer.layer.{}.attention.v_lin.bias", "encoder.layers.{}.attention.W_V.bias"),
    ("transformer.layer.{}.attention.out_lin.weight", "encoder.layers.{}.attention.W_O.weight"),
    ("transformer.layer.{}.attention.out_lin.bias", "encoder.layers.{}.attention.W_O.bias"),
    ("transformer.layer.{}.sa_layer_norm.weight", "encoder.layers.{}.attention_norm.gamma"),
    ("transformer.layer.{}.sa_layer_norm.bias", "encoder.layers.{}.attention_norm.beta"),
    ("transformer.layer.{}.ffn.lin1.weight", "encoder.layers.{}.ffn.W_1.weight"),
    ("transformer.layer.{}.ffn.lin1.bias", "encoder.layers.{}.ffn.W_1.bias"),
    ("transformer.layer.{}.ffn.lin2.weight", "encoder.layers.{}.ffn.W_2.weight"),
    ("transformer.layer.{}.ffn.lin2.bias", "encoder.layers.{}.ffn.W_2.bias"),
    ("transformer.layer.{}.output_layer_norm.weight", "encoder.layers.{}.ffn_norm.gamma"),
    ("transformer.layer.{}.output_layer_norm.bias", "encoder.layers.{}.ffn_norm.beta"),
)
_DISTILBERT_CLASSIFIER: Rows = (
    ("pre_classifier.weight", "head.W_pool.weight"),
    ("pre_classifier.bias", "head.W_pool.bias"),
    *_CLASSIFIER,
)
DISTILBERT_HEADS: Mapping[str, Rows] = {
    "masked-lm": (
        ("vocab_transform.weight", "head.W.weight"),
        ("vocab_transform.bias", "head.W.bias"),
        ("vocab_layer_norm.weight", "head.norm.gamma"),
        ("vocab_layer_norm.bias", "head.norm.beta"),
        ("vocab_projector.bias", "head.bias"),
        ("vocab_projector.weight", "embeddings.word.weight"),
    ),
    "classification": _DISTILBERT_CLASSIFIER,
    "multiple-choice": _DISTILBERT_CLASSIFIER,
    "tagging": _CLASSIFIER,
    "qa": _QA,
}

# --- what Google's own scripts write, without the prefix `bert/`; their kernels are [D_in, D_out]

# The tensors that the optimizers of Google's scripts, LAMB and TensorFlow save for each weight.
OPTIMIZER_SLOTS = (
    *("adam_m", "adam_v", "lamb_m", "lamb_v", "Adam", "Adam_1"),
    *("AdamWeightDecayOptimizer", "AdamWeightDecayOptimizer_1"),
)

TENSORFLOW: Rows = (
    ("embeddings/word_embeddings", "embeddings.word.weight"),
    ("embeddings/token_type_embeddings", "embeddings.segment.weight"),
    ("embeddings/position_embeddings", "embeddings.position.weight"),
    ("embeddings/LayerNorm/gamma", "embeddings.norm.gamma"),
    ("embeddings/LayerNorm/beta", "embeddings.norm.beta"),
    ("encoder/layer_{}/attention/self/query/kernel", "encoder.layers.{}.attention.W_Q.weight" + T),
    ("encoder/layer_{}/attention/self/query/bias", "encoder.layers.{}.attention.W_Q.bias"),
    ("encoder/layer_{}/attention/self/key/kernel", "encoder.layers.{}.attention.W_K.weight" + T),
    ("encoder/layer_{}/attention/self/key/bias", "encoder.layers.{}.attention.W_K.bias"),
    ("encoder/layer_{}/attention/self/value/kernel", "encoder.layers.{}.attention.W_V.weight" + T),
    ("encoder/layer_{}/attention/self/value/bias", "encoder.layers.{}.attention.W_V.bias"),
    ("encoder/layer_{}/attention/output/dense/kernel", "encoder.layers.{}.attention.W_O.weight" + T),
    ("encoder/layer_{}/attention/output/dense/bias", "encoder.layers.{}.attention.W_O.bias"),
    ("encoder/layer_{}/attention/output/LayerNorm/gamma", "encoder.layers.{}.attention_norm.gamma"),
    ("encoder/layer_{}/attention/output/LayerNorm/beta", "encoder.layers.{}.attention_norm.beta"),
    ("encoder/layer_{}/intermediate/dense/kernel", "encoder.layers.{}.ffn.W_1.weight" + T),
    ("encoder/layer_{}/intermediate/dense/bias", "encoder.layers.{}.ffn.W_1.bias"),
    ("encoder/layer_{}/output/dense/kernel", "encoder.layers.{}.ffn.W_2.weight" + T),
    ("encoder/layer_{}/output/dense/bias", "encoder.layers.{}.ffn.W_2.bias"),
    ("encoder/layer_{}/output/LayerNorm/gamma", "encoder.layers.{}.ffn_norm.gamma"),
    ("encoder/layer_{}/output/LayerNorm/beta", "encoder.layers.{}.ffn_norm.beta"),
    ("pooler/dense/kernel", "pooler.W.weight" + T),
    ("pooler/dense/bias", "pooler.W.bias"),
    *((f"*/{slot}", None) for slot in OPTIMIZER_SLOTS),
    ("beta1_power", None),
    ("beta2_power", None),
    ("global_step", None),
)
_TENSORFLOW_MASKED_LM: Rows = (
    ("cls/predictions/transform/dense/kernel", "head.W.weight" + T),
    ("cls/predictions/transform/dense/bias", "head.W.bias"),
    ("cls/predictions/transform/LayerNorm/gamma", "head.norm.gamma"),
    ("cls/predictions/transform/LayerNorm/beta", "head.norm.beta"),
    ("cls/predictions/output_bias", "head.bias"),
)
_TENSORFLOW_NEXT_SENTENCE: Rows = (
    ("cls/seq_relationship/output_weights", "head.W.weight"),
    ("cls/seq_relationship/output_bias", "head.W.bias"),
)
_TENSORFLOW_CLASSIFIER: Rows = (  # of run_classifier.py, and of scripts derived from it
    ("output_weights", "head.W.weight"),
    ("output_bias", "head.W.bias"),
)
TENSORFLOW_HEADS: Mapping[str, Rows] = {
    "masked-lm": _TENSORFLOW_MASKED_LM,
    "next-sentence": _TENSORFLOW_NEXT_SENTENCE,
    "pretraining": _under("masked_lm", _TENSORFLOW_MASKED_LM) + _under("next_sentence", _TENSORFLOW_NEXT_SENTENCE),
    "classification": _TENSORFLOW_CLASSIFIER,
    "multiple-choice": _TENSORFLOW_CLASSIFIER,
    "tagging": _TENSORFLOW_CLASSIFIER,
    "qa": (
        ("cls/squad/output_weights", "head.W.weight"),
        ("cls/squad/output_bias", "head.W.bias"),
    ),
}
