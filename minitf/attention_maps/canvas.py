"""The base of every figure: a light or a dark theme, fonts for Chinese, Japanese and Korean text, and saving."""

import dataclasses
import functools
import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from minitf.errors import InputError
from minitf.training.figure import drawing, new_figure, save_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FORMATS = ("svg", "png", "pdf")
# Fonts for Chinese, Japanese and Korean that systems have; matplotlib's default font has none of these characters.
CJK = ("Noto Sans CJK SC", "Noto Sans CJK JP", "WenQuanYi Zen Hei", "WenQuanYi Micro Hei", "SimHei", "PingFang SC")
FILES = re.compile(r"(NotoSansCJK-Regular|wqy-|SimHei|PingFang)", re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class Theme:
    background: str
    text: str
    frame: str
    colours: str  # a colour map that begins near the background


LIGHT = Theme("#ffffff", "#1a1a1a", "#b0b0b0", "Blues")
DARK = Theme("#16181d", "#e6e6e6", "#5a5f6a", "cividis")


def themed_figure(width: float, height: float, theme: Theme) -> "Figure":
    """Return an empty figure, `width` by `height` inches, with the background of the theme."""
    figure = new_figure(width, height, facecolor=theme.background)
    with drawing():
        import matplotlib

        matplotlib.rcParams["font.family"] = ["DejaVu Sans", *_cjk_fonts()]
    return figure


def save(figure: "Figure", path: Path) -> str:
    """Write the figure in the format of the file's ending. Return the characters that no installed font has; they are
    drawn as boxes.

    Raises InputError for another ending, or if the file cannot be written.
    """
    kind = path.suffix.lower().removeprefix(".")
    if kind not in FORMATS:
        raise InputError(f"{path}: cannot write .{kind}; the formats are {', '.join(FORMATS)}")
    import matplotlib

    # SVG keeps text as text: a browser has fonts for every script, and the text can be searched.
    with warnings.catch_warnings(record=True) as caught, matplotlib.rc_context({"svg.fonttype": "none"}):
        warnings.filterwarnings("always", message="Glyph .* missing from")
        save_figure(figure, path, dpi=130)
    missing = []
    for warning in caught:
        glyph = re.match(r"Glyph (\d+) ", str(warning.message))
        if glyph is None:
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
        elif kind != "svg":
            missing.append(chr(int(glyph[1])))
    return "".join(dict.fromkeys(missing))


def font_size(S: int) -> float:
    """Return the size in points that fits beside each of S rows of the largest figure."""
    return max(4.0, min(9.0, 690.0 / max(S, 1)))


@functools.cache
def _cjk_fonts() -> tuple[str, ...]:
    """Return the fonts of CJK that are installed, also those that matplotlib's cached list lacks."""
    from matplotlib import font_manager

    known = font_manager.fontManager.ttflist
    if not any(font.name in CJK for font in known):
        for file in font_manager.findSystemFonts():
            if FILES.search(file):
                font_manager.fontManager.addfont(file)
    installed = {font.name for font in font_manager.fontManager.ttflist}
    return tuple(name for name in CJK if name in installed)
