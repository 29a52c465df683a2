"""Hold out rows of a training table for validation, in proportion to the labels."""

import math
import random
from collections import Counter

from minitf.datasets.dataset import Dataset
from minitf.datasets.held_out import count_to_hold_out, divide, equal_groups
from minitf.errors import InputError


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
    classes: dict[str | None, list[list[int]]] = {}
    for group in equal_groups((example.text, example.pair) for example in dataset.examples):
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
    if not stratify or divisible:
        return divide(dataset, held_out, "every label keeps one for training: add rows")
    requirement = "every label keeps one for training: no label has two different texts: name the right columns with"
    return divide(dataset, held_out, f"{requirement} `text` and `label`, add rows")


def _apportion(rows: Counter[str | None], share: float, total: int, rng: random.Random) -> dict[str | None, int]:
    """Return how many rows of each label to hold out: about `share * total` together, by largest remainders.

    The number for each label is rounded down; the labels with the largest remainders get one row more.
    """
    counts = {label: math.floor(share * n) for label, n in rows.items()}
    order = rng.sample(list(rows), len(rows))  # so that ties do not favour the labels that come first
    order.sort(key=lambda label: counts[label] - share * rows[label])
    for label in order[: count_to_hold_out(share, total) - sum(counts.values())]:
        counts[label] += 1
    return counts
