"""Precision, recall and F1 of predicted entities. They are counts, not tensors.

An entity is right if its first word, its last word and its type are right. Source: the script conlleval of the shared
task (Tjong Kim Sang & De Meulder 2003). The scores are those of conlleval for tags B, I and O, and those of seqeval for
these and for BIOES; `tags.entities` documents which entities the tags mark, and the differences.
"""

import dataclasses
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from minitf.tasks.metrics import ClassScore, class_score, class_table
from minitf.tasks.tagging.tags import Entity, entities, scheme


@dataclasses.dataclass(frozen=True)
class EntityMetrics:
    """`f1`, `precision` and `recall` are micro averages: they count the entities of all types together."""

    loss: float
    f1: float
    precision: float
    recall: float
    accuracy: float  # share of words with the right tag, O included
    macro_f1: float  # mean F1 of the types
    classes: tuple[ClassScore, ...]  # one per type
    words: int

    @property
    def scores(self) -> dict[str, float]:
        return {"F1": self.f1, "precision": self.precision, "recall": self.recall, "accuracy": self.accuracy}

    def table(self) -> str:
        return class_table(self.classes, "type", "entities")

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


def entity_metrics(
    true: Sequence[Sequence[str]],
    predicted: Sequence[Sequence[str]],
    loss: float,
    prefixed: bool = True,
    strict: bool = False,
) -> EntityMetrics:
    """Compute the metrics from the tags of every sentence; without prefixes each word not tagged O is an entity.

    `strict` counts only entities that follow the rules of the true tags' `scheme`, in the true and in the predicted
    tags: for example, an I after O is then not an entity. It needs prefixes. Raises ValueError without words, or if the
    numbers of words and tags differ.
    """
    words = sum(map(len, true))
    if not words or [len(tags) for tags in true] != [len(tags) for tags in predicted]:
        raise ValueError(f"{words} words in {len(true)} sentences, {sum(map(len, predicted))} tags in {len(predicted)}")
    support: Counter[str] = Counter()
    predictions: Counter[str] = Counter()
    hits: Counter[str] = Counter()
    for found in entity_sets(true, predicted, prefixed, strict):
        for counts, some in zip((hits, predictions, support), found, strict=True):
            counts.update(entity.type for entity in some)
    types = tuple(class_score(k, hits[k], predictions[k], support[k]) for k in sorted(support | predictions))
    micro = class_score("", hits.total(), predictions.total(), support.total())
    right = sum(a == b for t, p in zip(true, predicted, strict=True) for a, b in zip(t, p, strict=True))
    macro = sum(score.f1 for score in types) / len(types) if types else 0.0
    return EntityMetrics(loss, micro.f1, micro.precision, micro.recall, right / words, macro, types, words)


def entity_sets(
    true: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]], prefixed: bool = True, strict: bool = False
) -> Iterator[tuple[set[Entity], set[Entity], set[Entity]]]:
    """Yield the right, the predicted and the true entities of each sentence; see `entity_metrics`."""
    rules = scheme(true) if strict and prefixed else None
    for t, p in zip(true, predicted, strict=True):
        true_entities, predicted_entities = set(entities(t, prefixed, rules)), set(entities(p, prefixed, rules))
        yield true_entities & predicted_entities, predicted_entities, true_entities
