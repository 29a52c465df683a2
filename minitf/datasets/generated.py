"""What the generated built-in data share: the sizes of their parts, and which patterns belong to which part."""

import random
from collections.abc import Mapping, Sequence
from typing import TypeVar

T = TypeVar("T")

Record = Mapping[str, str]
SIZES = {"train": 20_000, "valid": 500, "test": 1_000}  # rows
SHARES = {"valid": 0.1, "test": 0.15}  # of the patterns, the rest is for training


def divided(patterns: Sequence[T], rng: random.Random) -> dict[str, list[T]]:
    """Divide the patterns, in random order, between the parts: each belongs to one of them."""
    order = rng.sample(patterns, len(patterns))
    parts: dict[str, list[T]] = {}
    for part, share in SHARES.items():
        count = round(share * len(patterns))
        parts[part], order = order[:count], order[count:]
    return parts | {"train": order}
