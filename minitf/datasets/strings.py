"""Functions on strings, for error messages and for the values of cells."""

import difflib
import math
import os
import re
from collections.abc import Sequence

LONG = 60  # characters of a value in a message
_DECIMAL_COMMA = re.compile(r"[-+]?\d+,\d+")


def did_you_mean(name: str, names: Sequence[str]) -> str:
    """Return the nearest of `names` as a question in brackets, or "" if none is near."""
    near = nearest(name, names)
    return "" if near is None else f" (did you mean {near!r}?)"


def nearest(name: str, names: Sequence[str]) -> str | None:
    """Return the name that is nearest to a mistyped one, or None."""
    if len(name) > LONG:
        return None
    by_lower = {other.lower(): other for other in names if len(other) <= LONG}
    near = difflib.get_close_matches(name.lower(), by_lower, n=1)
    return by_lower[near[0]] if near else None


def first_few(words: Sequence[str], most: int = 8) -> str:
    """Join the first `most` words with commas, and add "…" if there are more. Long words are cut."""
    return ", ".join(map(cut, words[:most])) + (", …" if len(words) > most else "")


def cut(word: str, most: int = LONG) -> str:
    """Return at most `most` characters of a word."""
    return word if len(word) <= most else f"{word[: most - 1]}…"


def shorten(value: object) -> str:
    """Return the `repr` of a value, at most 60 characters."""
    return cut(repr(value[:LONG]) if isinstance(value, str) else repr(value))


def is_number(text: str) -> bool:
    """Whether a string is a finite number; `1_000`, which Python accepts, is not."""
    try:
        return math.isfinite(float(text)) and "_" not in text
    except ValueError:
        return False


def with_decimal_comma(text: str) -> bool:
    """Whether a string may be a number with a decimal comma, as in many languages: `2,5`."""
    return _DECIMAL_COMMA.fullmatch(text.strip()) is not None


def is_unicode(text: str) -> bool:
    """Whether a string has no lone surrogate: half of a UTF-16 pair, which UTF-8 cannot encode."""
    return text.isascii() or not any("\ud800" <= c <= "\udfff" for c in text)


def decoded(argument: str) -> str:
    """Return a text of the command line. In a locale without UTF-8 Python turns its bytes into surrogates.

    Bytes that are not UTF-8 stay surrogates, which the tokenizer refuses. Not for paths, which need the surrogates.
    """
    if is_unicode(argument):
        return argument
    try:
        return os.fsencode(argument).decode("utf-8")
    except UnicodeError:
        return argument
