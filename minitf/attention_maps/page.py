"""The page: one HTML file that holds everything, asks nobody for anything, and opens from a disk or in a notebook.

Its own HTML, CSS and JavaScript lie in `data/page/`; here the maps are put in. What users wrote enters as JSON, whose
"<" is escaped, and the page's script writes it as text, never as HTML. A policy in the page lets the browser run that
one script, by its digest, and open no connection. The first layer comes before the script, which draws it while the
others are still being read; each is decoded when it is shown.
"""

import base64
import dataclasses
import hashlib
import html as escaping
import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np

from minitf.attention_maps import quantise
from minitf.attention_maps.attribution import Attribution, verdict
from minitf.attention_maps.collect import AttentionMaps
from minitf.attention_maps.lens import Lens
from minitf.errors import InputError
from minitf.files import write_text

FILES = Path(__file__).parent.parent / "data" / "page"
SCRIPTS = (
    "given.js",
    "state.js",
    "matrix.js",
    "colours.js",
    "tokens.js",
    "lines.js",
    "heat.js",
    "grid.js",
    "product.js",
    "predictions.js",
    "controls.js",
    "main.js",
)


MOST_IN_NOTEBOOK = 8_000_000  # weights: about 11 MB; 12 × 12 heads at 235 tokens


@dataclasses.dataclass(frozen=True)
class Sizes:
    """Bytes of a page, by what they are for."""

    maps: int
    compare: int
    query_key: int
    whole: int


def html(
    maps: AttentionMaps,
    compare: AttentionMaps | None = None,
    attribution: Attribution | None = None,
    lens: Lens | None = None,
) -> str:
    """The page of `maps`, with what else is given: the maps of another model over the same tokens, and the rest.

    Q and K are in it if `maps` has them. Raises InputError for maps that cannot be compared or are not finite.
    """
    return build(maps, compare, attribution, lens)[0]


def build(
    maps: AttentionMaps,
    compare: AttentionMaps | None = None,
    attribution: Attribution | None = None,
    lens: Lens | None = None,
) -> tuple[str, Sizes]:
    """`html`, and what its parts weigh."""
    if compare is not None:
        check_alike(maps, compare)
    layers = range(maps.layers)
    blocks = {f"a{i}": quantise.weights(maps.A[i]) for i in layers}
    others = {f"b{i}": quantise.weights(compare.A[i]) for i in layers} if compare is not None else {}
    products = {}
    if maps.Q is not None and maps.K is not None:
        products = {f"p{i}": quantise.queries_and_keys(maps.Q[i], maps.K[i]) for i in layers}
    style = _read("page.css")
    script = '"use strict";\n(() => {\n' + "\n".join(_read(name) for name in SCRIPTS) + "})();\n"
    parts = {
        "POLICY": f"default-src 'none'; script-src '{digest(script)}'; style-src '{digest(style)}';"
        " base-uri 'none'; form-action 'none'",
        "TITLE": escaping.escape(f"{maps.name}: attention"),
        "STYLE": style,
        "GIVEN": as_json(_given(maps, compare, attribution, lens)),
        "FIRST": _block("a0", blocks["a0"]),
        "SCRIPT": script,
        "REST": "\n".join(_block(name, text) for name, text in (blocks | others | products).items() if name != "a0"),
    }
    # One pass: what is put in is not looked at again, whatever a user wrote.
    page = re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], _read("page.html"))
    weight = lambda texts: sum(map(len, texts.values()))  # noqa: E731
    return page, Sizes(weight(blocks), weight(others), weight(products), len(page.encode("utf-8")))


def save(page: str, path: Path) -> None:
    """Write it, whole or not at all. Raises InputError where the disk refuses."""
    write_text(path, page)


def in_notebook(maps: AttentionMaps) -> str:
    """The page in a frame; for maps that would make the notebook's file huge, what to do instead."""
    if maps.A.size > MOST_IN_NOTEBOOK:
        return (
            f"<p>{maps.layers} layers of {maps.heads} heads over {len(maps.tokens)} tokens are {maps.A.size / 1e6:.0f}"
            " million weights, too many to keep in a notebook. In a file of their own they open at once:"
            "<br><code>from minitf.attention_maps import page</code>"
            '<br><code>page.save(page.html(maps), Path("maps.html"))</code></p>'
        )
    return frame(html(maps))


def frame(page: str, height: int = 780) -> str:
    """The page in a frame, so that several stand in one notebook without knowing of each other."""
    return (
        f'<iframe sandbox="allow-scripts" title="attention maps" srcdoc="{escaping.escape(page)}"'
        f' style="width: 100%; height: {height}px; border: 0"></iframe>'
    )


def check_alike(maps: AttentionMaps, other: AttentionMaps) -> None:
    """Raises InputError unless weight by weight the two can be subtracted."""
    if maps.tokens != other.tokens:
        n = min(len(maps.tokens), len(other.tokens))
        at = next((i for i in range(n) if maps.tokens[i] != other.tokens[i]), n)
        mine, theirs = (m.tokens[at] if at < len(m.tokens) else "the end" for m in (maps, other))
        raise InputError(
            f"--compare {other.name}: it reads the text as other tokens ({theirs!r} where {maps.name} has {mine!r},"
            f" token {at + 1}); compare models of one vocabulary"
        )
    if maps.A.shape != other.A.shape:
        raise InputError(
            f"--compare {other.name}: it has {other.layers} layers of {other.heads} heads, {maps.name} has"
            f" {maps.layers} of {maps.heads}; compare models of one shape"
        )


def digest(text: str) -> str:
    """As a content security policy names a script or style that stands in the page."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")


def as_json(value: Any) -> str:
    """JSON that can stand in an HTML script: nothing in it can end that, and it is all ASCII. NaN is refused."""
    try:
        text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    except ValueError:
        raise InputError("the predictions hold numbers that are not finite: this model's weights are broken") from None
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _block(name: str, text: str) -> str:
    return f'<script type="text/plain" id="{name}">{text}</script>'


def _read(name: str) -> str:
    return (FILES / name).read_text(encoding="utf-8")


def _given(
    maps: AttentionMaps, compare: AttentionMaps | None, attribution: Attribution | None, lens: Lens | None
) -> dict[str, Any]:
    """All but the weights."""
    S = len(maps.tokens)
    return {
        "name": maps.name,
        "compare": compare.name if compare is not None else None,
        "text": maps.text,
        "pair": maps.pair,
        "layers": maps.layers,
        "heads": maps.heads,
        "tokens": maps.shown,
        "words": maps.words or tuple(range(S)),
        "segments": maps.segments,
        "special": maps.special,
        "labels": maps.labels,
        "probabilities": maps.probabilities,
        "d_k": int(maps.Q.shape[-1]) if maps.Q is not None else None,
        "attribution": _attribution(attribution) if attribution is not None else None,
        "lens": _lens(lens) if lens is not None else None,
    }


def _attribution(found: Attribution) -> dict[str, Any]:
    names = list(found.scores())
    return {
        "label": found.label,
        "probability": found.probability,
        "residual": found.residual,
        "scores": [{"name": name, "values": _rounded(found.scores()[name])} for name in names],
        "correlations": [
            [names.index(a), names.index(b), None if math.isnan(value) else round(value, 4)]
            for (a, b), value in found.correlations().items()
        ],
        "verdict": verdict(found),
    }


def _lens(lens: Lens) -> dict[str, Any]:
    return {"words": lens.words, "probabilities": _rounded(lens.probabilities), "own": _rounded(lens.own)}


def _rounded(values: np.ndarray) -> Any:
    """Six digits, which is more than can be seen. Raises InputError for what is not finite."""
    if not np.isfinite(values).all():
        raise InputError("the predictions hold numbers that are not finite: this model's weights are broken")
    return np.vectorize(lambda value: float(f"{value:.6g}"), otypes=[float])(values).tolist() if values.size else []
