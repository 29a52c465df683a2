"""The page: one HTML file with everything in it, which needs no network and opens from a disk or in a notebook.

Its HTML, CSS and JavaScript are in `data/page/`; this module inserts the data. User text is inserted as JSON with "<"
escaped, and the script writes it as text, never as HTML. The page's content security policy allows that one script, by
its digest, and no connections. The layer that is shown first comes before the script, so that it is drawn while the
browser reads the others; each layer is decoded when it is first shown.
"""

import base64
import dataclasses
import hashlib
import html as escaping
import json
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from minitf.attention_maps import quantise
from minitf.attention_maps.attribution import Attribution, conclusion
from minitf.attention_maps.lens import Lens
from minitf.attention_maps.maps import AttentionMaps
from minitf.attention_maps.source_attribution import SourceAttribution
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
    "pen.js",
    "picture.js",
    "controls.js",
    "main.js",
)

MOST_IN_NOTEBOOK = 8_000_000  # weights: about 11 MB; 12 × 12 heads at 235 tokens
FIT = """\
addEventListener("message", ({ source, data }) => {
  if (typeof data?.minitfHeight !== "number") return;
  for (const frame of document.querySelectorAll("iframe"))
    if (frame.contentWindow === source) frame.style.height = `${Math.min(4000, Math.max(200, data.minitfHeight))}px`;
});
"""
# Of the prediction of a classifier, or of every target token of an encoder-decoder.
AnyAttribution = Attribution | Sequence[SourceAttribution]
BROKEN = "the predictions have NaN or infinite numbers: the weights of this model are broken"


@dataclasses.dataclass(frozen=True)
class Opening:
    """What a page shows first. Layers and heads count from 1."""

    view: str = "head"  # or grid, product, attribution, lens
    layer: int = 1
    head: int = 1
    show: str = "a"  # or b, or difference


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
    attribution: AnyAttribution | None = None,
    lens: Lens | None = None,
    opening: Opening | None = None,
) -> str:
    """Build the page of `maps`; `compare` are the maps of another model over the same tokens.

    The page has Q and K if `maps` has them. `opening` is what it shows first (default: `choose_opening`). Raises
    InputError for maps that cannot be compared, NaN, or infinity.
    """
    return build(maps, compare, attribution, lens, opening)[0]


def build(
    maps: AttentionMaps,
    compare: AttentionMaps | None = None,
    attribution: AnyAttribution | None = None,
    lens: Lens | None = None,
    opening: Opening | None = None,
    no_attribution: str = "",
) -> tuple[str, Sizes]:
    """Build the page as `html` does; return it with the sizes of its parts.

    `no_attribution` is the reason that the page shows if it has none.
    """
    if compare is not None:
        check_comparable(maps, compare)
    opening = opening or choose_opening(maps, compare, attribution)
    layers = range(maps.layers)
    blocks = {f"a{i}": quantise.weights(maps.A[i]) for i in layers}
    others = {f"b{i}": quantise.weights(compare.A[i]) for i in layers} if compare is not None else {}
    products = {}
    if maps.Q is not None and maps.K is not None:
        products = {f"p{i}": quantise.queries_and_keys(maps.Q[i], maps.K[i]) for i in layers}
    style = _read("page.css")
    script = '"use strict";\n(() => {\n' + "\n".join(_read(name) for name in SCRIPTS) + "})();\n"
    all_blocks = blocks | others | products
    first = [name for name in (f"a{opening.layer - 1}", f"b{opening.layer - 1}") if name in all_blocks]
    parts = {
        "POLICY": f"default-src 'none'; script-src '{digest(script)}'; style-src '{digest(style)}';"
        " base-uri 'none'; form-action 'none'",
        "TITLE": escaping.escape(f"{maps.name}: attention"),
        "STYLE": style,
        "DATA": as_json(_data(maps, compare, attribution, lens, opening) | {"no_attribution": no_attribution}),
        "FIRST": "\n".join(_block(name, all_blocks[name]) for name in first),
        "SCRIPT": script,
        "REST": "\n".join(_block(name, text) for name, text in all_blocks.items() if name not in first),
    }
    # One pass, so that a placeholder in a user's text is not replaced.
    page = re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], _read("page.html"))
    size = lambda texts: sum(map(len, texts.values()))  # noqa: E731
    return page, Sizes(size(blocks), size(others), size(products), len(page.encode("utf-8", ESCAPED)))


def choose_opening(
    maps: AttentionMaps, compare: AttentionMaps | None = None, attribution: AnyAttribution | None = None
) -> Opening:
    """Choose the most informative view: the head in which two models differ most, else the attribution, else the head
    that attends least to special tokens. For an encoder-decoder: the head of the cross-attention that attends most
    sharply to words of the source, which often aligns them."""
    if compare is not None:
        change = np.stack([np.abs(a - b).mean(axis=(-2, -1)) for a, b in zip(maps.A, compare.A, strict=True)])
        layer, head = divmod(int(change.argmax()), maps.heads)
        return Opening("head", layer + 1, head + 1, "difference")
    if maps.kinds:
        cross, source = maps.block("cross").A, maps.segments.index(1)
        peaks = cross[..., ~np.array(maps.special[:source])].max(axis=-1, initial=0.0).mean(axis=-1)  # [L, H]
        layer, head = divmod(int(peaks.argmax()), cross.shape[1])
        return Opening("head", layer + 1, head + 1)
    on_special = np.stack([a[..., np.array(maps.special)].sum(axis=-1).mean(axis=-1) for a in maps.A])
    layer, head = divmod(int(on_special.argmin()), maps.heads)
    return Opening("head" if attribution is None else "attribution", layer + 1, head + 1)


def save(page: str, path: str | Path) -> None:
    """Write the page, completely or not at all. Raises InputError if it cannot be written."""
    write_bytes(Path(path), page.encode("utf-8", ESCAPED))


def in_notebook(maps: AttentionMaps, attribution: AnyAttribution | None = None) -> str:
    """Return the page in a frame, or, if it would make the notebook's file huge, how to write it to a file."""
    if maps.A.size > MOST_IN_NOTEBOOK:
        return (
            f"<p>{maps.layers} layers of {maps.heads} heads over {len(maps.tokens)} tokens have {maps.A.size / 1e6:.0f}"
            " million weights, too many to store in a notebook. Write the page to a file instead:"
            "<br><code>from minitf.attention_maps import page</code>"
            '<br><code>page.save(page.html(maps), "maps.html")</code></p>'
        )
    return frame(html(maps, attribution=attribution))


def frame(page: str, height: int = 780) -> str:
    """Return the page in a frame, so that a notebook can show several, each independent of the others.

    The page sends its height, and a script beside the frame sets it. Where no scripts run, `height` remains.
    """
    return (
        f'<iframe sandbox="allow-scripts allow-downloads" title="attention maps" srcdoc="{escaping.escape(page)}"'
        f' style="width: 100%; height: {height}px; border: 0"></iframe><script>{FIT}</script>'
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
    maps: AttentionMaps,
    compare: AttentionMaps | None,
    attribution: AnyAttribution | None,
    lens: Lens | None,
    opening: Opening,
) -> dict[str, Any]:
    """Everything but the attention weights."""
    S = len(maps.tokens)
    return _sequence_data(maps, attribution) | {
        "name": maps.name,
        "compare": compare.name if compare is not None else None,
        "largest_difference": _largest_difference(maps, compare) if compare is not None else None,
        "text": maps.text,
        "pair": maps.pair,
        "layers": maps.layers,
        "heads": maps.heads,
        "tokens": maps.display_tokens,
        "words": maps.words or tuple(range(S)),
        "spans": maps.spans or (None,) * S,
        "segments": maps.segments,
        "special": maps.special,
        "labels": maps.labels,
        "probabilities": maps.probabilities,
        "prediction": maps.prediction,
        "d_k": int(maps.Q.shape[-1]) if maps.Q is not None else None,
        "attribution": _attribution_data(attribution) if isinstance(attribution, Attribution) else None,
        "lens": _lens_data(lens) if lens is not None else None,
        "opening": dataclasses.asdict(opening),
    }


def _sequence_data(maps: AttentionMaps, attribution: AnyAttribution | None) -> dict[str, Any]:
    """The data that only a model that generates text has."""
    if not maps.kinds:
        return {"roles": maps.roles} if maps.roles != ("1", "2") else {}
    each = None if attribution is None or isinstance(attribution, Attribution) else attribution
    return {
        "roles": maps.roles,
        "kinds": [
            {"id": "ab"[kind.queries] + "ab"[kind.keys], "name": kind.name, "layers": kind.layers, "heads": kind.heads}
            for kind in maps.kinds
        ],
        "queries": {"tokens": maps.query_tokens, "words": maps.query_words, "special": maps.query_special},
        "attributions": [_attribution_data(one) for one in each] if each is not None else None,
    }


def _largest_difference(maps: AttentionMaps, compare: AttentionMaps) -> float:
    """Return the largest absolute difference of two weights, rounded up to four digits: the end of the threshold."""
    largest = max(float(np.abs(a - b).max()) for a, b in zip(maps.A, compare.A, strict=True))
    return max(math.ceil(largest * 1e4), 1) / 1e4 if math.isfinite(largest) else 1.0


def _attribution_data(attribution: Attribution | SourceAttribution) -> dict[str, Any]:
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
