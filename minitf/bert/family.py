"""The family: published encoders that differ from BERT in a few numbers and small parts. Each is one entry here.

    BERT        Devlin et al. 2019; all sizes and languages, whole-word masking, the 24 small ones, MiniLM
    RoBERTa     Liu et al. 2019, and XLM-RoBERTa (Conneau et al. 2020): positions counted from the padding id, one
                segment, a classification head with its own pooling layer
    DistilBERT  Sanh et al. 2019: no segments, no pooler, no dropout after attention, other key names in the config

The differences are data, passed to the layers when the model is built: no `forward` depends on the model type. The
heads are in `heads.HEADS`, the names of the tensors in `checkpoints.names`.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from minitf.layers import after_padding, from_zero

NumberPositions = Callable[[Tensor], Tensor]


@dataclasses.dataclass(frozen=True)
class Family:
    """One model type. "Field" is a field of BertConfig, "key" a key of the official `config.json`."""

    class_prefix: str  # of the class names in `transformers`
    keys: Mapping[str, str] = dataclasses.field(default_factory=dict)  # field -> its key, where the names differ
    defaults: Mapping[str, Any] = dataclasses.field(default_factory=dict)  # field -> default, where it is not BERT's
    fixed: Mapping[str, Any] = dataclasses.field(default_factory=dict)  # field -> its only value; it has no key
    positions_after_padding: bool = False
    has_pooler: bool = True
    dropout_after_attention: bool = True  # residual dropout after W_O

    def number_positions(self, pad_id: int) -> tuple[NumberPositions, int]:
        """Return the function that numbers positions, and the position of the first real token."""
        return (after_padding(pad_id), pad_id + 1) if self.positions_after_padding else (from_zero, 0)


_ROBERTA: dict[str, Any] = {
    "defaults": {"pad_token_id": 1},
    "fixed": {"qa_dropout": 0.0},
    "positions_after_padding": True,
}

# By `model_type`, as the official `config.json` names it.
FAMILIES: Mapping[str, Family] = {
    "bert": Family("Bert", fixed={"qa_dropout": 0.0}),
    "roberta": Family("Roberta", **_ROBERTA),
    "xlm-roberta": Family("XLMRoberta", **_ROBERTA),
    "distilbert": Family(
        "DistilBert",
        keys={
            "hidden_size": "dim",
            "num_hidden_layers": "n_layers",
            "num_attention_heads": "n_heads",
            "intermediate_size": "hidden_dim",
            "hidden_act": "activation",
            "hidden_dropout_prob": "dropout",
            "attention_probs_dropout_prob": "attention_dropout",
            "classifier_dropout": "seq_classif_dropout",
        },
        defaults={"num_hidden_layers": 6, "classifier_dropout": 0.2, "qa_dropout": 0.1},
        fixed={"type_vocab_size": 0, "layer_norm_eps": 1e-12},
        has_pooler=False,
        dropout_after_attention=False,
    ),
}
