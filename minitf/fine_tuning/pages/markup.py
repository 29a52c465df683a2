"""HTML that all parts of a page use: escaped text, numbers, tables, folded text, and the document around them."""

import base64
import functools
import hashlib
import html
import itertools
import math
import re
from collections.abc import Container, Iterable, Sequence
from pathlib import Path
from typing import Any

from minitf.datasets.strings import cut
from minitf.files import GENERATOR

FILES = Path(__file__).parent.parent.parent / "data" / "report"
SHORT = 400  # characters of a text that is not folded
LONG = 20_000  # maximum number of characters of a text on the page
NAME = 60  # characters of a name in a chart or in the title of a cell
LONG_PATH = 40  # characters; a longer path is shown by its last name
MISSING = "–"


def escape(text: object) -> str:
    return html.escape(str(text))


def isolated(text: object) -> str:
    """Escape a text inside a line; its bidirectional controls do not act outside it."""
    return f"<bdi>{escape(text)}</bdi>"


def short(text: object, most: int = NAME) -> str:
    """Return at most `most` characters of a name, on one line."""
    return cut(" ".join(str(text).split()), most)


def file_name(path: str) -> str:
    """Format a path; of a long one only the name of the file is shown, and the path on hover."""
    name = re.split(r"[/\\]", path)[-1]
    if len(path) <= LONG_PATH or not name or name == path:
        return isolated(path)
    return f'<bdi title="{escape(path)}">…/{escape(name)}</bdi>'


def number(value: Any) -> str:
    """Format a number: a count with separators, a measured value with four decimals; a dash if it is not finite."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return MISSING
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:.4f}" if abs(value) < 1e6 else f"{value:.4g}"


def percent(share: float) -> str:
    """Format a share; a part that is not 0 is never shown as 0 %."""
    return "<1 %" if 0 < share < 0.005 else f"{share:.0%}".replace("%", " %")


def duration(seconds: float) -> str:
    """Format a time as an element: `58 s`, `2 min 38 s`, `1 h 5 min`."""
    whole = round(seconds)
    minutes, hours = whole // 60, whole // 3600
    text = f"{hours} h {minutes % 60} min" if hours else f"{minutes} min {whole % 60} s" if minutes else f"{whole} s"
    if whole < 10:
        text = f"{seconds:.1f} s"
    return f'<time datetime="PT{seconds:.1f}S">{text}</time>'


def section(heading: str, *parts: str) -> str:
    """Format a part of the page with its heading, which the navigation lists."""
    return f'<h2 id="{_anchor(heading)}" class="isolated">{escape(heading)}</h2>\n' + "\n".join(parts)


def navigation(headings: Iterable[str]) -> str:
    items = (f'<li><a href="#{_anchor(heading)}">{isolated(heading)}</a></li>' for heading in headings)
    return f'<nav aria-label="Parts of this page"><ul>{"".join(items)}</ul></nav>'


def _anchor(heading: str) -> str:
    """Return an identifier made of letters, digits and hyphens only."""
    plain = "".join(c if c.isascii() and c.isalnum() else "-" for c in heading.lower())
    return f"part-{plain[:NAME]}"


def scrolling(content: str, label: str, *, kind: str = "wide") -> str:
    """Wrap a wide element, which scrolls alone and can be reached by the keyboard."""
    return f'<div class="{kind}" role="region" tabindex="0" aria-label="{escape(label)}">{content}</div>'


def table(
    label: str,
    header: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    texts: Container[int] = (0,),
    best: Container[int] = (),
    sortable: bool = False,
    tall: bool = False,
    is_html: bool = False,
) -> str:
    """Format a table. Columns `texts` are texts, the others are numbers; the rows in `best` are bold.

    The cells are escaped here, unless `is_html` says that they are HTML already.
    """
    kinds = [' class="text"' if i in texts else "" for i in range(len(header))]
    names = (f"<button>{escape(name)}</button>" if sortable else escape(name) for name in header)
    heads = "".join(f'<th scope="col"{kind}>{name}</th>' for kind, name in zip(kinds, names, strict=True))
    lines = []
    for n, row in enumerate(rows):
        mark = ' class="best"' if n in best else ""
        cells = "".join(
            f"<td{kind}>{cell if is_html else escape(cell)}</td>" for kind, cell in zip(kinds, row, strict=True)
        )
        lines.append(f"<tr{mark}>{cells}</tr>")
    content = f"<table><thead><tr>{heads}</tr></thead><tbody>\n" + "\n".join(lines) + "</tbody></table>"
    return scrolling(content, label, kind="wide tall" if tall else "wide")


def folded(text: str, name: str, marks: Sequence[tuple[int, int, str]] = ()) -> str:
    """Format a text. A long one is folded; its beginning is shown, unless a part is marked.

    `marks` are parts of the text: first character, character after the last, class.
    """
    rest = f"\n… ({len(text) - LONG:,} more characters)" if len(text) > LONG else ""
    whole = f'<p class="text">{_marked(text[:LONG], marks)}{rest}</p>'
    if len(text) <= SHORT:
        return whole
    start = "" if marks else f'<p class="text">{escape(text[: SHORT // 2])}…</p>'
    return f"{start}<details><summary>{name} ({len(text):,} characters)</summary>{whole}</details>"


def _marked(text: str, marks: Sequence[tuple[int, int, str]]) -> str:
    """Escape a text and mark its parts; a character in several parts has the class "both"."""
    inside = [(max(0, a), min(b, len(text)), kind) for a, b, kind in marks]
    bounds = sorted({0, len(text), *(i for a, b, _ in inside if a < b for i in (a, b))})
    parts = []
    for start, end in itertools.pairwise(bounds):
        kinds = {kind for a, b, kind in inside if a <= start and end <= b}
        content = escape(text[start:end])
        kind = "both" if len(kinds) > 1 else next(iter(kinds), "")
        parts.append(f'<mark class="{kind}">{content}</mark>' if kind else content)
    return "".join(parts)


@functools.cache
def _file(name: str) -> str:
    return (FILES / name).read_text(encoding="utf-8")


def digest(content: str) -> str:
    """Return the digest by which a policy allows a style or a script."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"


def document(title: str, body: str) -> str:
    """Format the whole page. The script is there only if a table can be sorted."""
    style, script = f"\n{_file('report.css')}", f"\n{_file('sort.js')}"
    needs_script = "<button>" in body  # of a heading; all texts are escaped
    policy = f"default-src 'none'; style-src {digest(style)}" + (f"; script-src {digest(script)}" * needs_script)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        f"{GENERATOR}\n"
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{style}</style></head>\n<body><main>\n{body}\n</main>"
        f"{f'<script>{script}</script>' * needs_script}</body></html>\n"
    )
