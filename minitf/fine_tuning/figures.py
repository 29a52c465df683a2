"""The figure of a run: curves.png."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from minitf.training.figure import BLUE, GREY, ORANGE, PALE_BLUE, new_figure, save_figure
from minitf.training.loop import Epoch


def draw_curves(steps: Sequence[dict[str, Any]], history: Sequence[Epoch], path: Path) -> None:
    """Draw the loss of each step, the loss and the scores after each epoch, and the learning rate."""
    from matplotlib.ticker import MaxNLocator

    figure = new_figure(10, 3.4)
    loss, score, rate = figure.subplots(1, 3)
    numbers = [record["step"] for record in steps]
    last = {r["epoch"]: r["step"] for r in steps}  # a damaged metrics.jsonl may have lost steps
    whole = [e for e in history if e.number in last]
    ends = [last[e.number] for e in whole]
    loss.plot(numbers, [r["loss"] for r in steps], color=PALE_BLUE, linewidth=0.8, label="train, each step")
    loss.plot(ends, [e.train_loss for e in whole], "o-", color=BLUE, label="train, mean of the epoch")
    loss.plot(ends, [e.valid["loss"] for e in whole], "s--", color=ORANGE, label="valid")
    highest = max([r["loss"] for r in steps] + [e.valid["loss"] for e in history])
    loss.set(title="Loss", xlabel="step", ylim=(0, 1.08 * highest))
    loss.legend(fontsize="small")
    epochs = [e.number for e in history]
    for n, name in enumerate(history[0].scores):
        style, color = (("s--", ORANGE), ("^:", BLUE), ("o-.", GREY))[n % 3]
        score.plot(epochs, [e.scores[name] for e in history], style, color=color, label=name)
    best = max((e for e in history if e.best), key=lambda e: e.number)
    score.axvline(best.number, color="0.7", zorder=0)
    score.annotate("best", (best.number, 0.02), xycoords=("data", "axes fraction"), color="0.4", fontsize="small")
    scores = [value for e in history for value in e.scores.values()]
    lowest, highest = min(scores), max(scores)
    score.set(
        title="Validation",
        xlabel="epoch",
        xlim=(0.5, len(history) + 0.5),
        ylim=(max(0.0, lowest - 0.1) if lowest >= 0 else min(-1.0, lowest), max(1.0, highest)),
    )
    score.xaxis.set_major_locator(MaxNLocator(integer=True))
    score.legend(fontsize="small")
    rate.plot(numbers, [r["lr"] for r in steps], color=BLUE)
    rate.set(title="Learning rate", xlabel="step")
    save_figure(figure, path)
