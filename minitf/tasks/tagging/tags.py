"""Tags of words: what the prefixes mean, which entities the tags of a sentence mark, and which tags break the rules.

A tag is O, or a prefix and a type. B- begins an entity, I- continues it, E- ends it, and S- is an entity of one word.
L- and U- are other names for E- and S-. Tags without prefixes, such as parts of speech, label each word by itself.
"""

import dataclasses
import re
from collections import Counter
from collections.abc import Iterator, Sequence

OUTSIDE = "O"
_PREFIXED = re.compile(r"[BIESLU](-.*)?", re.DOTALL)
_OTHER_NOTATION = re.compile(r"([BIESLUMW])[-_](.+)|(.+)[-_]([BIESLU])", re.IGNORECASE | re.DOTALL)
_CHUNKING_NAMES = {"M": "I", "W": "S"}  # of the scheme BMEWO
_OTHER_NAMES = {"L": "E", "U": "S"}
_UNNAMED = "_"  # the type of a B or I without one


@dataclasses.dataclass(frozen=True, order=True)
class Entity:
    """The words `start` … `end` − 1 of a sentence."""

    start: int
    end: int
    type: str


def have_prefixes(tags: Sequence[str]) -> bool:
    """Return whether all tags other than O have the form B-type; False if every tag is O."""
    marked = set(tags) - {OUTSIDE}
    return bool(marked) and all(_PREFIXED.fullmatch(tag) for tag in marked)


def other_notation(tags: Sequence[str]) -> tuple[str, str] | None:
    """Return a tag in another notation, and how it is written here; None if the tags have no or the usual notation.

    Other notations are B_PER, PER-B, b-per, M- and W- for I- and S-, and 0 for O.
    """
    forms = {tag: _usual_form(tag) for tag in tags}
    if not all(forms.values()) or not any(form.startswith("B-") for form in forms.values()):
        return None
    return next(((tag, form) for tag, form in forms.items() if tag != form), None)


def _usual_form(tag: str) -> str:
    """Return B-PER for B_PER or PER-B; "" for a tag without a prefix."""
    if tag in (OUTSIDE, "o", "0"):
        return OUTSIDE
    match = _OTHER_NOTATION.fullmatch(tag)
    if match is None:
        return ""
    prefix, kind = (match[1] or match[4]).upper(), match[2] or match[3]
    return f"{_CHUNKING_NAMES.get(prefix, prefix)}-{kind}"


def parts(tag: str) -> tuple[str, str]:
    """Return (prefix, type) of a tag with a prefix, and ("O", "") for O."""
    if tag == OUTSIDE:
        return OUTSIDE, ""
    prefix, _, kind = tag.partition("-")
    return _OTHER_NAMES.get(prefix, prefix), kind or _UNNAMED


def entities(tags: Sequence[str], prefixed: bool = True, rules: str | None = None) -> list[Entity]:
    """Return the entities that `tags` mark, in order. Without prefixes every word with a tag other than O is an entity.

    An entity begins at B or S, after O, E or S, and where the type changes. So an I after O begins an entity. With the
    `rules` of a `scheme` (strict mode), only entities that break none of the rules are counted.

    With tags B, I and O these are the entities of the script conlleval. With BIOES they differ: conlleval does not
    support S, and joins an entity to a preceding one of the same type. For BIOES the entities are those of seqeval: of
    its default mode for any tags, and of its strict mode if the tags break no rule, or with `rules`. L and U are read
    as E and S; seqeval does this in strict mode only.
    """
    if not prefixed:
        return [Entity(i, i + 1, tag) for i, tag in enumerate(tags) if tag != OUTSIDE]
    if rules is not None:
        misplaced = set(misplaced_tags(tags, rules))
        return [entity for entity in entities(tags) if misplaced.isdisjoint(range(entity.start, entity.end))]
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
    """Detect the tagging scheme: "BIO" (IOB2), "IOB1", "IO", "BIOES", or "words" without prefixes.

    In IOB1 an entity begins with I, and with B only directly after another entity of its type. Tags with B and I follow
    the scheme that fits more of their entities.
    """
    tags = {tag for sentence in sentences for tag in sentence}
    if not have_prefixes(sorted(tags)):
        return "words"
    prefixes = {parts(tag)[0] for tag in tags}
    if prefixes & {"E", "S"}:
        return "BIOES"
    if "B" not in prefixes:
        return "IO"
    starts: Counter[str] = Counter()  # prefixes of entities not directly after one of their type: here schemes differ
    for sentence in sentences:
        kind_before = ""
        for tag in sentence:
            prefix, kind = parts(tag)
            if prefix != OUTSIDE and kind != kind_before:
                starts[prefix] += 1
            kind_before = kind
    return "BIO" if starts["B"] >= starts["I"] else "IOB1"


def misplaced_tags(tags: Sequence[str], rules: str) -> Iterator[int]:
    """Yield the words whose tag breaks the `rules` of a `scheme`."""
    before, kind_before = OUTSIDE, ""
    for i, tag in enumerate([*tags, OUTSIDE]):
        prefix, kind = parts(tag)
        inside = before in ("B", "I") and kind == kind_before  # an entity that may continue
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
    """Return the tags in the order of the logits: O first, then by type and by their order in an entity."""
    if not have_prefixes(sorted(tags)):
        return tuple(sorted(tags, key=lambda tag: (tag != OUTSIDE, tag)))
    return tuple(sorted(tags, key=lambda tag: (tag != OUTSIDE, tag.partition("-")[2], "BIELSU".find(tag[0]), tag)))
