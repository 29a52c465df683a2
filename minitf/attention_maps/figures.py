"""Figures of attention: one head, all heads, lines between tokens, rollout, and a summary of each head.

Every function returns a matplotlib Figure; `save` writes it as svg, png or pdf. Each figure has one hue, from light to
dark, so that colour-blind readers see the same.
"""

import itertools
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from minitf.attention_maps import attribution
from minitf.attention_maps.canvas import DARK as DARK
from minitf.attention_maps.canvas import LIGHT, Theme, font_size, themed_figure
from minitf.attention_maps.canvas import save as save
from minitf.attention_maps.maps import AttentionMaps, Block
from minitf.attention_maps.summary import HeadSummary, summarise
from minitf.errors import InputError
from minitf.training.figure import drawable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def head(maps: AttentionMaps | Block, layer: int, head: int, theme: Theme = LIGHT) -> "Figure":
    """Draw one head as a heat map: rows are queries, columns keys. Raises InputError for a head that does not exist."""
    _check(maps, layer, head)
    return _heat_map(maps, maps.A[layer, head], f"layer {layer + 1}, head {head + 1}", theme)


def alignment(cross: Block, layer: int | None = None, theme: Theme = LIGHT) -> "Figure":
    """Draw which source tokens each target token attends to: the mean over the heads of a layer, or of all layers.

    Rows are the tokens of the target, columns those of the source. Source: Bahdanau et al. 2015, figure 3; the mean
    over heads: Garg et al. 2019, §3. Raises InputError for a layer that does not exist.
    """
    _check(cross, layer or 0, 0)
    of = "of all layers" if layer is None else f"of layer {layer + 1}"
    A = cross.A.mean(axis=(0, 1)) if layer is None else cross.A[layer].mean(axis=0)
    return _heat_map(cross, A, f"cross-attention,\nmean over the heads {of}", theme, ("source", "target"))


def _heat_map(
    maps: AttentionMaps | Block,
    A: np.ndarray,
    title: str,
    theme: Theme,
    names: tuple[str, str] = ("key (attended to)", "query (attends)"),
) -> "Figure":
    n, m = A.shape
    width, height = (min(14.0, max(3.6, 0.26 * size + 1.4)) for size in (m, n))
    width = max(width, 0.09 * max(map(len, title.split("\n"))) + 0.6)
    figure = themed_figure(width, height, theme)
    axes = figure.add_subplot()
    image = axes.imshow(A, cmap=theme.weights, vmin=0.0, interpolation="nearest")
    _label_axes(axes, maps, theme, names)
    axes.set_title(title, color=theme.text, fontsize=10)
    bar = figure.colorbar(image, ax=axes, shrink=0.7)
    bar.ax.tick_params(colors=theme.text, labelsize=7)
    bar.outline.set_edgecolor(theme.frame)
    return figure


def grid(maps: AttentionMaps | Block, theme: Theme = LIGHT) -> "Figure":
    """Draw all heads as small heat maps: rows are layers, columns heads."""
    L, H = maps.layers, maps.heads
    figure = themed_figure(min(20.0, 1.1 * H + 0.8), min(26.0, 1.1 * L + 0.8), theme)
    for layer, row in enumerate(figure.subplots(L, H, squeeze=False)):
        for h, axes in enumerate(row):
            axes.imshow(maps.A[layer, h], cmap=theme.weights, vmin=0.0, interpolation="nearest")
            axes.set_xticks([])
            axes.set_yticks([])
            axes.spines[:].set_color(theme.frame)
            if layer == 0:
                axes.set_title(f"head {h + 1}", color=theme.text, fontsize=7)
            if h == 0:
                axes.set_ylabel(f"layer {layer + 1}", color=theme.text, fontsize=7)
    return figure


def lines(
    maps: AttentionMaps | Block, layer: int, head: int, threshold: float | None = None, theme: Theme = LIGHT
) -> "Figure":
    """Draw one head as lines from the queries on the left to the keys on the right.

    The width of a line shows its weight. Weights below `threshold` have no line. By default only the strongest weights
    have a line: about two for each query, and none below a tenth of the largest weight. Raises InputError for a head
    that does not exist.
    """
    from matplotlib.collections import LineCollection

    _check(maps, layer, head)

    A = maps.A[layer, head]
    n, m = A.shape
    S = max(n, m)
    figure = themed_figure(4.6, min(30.0, max(3.0, 0.22 * S + 0.8)), theme)
    axes = figure.add_subplot()
    if threshold is None:
        threshold = max(float(np.sort(A, axis=None)[-min(2 * n, A.size)]), float(A.max()) / 10)
    drawn = [(q, k) for q in range(n) for k in range(m) if threshold <= A[q, k]]
    depth = np.array([A[q, k] for q, k in drawn]) / max(float(A.max()), 1e-9)
    axes.add_collection(
        LineCollection(
            [((0.0, q), (1.0, k)) for q, k in drawn],
            linewidths=0.6 + 2.6 * depth,
            alpha=0.15 + 0.85 * depth if len(depth) else None,
            colors=theme.line,
        )
    )
    size = font_size(S)
    for i, (query, key) in enumerate(itertools.zip_longest(maps.query_labels, maps.key_labels, fillvalue="")):
        axes.text(-0.04, i, drawable(query), ha="right", va="center", color=theme.text, fontsize=size)
        axes.text(1.04, i, drawable(key), ha="left", va="center", color=theme.text, fontsize=size)
    axes.set_xlim(-0.7, 1.7)
    axes.set_ylim(S - 0.5, -0.5)
    axes.axis("off")
    axes.set_title(f"layer {layer + 1}, head {head + 1}: query to key", color=theme.text, fontsize=10)
    return figure


def rollout(maps: AttentionMaps, theme: Theme = LIGHT) -> "Figure":
    """Draw how much of each token reaches the first one, [CLS], by each layer (see `attribution.rollout`)."""
    S = len(maps.tokens)
    figure = themed_figure(min(24.0, max(4.6, 0.24 * S + 1.8)), 1.6 + 0.24 * maps.layers, theme)
    axes = figure.add_subplot()
    R = attribution.rollout(maps.A.astype(np.float64))[:, 0]
    words = R[:, ~np.array(maps.special)]
    largest = float(words.max()) if words.size else 1.0  # [CLS] and [SEP] are often much larger than all words
    image = axes.imshow(R, cmap=theme.weights, vmin=0.0, vmax=largest, aspect="auto", interpolation="nearest")
    bar = figure.colorbar(image, ax=axes, extend="max" if R.max() > largest else "neither")
    bar.ax.tick_params(colors=theme.text, labelsize=7)
    axes.set_xticks(range(S), _labels(maps), rotation=90, fontsize=font_size(S), color=theme.text)
    axes.set_yticks(range(maps.layers), [str(i + 1) for i in range(maps.layers)], fontsize=7, color=theme.text)
    axes.set_ylabel("layer", color=theme.text, fontsize=8)
    axes.set_title(
        f"attention rollout to {drawable(maps.tokens[0])}; the scale is that of the words",
        color=theme.text,
        fontsize=10,
    )
    return figure


def summary(maps: AttentionMaps | HeadSummary, theme: Theme = LIGHT) -> "Figure":
    """Draw the summary of one text or of many as five heat maps: rows are layers, columns heads."""
    averages = summarise(maps) if isinstance(maps, AttentionMaps) else maps
    L, H = averages.entropy.shape
    titles = {
        "entropy": "entropy (nats)",
        "special": "to special tokens",
        "previous": "to the previous token",
        "following": "to the next token",
        "same": "to itself",
    }
    figure = themed_figure(13.0, 1.6 + 0.2 * L, theme)
    for axes, (name, title) in zip(figure.subplots(1, 5, squeeze=False)[0], titles.items(), strict=True):
        most = math.log(averages.longest) if name == "entropy" else 1.0
        image = axes.imshow(getattr(averages, name), cmap=theme.weights, vmin=0.0, vmax=max(most, 1e-9), aspect="auto")
        axes.set_title(title, color=theme.text, fontsize=9)
        axes.set_xlabel("head", color=theme.text, fontsize=8)
        axes.set_ylabel("layer", color=theme.text, fontsize=8)
        axes.set_xticks(range(H), [str(i + 1) for i in range(H)], fontsize=6, color=theme.text)
        axes.set_yticks(range(L), [str(i + 1) for i in range(L)], fontsize=6, color=theme.text)
        bar = figure.colorbar(image, ax=axes, shrink=0.8)
        bar.ax.tick_params(colors=theme.text, labelsize=6)
    return figure


def _label_axes(axes: "Axes", maps: AttentionMaps | Block, theme: Theme, names: tuple[str, str]) -> None:
    keys, queries = ([drawable(token) for token in labels] for labels in (maps.key_labels, maps.query_labels))
    size: Any = font_size(max(len(keys), len(queries)))
    axes.set_xticks(range(len(keys)), keys, rotation=90, fontsize=size, color=theme.text)
    axes.set_yticks(range(len(queries)), queries, fontsize=size, color=theme.text)
    axes.set_xlabel(names[0], color=theme.text, fontsize=8)
    axes.set_ylabel(names[1], color=theme.text, fontsize=8)
    axes.tick_params(length=0)
    axes.spines[:].set_color(theme.frame)


def _labels(maps: AttentionMaps) -> list[str]:
    return [drawable(token) for token in maps.display_tokens]


def _check(maps: AttentionMaps | Block, layer: int, head: int) -> None:
    if not 0 <= layer < maps.layers or not 0 <= head < maps.heads:
        raise InputError(
            f"`layer` {layer + 1}, `head` {head + 1}: {maps.name} has {maps.layers} layers of {maps.heads} heads"
        )
