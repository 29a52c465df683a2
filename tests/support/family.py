"""The family as `transformers` has it: its classes and configs, small enough for tests, by `model_type` and head."""

from typing import Any

import transformers

SIZES = {
    "vocab_size": 65,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 64,
}
ENDINGS = {
    None: "Model",
    "masked-lm": "ForMaskedLM",
    "next-sentence": "ForNextSentencePrediction",
    "pretraining": "ForPreTraining",
    "classification": "ForSequenceClassification",
    "multiple-choice": "ForMultipleChoice",
    "tagging": "ForTokenClassification",
    "qa": "ForQuestionAnswering",
}
PREFIXES = {"bert": "Bert", "roberta": "Roberta", "xlm-roberta": "XLMRoberta", "distilbert": "DistilBert"}

# Every member with every head that `transformers` has a class for.
MEMBERS = [
    (model_type, head)
    for model_type, prefix in PREFIXES.items()
    for head, ending in ENDINGS.items()
    if hasattr(transformers, prefix + ending)
]


def reference_class(model_type: str, head: str | None) -> Any:
    return getattr(transformers, PREFIXES[model_type] + ENDINGS[head])


def reference_config(model_type: str, **changes: Any) -> Any:
    """DistilBERT's config takes the usual names of the sizes as well, but its own of the rates and the activation."""
    own = {}
    if model_type == "distilbert":
        own = {"dim": 32, "n_layers": 3, "n_heads": 4, "hidden_dim": 48}
    elif model_type != "bert":
        own = {"type_vocab_size": 1, "layer_norm_eps": 1e-5}
    sizes = {k: v for k, v in SIZES.items() if not (model_type == "distilbert" and k in _OTHERWISE)}
    config = getattr(transformers, f"{PREFIXES[model_type]}Config")
    return config(**(sizes | own | changes), attn_implementation="eager")


_OTHERWISE = ("hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size")
