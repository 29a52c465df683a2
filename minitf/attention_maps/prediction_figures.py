"""Figures of a prediction: the tokens that a class depends on, and what each layer would predict."""

import math
from typing import TYPE_CHECKING

import numpy as np

from minitf.attention_maps.attribution import Attribution
from minitf.attention_maps.canvas import LIGHT, Theme, font_size, themed_figure
from minitf.attention_maps.lens import Lens
from minitf.training.figure import drawable

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_attribution(attribution: Attribution, theme: Theme = LIGHT) -> "Figure":
    """Draw the scores of the four methods, each divided by its largest absolute value, and their rank correlations."""
    S, scores = len(attribution.tokens), attribution.scores()
    figure = themed_figure(min(26.0, max(7.0, 0.26 * S + 5.0)), 4.0, theme)
    left, right = figure.subplots(1, 2, width_ratios=[max(0.26 * S, 3.0), 3.0])
    rows = np.stack([values / max(float(np.abs(values).max()), 1e-12) for values in scores.values()])
    left.imshow(rows, cmap="PuOr_r", vmin=-1.0, vmax=1.0, aspect="auto", interpolation="nearest")
    tokens = [drawable(token) for token in attribution.tokens]
    left.set_xticks(range(S), tokens, rotation=90, fontsize=font_size(S), color=theme.text)
    left.set_yticks(range(len(scores)), list(scores), fontsize=8, color=theme.text)
    left.set_title(
        f"{drawable(attribution.label)} ({attribution.probability:.3f}): orange for it, purple against it",
        color=theme.text,
        fontsize=9,
    )
    names, table = list(scores), np.eye(len(scores))
    for (a, b), value in attribution.correlations().items():
        table[names.index(a), names.index(b)] = table[names.index(b), names.index(a)] = value
    right.imshow(table, cmap="PuOr_r", vmin=-1.0, vmax=1.0)
    for i, j in np.ndindex(*table.shape):
        colour = "white" if abs(table[i, j]) > 0.6 else "black"
        label = "–" if math.isnan(table[i, j]) else f"{table[i, j]:.2f}"
        right.text(j, i, label, ha="center", va="center", color=colour, fontsize=7)
    right.set_xticks(range(len(names)), names, rotation=90, fontsize=7, color=theme.text)
    right.set_yticks(range(len(names)), names, fontsize=7, color=theme.text)
    right.set_title("rank correlation over the words\n(with rollout: of absolute values)", color=theme.text, fontsize=9)
    return figure


def draw_lens(lens: Lens, theme: Theme = LIGHT) -> "Figure":
    """Draw the likeliest word after each layer: rows are tokens, columns layers, colours probabilities."""
    L, S = lens.probabilities.shape[0], len(lens.tokens)
    size = font_size(S)
    figure = themed_figure(min(26.0, 1.6 + 0.95 * L), min(34.0, 1.0 + 0.26 * S), theme)
    axes = figure.add_subplot()
    likeliest = lens.probabilities[:, :, 0].T  # [S, L + 1]
    image = axes.imshow(likeliest, cmap=theme.colours, vmin=0.0, vmax=1.0, aspect="auto", interpolation="nearest")
    for s, layer in np.ndindex(S, L):
        red, green, blue, _ = image.cmap(image.norm(likeliest[s, layer]))
        colour = "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.55 else "white"
        word = lens.words[layer][s][0]
        label = drawable(word if len(word) <= 12 else word[:11] + "…")
        axes.text(layer, s, label, ha="center", va="center", color=colour, fontsize=size)
    axes.set_xticks(range(L), ["embeddings", *(str(i) for i in range(1, L))], fontsize=8, color=theme.text)
    axes.xaxis.tick_top()
    axes.set_yticks(range(S), [drawable(token) for token in lens.tokens], fontsize=size, color=theme.text)
    axes.tick_params(length=0)
    axes.spines[:].set_color(theme.frame)
    axes.set_title("what each layer would predict", color=theme.text, fontsize=10)
    return figure
