"""Pictures of attention, to be saved: one head, all heads, lines between tokens, rollout, what each head looks at.

Every function gives a matplotlib Figure; `save` writes it by its ending (svg, png, pdf). Light or dark is a theme.
Colours run from the paper to one other: colour-blind eyes read them as others do.
"""

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from minitf.attention_maps.canvas import DARK as DARK
from minitf.attention_maps.canvas import LIGHT, Theme, canvas, drawable, font_size
from minitf.attention_maps.canvas import save as save
from minitf.attention_maps.collect import AttentionMaps
from minitf.attention_maps.summary import HeadSummary, summarise
from minitf.errors import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def head(maps: AttentionMaps, layer: int, head: int, theme: Theme = LIGHT) -> "Figure":
    """One head as a heat map, a row for each query, a column for each key. InputError for a head that is not there."""
    _check(maps, layer, head)
    S = len(maps.tokens)
    side = min(14.0, max(3.6, 0.26 * S + 1.4))
    figure = canvas(side, side, theme)
    axes = figure.add_subplot()
    image = axes.imshow(maps.A[layer, head], cmap=theme.colours, vmin=0.0, interpolation="nearest")
    _label(axes, maps, theme)
    axes.set_title(f"layer {layer + 1}, head {head + 1}", color=theme.ink, fontsize=10)
    bar = figure.colorbar(image, ax=axes, shrink=0.7)
    bar.ax.tick_params(colors=theme.ink, labelsize=7)
    bar.outline.set_edgecolor(theme.faint)
    return figure


def grid(maps: AttentionMaps, theme: Theme = LIGHT) -> "Figure":
    """All layers × heads, small: a row for each layer."""
    L, H = maps.layers, maps.heads
    figure = canvas(min(20.0, 1.1 * H + 0.8), min(26.0, 1.1 * L + 0.8), theme)
    for layer, row in enumerate(figure.subplots(L, H, squeeze=False)):
        for h, axes in enumerate(row):
            axes.imshow(maps.A[layer, h], cmap=theme.colours, vmin=0.0, interpolation="nearest")
            axes.set_xticks([])
            axes.set_yticks([])
            axes.spines[:].set_color(theme.faint)
            if layer == 0:
                axes.set_title(f"head {h + 1}", color=theme.ink, fontsize=7)
            if h == 0:
                axes.set_ylabel(f"layer {layer + 1}", color=theme.ink, fontsize=7)
    return figure


def lines(maps: AttentionMaps, layer: int, head: int, threshold: float = 0.02, theme: Theme = LIGHT) -> "Figure":
    """One head as lines from each query on the left to the keys on the right; thick is much, below `threshold` none."""
    _check(maps, layer, head)
    from matplotlib.collections import LineCollection

    S, A = len(maps.tokens), maps.A[layer, head]
    figure = canvas(4.6, min(30.0, max(3.0, 0.22 * S + 0.8)), theme)
    axes = figure.add_subplot()
    drawn = [(q, k) for q in range(S) for k in range(S) if threshold <= A[q, k]]
    weights = np.array([A[q, k] for q, k in drawn])
    axes.add_collection(
        LineCollection(
            [((0.0, q), (1.0, k)) for q, k in drawn],
            linewidths=0.3 + 2.2 * weights,
            alpha=np.clip(weights, 0.05, 1.0) if len(weights) else None,
            colors=theme.ink,
        )
    )
    size = font_size(S)
    for i, token in enumerate(_shown(maps)):
        axes.text(-0.04, i, token, ha="right", va="center", color=theme.ink, fontsize=size)
        axes.text(1.04, i, token, ha="left", va="center", color=theme.ink, fontsize=size)
    axes.set_xlim(-0.7, 1.7)
    axes.set_ylim(S - 0.5, -0.5)
    axes.axis("off")
    axes.set_title(f"layer {layer + 1}, head {head + 1}: who looks at whom", color=theme.ink, fontsize=10)
    return figure


def rollout(maps: AttentionMaps, theme: Theme = LIGHT) -> "Figure":
    """What the first token ([CLS]) has seen of each token by each layer, if layers only mixed (see `attribution`)."""
    from minitf.attention_maps.attribution import rollout as roll

    S = len(maps.tokens)
    figure = canvas(min(24.0, max(4.0, 0.24 * S + 1.2)), 1.6 + 0.24 * maps.layers, theme)
    axes = figure.add_subplot()
    axes.imshow(roll(maps.A.astype(np.float64))[:, 0], cmap=theme.colours, vmin=0.0, aspect="auto")
    axes.set_xticks(range(S), _shown(maps), rotation=90, fontsize=font_size(S), color=theme.ink)
    axes.set_yticks(range(maps.layers), [str(i + 1) for i in range(maps.layers)], fontsize=7, color=theme.ink)
    axes.set_ylabel("layer", color=theme.ink, fontsize=8)
    axes.set_title(f"rollout to {maps.tokens[0]}", color=theme.ink, fontsize=10)
    return figure


def summary(maps: AttentionMaps | HeadSummary, theme: Theme = LIGHT) -> "Figure":
    """`summarise`, of a text or what it gave for many, as five small maps of layers × heads."""
    found = summarise(maps) if isinstance(maps, AttentionMaps) else maps
    L, H = found.entropy.shape
    titles = {
        "entropy": "entropy (nats)",
        "special": "to special tokens",
        "previous": "to the previous token",
        "following": "to the next token",
        "same": "to itself",
    }
    figure = canvas(13.0, 1.6 + 0.2 * L, theme)
    for axes, (name, title) in zip(figure.subplots(1, 5, squeeze=False)[0], titles.items(), strict=True):
        most = math.log(found.longest) if name == "entropy" else 1.0
        image = axes.imshow(getattr(found, name), cmap=theme.colours, vmin=0.0, vmax=max(most, 1e-9), aspect="auto")
        axes.set_title(title, color=theme.ink, fontsize=9)
        axes.set_xlabel("head", color=theme.ink, fontsize=8)
        axes.set_ylabel("layer", color=theme.ink, fontsize=8)
        axes.set_xticks(range(H), [str(i + 1) for i in range(H)], fontsize=6, color=theme.ink)
        axes.set_yticks(range(L), [str(i + 1) for i in range(L)], fontsize=6, color=theme.ink)
        bar = figure.colorbar(image, ax=axes, shrink=0.8)
        bar.ax.tick_params(colors=theme.ink, labelsize=6)
    return figure


def _label(axes: "Axes", maps: AttentionMaps, theme: Theme) -> None:
    S, shown = len(maps.tokens), _shown(maps)
    size: Any = font_size(S)
    axes.set_xticks(range(S), shown, rotation=90, fontsize=size, color=theme.ink)
    axes.set_yticks(range(S), shown, fontsize=size, color=theme.ink)
    axes.set_xlabel("looked at (key)", color=theme.ink, fontsize=8)
    axes.set_ylabel("looking (query)", color=theme.ink, fontsize=8)
    axes.tick_params(length=0)
    axes.spines[:].set_color(theme.faint)


def _shown(maps: AttentionMaps) -> list[str]:
    return [drawable(token) for token in maps.shown]


def _check(maps: AttentionMaps, layer: int, head: int) -> None:
    if not 0 <= layer < maps.layers or not 0 <= head < maps.heads:
        raise InputError(
            f"no layer {layer + 1}, head {head + 1}: {maps.name} has {maps.layers} layers of {maps.heads} heads"
        )
