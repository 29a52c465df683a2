"""Labels that are probably one label in several spellings: `1` and `1.0`, `café` in two normal forms of Unicode."""

import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction

from minitf.datasets.strings import cut, did_you_mean, first_few, is_number

SMALLEST = 1e-300  # of the numbers that are compared exactly
LISTED = 3  # groups with a warning of their own
_QUOTES = ('""', "''", "``", "“”", "‘’", "«»")
_VARIATION_SELECTORS = range(0xFE00, 0xFE10)  # of emoji


def spelling_key(label: str) -> str:
    """Return a text that is equal for all spellings of a label.

    It ignores Unicode normal forms, full width, zero-width characters, surrounding and repeated white space,
    quotation marks around the label, and case. Equal numbers have the same key.
    """
    text = unicodedata.normalize("NFKC", label)
    text = "".join(c for c in text if unicodedata.category(c) != "Cf" and ord(c) not in _VARIATION_SELECTORS)
    text = " ".join(text.split())
    if len(text) > 2 and text[0] + text[-1] in _QUOTES:
        text = text[1:-1].strip()
    if is_number(text) and len(text) < 400:
        number = float(text)
        return str(Fraction(text) if abs(number) > SMALLEST else number + 0.0)  # the fraction of 1e-9999 is huge
    return unicodedata.normalize("NFKC", text.casefold()) or label


def spelled(label: str) -> str:
    """Return a label in quotation marks; invisible characters and unusual normal forms are escaped."""
    return cut(repr(label) if unicodedata.is_normalized("NFC", label) else ascii(label))


def same_spellings(names: Iterable[str]) -> list[list[str]]:
    """Return the groups of names that are probably spellings of one label."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(spelling_key(name), []).append(name)
    return [group for group in groups.values() if len(group) > 1]


def spelling_warnings(where: str, counts: Mapping[str, int], unit: str = "rows", what: str = "label") -> Iterator[str]:
    """Warn of labels that are probably one label in several spellings; `counts` has the number of `unit` of each."""
    if len(counts) > 1 and all(len(name) > 2 and name[0] + name[-1] in _QUOTES for name in counts):
        yield f"{where}: every {what} is in quotation marks, such as {spelled(min(counts))}: remove them"
    groups = same_spellings(counts)
    for group in groups[:LISTED]:
        by_count = sorted(group, key=lambda name: (-counts[name], name))
        rows = [f"{spelled(name)} ({counts[name]} {unit[: -1 if counts[name] == 1 else None]})" for name in by_count]
        yield (
            f"{where}: {' and '.join(rows[:4])}{' …' if len(rows) > 4 else ''} look like one {what} in"
            f" {len(rows)} spellings: write them the same if they mean the same"
        )
    if len(groups) > LISTED:
        more = first_few([spelled(group[0]) for group in groups[LISTED:]], 4)
        yield f"{where}: {len(groups) - LISTED} more {what}s have several spellings: {more}"


def unknown(name: str, names: Iterable[str]) -> str:
    """Describe a name that is not in `names`, with another spelling of it or a similar name in `names`."""
    key, names = spelling_key(name), list(names)
    other = next((known for known in names if spelling_key(known) == key), None)
    if other is not None:
        return f"{spelled(name)}, another spelling of {spelled(other)}"
    near = "" if is_number(name) else did_you_mean(name, names)
    return f"{spelled(name)}{near}"


def unknown_label(where: str, what: str, name: str, names: Sequence[str]) -> str:
    """Return the message about a label or a tag that the model does not have."""
    return (
        f"{where}: the model has no {what} {unknown(name, names)}, it has {first_few(names)}: correct the table, or"
        " correct id2label in the config.json of the model"
    )
