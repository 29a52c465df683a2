"""The set-up of every figure. matplotlib is imported only when a figure is made.

If a picture cannot be drawn (matplotlib is missing, its settings are invalid, it finds no folder for its font cache),
the functions raise PictureError. Where the picture is not the result, `warned` turns the error into a warning.
"""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minitf.errors import InputError
from minitf.files import write_bytes
from minitf.visible import visible

if TYPE_CHECKING:
    from matplotlib.figure import Figure


# The colours of the attention page (data/page/page.css), so that all figures have one palette.
BLUE, PALE_BLUE, ORANGE, GREY = "#1a5ca8", "#86b6e0", "#b4500a", "#63696f"


class PictureError(InputError):
    """A picture cannot be drawn."""


def new_figure(width: float, height: float, **settings: Any) -> "Figure":
    """Return an empty figure, `width` by `height` inches, that needs no display."""
    with drawing():
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        figure = Figure(figsize=(width, height), layout="constrained", **settings)
        FigureCanvasAgg(figure)
        return figure


def drawable(text: str) -> str:
    """Escape the dollar signs of a token or name, which matplotlib reads as mathematics, and control characters."""
    return visible(text).replace("$", r"\$")


def save_figure(figure: "Figure", path: Path, dpi: int = 200) -> None:
    """Write the figure in the format of the file's ending, completely or not at all. Raises InputError if it cannot be
    written."""
    picture = io.BytesIO()
    with drawing():
        figure.savefig(picture, format=path.suffix[1:].lower(), dpi=dpi)
    write_bytes(path, picture.getvalue())


@contextmanager
def drawing() -> Iterator[None]:
    """Turn an error of matplotlib inside the block into a PictureError."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        why = " ".join(f"{type(error).__name__}: {error}".split())
        raise PictureError(
            f"no picture can be drawn ({why:.200}): install matplotlib, unset MPLBACKEND, and set MPLCONFIGDIR to a"
            " folder that can be written"
        ) from error


@contextmanager
def warned(say: Callable[[str], None], name: str) -> Iterator[None]:
    """Turn an error in the drawing of the picture `name` inside the block into a warning; not one of the disk."""
    try:
        with drawing():
            yield
    except PictureError as error:
        say(f"warning: {name} is missing: {error}")
