"""Checks on the built-in corpus "reviews". Each takes all its rows and returns what is wrong, an empty list if nothing.

They are functions, so that each can also be given a corpus with a planted fault, and must find it.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import torch

SIZES = {"train": 2000, "valid": 500, "test": 500}
SHARES = {"plain": 0.700, "negation": 0.068, "contrast": 0.088, "irony": 0.060, "facts": 0.084}


def words(text: str) -> list[str]:
    return re.findall(r"\w+(?:'\w+)?", text.lower().replace("’", "'"))


FUNCTION_WORDS = set(
    words(
        """
    a an the and or but of to in on at for with by from as is are was were be been it its it's this that these those
    i me my we our us you your he his she her they their them had has have do does did so very too not no all every
    one two three than then there here which who what when while if into up out over off after before just even more
    most much only can could would will i'm i've we've
    """
    )
)
VERDICT = set(  # a sentence of facts leaves the verdict to the reader
    words(
        """
    excellent superb lovely wonderful fantastic brilliant perfect best beautiful gorgeous delicious delightful
    amazing awful bad terrible horrible dreadful rude ugly worst disappointing useless boring dull overpriced
    disgusting filthy nasty shoddy rubbish disgraceful miserable love loved hate hated adore regret recommend
    enjoyed
    """
    )
)
NEGATION = re.compile(
    r"\b(not|never|no|nothing|nobody|nowhere|none|neither|nor|without|hardly|rarely|cannot|yet to)\b|n't\b", re.I
)


class Row(NamedTuple):
    part: str
    text: str
    label: str
    domain: str
    kind: str


Check = Callable[[Sequence[Row]], list[str]]


def overlaps(bags: Sequence[set[Any]]) -> torch.Tensor:
    """Return the Jaccard index of each two sets: [n, n]."""
    counts = Counter(x for bag in bags for x in bag)
    columns = {x: j for j, x in enumerate(x for x, n in counts.items() if n > 1)}
    contains = torch.zeros(len(bags), len(columns))
    for row, bag in zip(contains, bags, strict=True):
        row[[columns[x] for x in bag if x in columns]] = 1
    both = contains @ contains.T
    size = torch.tensor([len(bag) for bag in bags])
    return both / (size[:, None] + size - both).clamp(min=1)


def by(rows: Iterable[Row], *fields: str) -> dict[tuple[str, ...], list[Row]]:
    groups = defaultdict(list)
    for row in rows:
        groups[tuple(getattr(row, field) for field in fields)].append(row)
    return groups


def accuracy_of(rows: Sequence[Row], feature: Callable[[Row], bool]) -> float:
    """Return the accuracy of the better of the two classifiers that look only at whether `feature` is true."""
    agree = sum(feature(row) == (row.label == "positive") for row in rows) / len(rows)
    return max(agree, 1 - agree)


def sizes(rows: Sequence[Row]) -> list[str]:
    """The size of each part, and its classes, exactly balanced."""
    expected = {(part, label): n // 2 for part, n in SIZES.items() for label in ("negative", "positive")}
    return [] if Counter((row.part, row.label) for row in rows) == expected else ["parts or classes of another size"]


def kinds(rows: Sequence[Row]) -> list[str]:
    """The share of each kind is the same in each part; in each kind the classes are balanced."""
    problems = []
    for (part,), mine in by(rows, "part").items():
        for (kind,), group in by(mine, "kind").items():
            positive = sum(row.label == "positive" for row in group)
            if abs(len(group) / len(mine) - SHARES.get(kind, 0)) > 0.005 or positive * 2 != len(group):
                problems.append(f"{part}: {kind}: {len(group)}, {positive} positive")
    return problems + [f"no {kind}" for kind in SHARES if not any(row.kind == kind for row in rows)]


def domains(rows: Sequence[Row]) -> list[str]:
    """Fifteen domains or more; the domain does not tell the label; each part has each domain in both classes."""
    groups = by(rows, "domain")
    problems = [] if len(groups) >= 15 else [f"only {len(groups)} domains"]
    for (domain,), group in groups.items():
        if max(Counter(row.label for row in group).values()) > 0.57 * len(group):
            problems.append(f"{domain} tells the label")
        if len(by(group, "part", "label")) < 6:
            problems.append(f"{domain} is missing from a part or class")
    return problems


def tidy(rows: Sequence[Row]) -> list[str]:
    """No white space to strip or to merge, no control characters."""
    return [row.text for row in rows if " ".join(row.text.split()) != row.text or not row.text.isprintable()]


def duplicates(rows: Sequence[Row]) -> list[str]:
    """No two texts that differ only in case and punctuation."""
    return [text for text, n in Counter(" ".join(words(row.text)) for row in rows).items() if n > 1]


def near_duplicates(rows: Sequence[Row]) -> list[str]:
    """No two texts that share half of their content words, 60 % of all words, or 30 % of their word 3-grams."""
    tokens = [words(row.text) for row in rows]
    alike = overlaps([set(t) - FUNCTION_WORDS for t in tokens]) >= 0.5
    alike |= overlaps([set(t) for t in tokens]) >= 0.6
    alike |= overlaps([set(zip(t, t[1:], t[2:], strict=False)) for t in tokens]) >= 0.3
    return [f"{rows[i].text} | {rows[j].text}" for i, j in alike.triu(1).nonzero().tolist()]


def openings(rows: Sequence[Row]) -> list[str]:
    """No three words open more than 8 texts; no word opens more than 30 %."""
    tokens = [words(row.text) for row in rows]
    three = Counter(" ".join(t[:3]) for t in tokens if len(t) > 3)
    first = Counter(t[0] for t in tokens)
    return [text for text, n in three.items() if n > 8] + [text for text, n in first.items() if n > 0.3 * len(rows)]


def templates(rows: Sequence[Row]) -> list[str]:
    """No pattern of frequent words and gaps, with three frequent words or more, fits more than 3 texts."""
    frequency = Counter(word for row in rows for word in words(row.text))
    patterns = Counter(" ".join(w if frequency[w] >= 20 else "_" for w in words(row.text)) for row in rows)
    return [p for p, n in patterns.items() if n > 3 and sum(w != "_" for w in p.split()) >= 3]


def vocabulary(rows: Sequence[Row]) -> list[str]:
    """5,500 different words or more; 40 % or more of them are used once."""
    frequency = Counter(word for row in rows for word in words(row.text))
    once = sum(n == 1 for n in frequency.values()) / len(frequency)
    return [] if len(frequency) >= 5500 and once >= 0.4 else [f"{len(frequency)} words, {once:.0%} used once"]


def lengths(rows: Sequence[Row]) -> list[str]:
    """From three words to thirty, with every length in between; the length does not tell the label."""
    counts = {row: len(words(row.text)) for row in rows}
    problems = [f"no text has {n} words" for n in range(3, 31) if n not in counts.values()]
    for limit in range(2, 40):
        accuracy = accuracy_of(rows, lambda row, limit=limit: counts[row] > limit)  # type: ignore[misc]
        if accuracy > 0.55:
            problems.append(f"more than {limit} words: accuracy {accuracy:.3f}")
    return problems


def giveaway_words(rows: Sequence[Row]) -> list[str]:
    """No single word, present or absent, predicts the labels of the plain sentences with an accuracy above 56 %."""
    plain = [row for row in rows if row.kind == "plain"]
    difference: Counter[str] = Counter()
    for row in plain:
        difference.update(dict.fromkeys(words(row.text), 1 if row.label == "positive" else -1))
    return [word for word, n in difference.items() if 0.5 + abs(n) / len(plain) > 0.56]


def giveaway_form(rows: Sequence[Row]) -> list[str]:
    """Punctuation, digits, capitals, first person: none predicts the labels with an accuracy above 55 %."""
    patterns = {"!": "!", "?": r"\?", ",": ",", ";": ";", ":": ":", "digit": r"\d", "two sentences": r"[.!?] "}
    patterns |= {"first person": r"\b(I|my|we|our)\b", "no capital": "^[a-z]", "no full stop": "[^.]$"}
    accuracies = {
        name: accuracy_of(rows, lambda row, p=pattern: re.search(p, row.text) is not None)  # type: ignore[misc]
        for name, pattern in patterns.items()
    }
    return [f"{name}: accuracy {accuracy:.3f}" for name, accuracy in accuracies.items() if accuracy > 0.55]


def kinds_are_different(rows: Sequence[Row]) -> list[str]:
    """Each negation negates; few plain sentences do; few sentences of facts have a word that is itself a verdict."""
    problems = [row.text for row in rows if row.kind == "negation" and not NEGATION.search(row.text)]
    plain = [row for row in rows if row.kind == "plain"]
    if sum(bool(NEGATION.search(row.text)) for row in plain) > 0.08 * len(plain):
        problems.append("too many plain sentences negate")
    facts = [row for row in rows if row.kind == "facts"]
    if sum(bool(VERDICT & set(words(row.text))) for row in facts) > 0.04 * len(facts):
        problems.append("too many sentences of facts say the verdict")
    return problems


CHECKS: tuple[Check, ...] = (
    sizes,
    kinds,
    domains,
    tidy,
    duplicates,
    near_duplicates,
    openings,
    templates,
    vocabulary,
    lengths,
    giveaway_words,
    giveaway_form,
    kinds_are_different,
)
