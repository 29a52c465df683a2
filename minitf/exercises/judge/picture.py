"""Draw a learner's result beside the target. Functions import matplotlib: only a picture needs it."""

from typing import TYPE_CHECKING, Any

import numpy as np

from minitf.exercises.judge.comparison import as_array

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

MOST_ANNOTATED = 36  # the size of an array up to which the picture shows its numbers


def draw(mine: Any, target: Any, name: str) -> "Figure | None":
    """Draw three colour maps side by side, of the last two axes; None if the values are not numbers or too few."""
    try:
        x, t = (as_array(value) for value in (mine, target))
        if x.dtype.kind == "c":
            return None
        x, t = x.astype(float), t.astype(float)
    except Exception:  # an object of the learner may raise anything here
        return None
    if t.size < 4 or x.size < 2 or t.ndim == 0 or x.ndim == 0:
        return None
    from matplotlib.figure import Figure

    x, t = (_two_axes(array) for array in (x, t))
    panels = {"yours": x, "target": t} | ({"yours − target": x - t} if x.shape == t.shape else {})
    figure = Figure(figsize=(2.6 * len(panels), 2.4), layout="constrained")
    finite = np.concatenate([x[np.isfinite(x)], t[np.isfinite(t)]])
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 1.0)
    for axes, (title, array) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
        if title in ("yours", "target"):
            image = axes.imshow(array, cmap="viridis", vmin=low, vmax=high, aspect="auto")
        else:
            most = np.nanmax(np.abs(array[np.isfinite(array)]), initial=0.0) or 1.0
            image = axes.imshow(array, cmap="RdBu", vmin=-most, vmax=most, aspect="auto")
        axes.set_title(title, fontsize=9)
        _label(axes, image, array)
        figure.colorbar(image, ax=axes).ax.tick_params(labelsize=7)
    figure.suptitle(name, fontsize=10)
    return figure


def _label(axes: "Axes", image: "AxesImage", array: Any) -> None:
    """Number the axes, and write the numbers of a small array into its cells."""
    from matplotlib.ticker import MaxNLocator

    axes.tick_params(labelsize=7)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    if len(array) == 1:
        axes.set_yticks([])
    for (row, column), number in np.ndenumerate(array) if array.size <= MOST_ANNOTATED else ():
        red, green, blue, _ = image.cmap(image.norm(number))
        light = 0.3 * red + 0.6 * green + 0.1 * blue > 0.5  # the brightness of the cell
        axes.text(column, row, f"{number:.3g}", ha="center", va="center", fontsize=7, color="0.1" if light else "0.95")


def _two_axes(array: Any) -> Any:
    """Reshape to two axes: the last one, and all others together."""
    return array.reshape(1, -1) if array.ndim == 1 else array.reshape(-1, array.shape[-1])
