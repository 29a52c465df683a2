"""The top of a pre-trained encoder drawn anew: its last layers know most about the old task, and least about a new one.

Source: Zhang et al. 2021 ("Revisiting few-sample BERT fine-tuning"), §4.
"""

from torch import nn

from minitf.bert.model import Bert
from minitf.layers import LayerNorm, initialize


def reinitialize_top(model: Bert, layers: int) -> None:
    """Draw the last `layers` layers as at the beginning of pre-training, and with them the pooler; none for 0."""
    if not layers:
        return
    parts: list[nn.Module] = list(model.encoder.layers)[-layers:]
    for part in parts if model.pooler is None else [*parts, model.pooler]:
        initialize(part, model.config.initializer_range)
        for norm in part.modules():
            if isinstance(norm, LayerNorm):
                nn.init.ones_(norm.gamma)
                nn.init.zeros_(norm.beta)
