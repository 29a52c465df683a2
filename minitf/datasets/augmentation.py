"""Augmentation: change the texts a little in each epoch, so that the model sees other texts with the same labels.

Words are separated by white space. Each word is, with a probability of its own,

    deleted    (Wei & Zou 2019, EDA: random deletion)
    swapped    with another word of the text, chosen at random (EDA: random swap)
    replaced   by a word that a masked language model predicts in its position (after Kobayashi 2018); punctuation
               around the word is kept

The random numbers depend only on the seed, the epoch and the index of the text. Not included: EDA's synonyms, which
need a thesaurus of the language. Augmentation can change the meaning: a model may predict "bad" in the position of
"good".
"""

import dataclasses
import random
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from minitf.datasets.dataset import Dataset

# The words of each text and the indices of those to replace -> for each index some words, each with its probability.
# Only the middle part of `split_punctuation` is replaced.
Candidates = list[list[tuple[str, float]]]
Fill = Callable[[Sequence[tuple[list[str], list[int]]]], list[Candidates]]


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """The probabilities per word. Each text is changed with the probability `share`."""

    delete: float = 0.0
    swap: float = 0.0
    replace: float = 0.0
    share: float = 0.5


OPERATIONS = ("delete", "swap", "replace")


def parse(text: str, share: float = 0.5) -> Augmentation:
    """Parse `delete=0.1,swap=0.1`: any of the three operations, each at most once. Raises ValueError."""
    rates: dict[str, float] = {}
    for part in text.split(","):
        name, _, value = (piece.strip() for piece in part.partition("="))
        if name not in OPERATIONS:
            raise ValueError(f"{name!r} is none of {', '.join(OPERATIONS)}")
        if name in rates:
            raise ValueError(f"{name} is given twice")
        try:
            rates[name] = float(value)
        except ValueError:
            raise ValueError(f"{name}={value}: give a probability, as in {name}=0.1") from None
        if not 0.0 < rates[name] <= 1.0:
            raise ValueError(f"{name}={value}: a probability must be above 0 and at most 1")
    return Augmentation(**rates, share=share)


def split_punctuation(word: str) -> tuple[str, str, str]:
    """Return the punctuation before a word, the word, and the punctuation after it: `"good!"` -> `"`, `good`, `!"`."""
    found = re.fullmatch(r"([\W_]*)(.*?)([\W_]*)", word, re.DOTALL)
    assert found is not None  # every string matches
    return found[1], found[2], found[3]


def augment(table: Dataset, augmentation: Augmentation, seed: int, epoch: int, fill: Fill | None = None) -> Dataset:
    """Return the table for one epoch. Labels, rows and their order are unchanged; no text becomes empty.

    Both texts of a pair are changed, each on its own. `replace` needs `fill`.
    """
    rngs = [random.Random(f"augment/{seed}/{epoch}/{i}") for i in range(len(table.examples))]
    chosen = [i for i, rng in enumerate(rngs) if rng.random() < augmentation.share]
    changed: dict[int, dict[str, Any]] = {i: {} for i in chosen}
    for side in ("text",) if table.pair_column is None else ("text", "pair"):
        texts = [getattr(table.examples[i], side).split() for i in chosen]
        if augmentation.replace:
            assert fill is not None
            texts = list(_replace_words(texts, augmentation.replace, [rngs[i] for i in chosen], fill))
        for i, words in zip(chosen, texts, strict=True):
            if augmentation.delete:
                words = delete_words(words, augmentation.delete, rngs[i])
            if augmentation.swap:
                words = swap_words(words, augmentation.swap, rngs[i])
            changed[i][side] = " ".join(words)
    examples = [dataclasses.replace(e, **changed.get(i, {})) for i, e in enumerate(table.examples)]
    return dataclasses.replace(table, examples=tuple(examples))


def delete_words(words: list[str], rate: float, rng: random.Random) -> list[str]:
    """Delete each word with probability `rate`; if all would be deleted, keep one, chosen at random."""
    kept = [word for word in words if rng.random() >= rate]
    return kept or ([rng.choice(words)] if words else [])


def swap_words(words: list[str], rate: float, rng: random.Random) -> list[str]:
    """Exchange each word, with probability `rate`, with another word of the text."""
    words = list(words)
    for i in range(len(words)):
        if rng.random() < rate and len(words) > 1:
            j = (i + 1 + rng.randrange(len(words) - 1)) % len(words)
            words[i], words[j] = words[j], words[i]
    return words


def _replace_words(
    texts: Sequence[list[str]], rate: float, rngs: Sequence[random.Random], fill: Fill
) -> Iterator[list[str]]:
    """Replace each word with probability `rate`. The words of one text are predicted together."""
    indices = [
        [i for i, word in enumerate(text) if rng.random() < rate and split_punctuation(word)[1]]
        for text, rng in zip(texts, rngs, strict=True)
    ]
    requests = [(text, chosen) for text, chosen in zip(texts, indices, strict=True) if chosen]
    predictions = iter(fill(requests) if requests else [])
    for text, chosen, rng in zip(texts, indices, rngs, strict=True):
        words = list(text)
        for i, candidates in zip(chosen, next(predictions) if chosen else [], strict=True):
            before, old, after = split_punctuation(words[i])
            others = [(w, p) for w, p in candidates if w.casefold() != old.casefold() and p > 0.0]
            if others:
                (new,) = rng.choices([w for w, _ in others], [p for _, p in others])
                words[i] = f"{before}{new}{after}"
        yield words


def changed_texts(before: Dataset, after: Dataset, most: int = 3) -> list[tuple[str, str]]:
    """Return the first texts that differ, as (before, after)."""
    both = zip(before.examples, after.examples, strict=True)
    return [(a.text, b.text) for a, b in both if a.text.split() != b.text.split()][:most]
