"""The family: the published encoders that are BERT but for a few numbers and small parts. Each is one entry here.

    BERT        Devlin et al. 2019; all sizes and languages, whole-word masking, the 24 small ones, MiniLM
    RoBERTa     Liu et al. 2019, and XLM-RoBERTa (Conneau et al. 2020): positions counted from the padding id, one
                segment, a classifier with a layer of its own
    DistilBERT  Sanh et al. 2019: no segments, no pooler, no dropout on what attention gives, other names in the config

The difference is data, handed to the layers when the model is built: no `forward` asks which of them it is in. Their
heads are in `heads.HEADS`, the names of their tensors in `checkpoints.names`.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from minitf.layers import after_padding, from_zero

NumberPositions = Callable[[Tensor], Tensor]


@dataclasses.dataclass(frozen=True)
class Family:
    """One member. A field means a field of BertConfig, a key one of the official `config.json`."""

    class_prefix: str  # how `transformers` begins the names of its classes
    keys: Mapping[str, str] = dataclasses.field(default_factory=dict)  # field -> its key, where that is another
    # field -> what a file that leaves it out means, where BERT's default is another
    means: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    fixed: Mapping[str, Any] = dataclasses.field(default_factory=dict)  # field -> its only value; it has no key
    positions_after_padding: bool = False
    has_pooler: bool = True
    drops_attended: bool = True  # dropout after W_O

    def number_positions(self, pad_id: int) -> tuple[NumberPositions, int]:
        """The function that numbers positions, and the first number that a real token gets."""
        return (after_padding(pad_id), pad_id + 1) if self.positions_after_padding else (from_zero, 0)


_ROBERTA: dict[str, Any] = {
    "means": {"pad_token_id": 1},
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
        means={"num_hidden_layers": 6, "classifier_dropout": 0.2, "qa_dropout": 0.1},
        fixed={"type_vocab_size": 0, "layer_norm_eps": 1e-12},
        has_pooler=False,
        drops_attended=False,
    ),
}
