"""The base of every figure: a light or a dark theme, fonts for Chinese, Japanese and Korean text, and saving."""

import dataclasses
import functools
import re
import unicodedata
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from minitf.errors import InputError
from minitf.training.figure import drawable, drawing, new_figure, save_figure

if TYPE_CHECKING:
    from matplotlib.colors import Colormap
    from matplotlib.figure import Figure

FORMATS = ("svg", "png", "pdf")
# Fonts for Chinese, Japanese and Korean that systems have; matplotlib's default font has none of these characters.
CJK = ("Noto Sans CJK SC", "Noto Sans CJK JP", "WenQuanYi Zen Hei", "WenQuanYi Micro Hei", "SimHei", "PingFang SC")
FILES = re.compile(r"(NotoSansCJK-Regular|wqy-|SimHei|PingFang)", re.IGNORECASE)


DPI = 200


@dataclasses.dataclass(frozen=True)
class Theme:
    """The colours of the page (`data/page/page.css`), so that figures and the page show the same."""

    background: str
    text: str
    frame: str
    line: str
    ramp: tuple[str, ...]  # of weights, from 0
    less: tuple[str, ...]  # of negative values, from the lowest
    more: tuple[str, ...]  # of positive values, to the highest
    neutral: tuple[str, ...]  # of scores without a sign, from 0

    @property
    def weights(self) -> "Colormap":
        return _colour_map(self.ramp)

    @property
    def differences(self) -> "Colormap":
        return _colour_map((*self.less, self.background, *self.more))

    @property
    def without_sign(self) -> "Colormap":
        return _colour_map(self.neutral)


LIGHT = Theme(
    background="#ffffff",
    text="#1c2024",
    frame="#b0b0b0",
    line="#1a5ca8",
    ramp=("#ffffff", "#d3e4f4", "#86b6e0", "#2f74b9", "#0a2d5e"),
    less=("#0a3f7d", "#5f9fd4"),
    more=("#f0a25c", "#8a3800"),
    neutral=("#ffffff", "#c3c7cb", "#5b6167"),
)
DARK = Theme(
    background="#1a1d23",
    text="#e9e7e2",
    frame="#5a5f6a",
    line="#7fb4ee",
    ramp=("#1a1d23", "#1f3d5e", "#2f74ae", "#79b8ea", "#f2f8ff"),
    less=("#9ccaf5", "#2f74ae"),
    more=("#a85a1c", "#ffc48a"),
    neutral=("#1a1d23", "#5a606a", "#c9cdd3"),
)


def _colour_map(stops: tuple[str, ...]) -> "Colormap":
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("minitf", stops)


def text_colour(background: Sequence[float] | np.ndarray) -> str:
    """Return black or white, whichever has the higher contrast to an RGB colour with values from 0 to 1 (WCAG 2.2)."""
    red, green, blue = (x / 12.92 if x <= 0.04 else ((x + 0.055) / 1.055) ** 2.4 for x in background[:3])
    return "black" if 0.2126 * red + 0.7152 * green + 0.0722 * blue > 0.179 else "white"


def themed_figure(width: float, height: float, theme: Theme) -> "Figure":
    """Return an empty figure, `width` by `height` inches, with the background of the theme."""
    figure = new_figure(width, height, facecolor=theme.background)
    with drawing():
        import matplotlib

        matplotlib.rcParams["font.family"] = ["DejaVu Sans", *_cjk_fonts()]
    return figure


def entitle(figure: "Figure", theme: Theme, name: str, *texts: str | None) -> None:
    """Write the model and the texts above a figure, each text on at most two lines, and make the figure taller."""
    size = 9.0
    width = figure.get_figwidth() * 72 - 16
    lines = _lines(short_name(name), width, size + 1)
    for text in texts:
        lines += _lines(text, width, size) if text else []
    figure.set_figheight(figure.get_figheight() + 0.19 * len(lines))
    figure.suptitle("\n".join(map(drawable, lines)), fontsize=size, color=theme.text)


def _lines(text: str, width: float, size: float, most: int = 2) -> list[str]:
    """Break a text into at most `most` lines of `width` points; what does not fit ends in "…"."""
    lines: list[str] = []
    line = ""
    for part in re.findall(r"\s+|[\u2e80-\uffff]|[^\s\u2e80-\uffff]{1,40}", text):
        if line and _width(line + part + "…", size) > width:
            if len(lines) == most - 1:
                line = line.rstrip() + "…"
                break
            lines.append(line.rstrip())
            line = ""
        line += part if line or part.strip() else ""
    return [*lines, line.rstrip()]


def _width(text: str, size: float) -> float:
    """Return an upper bound of the width of a text in points."""
    wide = [unicodedata.east_asian_width(character) in "WF" for character in text]
    letters = [0.92 if character.isupper() or character in "mw@%…—" else 0.6 for character in text]
    return size * sum(1.1 if w else letter for w, letter in zip(wide, letters, strict=True))


def short_name(name: str) -> str:
    """Return the last two parts of a path: "reviews-1/best"."""
    return "/".join(re.split(r"[\\/]", name.rstrip("\\/"))[-2:])


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
        save_figure(figure, path, dpi=DPI)
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
