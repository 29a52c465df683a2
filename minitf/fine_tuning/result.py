"""The result of a run: what `minitf.fine_tune` returns."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from minitf.fine_tuning.slices import Slices
from minitf.tasks.base import Metrics, Mistake
from minitf.training.loop import Epoch


@dataclasses.dataclass(frozen=True)
class Run:
    """The result of one run. With several seeds, of the run with the best validation score; `runs` has all runs."""

    folder: Path
    history: tuple[Epoch, ...]
    measured_on: str  # "test", or "valid" without a test set
    metrics: Mapping[str, Any]  # of the best epoch on that table: the metrics' `to_dict()`
    scores: Mapping[str, float]  # the most important metrics
    baseline: str  # the score of predictions that ignore the text
    learned: bool  # whether the metrics beat the baseline
    prediction_command: str  # a command line that uses the model
    attention_command: str  # a command line that draws its attention
    runs: "tuple[Run, ...]" = ()

    @property
    def best(self) -> Path:
        """The folder of the best epoch's model, for `minitf.predictor` and the commands."""
        return self.folder / "best"

    @property
    def best_epoch(self) -> Epoch:
        """The epoch whose model is saved."""
        return next(epoch for epoch in reversed(self.history) if epoch.best)


@dataclasses.dataclass(frozen=True)
class Outcome:
    """The result of a finished run, and what the report shows in addition."""

    run: Run
    metrics: Metrics
    mistakes: list[Mistake]  # the worst
    mistaken: int  # the number of all mistakes
    details: Mapping[str, Any]  # what only the report shows, by key: see `Task.report_details`
    slices: Slices | None = None  # scores by group, if `by` is set
