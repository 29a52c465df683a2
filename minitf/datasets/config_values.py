"""Check the values of a `config.json`: one line for each kind of value. The configs of all models use these."""

import math
import sys
from collections.abc import Collection, Mapping
from typing import Any

from minitf.errors import CheckpointError

# Limits: the model is built before its weights are read, and a million layers would fill the memory.
LARGEST_SIZE = 1 << 24
MOST_LAYERS = 1_000
MAX_LABELS = 1 << 16  # limit for a bare `num_labels`, which no list of names supports


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


def default_labels(n: int) -> tuple[str, ...]:
    """Return the names that `transformers` gives to `n` labels without names."""
    return tuple(f"LABEL_{i}" for i in range(n))


def read_labels(official: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the label names in the order of their ids, from `id2label` or a bare `num_labels`."""
    by_id = official.get("id2label")
    if by_id is None:
        n = official.get("num_labels", 0)
        if isinstance(n, bool) or not isinstance(n, int) or not 0 <= n <= MAX_LABELS:
            raise CheckpointError(f"config: num_labels must be an integer from 0 to {MAX_LABELS}, not {n!r}")
        return default_labels(n)
    try:
        numbered = {int(key): str(label) for key, label in by_id.items()}
    except (AttributeError, TypeError, ValueError):
        raise CheckpointError(f"config: id2label must map integers to names, not {by_id!r}") from None
    if sorted(numbered) != list(range(len(by_id))):
        raise CheckpointError(f"config: the ids in id2label must be 0, 1, 2, …, not {sorted(numbered)}")
    return tuple(numbered[i] for i in range(len(numbered)))


def write_labels(labels: tuple[str, ...]) -> dict[str, Any]:
    """Return the official form of the label names; nothing if there are none."""
    if not labels:
        return {}
    by_id = {str(i): label for i, label in enumerate(labels)}
    return {"id2label": by_id, "label2id": {label: i for i, label in enumerate(labels)}}
