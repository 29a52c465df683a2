"""Charts of the predictions: calibration of probabilities, and predicted against true numbers."""

from collections.abc import Mapping
from typing import Any

from minitf.fine_tuning.pages.charts import Axes, Point, extent, figure, finite
from minitf.fine_tuning.pages.markup import number, table


def calibration(content: Mapping[str, Any]) -> str:
    """Draw the reliability diagram, with its numbers as a table."""
    axes, bins = Axes((0.0, 1.0), (0.0, 1.0)), [b for b in content["bins"] if b["count"]]
    parts = [axes.draw(content["x"], content["y"], whole=False)]
    for b in bins:
        (left, top), (right, bottom) = axes.at(b["low"], b["share"]), axes.at(b["high"], 0.0)
        title = (
            f"{b['low']:g} to {b['high']:g}: {b['count']:,} predictions, mean probability {b['probability']:.3f},"
            f" share {b['share']:.3f}"
        )
        box = f'x="{left + 1:g}" y="{top:g}" width="{right - left - 2:g}" height="{bottom - top:g}"'
        x, y = axes.at(b["probability"], b["share"])
        dot = f'<circle class="dot" cx="{x:g}" cy="{y:g}" r="3.5"/>'
        parts.append(f'<g class="s0"><title>{title}</title><rect class="bar" {box}/>{dot}</g>')
    parts.append(_diagonal(axes))
    error = f"expected calibration error {number(content['error'])}"
    chart = figure("Reliability diagram", error, "".join(parts))
    rows = [
        [f"{b['low']:g} to {b['high']:g}", f"{b['count']:,}", f"{b['probability']:.4f}", f"{b['share']:.4f}"]
        for b in bins
    ]
    numbers = table("Calibration by probability", ["probability", "count", "mean", "share"], rows)
    note = (
        f"<p>Expected calibration error <b>{number(content['error'])}</b>: the mean absolute difference"
        " between the mean probability and the measured share of a bar (Guo et al. 2017)."
        ' <span class="soft">Bars on the dashed line are perfectly calibrated. Above the line the model is right more'
        " often than its probability says: it is underconfident. Below the line it is right less often: it is"
        " overconfident.</span></p>"
    )
    return f'{note}<div class="charts">{chart}<details><summary>Numbers</summary>{numbers}</details></div>'


def scatter(content: Mapping[str, Any]) -> str:
    """Draw the predicted against the true numbers."""
    points: list[Point] = finite((true, predicted) for true, predicted in content["pairs"])
    both = extent(value for point in points for value in point)
    axes = Axes(both, both)
    dots = []
    for true, predicted in points:
        x, y = axes.at(true, predicted)
        title = f"<title>true {true:.6g}, predicted {predicted:.6g}</title>"
        dots.append(f'<circle class="cloud" cx="{x:g}" cy="{y:g}" r="3">{title}</circle>')
    drawing = f'{axes.draw("true", "predicted", whole=False)}{_diagonal(axes)}<g class="s0">{"".join(dots)}</g>'
    shown = f"{len(points):,} of {content['total']:,} texts. " if len(points) < content["total"] else ""
    note = f'<p class="soft">{shown}Predictions on the dashed line are exact.</p>'
    chart = figure("Predicted against true numbers", f"{number(len(points))} texts", drawing)
    return f'{note}<div class="charts">{chart}</div>'


def _diagonal(axes: Axes) -> str:
    (x1, y1), (x2, y2) = axes.at(axes.x[0], axes.y[0]), axes.at(axes.x[1], axes.y[1])
    return f'<line class="diagonal" x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}"/>'
