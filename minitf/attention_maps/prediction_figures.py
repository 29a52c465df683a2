"""Pictures of what a model predicts: which tokens a class rests on, and what each layer would put in a word's place."""

import math
from typing import TYPE_CHECKING

import numpy as np

from minitf.attention_maps.attribution import Attribution
from minitf.attention_maps.canvas import LIGHT, Theme, canvas, drawable, font_size
from minitf.attention_maps.lens import Lens

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def explain(found: Attribution, theme: Theme = LIGHT) -> "Figure":
    """The four methods side by side over the tokens, each scaled by its largest value, and their rank correlations."""
    S, scores = len(found.tokens), found.scores()
    figure = canvas(min(26.0, max(7.0, 0.26 * S + 5.0)), 4.0, theme)
    left, right = figure.subplots(1, 2, width_ratios=[max(0.26 * S, 3.0), 3.0])
    rows = np.stack([values / max(float(np.abs(values).max()), 1e-12) for values in scores.values()])
    left.imshow(rows, cmap="PuOr_r", vmin=-1.0, vmax=1.0, aspect="auto", interpolation="nearest")
    tokens = [drawable(token) for token in found.tokens]
    left.set_xticks(range(S), tokens, rotation=90, fontsize=font_size(S), color=theme.ink)
    left.set_yticks(range(len(scores)), list(scores), fontsize=8, color=theme.ink)
    left.set_title(f"for {found.label!r} ({found.probability:.3f}); orange against blue", color=theme.ink, fontsize=9)
    names, table = list(scores), np.eye(len(scores))
    for (a, b), value in found.correlations().items():
        table[names.index(a), names.index(b)] = table[names.index(b), names.index(a)] = value
    right.imshow(table, cmap="PuOr_r", vmin=-1.0, vmax=1.0)
    for i, j in np.ndindex(*table.shape):
        ink = "white" if abs(table[i, j]) > 0.6 else "black"
        said = "–" if math.isnan(table[i, j]) else f"{table[i, j]:.2f}"
        right.text(j, i, said, ha="center", va="center", color=ink, fontsize=7)
    right.set_xticks(range(len(names)), names, rotation=90, fontsize=7, color=theme.ink)
    right.set_yticks(range(len(names)), names, fontsize=7, color=theme.ink)
    right.set_title("rank correlation over the words\n(with rollout: of the sizes)", color=theme.ink, fontsize=9)
    return figure


def lens(found: Lens, theme: Theme = LIGHT) -> "Figure":
    """The likeliest word after each layer, a row for each token of the text; the deeper the colour, the surer."""
    L, S = found.probabilities.shape[0], len(found.readings)
    size = font_size(S)
    figure = canvas(min(26.0, 1.6 + 0.95 * L), min(34.0, 1.0 + 0.26 * S), theme)
    axes = figure.add_subplot()
    likeliest = found.probabilities[:, :, 0].T  # [S, L + 1]
    image = axes.imshow(likeliest, cmap=theme.colours, vmin=0.0, vmax=1.0, aspect="auto", interpolation="nearest")
    for s, layer in np.ndindex(S, L):
        red, green, blue, _ = image.cmap(image.norm(likeliest[s, layer]))
        ink = "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.55 else "white"
        word = found.words[layer][s][0]
        said = drawable(word if len(word) <= 12 else word[:11] + "…")
        axes.text(layer, s, said, ha="center", va="center", color=ink, fontsize=size)
    axes.set_xticks(range(L), ["embeddings", *(str(i) for i in range(1, L))], fontsize=8, color=theme.ink)
    axes.xaxis.tick_top()
    axes.set_yticks(range(S), [drawable(token) for token in found.readings], fontsize=size, color=theme.ink)
    axes.tick_params(length=0)
    axes.spines[:].set_color(theme.faint)
    axes.set_title("what each layer would predict", color=theme.ink, fontsize=10)
    return figure
