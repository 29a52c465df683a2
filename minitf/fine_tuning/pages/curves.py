"""The curves of a run: loss, validation scores and learning rate. Many steps are averaged to keep the page small."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from minitf.fine_tuning.pages.charts import WIDTH, Axes, Line, draw_line, extent, figure, finite, legend
from minitf.fine_tuning.pages.markup import number

BUCKETS = 150  # parts of equal length into which more steps are divided
SMALLEST_SPAN = 0.1  # of the axis of a score, so that noise does not fill the chart
ONE_EPOCH = "There is only one epoch, so the validation scores have no curve."
Steps = Sequence[Mapping[str, Any]]  # the records of metrics.jsonl: step, epoch, loss, lr, …
Epochs = Sequence[Mapping[str, Any]]  # of report.json


def curves(epochs: Epochs, scores: Sequence[Mapping[str, float]], best: int, steps: Steps) -> str:
    """Draw the three charts; without `steps` the loss is drawn by epoch, and there is no learning rate.

    A curve with a single point is left out.
    """
    by_step, by_epoch = len(steps) > 1, len(epochs) > 1
    charts = [_loss_by_step(epochs, best, steps)] if by_step else [_loss_by_epoch(epochs, best)] if by_epoch else []
    charts += [_scores(epochs, scores, best)] if by_epoch else []
    charts += [_learning_rate(steps)] if by_step else []
    note = "" if by_epoch else f'<p class="soft">{ONE_EPOCH}</p>'
    return note + (f'<div class="charts">{"".join(charts)}</div>' if charts else "")


def buckets(steps: Steps, most: int = BUCKETS) -> list[Steps]:
    """Divide the steps into at most `most` parts of almost equal length."""
    n = len(steps)
    bounds = [i * n // most for i in range(most + 1)] if n > most else range(n + 1)
    return [steps[a:b] for a, b in itertools.pairwise(bounds)]


def score_lines(epochs: Epochs, scores: Sequence[Mapping[str, float]], first_style: int = 0) -> list[Line]:
    """Return a line for each validation score."""
    lines = []
    for n, name in enumerate(scores[0] if scores else ()):
        points = finite((e["epoch"], s.get(name)) for e, s in zip(epochs, scores, strict=True))
        titles = [f"epoch {x:g}: {name} {number(y)}" for x, y in points]
        lines.append(Line(name, points, first_style + n, titles))
    return lines


def _loss_by_step(epochs: Epochs, best: int, steps: Steps) -> str:
    parts = buckets(steps)
    means = [(_middle(part), _mean(part, "loss")) for part in parts]
    ends = {step["epoch"]: step["step"] for step in steps}  # a damaged metrics.jsonl may have lost some
    train = Line("train, each step" if len(parts) == len(steps) else "train, mean of steps", means, 6, has_dots=False)
    lines = _losses(epochs, ends)
    values = [y for line in (train, *lines) for _, y in line.points]
    axes = Axes((0.0, steps[-1]["step"]), (0.0, extent(values)[1]))
    marks = [_mark(axes, ends[best], "best")] if best in ends else []
    drawing = (
        axes.draw("step", "", whole=True) + "".join(marks) + _band(axes, parts) + draw_line(axes, train, thin=True)
    )
    drawing += _hits(axes, parts) + "".join(draw_line(axes, line) for line in lines)
    return figure("Loss", _described(lines), drawing, legend([train, *lines]))


def _loss_by_epoch(epochs: Epochs, best: int) -> str:
    lines = _losses(epochs, {e["epoch"]: e["epoch"] for e in epochs})
    values = [y for line in lines for _, y in line.points]
    axes = Axes(_epoch_range(epochs), (0.0, extent(values)[1]))
    drawing = axes.draw("epoch", "", whole=True) + _mark(axes, best, "best")
    return figure("Loss", _described(lines), drawing + "".join(draw_line(axes, line) for line in lines), legend(lines))


def _losses(epochs: Epochs, at: Mapping[int, int]) -> list[Line]:
    """Return the lines of the training and the validation loss; `at` has the place of each epoch on the x axis."""
    lines = []
    for style, (name, values) in enumerate(
        (("train, mean of the epoch", {e["epoch"]: e["train_loss"] for e in epochs}),
         ("validation", {e["epoch"]: e["valid"]["loss"] for e in epochs}))
    ):  # fmt: skip
        found = [(n, point) for n in values if n in at for point in finite([(at[n], values[n])])]
        titles = [f"epoch {n}: {name.split(',')[0]} loss {number(float(y))}" for n, (_, y) in found]
        lines.append(Line(name, [point for _, point in found], style, titles))
    return lines


def _scores(epochs: Epochs, scores: Sequence[Mapping[str, float]], best: int) -> str:
    lines = score_lines(epochs, scores)
    axes = Axes(_epoch_range(epochs), score_range(y for line in lines for _, y in line.points))
    drawing = axes.draw("epoch", "", whole=True) + _mark(axes, best, "best")
    drawing += "".join(draw_line(axes, line) for line in lines)
    return figure("Validation scores", _described(lines), drawing, legend(lines))


def score_range(values: Any) -> tuple[float, float]:
    """Return the range of an axis for scores: at least `SMALLEST_SPAN`, and not beyond 0 and 1 if no score is."""
    found = list(values)
    low, high = extent(found, margin=0.1)
    middle, half = (low + high) / 2, SMALLEST_SPAN / 2 * max(1.0, abs(high))
    low, high = min(low, middle - half), max(high, middle + half)
    if found and min(found) >= 0.0:
        low = max(0.0, low)
    if found and max(found) <= 1.0:
        high = min(1.0, high)
    return low, high


def _learning_rate(steps: Steps) -> str:
    parts = buckets(steps)
    line = Line("learning rate", [(part[-1]["step"], part[-1]["lr"]) for part in parts], 4, has_dots=False)
    axes = Axes((0.0, steps[-1]["step"]), (0.0, extent(y for _, y in line.points)[1]))
    hits = "".join(_hit(axes, part, f"step {part[-1]['step']}: learning rate {part[-1]['lr']:.4g}") for part in parts)
    peak = f"at most {max(y for _, y in line.points):.4g}"
    return figure("Learning rate", peak, axes.draw("step", "", whole=True) + draw_line(axes, line) + hits)


def _epoch_range(epochs: Epochs) -> tuple[float, float]:
    first, last = epochs[0]["epoch"], epochs[-1]["epoch"]
    return (first, last) if first < last else (first - 0.5, last + 0.5)


def _described(lines: Sequence[Line]) -> str:
    return ", ".join(f"{line.name} {number(float(line.points[-1][1]))} at the end" for line in lines if line.points)


def _mark(axes: Axes, x: float, text: str) -> str:
    """Draw a vertical line with a word: the best epoch."""
    (x, bottom), (_, top) = axes.at(x, axes.y[0]), axes.at(x, axes.y[1])
    side = 'text-anchor="end"' if x > 0.85 * WIDTH else ""
    label = f'<text x="{x + (-4 if side else 4):g}" y="{bottom - 5:g}" {side}>{text}</text>'
    return f'<line class="mark" x1="{x:g}" y1="{top:g}" x2="{x:g}" y2="{bottom:g}"/>{label}'


def _middle(part: Steps) -> float:
    return float(part[0]["step"] + part[-1]["step"]) / 2


def _mean(part: Steps, name: str) -> float:
    return float(sum(step[name] for step in part)) / len(part)


def _band(axes: Axes, parts: Sequence[Steps]) -> str:
    """Draw the lowest and the highest loss of the steps in each part."""
    if all(len(part) == 1 for part in parts):
        return ""
    top = axes.y[1]
    highest = [(_middle(part), min(top, max(step["loss"] for step in part))) for part in parts]
    lowest = [(_middle(part), min(step["loss"] for step in part)) for part in reversed(parts)]
    return f'<polygon class="band s6" points="{axes.path([*highest, *lowest])}"/>'


def _hits(axes: Axes, parts: Sequence[Steps]) -> str:
    """Draw invisible columns that show the loss of the steps below them."""
    return "".join(
        _hit(axes, part, f"step {part[0]['step']}: loss {number(float(part[0]['loss']))}"
             if len(part) == 1 else
             f"steps {part[0]['step']} to {part[-1]['step']}: mean loss {number(_mean(part, 'loss'))}")
        for part in parts
    )  # fmt: skip


def _hit(axes: Axes, part: Steps, title: str) -> str:
    (left, top), (right, bottom) = axes.at(part[0]["step"] - 1, axes.y[1]), axes.at(part[-1]["step"], axes.y[0])
    box = f'x="{left:g}" y="{top:g}" width="{max(0.5, right - left):g}" height="{bottom - top:g}"'
    return f'<rect class="hit" {box}><title>{title}</title></rect>'
