"""Draw the differences between minitf and the reference as a figure."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minitf.proof.divergence import Row
from minitf.training.figure import drawable, drawing, new_figure, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SMALLEST, LARGEST = 1e-18, 1e3  # the range of the logarithmic axis; 0 is drawn at SMALLEST


@dataclasses.dataclass(frozen=True)
class Theme:
    """The colours of a figure."""

    background: str
    text: str
    tolerance: str
    within: str
    beyond: str


LIGHT = Theme("#ffffff", "#1c2024", "#666666", "#1f77b4", "#d62728")
DARK = Theme("#1a1d23", "#e9e7e2", "#a0a4ab", "#7fb4ee", "#ff7b72")


def draw(rows: Sequence[Row], path: Path, title: str, theme: Theme = LIGHT) -> None:
    """Plot the relative difference of every tensor, on a logarithmic scale, in the order of computation.

    The dashed line is the tolerance; a key bias has its own, a short line above its point.
    """
    with drawing():
        from matplotlib import rc_context

        text = ("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color")
        background = ("figure.facecolor", "axes.facecolor", "savefig.facecolor")
        colours: Any = dict.fromkeys(text, theme.text) | dict.fromkeys(background, theme.background)
        with rc_context(colours):
            _draw(rows, path, title, theme)


def _draw(rows: Sequence[Row], path: Path, title: str, theme: Theme) -> None:
    stages = list(dict.fromkeys(row.stage for row in rows))
    parts = [[row for row in rows if row.stage == stage] for stage in stages]
    figure = new_figure(11, 3.6)
    figure.suptitle(f"minitf and transformers: {drawable(title)}", fontsize="medium")
    axes = figure.subplots(1, len(stages), sharey=True, squeeze=False, width_ratios=[len(part) for part in parts])[0]
    for axis, stage, part in zip(axes, stages, parts, strict=True):
        _draw_stage(axis, stage, part, theme)
    axes[0].set_ylabel("largest difference /\nlargest value of the tensor", fontsize="small")
    axes[0].annotate(
        "tolerance", (0.02, rows[0].tolerance), xycoords=("axes fraction", "data"), va="bottom", fontsize="x-small"
    )
    save_figure(figure, path, dpi=110)


def _draw_stage(axis: "Axes", stage: str, rows: Sequence[Row], theme: Theme) -> None:
    heights = [min(max(row.relative, SMALLEST), LARGEST) for row in rows]
    colours = [theme.within if row.within_tolerance else theme.beyond for row in rows]
    axis.scatter(range(len(rows)), heights, s=9, c=colours)
    axis.axhline(rows[0].tolerance, color=theme.tolerance, linestyle="--", linewidth=1)
    own = [(i, row.tolerance) for i, row in enumerate(rows) if row.tolerance != rows[0].tolerance]
    axis.scatter([i for i, _ in own], [tolerance for _, tolerance in own], s=16, marker="_", color=theme.tolerance)
    axis.set(title=stage, yscale="log", xlabel="tensor")
    starts = _layer_starts([row.label for row in rows])
    axis.set_xticks(list(starts.values()), list(starts), rotation=60, ha="right", fontsize="x-small")


def _layer_starts(labels: Sequence[str]) -> dict[str, int]:
    """Map each layer to the index of its first tensor, leaving out those whose names would overlap."""
    starts: dict[str, int] = {}
    for i, label in enumerate(labels):
        pieces = label.split(".")
        name = f"layer {int(pieces[2]) + 1}" if pieces[0] == "encoder" else pieces[0]
        crowded = any(abs(i - other) < len(labels) / 30 for other in starts.values())
        if name not in starts and not crowded:
            starts[name] = i
    return starts
