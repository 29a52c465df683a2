"""How well entities are found: precision, recall and F1, whole entities only. Plain counting, no tensors.

An entity is right if its first word, its last word and its type are. Source: the shared task's script conlleval (Tjong
Kim Sang & De Meulder 2003). The scores are conlleval's for tags B, I and O, and seqeval's for these and for BIOES; what
marks an entity, and the differences, are in `tags.entities`.
"""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from typing import Any

from minitf.tasks.metrics import ClassScore, class_score, class_table
from minitf.tasks.tagging.tags import entities, scheme


@dataclasses.dataclass(frozen=True)
class EntityMetrics:
    """`f1`, `precision` and `recall` count the entities of all types together (micro)."""

    loss: float
    f1: float
    precision: float
    recall: float
    accuracy: float  # the share of words with the right tag, O among them
    macro_f1: float  # the mean of the types' F1
    classes: tuple[ClassScore, ...]  # the types
    words: int

    @property
    def scores(self) -> dict[str, float]:
        return {"F1": self.f1, "precision": self.precision, "recall": self.recall, "accuracy": self.accuracy}

    def table(self) -> str:
        return class_table(self.classes, "type", "there")

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def entity_metrics(
    true: Sequence[Sequence[str]],
    said: Sequence[Sequence[str]],
    loss: float,
    prefixed: bool = True,
    strict: bool = False,
) -> EntityMetrics:
    """Compute all metrics from the tags of every sentence; without prefixes each marked word is an entity.

    `strict` counts only entities that follow the rules of the true tags' `scheme`, on both sides: an I after O then
    marks none. It needs prefixes. Raises ValueError for no words, or sentences of other lengths.
    """
    words = sum(map(len, true))
    if not words or [len(tags) for tags in true] != [len(tags) for tags in said]:
        raise ValueError(f"{words} words in {len(true)} sentences, {sum(map(len, said))} tags in {len(said)}")
    rules = scheme(true) if strict and prefixed else None
    there: Counter[str] = Counter()
    given: Counter[str] = Counter()
    hits: Counter[str] = Counter()
    for t, s in zip(true, said, strict=True):
        at, claimed = set(entities(t, prefixed, rules)), set(entities(s, prefixed, rules))
        there.update(entity.type for entity in at)
        given.update(entity.type for entity in claimed)
        hits.update(entity.type for entity in at & claimed)
    types = tuple(class_score(kind, hits[kind], given[kind], there[kind]) for kind in sorted(there | given))
    whole = class_score("", hits.total(), given.total(), there.total())
    right = sum(a == b for t, s in zip(true, said, strict=True) for a, b in zip(t, s, strict=True))
    macro = sum(score.f1 for score in types) / len(types) if types else 0.0
    return EntityMetrics(loss, whole.f1, whole.precision, whole.recall, right / words, macro, types, words)
