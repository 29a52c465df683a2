"""The set-up of every figure. matplotlib is imported only when a figure is made."""

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minitf.files import write_bytes
from minitf.visible import visible

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def new_figure(width: float, height: float, **settings: Any) -> "Figure":
    """Return an empty figure, `width` by `height` inches, that needs no display."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", **settings)
    FigureCanvasAgg(figure)
    return figure


def drawable(text: str) -> str:
    """Escape the dollar signs of a token or name, which matplotlib reads as mathematics, and control characters."""
    return visible(text).replace("$", r"\$")


def save_figure(figure: "Figure", path: Path, dpi: int = 120) -> None:
    """Write the figure in the format of the file's ending, completely or not at all. Raises InputError if it cannot be
    written."""
    picture = io.BytesIO()
    figure.savefig(picture, format=path.suffix[1:].lower(), dpi=dpi)
    write_bytes(path, picture.getvalue())
