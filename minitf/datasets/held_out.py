"""Functions that the splits of all tasks share: groups of equal examples, and a table divided in two."""

import dataclasses
import random
from collections.abc import Collection, Hashable, Iterable
from typing import Any, TypeVar

from minitf.errors import DataError

Table = TypeVar("Table")  # a frozen dataclass with `path` and `examples`


def equal_groups(keys: Iterable[Hashable]) -> list[list[int]]:
    """Return the indices of equal keys, in the order in which the keys first occur."""
    groups: dict[Hashable, list[int]] = {}
    for i, key in enumerate(keys):
        groups.setdefault(key, []).append(i)
    return list(groups.values())


def shuffled_groups(keys: Iterable[Hashable], seed: int) -> list[list[int]]:
    """Return the indices of equal keys, the groups in random order."""
    groups = equal_groups(keys)
    random.Random(seed).shuffle(groups)
    return groups


def count_to_hold_out(share: float, total: int) -> int:
    """Return the number of examples to hold out: `share` of them, and at least one."""
    return max(1, round(share * total))


def divide(table: Table, held_out: Collection[int], requirement: str, unit: str = "rows") -> tuple[Table, Table]:
    """Return (the other examples, the examples with the indices `held_out`), both in the order of the file.

    Raises DataError if `held_out` is empty; `requirement` says why.
    """
    whole: Any = table
    if not held_out:
        raise DataError(
            f"{whole.path}: {len(whole.examples)} {unit} are too few to hold some out for validation while"
            f" {requirement}, or give a validation file with `valid`"
        )
    kept, validation = (
        tuple(example for i, example in enumerate(whole.examples) if (i in held_out) is held) for held in (False, True)
    )
    return dataclasses.replace(whole, examples=kept), dataclasses.replace(whole, examples=validation)
