"""Reinitialize the top layers of a pre-trained encoder: they are the most specific to the pre-training task.

Source: Zhang et al. 2021 ("Revisiting few-sample BERT fine-tuning"), §4.
"""

from torch import nn

from minitf.bert.model import Bert
from minitf.layers import LayerNorm, initialize


def reinitialize_top(model: Bert, layers: int) -> None:
    """Draw the last `layers` layers and the pooler as for pre-training; 0 changes nothing."""
    if not layers:
        return
    parts: list[nn.Module] = list(model.encoder.layers)[-layers:]
    for part in parts if model.pooler is None else [*parts, model.pooler]:
        initialize(part, model.config.initializer_range)
        for norm in part.modules():
            if isinstance(norm, LayerNorm):
                nn.init.ones_(norm.gamma)
                nn.init.zeros_(norm.beta)
