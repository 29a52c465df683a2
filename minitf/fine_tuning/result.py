"""The result of a run: what `minitf.fine_tune` returns."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from minitf.tasks.base import Metrics, Mistake
from minitf.training.loop import Epoch


@dataclasses.dataclass(frozen=True)
class Run:
    """One run. Of several seeds it is the one with the best validation score, and `runs` has all of them."""

    folder: Path
    history: tuple[Epoch, ...]
    measured_on: str  # "test", or "valid" without a test set
    metrics: Mapping[str, Any]  # the metrics' `to_dict()`: of the best epoch, on that table
    scores: Mapping[str, float]  # the main ones
    baseline: str  # what a prediction that reads no text would score
    learned: bool  # whether the metrics beat it
    prediction_command: str = ""  # a command line that uses the model
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
    """What a finished run reports: its result, and what the report shows besides."""

    run: Run
    metrics: Metrics
    mistakes: list[Mistake]  # the worst
    mistaken: int  # how many there are
