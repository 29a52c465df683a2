"""One run with one seed."""

import contextlib
import time
from collections.abc import Callable
from pathlib import Path

from minitf.fine_tuning import folder as folders
from minitf.fine_tuning.config import FineTuneConfig
from minitf.fine_tuning.data import Decisions, Splits
from minitf.fine_tuning.report import conclude, result_lines
from minitf.fine_tuning.result import Run
from minitf.fine_tuning.setup import TrainingSetup, prepare
from minitf.fine_tuning.terminal import Say, duration
from minitf.fine_tuning.train import train
from minitf.training.loop import Epoch
from minitf.training.workers import ALONE, Workers


def run_in(
    folder: Path,
    config: FineTuneConfig,
    decisions: Decisions,
    splits: Splits,
    workers: Workers = ALONE,
    say: Say = print,
    command: str = "",
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
) -> Run | None:
    """Run in `folder`; `command` is saved in the report, `on_epoch` is called after each epoch.

    Only the first of several processes returns a result.
    """
    start = time.perf_counter()
    setup = prepare(config, decisions, splits, workers, say, command=command)
    with folders.locked(folder) if workers.first else contextlib.nullcontext():
        if workers.first:
            folders.check_free(folder, config)  # again, because another run may have finished in it in the meantime
        return run_prepared(setup, folder, workers, say, start, on_epoch)


def run_prepared(
    setup: TrainingSetup,
    folder: Path,
    workers: Workers,
    say: Say,
    start: float,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
) -> Run | None:
    """Train from the beginning or from the saved state, evaluate, report. The folder must be locked by this process.

    `start` is the time (`time.perf_counter`) when the run started.
    """
    resume = setup.config.output.resume and folders.is_saved(folder)
    if workers.first and resume:
        folders.remove_all_leftovers(folder)
    elif workers.first:
        folders.make_fresh(folder)
    history = train(setup, folder, workers, resume, say, on_epoch)
    if not workers.first:
        return None
    outcome = conclude(setup, history, folder)
    say("")
    for line in result_lines(outcome, setup.decisions.metric, setup.spec.unit, in_full=setup.in_full):
        say(line)
    say(f"took {duration(time.perf_counter() - start)}; model: {folder / 'best'}; report: {folder / 'report.html'}")
    return outcome.run
