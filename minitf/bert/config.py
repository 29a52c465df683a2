"""The numbers that make a BERT, as the official `config.json` names them."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from minitf.errors import CheckpointError

# The official files' name of an activation -> the name of the equation.
ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "gelu_tanh": "gelu_tanh",
    "relu": "relu",
}

# Keys that would change the computation, with the only value that minitf computes.
_ONLY = {
    "model_type": "bert",
    "position_embedding_type": "absolute",
    "is_decoder": False,
    "add_cross_attention": False,
    "is_encoder_decoder": False,
    "chunk_size_feed_forward": 0,
    "pruned_heads": {},
    "embedding_size": None,
}


@dataclasses.dataclass(frozen=True)
class BertConfig:
    """Official field names; a default is Google's documented one (`BertConfig` in google-research/bert).

    Raises CheckpointError for numbers that cannot be a BERT: sizes beyond any, too, for a model is built before its
    weights are looked at, and a million layers would fill the memory.
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
    # Google's code would default to 16, but each of its published files says 2 or, saying nothing, means 2.
    type_vocab_size: int = 2
    initializer_range: float = 0.02
    layer_norm_eps: float = 1e-12
    classifier_dropout: float | None = None
    labels: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            if field.type is int or field.type == "int":
                value = getattr(self, field.name)
                most = 1_000 if field.name == "num_hidden_layers" else 1 << 24
                if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
                    raise CheckpointError(
                        f"config: {field.name} must be a whole number from 1 to {most}, not {value!r}"
                    )
        for name in ("hidden_dropout_prob", "attention_probs_dropout_prob"):
            if not _is_number(getattr(self, name)) or not 0.0 <= getattr(self, name) < 1.0:
                raise CheckpointError(f"config: {name} must be from 0 up to but not 1, not {getattr(self, name)!r}")
        for name in ("layer_norm_eps", "initializer_range"):
            if not _is_number(getattr(self, name)) or not 0.0 < getattr(self, name) < math.inf:
                raise CheckpointError(f"config: {name} must be positive and finite, not {getattr(self, name)!r}")
        if self.classifier_dropout is not None and not (
            _is_number(self.classifier_dropout) and 0.0 <= self.classifier_dropout < 1.0
        ):
            raise CheckpointError(f"config: classifier_dropout must be in [0, 1), not {self.classifier_dropout!r}")
        if self.hidden_size % self.num_attention_heads:
            raise CheckpointError(
                f"config: hidden_size {self.hidden_size} is no multiple of num_attention_heads"
                f" {self.num_attention_heads}"
            )
        if not isinstance(self.hidden_act, str) or self.hidden_act not in ACTIVATIONS:
            raise CheckpointError(
                f"config: hidden_act {self.hidden_act!r} is not supported; there are: {', '.join(ACTIVATIONS)}"
            )

    @property
    def activation(self) -> str:
        """The name of the equation that `hidden_act` means."""
        return ACTIVATIONS[self.hidden_act]

    @property
    def num_labels(self) -> int:
        return len(self.labels)

    @property
    def head_dropout(self) -> float:
        """The rate before a classifier: its own, else that of the hidden layers."""
        return self.hidden_dropout_prob if self.classifier_dropout is None else self.classifier_dropout

    @classmethod
    def from_dict(cls, official: Mapping[str, Any]) -> tuple["BertConfig", tuple[str, ...]]:
        """The config in a parsed `config.json`, and the keys in it that change nothing here.

        Raises CheckpointError for a value that changes the computation and is not supported.
        """
        for key, only in _ONLY.items():
            if key in official and official[key] not in (only, None):
                raise CheckpointError(f"config: {key} = {official[key]!r} is not supported, only {only!r}")
        fields = {field.name for field in dataclasses.fields(cls)} - {"labels"}
        if "vocab_size" not in official:
            raise CheckpointError("config: vocab_size is missing")
        known = {key: official[key] for key in fields if key in official}
        ignored = sorted(set(official) - fields - set(_ONLY) - {"id2label", "label2id", "num_labels"})
        return cls(**known, labels=_labels(official)), tuple(ignored)

    def to_dict(self) -> dict[str, Any]:
        """The official form, for `config.json`."""
        official = dataclasses.asdict(self)
        labels = official.pop("labels")
        if labels:
            official["id2label"] = {str(i): label for i, label in enumerate(labels)}
            official["label2id"] = {label: i for i, label in enumerate(labels)}
        if official["hidden_act"] == "gelu_tanh":
            official["hidden_act"] = "gelu_new"  # the name that every reader of official files knows
        return {"model_type": "bert", "position_embedding_type": "absolute", "pad_token_id": 0, **official}


def _labels(official: Mapping[str, Any]) -> tuple[str, ...]:
    """Label names by their number, from `id2label` or a bare `num_labels`."""
    by_id = official.get("id2label")
    if by_id is None:
        n = official.get("num_labels", 0)
        if isinstance(n, bool) or not isinstance(n, int) or not 0 <= n <= 1_000_000:
            raise CheckpointError(f"config: num_labels must be a small whole number, not {n!r}")
        return tuple(f"LABEL_{i}" for i in range(n))
    try:
        numbered = {int(key): str(label) for key, label in by_id.items()}
    except (AttributeError, TypeError, ValueError):
        raise CheckpointError(f"config: id2label must map numbers to names, not {by_id!r}") from None
    if sorted(numbered) != list(range(len(by_id))):
        raise CheckpointError(f"config: id2label must number its labels 0, 1, 2, …, not {sorted(numbered)}")
    return tuple(numbered[i] for i in range(len(numbered)))


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
