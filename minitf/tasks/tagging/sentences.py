"""The sentences with wrong tags, for the report: their words, the true and the predicted entities."""

from collections.abc import Mapping, Sequence
from typing import Any

from minitf.tasks.tagging.conll import TaggedTable
from minitf.tasks.tagging.tags import entities

LONGEST, CONTEXT = 120, 20  # words of a sentence that are shown; of a longer one, words before the first wrong tag


def worst_sentences(
    table: TaggedTable,
    true: Sequence[Sequence[str]],
    predicted: Sequence[Sequence[str]],
    losses: Mapping[int, float],
    prefixed: bool,
    most: int,
) -> dict[str, Any]:
    """Return at most `most` sentences with a wrong tag; `losses` has the largest loss of a wrong word in each.

    An entity is [first word, word after the last, type].
    """
    worst = sorted(losses, key=lambda n: -losses[n])[:most]
    found = []
    for n in worst:
        words, right, tags = table.examples[n].words, true[n], predicted[n]
        first = next(i for i, (a, b) in enumerate(zip(right, tags, strict=True)) if a != b)
        start = 0 if len(words) <= LONGEST else max(0, first - CONTEXT)
        part = slice(start, start + LONGEST)
        found.append(
            {
                "row": table.examples[n].row,
                "loss": losses[n],
                "words": list(words[part]),
                "before": start,
                "after": max(0, len(words) - start - LONGEST),
                "true": [[e.start, e.end, e.type] for e in entities(right[part], prefixed)],
                "predicted": [[e.start, e.end, e.type] for e in entities(tags[part], prefixed)],
            }
        )
    return {"mistaken": len(losses), "worst": found}
