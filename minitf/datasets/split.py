"""Split a table in two: most rows for training, the others for validation."""

import dataclasses
import math
import random
from collections import Counter
from collections.abc import Container
from typing import Any, TypeVar

from minitf.datasets.dataset import Dataset
from minitf.errors import DataError, InputError

Table = TypeVar("Table")  # a frozen dataclass with `examples`


def split(dataset: Dataset, share: float = 0.1, seed: int = 0, stratify: bool = True) -> tuple[Dataset, Dataset]:
    """Return (training, validation): about `share` of the rows are held out; both keep the order of the file.

    With `stratify`, each label is held out in proportion and keeps a row for training; without (for numbers), all rows
    count as one class. Rows of the same text and pair stay together; if their labels differ, they stay in training.
    Raises DataError if no row can be held out.
    """
    if not 0 < share < 1:
        raise InputError(f"the share to hold out must be between 0 and 1, not {share}")
    rng = random.Random(seed)
    labels = [example.label if stratify else None for example in dataset.examples]
    copies: dict[tuple[str, str | None], list[int]] = {}
    for i, example in enumerate(dataset.examples):
        copies.setdefault((example.text, example.pair), []).append(i)
    classes: dict[str | None, list[list[int]]] = {}
    for group in copies.values():
        if len({labels[i] for i in group}) == 1:
            classes.setdefault(labels[group[0]], []).append(group)

    held_out: set[int] = set()
    divisible = Counter(label for label in labels if len(classes.get(label, ())) > 1)
    for label, n in _apportion(divisible, share, len(labels), rng).items():
        groups = rng.sample(classes[label], len(classes[label]))
        groups.remove(max(groups, key=len))  # this one stays in training
        for group in groups:
            if len(group) <= n:
                held_out.update(group)
                n -= len(group)
    if not held_out:
        raise too_few(dataset.path, f"{len(labels)} rows", "label")
    return partition(dataset, held_out)


def partition(table: Table, held_out: Container[int]) -> tuple[Table, Table]:
    """Return (the other examples, the examples with the indices `held_out`), both in the order of the table."""
    whole: Any = table
    parts = ([e for i, e in enumerate(whole.examples) if (i in held_out) is held] for held in (False, True))
    rest, held = (dataclasses.replace(whole, examples=tuple(part)) for part in parts)
    return rest, held


def too_few(path: str, examples: str, name: str) -> DataError:
    """Return the error of a table that cannot be split; `examples` is their number, such as "3 rows"."""
    return DataError(
        f"{path}: {examples} are too few to hold some out for validation and keep one of each {name} for training: add"
        " more, or give a validation file with `valid`"
    )


def _apportion(rows: Counter[str | None], share: float, total: int, rng: random.Random) -> dict[str | None, int]:
    """Return how many rows of each label to hold out: about `share * total` together, by largest remainders.

    Each label gives its share rounded down; those that lose most by the rounding give one row more.
    """
    counts = {label: math.floor(share * n) for label, n in rows.items()}
    order = rng.sample(list(rows), len(rows))  # so that ties do not favour the labels that come first
    order.sort(key=lambda label: counts[label] - share * rows[label])
    for label in order[: max(1, round(share * total)) - sum(counts.values())]:
        counts[label] += 1
    return counts
