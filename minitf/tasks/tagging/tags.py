"""Tags of words: what the prefixes mean, which entities a row of tags marks, and where it breaks its own rules.

A tag is O, or a prefix and a type: B- begins, I- goes on, E- ends, S- is an entity of one word; L- and U- are other
names of E- and S-. Tags without prefixes (parts of speech) say of each word by itself what it is.
"""

import dataclasses
import re
from collections.abc import Iterator, Sequence

OUTSIDE = "O"
_PREFIXED = re.compile(r"[BIESLU](-.*)?", re.DOTALL)
_CANONICAL = {"L": "E", "U": "S"}
_UNNAMED = "_"  # the type of a bare B or I


@dataclasses.dataclass(frozen=True, order=True)
class Entity:
    """The words `start` … `end` − 1 of a sentence."""

    start: int
    end: int
    type: str


def have_prefixes(tags: Sequence[str]) -> bool:
    """Whether all but O are of the form B-type; False also where there is no tag but O."""
    marked = set(tags) - {OUTSIDE}
    return bool(marked) and all(_PREFIXED.fullmatch(tag) for tag in marked)


def parts(tag: str) -> tuple[str, str]:
    """(prefix, type) of a tag with a prefix; of O it is ("O", "")."""
    if tag == OUTSIDE:
        return OUTSIDE, ""
    prefix, _, kind = tag.partition("-")
    return _CANONICAL.get(prefix, prefix), kind or _UNNAMED


def entities(tags: Sequence[str], prefixed: bool = True, rules: str | None = None) -> list[Entity]:
    """Return the entities that `tags` mark, in their order. Without prefixes each marked word is one.

    An entity begins at B or S, after O, E or S, and where the type changes; so an I after O begins one. With the
    `rules` of a `scheme` (strict mode) only entities count that break none of them.

    With tags B, I and O these are the entities of the script conlleval. With BIOES they are not: conlleval does not
    know S, and joins an entity to another of its type before it. There they are those of seqeval: of its default mode
    for any tags, and of its strict mode where the tags break no rule, or with `rules`. L and U are read as E and S,
    which seqeval does in strict mode only.
    """
    if not prefixed:
        return [Entity(i, i + 1, tag) for i, tag in enumerate(tags) if tag != OUTSIDE]
    if rules is not None:
        odd = set(odd_places(tags, rules))
        return [entity for entity in entities(tags) if odd.isdisjoint(range(entity.start, entity.end))]
    found: list[Entity] = []
    start, before, kind_before = 0, OUTSIDE, ""
    for i, tag in enumerate([*tags, OUTSIDE]):
        prefix, kind = parts(tag)
        begins = prefix != OUTSIDE and (prefix in "BS" or before in (OUTSIDE, "E", "S") or kind != kind_before)
        if before != OUTSIDE and (begins or prefix == OUTSIDE):
            found.append(Entity(start, i, kind_before))
        if begins:
            start = i
        before, kind_before = prefix, kind
    return found


def scheme(sentences: Sequence[Sequence[str]]) -> str:
    """Which rules the tags seem meant to follow: "BIO" (IOB2), "IOB1", "IO", "BIOES", or "words" without prefixes.

    In IOB1 an entity begins with I, and with B only where it touches another of its type. A file with B and I is of
    the scheme that more of its entities obey.
    """
    tags = {tag for sentence in sentences for tag in sentence}
    if not have_prefixes(sorted(tags)):
        return "words"
    prefixes = {parts(tag)[0] for tag in tags}
    if prefixes & {"E", "S"}:
        return "BIOES"
    if "B" not in prefixes:
        return "IO"
    b = i = 0
    for sentence in sentences:
        before = ""
        for tag in sentence:
            prefix, kind = parts(tag)
            if prefix != OUTSIDE and kind != before:  # it touches none of its type, so the two schemes differ
                b, i = b + (prefix == "B"), i + (prefix == "I")
            before = kind
    return "BIO" if b >= i else "IOB1"


def odd_places(tags: Sequence[str], rules: str) -> Iterator[int]:
    """Yield the words whose tag breaks the `rules` of a `scheme` at its place."""
    before, kind_before = OUTSIDE, ""
    for i, tag in enumerate([*tags, OUTSIDE]):
        prefix, kind = parts(tag)
        inside = before in ("B", "I") and kind == kind_before  # of an entity that may go on
        if rules == "BIOES" and before in ("B", "I") and (prefix not in ("I", "E") or kind != kind_before):
            yield i - 1  # an entity that never ends
        if (
            (rules == "BIO" and prefix == "I" and not inside)
            or (rules == "IOB1" and prefix == "B" and not inside)
            or (rules == "BIOES" and prefix in ("I", "E") and not inside)
        ):
            yield i
        before, kind_before = prefix, kind


def in_order(tags: set[str]) -> tuple[str, ...]:
    """Tags as a model numbers them: O first, then by type, as an entity has them."""
    if not have_prefixes(sorted(tags)):
        return tuple(sorted(tags, key=lambda tag: (tag != OUTSIDE, tag)))
    return tuple(sorted(tags, key=lambda tag: (tag != OUTSIDE, tag.partition("-")[2], "BIELSU".find(tag[0]), tag)))
