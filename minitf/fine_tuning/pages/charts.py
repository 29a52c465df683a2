"""Charts as SVG inside the page: lines, points and bars in the colours of the theme, with values on hover."""

import dataclasses
import math
from collections.abc import Iterable, Sequence

from minitf.fine_tuning.pages.markup import escape, isolated, short

WIDTH, HEIGHT = 340, 220
LEFT, RIGHT, TOP, BOTTOM = 48, 10, 8, 36  # margins of the plot
COLOURS, DASHES = 8, 4
Point = tuple[float, float]


@dataclasses.dataclass(frozen=True)
class Line:
    """A curve. `style` selects the colour and the dashes; `titles` are the texts on hover, one per point."""

    name: str
    points: Sequence[Point]
    style: int = 0
    titles: Sequence[str] = ()
    has_dots: bool = True
    in_legend: bool = True

    @property
    def classes(self) -> str:
        return f"s{self.style % COLOURS} d{(self.style + self.style // COLOURS) % DASHES}"


@dataclasses.dataclass(frozen=True)
class Axes:
    """The plot area: `x` and `y` are the lowest and the highest value."""

    x: Point
    y: Point

    def at(self, x: float, y: float) -> Point:
        """Return the position of a value in the picture."""
        (x0, x1), (y0, y1) = self.x, self.y
        across = LEFT + (WIDTH - LEFT - RIGHT) * (x - x0) / ((x1 - x0) or 1.0)
        return round(across, 1), round(HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * (y - y0) / ((y1 - y0) or 1.0), 1)

    def path(self, points: Iterable[Point]) -> str:
        return " ".join(f"{x:g},{y:g}" for x, y in (self.at(*point) for point in points))

    def draw(self, x_name: str, y_name: str, *, whole: bool) -> str:
        """Draw the grid and the numbers of the axes; `whole`: only integers on the x axis."""
        parts = []
        for value in ticks(*self.y):
            x, y = self.at(self.x[0], value)
            parts.append(f'<line class="grid" x1="{x:g}" y1="{y:g}" x2="{WIDTH - RIGHT}" y2="{y:g}"/>')
            parts.append(f'<text x="{LEFT - 5}" y="{y + 4:g}" text-anchor="end">{value:.6g}</text>')
        for value in ticks(*self.x, whole=whole):
            x, _ = self.at(value, self.y[0])
            parts.append(f'<text x="{x:g}" y="{HEIGHT - BOTTOM + 15}" text-anchor="middle">{value:.6g}</text>')
        middle = (LEFT + WIDTH - RIGHT) / 2
        parts.append(f'<text x="{middle:g}" y="{HEIGHT - 5}" text-anchor="middle">{escape(x_name)}</text>')
        if y_name:
            place = f'transform="rotate(-90)" x="{-(HEIGHT - BOTTOM + TOP) / 2:g}" y="10"'
            parts.append(f'<text {place} text-anchor="middle">{escape(y_name)}</text>')
        left, bottom = self.at(self.x[0], self.y[0])
        parts.append(f'<path class="axis" d="M{left:g} {TOP}V{bottom:g}H{WIDTH - RIGHT}"/>')
        return "".join(parts)


def ticks(low: float, high: float, *, whole: bool = False, most: int = 6) -> list[float]:
    """Return round numbers from `low` to `high`, at most `most`."""
    if not low < high:
        return [low]
    raw = (high - low) / most
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(s * power for s in (1, 2, 2.5, 5, 10) if s * power >= raw * (1 - 1e-9))
    if whole:
        step = max(1.0, math.ceil(step))
    first = math.ceil(low / step - 1e-9)
    found = (step * n for n in range(first, first + most + 2))
    return [0.0 if abs(value) < step / 1e6 else value for value in found if value <= high + step * 1e-9]


def finite(points: Iterable[tuple[float | None, float | None]]) -> list[Point]:
    """Return the points whose numbers are finite."""
    return [(x, y) for x, y in points if x is not None and y is not None and math.isfinite(x) and math.isfinite(y)]


def extent(values: Iterable[float], *, margin: float = 0.05) -> Point:
    """Return the lowest and the highest value with a margin; a range also if all are equal."""
    found = list(values) or [0.0, 1.0]
    low, high = min(found), max(found)
    room = (high - low) * margin or abs(high) * margin or 1.0
    return low - room, high + room


def thinned(line: Line, most: int = 100) -> Line:
    """Return at most `most` points of a line, with the first and the last."""
    n = len(line.points)
    if n <= most:
        return line
    kept = sorted({round(i * (n - 1) / (most - 1)) for i in range(most)})
    titles = [line.titles[i] for i in kept] if line.titles else ()
    return dataclasses.replace(line, points=[line.points[i] for i in kept], titles=titles)


def draw_line(axes: Axes, line: Line, *, thin: bool = False) -> str:
    """Draw a curve, its dots, and a larger invisible area around each dot, which shows the title."""
    parts = [f'<polyline class="curve {"thin " * thin}{line.classes}" points="{axes.path(line.points)}"/>']
    shown = thinned(line)
    for n, point in enumerate(shown.points if line.has_dots else ()):
        x, y = axes.at(*point)
        title = f"<title>{escape(shown.titles[n])}</title>" if shown.titles else ""
        colour = line.classes.split()[0]
        hit = f'<circle class="hit" cx="{x:g}" cy="{y:g}" r="9"/>'
        parts.append(f'<g class="{colour}">{title}{hit}<circle class="dot" cx="{x:g}" cy="{y:g}" r="3.5"/></g>')
    return "".join(parts)


def legend(lines: Sequence[Line]) -> str:
    """Name the lines of a chart."""
    items = (f"<li>{swatch(line)}{isolated(short(line.name))}</li>" for line in lines if line.in_legend)
    return f'<ul class="legend">{"".join(items)}</ul>'


def swatch(line: Line) -> str:
    """Draw a short piece of a line, by which it is recognized."""
    path = f'<path class="curve {line.classes}" d="M0 6H28"/>'
    return f'<svg class="swatch" viewBox="0 0 28 12" aria-hidden="true">{path}</svg>'


def figure(title: str, description: str, drawing: str, below: str = "") -> str:
    """Wrap a drawing as a figure with its title; `description` is for people who do not see it."""
    label = escape(short(f"{title}: {description}", 200))
    svg = f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{label}">{drawing}</svg>'
    return f"<figure><figcaption>{escape(title)}</figcaption>{svg}{below}</figure>"
