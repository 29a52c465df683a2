"""Look inside a model: its attention maps as a page or as figures, and which words a prediction depends on."""

from minitf.attention_maps.collect import attention
from minitf.attention_maps.maps import AttentionMaps

__all__ = ["AttentionMaps", "attention"]
