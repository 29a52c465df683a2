"""Texts that differ in capitals and white space alone: the same text to most readers, and to an uncased model."""

import itertools
from collections.abc import Iterator, Sequence

from minitf.datasets.dataset import Dataset, Example


def plain(example: Example) -> tuple[str, str]:
    """What is left of it without capitals and white space."""
    return " ".join(example.text.casefold().split()), " ".join((example.pair or "").casefold().split())


def warnings(tables: Sequence[Dataset]) -> Iterator[str]:
    """Within the first table, and between each two; texts that are the very same are for `checks` to tell."""
    first: dict[tuple[str, str], Example] = {}
    rows = [(e, other) for e in tables[0].examples if not _same(e, other := first.setdefault(plain(e), e))]
    if rows:
        one, other = rows[0]
        yield (
            f"{tables[0].path}:{one.row}: differs from row {other.row} in capitals or white space alone: delete one of"
            f" them{_more(rows)}"
        )
    for earlier, later in itertools.combinations(tables, 2):
        exact = {(e.text, e.pair) for e in earlier.examples}
        known = {plain(e): e for e in reversed(earlier.examples)}
        rows = [(e, known[plain(e)]) for e in later.examples if (e.text, e.pair) not in exact and plain(e) in known]
        if rows:
            one, other = rows[0]
            yield (
                f"{later.path}:{one.row}: differs from {earlier.path}:{other.row} in capitals or white space alone, so"
                f" the score here will flatter the model: delete one of them{_more(rows)}"
            )


def _same(one: Example, other: Example) -> bool:
    return (one.text, one.pair) == (other.text, other.pair)


def _more(rows: Sequence[object]) -> str:
    return f" ({len(rows)} rows in all)" if len(rows) > 1 else ""
