"""Texts changed a little, so that the next epoch learns from others of the same label.

Each word, where words are what stands between blanks, is with a chance of its own

    deleted    (Wei & Zou 2019, EDA: random deletion)
    swapped    with another word of the text, drawn at random (their random swap)
    replaced   by a word that a masked language model holds likely in its place (after Kobayashi 2018); what stands
               around it, a comma say, stays

The draws depend on seed, epoch and the text's place in the table, and on nothing else. What this is not: EDA's
synonyms, which need a thesaurus of the language; and sure to keep the meaning: a model may hold "bad" likely in the
place of "good".
"""

import dataclasses
import random
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from minitf.datasets.dataset import Dataset

# The words of a text, and the places in it to be filled in -> for each place some words, each with its probability.
# Of a word it is `core` that is hidden.
Candidates = list[list[tuple[str, float]]]
Fill = Callable[[Sequence[tuple[list[str], list[int]]]], list[Candidates]]


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """The chances of each word, and of each text to be changed at all: with 1 − `share` it stays as it is."""

    delete: float = 0.0
    swap: float = 0.0
    replace: float = 0.0
    share: float = 0.5


NAMES = ("delete", "swap", "replace")


def parse(text: str, share: float = 0.5) -> Augmentation:
    """`delete=0.1,swap=0.1`: any of the three, each once. Raises ValueError."""
    chances: dict[str, float] = {}
    for part in text.split(","):
        name, _, value = (piece.strip() for piece in part.partition("="))
        if name not in NAMES:
            raise ValueError(f"{name!r} is none of {', '.join(NAMES)}")
        if name in chances:
            raise ValueError(f"{name} is given twice")
        try:
            chances[name] = float(value)
        except ValueError:
            raise ValueError(f"{name}={value}: give a chance, as in {name}=0.1") from None
        if not 0.0 < chances[name] <= 1.0:
            raise ValueError(f"{name}={value}: a chance lies above 0 and is at most 1")
    return Augmentation(**chances, share=share)


def core(word: str) -> tuple[str, str, str]:
    """What stands before a word, the word, and what stands behind it: `"good!"` -> `"`, `good`, `!"`."""
    found = re.fullmatch(r"([\W_]*)(.*?)([\W_]*)", word, re.DOTALL)
    assert found is not None  # whatever the word
    return found[1], found[2], found[3]


def augmented(table: Dataset, how: Augmentation, seed: int, epoch: int, fill: Fill | None = None) -> Dataset:
    """The table as `epoch` learns from it; labels, rows and order are as they were, and no text is empty.

    Of a pair both texts are changed, each by itself. `fill` is needed for `replace`.
    """
    draws = [random.Random(f"augment/{seed}/{epoch}/{i}") for i in range(len(table.examples))]
    chosen = [i for i, draw in enumerate(draws) if draw.random() < how.share]
    sides = ("text",) if table.pair_column is None else ("text", "pair")
    changed: dict[int, dict[str, Any]] = {i: {} for i in chosen}
    for side in sides:
        words = [getattr(table.examples[i], side).split() for i in chosen]
        if how.replace:
            assert fill is not None
            words = list(_replaced(words, how.replace, [draws[i] for i in chosen], fill))
        for i, text in zip(chosen, words, strict=True):
            kept = deleted(text, how.delete, draws[i]) if how.delete else text
            changed[i][side] = " ".join(swapped(kept, how.swap, draws[i]) if how.swap else kept)
    examples = [dataclasses.replace(e, **changed.get(i, {})) for i, e in enumerate(table.examples)]
    return dataclasses.replace(table, examples=tuple(examples))


def deleted(words: list[str], chance: float, draw: random.Random) -> list[str]:
    """Without those that the draw takes; if it takes all, one of them stays."""
    kept = [word for word in words if draw.random() >= chance]
    return kept or ([draw.choice(words)] if words else [])


def swapped(words: list[str], chance: float, draw: random.Random) -> list[str]:
    """Each that the draw takes in the place of another one, and that one in its."""
    words = list(words)
    for i in range(len(words)):
        if draw.random() < chance and len(words) > 1:
            j = (i + 1 + draw.randrange(len(words) - 1)) % len(words)
            words[i], words[j] = words[j], words[i]
    return words


def _replaced(
    texts: Sequence[list[str]], chance: float, draws: Sequence[random.Random], fill: Fill
) -> Iterator[list[str]]:
    """Each text with some of its words replaced; all that are hidden in a text are hidden at once."""
    places = [
        [i for i, word in enumerate(text) if draw.random() < chance and core(word)[1]]
        for text, draw in zip(texts, draws, strict=True)
    ]
    hidden = [(text, where) for text, where in zip(texts, places, strict=True) if where]
    filled = iter(fill(hidden) if hidden else [])
    for text, where, draw in zip(texts, places, draws, strict=True):
        words = list(text)
        if where:
            for i, candidates in zip(where, next(filled), strict=True):
                before, hidden_word, after = core(words[i])
                others = [(w, p) for w, p in candidates if w.casefold() != hidden_word.casefold() and p > 0.0]
                if others:
                    (word,) = draw.choices([w for w, _ in others], [p for _, p in others])
                    words[i] = f"{before}{word}{after}"
        yield words


def examples_of(before: Dataset, after: Dataset, most: int = 3) -> list[tuple[str, str]]:
    """The first texts that differ, as they were and as they are."""
    both = zip(before.examples, after.examples, strict=True)
    return [(a.text, b.text) for a, b in both if a.text.split() != b.text.split()][:most]
