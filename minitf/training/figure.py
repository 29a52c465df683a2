"""The set-up of every figure. matplotlib is imported only when a figure is made."""

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minitf.files import write_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure


# The colours of the attention page (data/page/page.css), so that all figures have one palette.
BLUE, PALE_BLUE, ORANGE, GREY = "#1a5ca8", "#86b6e0", "#b4500a", "#63696f"


def new_figure(width: float, height: float, **settings: Any) -> "Figure":
    """Return an empty figure, `width` by `height` inches, that needs no display."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", **settings)
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: "Figure", path: Path, dpi: int = 200) -> None:
    """Write the figure in the format of the file's ending, completely or not at all. Raises InputError if it cannot be
    written."""
    picture = io.BytesIO()
    figure.savefig(picture, format=path.suffix[1:].lower(), dpi=dpi)
    write_bytes(path, picture.getvalue())
