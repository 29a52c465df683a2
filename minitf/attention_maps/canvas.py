"""What pictures are drawn on: paper and ink, letters of every script that this machine has a font for, and the file."""

import dataclasses
import functools
import io
import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from minitf.errors import InputError
from minitf.files import write_bytes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = ("svg", "png", "pdf")
# Fonts with Chinese, Japanese and Korean, where a system has one; matplotlib's own has none.
CJK = ("Noto Sans CJK SC", "Noto Sans CJK JP", "WenQuanYi Zen Hei", "WenQuanYi Micro Hei", "SimHei", "PingFang SC")
FILES = re.compile(r"(NotoSansCJK-Regular|wqy-|SimHei|PingFang)", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class Theme:
    paper: str
    ink: str
    faint: str
    colours: str  # a colour map whose low end is near the paper


LIGHT = Theme("#ffffff", "#1a1a1a", "#b0b0b0", "Blues")
DARK = Theme("#16181d", "#e6e6e6", "#5a5f6a", "cividis")


def canvas(width: float, height: float, theme: Theme) -> "Figure":
    """An empty picture, so many inches wide and high, on the theme's paper."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained", facecolor=theme.paper)
    FigureCanvasAgg(figure)
    matplotlib.rcParams["font.family"] = ["DejaVu Sans", *_cjk_fonts()]
    return figure


def save(figure: "Figure", path: Path) -> str:
    """Write the picture; the ending says how. Gives the letters that no font here has, which are drawn as boxes.

    Raises InputError for another ending, or where the disk refuses.
    """
    kind = path.suffix.lower().removeprefix(".")
    if kind not in FORMATS:
        raise InputError(f"{path}: cannot draw a .{kind}; there are: {', '.join(FORMATS)}")
    import matplotlib

    # Letters stay letters in SVG: a browser has fonts for every script, and the text can be searched.
    picture, style = io.BytesIO(), matplotlib.rc_context({"svg.fonttype": "none"})
    with warnings.catch_warnings(record=True) as caught, style:
        warnings.filterwarnings("always", message="Glyph .* missing from")
        figure.savefig(picture, format=kind, dpi=130, facecolor=figure.get_facecolor())
    write_bytes(path, picture.getvalue())
    missing = []
    for warning in caught:
        found = re.match(r"Glyph (\d+) ", str(warning.message))
        if found is None:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
        elif kind != "svg":
            missing.append(chr(int(found[1])))
    return "".join(dict.fromkeys(missing))


def font_size(S: int) -> float:
    """In points: what fits beside each of S rows of the largest picture; readable at 10 tokens and at 128."""
    return max(4.0, min(9.0, 690.0 / max(S, 1)))


def drawable(token: str) -> str:
    """A token as a label: matplotlib would take a dollar for mathematics."""
    return token.replace("$", r"\$")


@functools.cache
def _cjk_fonts() -> tuple[str, ...]:
    """Those of CJK that are here; matplotlib's own list may be older than they are."""
    from matplotlib import font_manager

    known = font_manager.fontManager.ttflist
    if not any(font.name in CJK for font in known):
        for file in font_manager.findSystemFonts():
            if FILES.search(file):
                font_manager.fontManager.addfont(file)
    there = {font.name for font in font_manager.fontManager.ttflist}
    return tuple(name for name in CJK if name in there)
