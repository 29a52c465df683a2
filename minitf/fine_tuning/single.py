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
from minitf.fine_tuning.tables import duration
from minitf.fine_tuning.train import train
from minitf.training.loop import Epoch
from minitf.training.workers import ALONE, Workers


def run_in(
    folder: Path,
    config: FineTuneConfig,
    decisions: Decisions,
    splits: Splits,
    workers: Workers = ALONE,
    say: Callable[[str], None] = print,
    command: str = "",
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
) -> Run | None:
    """A run in `folder`; `command` goes into its report, `on_epoch` is called after each epoch."""
    start = time.perf_counter()
    setup = prepare(config, decisions, splits, workers, say, command=command)
    with folders.locked(folder) if workers.first else contextlib.nullcontext():
        if workers.first:
            folders.check_free(folder, config)  # again: another process may have finished in it meanwhile
        return run_prepared(setup, folder, workers, say, start, on_epoch)


def run_prepared(
    setup: TrainingSetup,
    folder: Path,
    workers: Workers,
    say: Callable[[str], None],
    start: float,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
) -> Run | None:
    """Train from the beginning or from the saved state, evaluate, report; the folder is locked by this process.

    `start` is when the run started. Only the first of several processes returns a result.
    """
    resume = setup.config.output.resume and folders.is_saved(folder)
    if workers.first:
        folders.remove_all_leftovers(folder) if resume else folders.make_fresh(folder)
    history = train(setup, folder, workers, resume, say, on_epoch)
    if not workers.first:
        return None
    outcome = conclude(setup, history, folder)
    say(f"\n{result_lines(outcome, setup.decisions.metric)}")
    say(f"took {duration(time.perf_counter() - start)}; the model is in {folder / 'best'}, its curves beside it")
    return outcome.run
