"""Functions on strings, for error messages and for the values of cells."""

import difflib
import math
from collections.abc import Sequence


def did_you_mean(name: str, names: Sequence[str]) -> str:
    """Return the nearest of `names` as a question in brackets, or "" if none is near."""
    by_lower = {other.lower(): other for other in names}
    near = difflib.get_close_matches(name.lower(), by_lower, n=1)
    return f" (did you mean {by_lower[near[0]]!r}?)" if near else ""


def first_few(words: Sequence[str], most: int = 8) -> str:
    """Join the first `most` words with commas, and add "…" if there are more."""
    return ", ".join(words[:most]) + (", …" if len(words) > most else "")


def shorten(value: object) -> str:
    """Return the `repr` of a value, at most 60 characters."""
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:59]}…"


def is_number(text: str) -> bool:
    """Whether a string is a finite number; `1_000`, which Python accepts, is not."""
    try:
        return math.isfinite(float(text)) and "_" not in text
    except ValueError:
        return False


def is_unicode(text: str) -> bool:
    """Whether a string has no lone surrogate: half of a UTF-16 pair, which UTF-8 cannot encode."""
    return text.isascii() or not any("\ud800" <= c <= "\udfff" for c in text)
