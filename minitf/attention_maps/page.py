"""The page: one HTML file with everything in it, which needs no network and opens from a disk or in a notebook.

Its HTML, CSS and JavaScript are in `data/page/`; this module inserts the data. User text is inserted as JSON with "<"
escaped, and the script writes it as text, never as HTML. The page's content security policy allows that one script, by
its digest, and no connections. The first layer comes before the script, so that it is drawn while the browser reads
the others; each layer is decoded when it is first shown.
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
from minitf.attention_maps.attribution import Attribution, conclusion
from minitf.attention_maps.lens import Lens
from minitf.attention_maps.maps import AttentionMaps
from minitf.errors import InputError
from minitf.files import ESCAPED, write_bytes

FILES = Path(__file__).parent.parent / "data" / "page"
SCRIPTS = (
    "data.js",
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
BROKEN = "the predictions have NaN or infinite numbers: the weights of this model are broken"


@dataclasses.dataclass(frozen=True)
class Sizes:
    """The sizes of a page's parts in bytes."""

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
    """Build the page of `maps`; `compare` are the maps of another model over the same tokens.

    The page has Q and K if `maps` has them. Raises InputError for maps that cannot be compared, NaN, or infinity.
    """
    return build(maps, compare, attribution, lens)[0]


def build(
    maps: AttentionMaps,
    compare: AttentionMaps | None = None,
    attribution: Attribution | None = None,
    lens: Lens | None = None,
) -> tuple[str, Sizes]:
    """Build the page as `html` does; return it with the sizes of its parts."""
    if compare is not None:
        check_comparable(maps, compare)
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
        "DATA": as_json(_data(maps, compare, attribution, lens)),
        "FIRST": _block("a0", blocks["a0"]),
        "SCRIPT": script,
        "REST": "\n".join(_block(name, text) for name, text in (blocks | others | products).items() if name != "a0"),
    }
    # One pass, so that a placeholder in a user's text is not replaced.
    page = re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], _read("page.html"))
    size = lambda texts: sum(map(len, texts.values()))  # noqa: E731
    return page, Sizes(size(blocks), size(others), size(products), len(page.encode("utf-8", ESCAPED)))


def save(page: str, path: str | Path) -> None:
    """Write the page, completely or not at all. Raises InputError if it cannot be written."""
    write_bytes(Path(path), page.encode("utf-8", ESCAPED))


def in_notebook(maps: AttentionMaps) -> str:
    """Return the page in a frame, or, if it would make the notebook's file huge, how to write it to a file."""
    if maps.A.size > MOST_IN_NOTEBOOK:
        return (
            f"<p>{maps.layers} layers of {maps.heads} heads over {len(maps.tokens)} tokens have {maps.A.size / 1e6:.0f}"
            " million weights, too many to store in a notebook. Write the page to a file instead:"
            "<br><code>from minitf.attention_maps import page</code>"
            '<br><code>page.save(page.html(maps), "maps.html")</code></p>'
        )
    return frame(html(maps))


def frame(page: str, height: int = 780) -> str:
    """Return the page in a frame, so that a notebook can show several, each independent of the others."""
    return (
        f'<iframe sandbox="allow-scripts" title="attention maps" srcdoc="{escaping.escape(page)}"'
        f' style="width: 100%; height: {height}px; border: 0"></iframe>'
    )


def check_comparable(maps: AttentionMaps, other: AttentionMaps) -> None:
    """Raise InputError unless both have the same tokens, layers and heads."""
    if maps.tokens != other.tokens:
        n = min(len(maps.tokens), len(other.tokens))
        at = next((i for i in range(n) if maps.tokens[i] != other.tokens[i]), n)
        mine, theirs = (m.tokens[at] if at < len(m.tokens) else "the end" for m in (maps, other))
        raise InputError(
            f"`compare` {other.name}: it splits the text into other tokens ({theirs!r} where {maps.name} has {mine!r},"
            f" token {at + 1}); compare models with the same vocabulary"
        )
    if maps.A.shape != other.A.shape:
        raise InputError(
            f"`compare` {other.name}: it has {other.layers} layers of {other.heads} heads, {maps.name} has"
            f" {maps.layers} of {maps.heads}; compare models of the same shape"
        )


def digest(text: str) -> str:
    """Return the digest by which a content security policy names a script or style in the page."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode("utf-8")).digest()).decode("ascii")


def as_json(value: Any) -> str:
    """Encode as ASCII JSON that cannot end the HTML script around it. Raises InputError for NaN and infinity."""
    try:
        text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    except ValueError:
        raise InputError(BROKEN) from None
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _block(name: str, text: str) -> str:
    return f'<script type="text/plain" id="{name}">{text}</script>'


def _read(name: str) -> str:
    return (FILES / name).read_text(encoding="utf-8")


def _data(
    maps: AttentionMaps, compare: AttentionMaps | None, attribution: Attribution | None, lens: Lens | None
) -> dict[str, Any]:
    """Everything but the attention weights."""
    S = len(maps.tokens)
    return {
        "name": maps.name,
        "compare": compare.name if compare is not None else None,
        "text": maps.text,
        "pair": maps.pair,
        "layers": maps.layers,
        "heads": maps.heads,
        "tokens": maps.display_tokens,
        "words": maps.words or tuple(range(S)),
        "segments": maps.segments,
        "special": maps.special,
        "labels": maps.labels,
        "probabilities": maps.probabilities,
        "prediction": maps.prediction,
        "d_k": int(maps.Q.shape[-1]) if maps.Q is not None else None,
        "attribution": _attribution_data(attribution) if attribution is not None else None,
        "lens": _lens_data(lens) if lens is not None else None,
    }


def _attribution_data(attribution: Attribution) -> dict[str, Any]:
    scores = attribution.scores()
    names = list(scores)
    return {
        "label": attribution.label,
        "probability": attribution.probability,
        "residual": attribution.residual,
        "scores": [{"name": name, "values": _rounded(values)} for name, values in scores.items()],
        "correlations": [
            [names.index(a), names.index(b), None if math.isnan(value) else round(value, 4)]
            for (a, b), value in attribution.correlations().items()
        ],
        "conclusion": conclusion(attribution),
    }


def _lens_data(lens: Lens) -> dict[str, Any]:
    return {"words": lens.words, "probabilities": _rounded(lens.probabilities), "own": _rounded(lens.own)}


def _rounded(values: np.ndarray) -> Any:
    """Round to six digits, more than the page shows. Raises InputError for NaN and infinity."""
    if not np.isfinite(values).all():
        raise InputError(BROKEN)
    return np.vectorize(lambda value: float(f"{value:.6g}"), otypes=[float])(values).tolist() if values.size else []
