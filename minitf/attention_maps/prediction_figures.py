"""Figures of a prediction: the tokens that a class depends on, and what each layer would predict."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from minitf.attention_maps.attribution import Attribution, Scored
from minitf.attention_maps.canvas import LIGHT, Theme, font_size, text_colour, themed_figure
from minitf.attention_maps.lens import Lens
from minitf.attention_maps.source_attribution import SourceAttribution
from minitf.datasets.strings import cut
from minitf.training.figure import drawable

if TYPE_CHECKING:
    from matplotlib.figure import Figure


UNSIGNED = "cross-attention"  # the method without a sign, as rollout for a classifier


def draw_attribution(attribution: Attribution, theme: Theme = LIGHT) -> "Figure":
    """Draw the scores of the four methods, each with its own scale, and their rank correlations."""
    S, scores = len(attribution.tokens), attribution.scores()
    figure = themed_figure(min(26.0, max(8.5, 0.26 * S + 5.5)), 3.6, theme)
    left, right = figure.subplots(1, 2, width_ratios=[max(0.26 * S, 3.6), 3.6])
    left.imshow(shades(attribution, theme), aspect="auto", interpolation="nearest")
    tokens = [drawable(token) for token in attribution.tokens]
    left.set_xticks(range(S), tokens, rotation=90, fontsize=font_size(S), color=theme.text)
    left.set_yticks(range(len(scores)), list(scores), fontsize=8, color=theme.text)
    left.set_title(
        f"{drawable(attribution.label)} ({attribution.probability:.3f}): orange for it, blue against it;\n"
        "grey: rollout, which has no sign",
        color=theme.text,
        fontsize=9,
    )
    names, table = list(scores), np.eye(len(scores))
    for (a, b), value in attribution.correlations().items():
        table[names.index(a), names.index(b)] = table[names.index(b), names.index(a)] = value
    image = right.imshow(table, cmap=theme.differences, vmin=-1.0, vmax=1.0)
    for i, j in np.ndindex(*table.shape):
        colour = theme.text if math.isnan(table[i, j]) else text_colour(image.cmap(image.norm(table[i, j])))
        label = "–" if math.isnan(table[i, j]) else f"{table[i, j]:.2f}"
        right.text(j, i, label, ha="center", va="center", color=colour, fontsize=7)
    labels = ["\n".join(name.rsplit(" ", 1)) for name in names]
    right.set_xticks(range(len(names)), labels, fontsize=7, color=theme.text)
    right.set_yticks(range(len(names)), labels, fontsize=7, color=theme.text)
    right.set_title("rank correlation over the words\n(with rollout: of absolute values)", color=theme.text, fontsize=9)
    return figure


def draw_source_attributions(attributions: Sequence[SourceAttribution], theme: Theme = LIGHT) -> "Figure":
    """Draw the scores of the source tokens (columns) for each target token (rows), one heat map for each method."""
    rows = np.stack([shades(attribution, theme) for attribution in attributions], axis=1)  # [methods, T, S, 4]
    _, T, S, _ = rows.shape
    figure = themed_figure(min(28.0, 2 * max(3.4, 0.26 * S + 1.2)), min(28.0, 2 * max(2.2, 0.26 * T + 1.2)), theme)
    size = font_size(max(S, T))
    for axes, name, colours in zip(figure.subplots(2, 2).flat, attributions[0].scores(), rows, strict=True):
        axes.imshow(colours, interpolation="nearest")
        axes.set_xticks(range(S), [drawable(token) for token in attributions[0].tokens], rotation=90, fontsize=size)
        axes.set_yticks(range(T), [drawable(attribution.label) for attribution in attributions], fontsize=size)
        axes.tick_params(length=0, colors=theme.text)
        axes.spines[:].set_color(theme.frame)
        axes.set_title(name, color=theme.text, fontsize=9)
    legend = f"orange: for the target token, blue: against it;\n{UNSIGNED} has no sign; each row has its own scale"
    figure.supxlabel(legend, color=theme.text, fontsize=8)
    return figure


def shades(attribution: Scored, theme: Theme = LIGHT) -> np.ndarray:
    """Return the colour of each token by each method, `[methods, S, 4]`.

    The scale of a method is that of the words: [CLS] can be much larger than all of them.
    """
    words = ~np.array(attribution.special)
    rows = []
    for name, values in attribution.scores().items():
        largest = max(float(np.abs(values[words]).max(initial=0.0)), 1e-12)
        share = np.clip(values / largest, -1.0, 1.0)
        rows.append(theme.without_sign(share) if name in ("rollout", UNSIGNED) else theme.differences((share + 1) / 2))
    return np.stack(rows)


def draw_lens(lens: Lens, theme: Theme = LIGHT) -> "Figure":
    """Draw the likeliest word after each layer: rows are tokens, columns layers, colours probabilities."""
    L, S = lens.probabilities.shape[0], len(lens.tokens)
    size = font_size(S)
    figure = themed_figure(min(26.0, 1.6 + 0.95 * L), min(34.0, 1.0 + 0.26 * S), theme)
    axes = figure.add_subplot()
    likeliest = lens.probabilities[:, :, 0].T  # [S, L + 1]
    image = axes.imshow(likeliest, cmap=theme.weights, vmin=0.0, vmax=1.0, aspect="auto", interpolation="nearest")
    for s, layer in np.ndindex(S, L):
        colour = text_colour(image.cmap(image.norm(likeliest[s, layer])))
        word = lens.words[layer][s][0]
        label = drawable(cut(word, 12))
        axes.text(layer, s, label, ha="center", va="center", color=colour, fontsize=size)
    axes.set_xticks(range(L), ["embeddings", *(str(i) for i in range(1, L))], fontsize=8, color=theme.text)
    axes.xaxis.tick_top()
    axes.set_yticks(range(S), [drawable(token) for token in lens.tokens], fontsize=size, color=theme.text)
    axes.tick_params(length=0)
    axes.spines[:].set_color(theme.frame)
    axes.set_title("what each layer would predict", color=theme.text, fontsize=10)
    return figure
