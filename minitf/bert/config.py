"""The configuration of a BERT, with the field names of the official `config.json`."""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

from minitf.bert.family import FAMILIES, Family
from minitf.datasets.config_values import (
    LARGEST_SIZE,
    MOST_LAYERS,
    check_choice,
    check_divisible,
    check_integer,
    check_positive,
    check_rate,
    read_labels,
    write_labels,
)
from minitf.errors import CheckpointError

# Name of an activation function in the official files -> name of the equation.
ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu_tanh": "gelu_tanh",
    "relu": "relu",
}

# Keys that would change the computation -> the only supported value.
_ONLY = {
    "position_embedding_type": "absolute",
    "is_decoder": False,
    "add_cross_attention": False,
    "is_encoder_decoder": False,
    "pruned_heads": {},
    "embedding_size": None,
}
# Values that distinguish RoBERTa's config from BERT's if there is no model_type.
_NOT_BERT: Mapping[str, tuple[int, ...]] = {"pad_token_id": (1,), "max_position_embeddings": (514,)}
PROBLEM_TYPES = (None, "single_label_classification", "multi_label_classification", "regression")


@dataclasses.dataclass(frozen=True)
class BertConfig:
    """Official field names; the defaults are Google's documented ones (`BertConfig` in google-research/bert).

    Raises CheckpointError for invalid values. Sizes have an upper limit: the model is built before its weights are
    read, and a million layers would fill the memory.
    """

    vocab_size: int
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    hidden_act: str = "gelu"
    hidden_dropout_prob: float = 0.1
    attention_probs_dropout_prob: float = 0.1
    max_position_embeddings: int = 512
    # Google's code defaults to 16, but in each of its published files it is 2, or missing, which means 2.
    type_vocab_size: int = 2
    initializer_range: float = 0.02
    layer_norm_eps: float = 1e-12
    classifier_dropout: float | None = None
    labels: tuple[str, ...] = ()
    model_type: str = "bert"
    pad_token_id: int = 0
    qa_dropout: float = 0.0  # before the question-answering head; only DistilBERT has one
    problem_type: str | None = None  # how to read a classifier's logits, if the file has it: one of PROBLEM_TYPES

    def __post_init__(self) -> None:
        if not isinstance(self.model_type, str) or self.model_type not in FAMILIES:
            raise CheckpointError(
                f"config: model_type = {self.model_type!r} is not supported; choose from: {', '.join(FAMILIES)}"
            )
        least = {"pad_token_id": 0, "type_vocab_size": self.family.fixed.get("type_vocab_size", 1)}
        for field in dataclasses.fields(self):
            if field.type is int or field.type == "int":
                high = MOST_LAYERS if field.name == "num_hidden_layers" else LARGEST_SIZE
                check_integer(field.name, getattr(self, field.name), least.get(field.name, 1), high)
        for name in ("hidden_dropout_prob", "attention_probs_dropout_prob", "qa_dropout"):
            check_rate(name, getattr(self, name))
        for name in ("layer_norm_eps", "initializer_range"):
            check_positive(name, getattr(self, name))
        if self.classifier_dropout is not None:
            check_rate("classifier_dropout", self.classifier_dropout)
        check_divisible("hidden_size", self.hidden_size, "num_attention_heads", self.num_attention_heads)
        if self.longest < 1:
            raise CheckpointError(
                f"config: max_position_embeddings {self.max_position_embeddings} leaves no position for a token"
            )
        if self.problem_type not in PROBLEM_TYPES:
            raise CheckpointError(
                f"config: problem_type = {self.problem_type!r} is not supported; choose from: {PROBLEM_TYPES[1:]}"
            )
        check_choice("hidden_act", self.hidden_act, ACTIVATIONS)

    @property
    def family(self) -> Family:
        """What distinguishes this model type from BERT."""
        return FAMILIES[self.model_type]

    @property
    def longest(self) -> int:
        """Maximum number of tokens of a text."""
        return self.max_position_embeddings - self.family.number_positions(self.pad_token_id)[1]

    @property
    def activation(self) -> str:
        """The name of the equation for `hidden_act`."""
        return ACTIVATIONS[self.hidden_act]

    @property
    def title(self) -> str:
        """The name of the model type, for messages."""
        return self.family.class_prefix

    @property
    def shape(self) -> str:
        """The sizes, for a report."""
        return f"{self.num_hidden_layers} layers, width {self.hidden_size}, {self.num_attention_heads} heads"

    @property
    def num_labels(self) -> int:
        return len(self.labels)

    @property
    def head_dropout(self) -> float:
        """The dropout rate before a classifier: `classifier_dropout`, or that of the layers if it is None."""
        return self.hidden_dropout_prob if self.classifier_dropout is None else self.classifier_dropout

    @classmethod
    def from_dict(cls, official: Mapping[str, Any]) -> tuple["BertConfig", tuple[str, ...]]:
        """Read a parsed `config.json`; return the config and the keys that have no effect.

        Raises CheckpointError for a value that changes the computation and is not supported.
        """
        for key, only in _ONLY.items():
            if key in official and official[key] not in (only, None):
                raise CheckpointError(f"config: {key} = {official[key]!r} is not supported, only {only!r}")
        if "vocab_size" not in official:
            raise CheckpointError("config: vocab_size is missing")
        model_type = official.get("model_type") or infer_model_type(official)
        # Without a family there are no keys to read; BertConfig then rejects the model_type.
        family = FAMILIES.get(model_type) if isinstance(model_type, str) else None
        keys = _keys(family) if family else {}
        known = dict(family.defaults) | dict(family.fixed) if family else {}
        known |= {field: official[key] for field, key in keys.items() if key in official}
        if known.get("pad_token_id", 0) is None:
            known["pad_token_id"] = family.defaults.get("pad_token_id", 0) if family else 0
        config = cls(
            **{"vocab_size": official["vocab_size"]} | known, labels=read_labels(official), model_type=model_type
        )
        ignored = set(official) - set(keys.values()) - set(_ONLY) - {"model_type", "id2label", "label2id", "num_labels"}
        return config, tuple(sorted(ignored))

    def to_dict(self) -> dict[str, Any]:
        """Return the official form, for `config.json`."""
        official = {key: getattr(self, field) for field, key in _keys(self.family).items()}
        if self.problem_type is None:
            del official["problem_type"]
        official |= write_labels(self.labels)
        if self.hidden_act == "gelu_tanh":
            official[_keys(self.family)["hidden_act"]] = "gelu_new"  # the name that every library knows
        return {"model_type": self.model_type, "position_embedding_type": "absolute", **official}

    def generation_dict(self) -> dict[str, Any]:
        """Return the content of `generation_config.json`: nothing, because an encoder does not generate text."""
        return {}


def _keys(family: Family) -> dict[str, str]:
    """Every field in the family's `config.json` -> its key there."""
    fields = {field.name for field in dataclasses.fields(BertConfig)} - {"labels", "model_type"} - set(family.fixed)
    return {field: family.keys.get(field, field) for field in sorted(fields)}


def infer_model_type(official: Mapping[str, Any]) -> str:
    """Return the model type of a config without `model_type`: that of its class, else BERT, as in Google's own files.

    Raises CheckpointError for a class of another type, and for values that no BERT from Google has: a RoBERTa that is
    loaded as BERT would run, but its outputs would be wrong.
    """
    classes = official.get("architectures")
    name = classes[0] if isinstance(classes, list) and classes else None
    if isinstance(name, str):
        for model_type, family in FAMILIES.items():
            if re.fullmatch(f"{family.class_prefix}(Model|LMHead|For[A-Z]).*", name):
                return model_type
        raise CheckpointError(
            f"config: model_type is missing, and the class {name:.80} is not supported; add model_type,"
            f" if the model is one of: {', '.join(FAMILIES)}"
        )
    others = [key for key, value in _NOT_BERT.items() if official.get(key) in value]
    others += [
        key for family in FAMILIES.values() for key in family.keys.values() if key in official and key != "dropout"
    ]
    if others:
        raise CheckpointError(
            f"config: model_type is missing, and {others[0]} = {official[others[0]]!r:.80} is not BERT's; add"
            f" model_type, one of: {', '.join(FAMILIES)}"
        )
    return "bert"
