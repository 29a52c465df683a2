"""What a run leaves behind for a person: lines while it runs, tables at its end, its curves as a picture."""

import contextlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from minitf.errors import InputError
from minitf.files import writing
from minitf.tasks.task import Metrics
from minitf.training.figure import new_figure, save_figure
from minitf.training.loop import Epoch
from minitf.training.metrics import ClassificationMetrics
from minitf.training.metrics.entities import EntityMetrics
from minitf.training.metrics.numbers import RegressionMetrics
from minitf.training.metrics.sets import MultiLabelMetrics


class Journal:
    """`metrics.jsonl`: one JSON object a line, written as it happens, so that an interrupted run has its record.

    Without `path` nothing is written. What an earlier part of the run wrote is kept up to `offset`, in bytes.
    """

    def __init__(self, path: Path | None, offset: int = 0):
        self.steps: list[dict[str, Any]] = []
        self._path = path or Path(os.devnull)
        with writing(self._path):
            if offset and path is not None:
                if not path.is_file() or path.stat().st_size < offset:
                    raise InputError(f"{path}: lacks what it held when the run was saved; begin a new run")
                os.truncate(path, offset)
                records = map(json.loads, path.read_text(encoding="utf-8").splitlines())
                self.steps = [record for record in records if "step" in record]
            self._file = self._path.open("a" if offset else "w", encoding="utf-8", buffering=1)

    @property
    def offset(self) -> int:
        """How many bytes are written."""
        return self._file.tell()

    def step(self, record: dict[str, Any]) -> None:
        self.steps.append(record)
        self._write(record)

    def epoch(self, epoch: Epoch) -> None:
        record = {"epoch": epoch.number, "train_loss": epoch.train_loss, "seconds": round(epoch.seconds, 3)}
        self._write(record | {"best": epoch.best, "valid": epoch.valid})

    def _write(self, record: dict[str, Any]) -> None:
        with writing(self._path):
            self._file.write(json.dumps(record, ensure_ascii=False) + "\n")

    def __enter__(self) -> "Journal":
        return self

    def __exit__(self, *exception: object) -> None:
        with contextlib.suppress(OSError):  # said already, when the line was written
            self._file.close()


def epoch_line(epoch: Epoch, of: int) -> str:
    scores = "  ".join(f"{name} {value:.4f}" for name, value in epoch.scores.items())
    return (
        f"epoch {epoch.number}/{of}  train loss {epoch.train_loss:.4f}  valid loss {epoch.valid['loss']:.4f}"
        f"  {scores}  {epoch.seconds:.0f} s{'  best so far' if epoch.best else ''}"
    )


def table(metrics: Metrics) -> str:
    """More of a result than a line can hold: each class by itself, or how far the numbers reach."""
    if isinstance(metrics, ClassificationMetrics | MultiLabelMetrics | EntityMetrics):
        return class_table(metrics)
    return number_table(metrics) if isinstance(metrics, RegressionMetrics) else ""


def number_table(metrics: RegressionMetrics) -> str:
    """The usual error, and the range of what is said and of what is true."""
    (low, high), (lowest, highest) = metrics.said, metrics.true
    return f"  rmse {metrics.rmse:.4f}; said {low:.4g} to {high:.4g}, true {lowest:g} to {highest:g}"


def class_table(metrics: ClassificationMetrics | MultiLabelMetrics | EntityMetrics) -> str:
    """Precision, recall and F1 of each class."""
    width = max([5, *(len(score.label) for score in metrics.classes)])
    name, what = ("type", "there") if isinstance(metrics, EntityMetrics) else ("class", "texts")
    lines = [f"  {name:<{width}}  precision  recall      F1   {what}"]
    for s in metrics.classes:
        lines.append(f"  {s.label:<{width}}  {s.precision:9.4f}  {s.recall:6.4f}  {s.f1:6.4f}  {s.support:6d}")
    return "\n".join(lines)


def draw_curves(steps: Sequence[dict[str, Any]], history: Sequence[Epoch], path: Path) -> None:
    """The loss of every step, the loss and the scores after every epoch, and the learning rate, as one picture."""
    from matplotlib.ticker import MaxNLocator

    figure = new_figure(10, 3.4)
    loss, score, rate = figure.subplots(1, 3)
    numbers = [record["step"] for record in steps]
    ends = [max(r["step"] for r in steps if r["epoch"] == epoch.number) for epoch in history]
    loss.plot(numbers, [r["loss"] for r in steps], color="#9ecae1", linewidth=0.8, label="train, each step")
    loss.plot(ends, [e.train_loss for e in history], "o-", color="#08519c", label="train, mean of the epoch")
    loss.plot(ends, [e.valid["loss"] for e in history], "s--", color="#d95f02", label="valid")
    highest = max([r["loss"] for r in steps] + [e.valid["loss"] for e in history])
    loss.set(title="Loss", xlabel="step", ylim=(0, 1.08 * highest))
    loss.legend(fontsize="small")
    epochs = [e.number for e in history]
    for n, name in enumerate(history[0].scores):
        style, color = (("s--", "#d95f02"), ("^:", "#7570b3"), ("o-.", "#1b9e77"))[n % 3]
        score.plot(epochs, [e.scores[name] for e in history], style, color=color, label=name)
    kept = max((e for e in history if e.best), key=lambda e: e.number)
    score.axvline(kept.number, color="0.7", zorder=0)
    score.annotate("kept", (kept.number, 0.02), xycoords=("data", "axes fraction"), color="0.4", fontsize="small")
    lowest = min(min(e.scores.values()) for e in history)
    score.set(
        title="Validation",
        xlabel="epoch",
        xlim=(0.5, len(history) + 0.5),
        ylim=(max(0.0, lowest - 0.1) if lowest >= 0 else -1.0, 1.0),
    )
    score.xaxis.set_major_locator(MaxNLocator(integer=True))
    score.legend(fontsize="small")
    rate.plot(numbers, [r["lr"] for r in steps], color="#1b9e77")
    rate.set(title="Learning rate", xlabel="step")
    save_figure(figure, path)


def seconds(t: float) -> str:
    return f"{t:.0f} s" if t < 60 else f"{int(t) // 60} min {int(t) % 60} s"
