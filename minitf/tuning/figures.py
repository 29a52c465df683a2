"""The figures of a search (score of each run, score over each setting) and of a learning curve."""

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from minitf.training.figure import BLUE, ORANGE, new_figure, save_figure
from minitf.tuning.space import Choice, Space


def draw_search(trials: Sequence[Any], space: Space, metric: str, direction: str, folder: Path) -> None:
    """Draw `search.png` from Optuna's `trials`; stopped trials are crosses at their last value."""
    from matplotlib.ticker import MaxNLocator

    figure, axes = _figure(1 + len(space))
    # Runs count from 1, as in the terminal; Optuna's numbers count from 0.
    points = [(t.number + 1, y, t.state.name == "COMPLETE") for t in trials if (y := _value(t)) is not None]
    ended = [(number, value) for number, value, complete in points if complete]
    best = list(itertools.accumulate((value for _, value in ended), max if direction == "MAXIMIZE" else min))
    axes[0].step([number for number, _ in ended], best, where="post", color=BLUE, label="best so far")
    for complete, marker, label in ((True, "o", "run"), (False, "x", "stopped")):
        chosen = [(n, v) for n, v, c in points if c is complete]
        if chosen:
            axes[0].scatter(*zip(*chosen, strict=True), marker=marker, color=ORANGE, s=22, label=label)
    axes[0].xaxis.set_major_locator(MaxNLocator(integer=True))
    axes[0].set(title="Score of each run", xlabel="run", ylabel=f"valid {metric}")
    axes[0].legend(fontsize="small")
    for axis, (name, part) in zip(axes[1:], space.items(), strict=True):
        values = {t.number + 1: t.params.get(name) for t in trials}
        for complete, marker in ((True, "o"), (False, "x")):
            chosen = [(x, y) for n, y, c in points if c is complete and (x := values[n]) is not None]
            if not chosen:
                continue
            if isinstance(part, Choice):
                chosen = [(part.values.index(str(x)), y) for x, y in chosen]
            axis.scatter(*zip(*chosen, strict=True), marker=marker, color=BLUE, s=22)
        if isinstance(part, Choice):
            axis.set_xticks(range(len(part.values)), part.values)
        elif part.log:
            axis.set_xscale("log")
        axis.set(title=name)
    save_figure(figure, folder / "search.png")


def draw_learning_curve(rows: Sequence[Mapping[str, Any]], what: str, path: Path) -> None:
    """Draw the mean score over the number of training rows, with error bars of one standard deviation if there are
    several seeds."""
    figure, (axis,) = _figure(1)
    sizes, means, sds = ([row[key] for row in rows] for key in ("rows", "mean", "sd"))
    several = any(len(row["values"]) > 1 for row in rows)
    axis.errorbar(sizes, means, yerr=sds if several else None, fmt="o-", color=BLUE, capsize=3)
    axis.set(title="Learning curve", xlabel="training rows", ylabel=what, xscale="log")
    axis.set_xticks(sizes, [f"{size:,}" for size in sizes])
    axis.minorticks_off()
    save_figure(figure, path)


def _value(trial: Any) -> float | None:
    """Return the result of a run, or the last score of a stopped run."""
    if trial.state.name == "COMPLETE":
        return float(trial.value)
    values = trial.intermediate_values
    return float(values[max(values)]) if values else None


def _figure(n: int) -> tuple[Any, Any]:
    figure = new_figure(3.4 * n if n > 1 else 5.0, 3.2)
    return figure, figure.subplots(1, n, squeeze=False)[0]
