"""Draw the differences between minitf and the reference as a figure."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from minitf.proof.divergence import Row
from minitf.training.figure import drawable, new_figure, save_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SMALLEST, LARGEST = 1e-18, 1e3  # the range of the logarithmic axis


def draw(rows: Sequence[Row], path: Path, title: str) -> None:
    """Plot the relative difference of every tensor, on a logarithmic scale, in the order of computation."""
    stages = list(dict.fromkeys(row.stage for row in rows))
    parts = [[row for row in rows if row.stage == stage] for stage in stages]
    figure = new_figure(11, 3.6)
    figure.suptitle(f"minitf and transformers: {drawable(title)}", fontsize="medium")
    axes = figure.subplots(1, len(stages), sharey=True, squeeze=False, width_ratios=[len(part) for part in parts])[0]
    for axis, stage, part in zip(axes, stages, parts, strict=True):
        _draw_stage(axis, stage, part)
    axes[0].set_ylabel("largest difference /\nlargest value", fontsize="small")
    axes[0].annotate(
        "tolerance", (0.02, rows[0].tolerance), xycoords=("axes fraction", "data"), va="bottom", fontsize="x-small"
    )
    save_figure(figure, path, dpi=110)


def _draw_stage(axis: "Axes", stage: str, rows: Sequence[Row]) -> None:
    heights = [min(max(row.relative, SMALLEST), LARGEST) for row in rows]
    colours = ["#1f77b4" if row.within_tolerance else "#d62728" for row in rows]
    axis.scatter(range(len(rows)), heights, s=9, c=colours)
    axis.axhline(rows[0].tolerance, color="0.4", linestyle="--", linewidth=1)
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
