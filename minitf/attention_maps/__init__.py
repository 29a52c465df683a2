"""Looking inside: who looks at whom, in pictures; and the honest question of what that explains."""

from minitf.attention_maps.collect import AttentionMaps, collect

__all__ = ["AttentionMaps", "collect"]
