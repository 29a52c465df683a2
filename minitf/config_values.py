"""Check the values of a `config.json`: one line for each kind of value. The configs of all models use these."""

import math
import sys
from collections.abc import Collection

from minitf.errors import CheckpointError

# Limits: the model is built before its weights are read, and a million layers would fill the memory.
LARGEST_SIZE = 1 << 24
MOST_LAYERS = 1_000


def is_integer(value: object) -> bool:
    """Whether a value of JSON is an integer; true and false are not."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_number(value: object) -> bool:
    """Whether a value of JSON is a number that a float can hold: its integers can be too large."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= sys.float_info.max


def check_integer(name: str, value: object, low: int = 1, high: int = LARGEST_SIZE) -> None:
    """Raise CheckpointError unless `value` is an integer from `low` to `high`."""
    if not is_integer(value) or not low <= value <= high:  # type: ignore[operator]
        raise CheckpointError(f"config: {name} must be an integer from {low} to {high}, not {value!r}")


def check_rate(name: str, value: object) -> None:
    """Raise CheckpointError unless `value` is a rate of dropout, in [0, 1)."""
    if not is_number(value) or not 0.0 <= value < 1.0:  # type: ignore[operator]
        raise CheckpointError(f"config: {name} must be in [0, 1), not {value!r}")


def check_positive(name: str, value: object) -> None:
    """Raise CheckpointError unless `value` is a positive, finite number."""
    if not is_number(value) or not 0.0 < value < math.inf:  # type: ignore[operator]
        raise CheckpointError(f"config: {name} must be positive and finite, not {value!r}")


def check_flag(name: str, value: object) -> None:
    """Raise CheckpointError unless `value` is true or false."""
    if not isinstance(value, bool):
        raise CheckpointError(f"config: {name} must be true or false, not {value!r}")


def check_choice(name: str, value: object, choices: Collection[str]) -> None:
    """Raise CheckpointError unless `value` is one of `choices`."""
    if not isinstance(value, str) or value not in choices:
        raise CheckpointError(f"config: {name} {value!r} is not supported; choose from: {', '.join(choices)}")


def check_divisible(width_name: str, width: int, heads_name: str, heads: int) -> None:
    """Raise CheckpointError unless the heads can share the width equally."""
    if width % heads:
        raise CheckpointError(f"config: {width_name} {width} is not divisible by {heads_name} {heads}")
