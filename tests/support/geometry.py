"""The layout of a page in a browser: what overlaps, what is cut off, what is too small for a finger."""

from pathlib import Path
from typing import Any

SCRIPT = Path(__file__).with_suffix(".js")


def overlaps(page: Any, selector: str) -> list[str]:
    """Name each pair of visible elements, neither inside the other, that share more than one pixel each way."""
    return _call(page, "overlaps", selector)


def unreachable(page: Any, selector: str) -> list[str]:
    """Name each visible element that is outside the page's width, or cut off, and that nothing scrolls to."""
    return _call(page, "unreachable", selector)


def too_small(page: Any, selector: str, side: float = 44) -> list[str]:
    """Name each visible element that is lower or narrower than `side` pixels."""
    return _call(page, "tooSmall", selector, side)


def _call(page: Any, function: str, *arguments: Any) -> list[str]:
    script = SCRIPT.read_text(encoding="utf-8")
    found: list[str] = page.evaluate(f"(given) => ({script}).{function}(...given)", list(arguments))
    return found
