"""Find texts that differ only in case or white space: the same text to most readers, and to an uncased model."""

import itertools
from collections.abc import Iterator, Sequence

from minitf.datasets.dataset import Dataset, Example
from minitf.datasets.findings import list_rows, location
from minitf.datasets.lines import named

PROBLEM = "only in case or white space"


def normalized(example: Example) -> tuple[str, str]:
    """Return the text and the pair in lower case, with single spaces."""
    return " ".join(example.text.casefold().split()), " ".join((example.pair or "").casefold().split())


def warnings(tables: Sequence[Dataset]) -> Iterator[str]:
    """Find near duplicates in the first table, and between each two tables; `checks` finds exact duplicates."""
    train, first = tables[0], dict[tuple[str, str], Example]()
    rows = [e for e in train.examples if not _same(e, first.setdefault(normalized(e), e))]
    if rows:
        other = first[normalized(rows[0])]
        yield f"{location(train, rows)}: differs from {named(other.row)} {PROBLEM}: delete one of them{list_rows(rows)}"
    for earlier, later in itertools.combinations(tables, 2):
        exact = {(e.text, e.pair) for e in earlier.examples}
        known = {normalized(e): e for e in reversed(earlier.examples)}
        rows = [e for e in later.examples if (e.text, e.pair) not in exact and normalized(e) in known]
        if rows:
            other = known[normalized(rows[0])]
            yield (
                f"{location(later, rows)}: differs from {earlier.path}:{other.row} {PROBLEM}, which makes the score too"
                f" high: delete one of them{list_rows(rows)}"
            )


def _same(one: Example, other: Example) -> bool:
    return (one.text, one.pair) == (other.text, other.pair)
