"""Several runs that differ only in their random seed: the mean, the standard deviation, the runs that failed."""

import contextlib
import dataclasses
import statistics
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from minitf.errors import DivergedError, InputError
from minitf.files import write_json
from minitf.fine_tuning.config import FineTuneConfig
from minitf.fine_tuning.data import Decisions, Splits
from minitf.fine_tuning.folder import check_free, is_saved, locked, make_fresh, remove_all_leftovers, states
from minitf.fine_tuning.manifest import Manifest
from minitf.fine_tuning.record import RunRecord, check_best, check_start
from minitf.fine_tuning.report import read_run
from minitf.fine_tuning.result import Run
from minitf.fine_tuning.setup import prepare
from minitf.fine_tuning.single import run_prepared
from minitf.fine_tuning.terminal import Say, silent
from minitf.tasks.metrics import is_better
from minitf.training.state import read_progress
from minitf.training.workers import Workers


@dataclasses.dataclass(frozen=True)
class Summary:
    """The results of the runs, on the test set if there is one, else on the validation set."""

    metric: str
    table: str  # "test" or "valid"
    values: dict[str, float]  # by the name of the run
    failed: tuple[str, ...]  # runs that did not learn
    diverged: dict[str, str] = dataclasses.field(default_factory=dict)  # runs without a result, and why

    @property
    def mean(self) -> float:
        return statistics.fmean(self.values.values())

    @property
    def sd(self) -> float:
        """The sample standard deviation; 0 for a single run."""
        return statistics.stdev(self.values.values()) if len(self.values) > 1 else 0.0

    def to_dict(self) -> dict[str, Any]:
        more = {"mean": self.mean, "sd": self.sd, "lowest": min(self.values.values())}
        return dataclasses.asdict(self) | more | {"highest": max(self.values.values())}

    def __str__(self) -> str:
        values = self.values.values()
        lines = [f"{name}: {self.table} {self.metric} {value:.4f}" for name, value in self.values.items()]
        if len(values) > 1:
            lines.append(
                f"{len(values)} runs: {self.metric} {self.mean:.4f} ± {self.sd:.4f} (mean ± standard deviation),"
                f" lowest {min(values):.4f}, highest {max(values):.4f}"
            )
        for name, why in self.diverged.items():
            lines.append(f"{name} diverged and is not counted: {why}")
        if self.failed:
            lines.append(
                f"failed to learn (no better than the baseline): {', '.join(self.failed)}: try a lower `lr`, a higher"
                " `warmup` or more `epochs` (Mosbach et al. 2021)"
            )
        return "\n".join(lines)


def summary(runs: Mapping[str, Run], metric: str, diverged: Mapping[str, str] | None = None) -> Summary:
    """Summarize the results of the runs by name, and the messages of those that diverged."""
    table = "test" if all(run.measured_on == "test" for run in runs.values()) else "valid"
    values = {name: float(run.metrics[metric]) for name, run in runs.items()}
    failed = tuple(name for name, run in runs.items() if not run.learned)
    return Summary(metric, table, values, failed, dict(diverged or {}))


def run_seeds(
    folder: Path,
    config: FineTuneConfig,
    decisions: Decisions,
    splits: Splits,
    workers: Workers,
    say: Say,
    command: str = "",
) -> Run | None:
    """Train once for each seed, in `folder`/seed-S, and summarize; all have the same validation rows.

    With `resume` finished runs stay as they are. If one diverges, the others continue. Raises DivergedError if all do.
    """
    diverged: dict[str, str] = {}
    names = {f"seed-{seed}": seed for seed in range(config.recipe.seed, config.recipe.seed + config.recipe.seeds)}
    resume, encoded, say_setup = config.output.resume, None, say
    fresh = not resume
    with locked(folder) if workers.first else contextlib.nullcontext():
        if workers.first:
            check_free(folder, config)
            remove_all_leftovers(folder)
        mine = [name for name in names if resume and workers.first and _is_finished(folder / name, decisions.metric)]
        finished = workers.gathered([mine])[0]  # of the first process
        for name, seed in names.items():
            if name not in finished:
                say(f"\nseed {seed}")
                start = time.perf_counter()
                own = config.replace(seed=seed)
                setup = prepare(own, decisions, splits, workers, say_setup, encoded, command)
                if resume and encoded is None and not is_saved(folder / name):  # a seed that is not started yet
                    check_start(RunRecord.read(states(folder)[0].parent), setup, say)
                if fresh and workers.first:
                    for place in names:
                        Manifest(folder).check_run(place)
                    make_fresh(folder, ["report.json"])  # after all checks, directly before training
                if workers.first:
                    Manifest(folder).add_run(name)
                encoded, fresh, say_setup = setup.encoded, False, silent  # the same for every seed
                try:
                    run_prepared(setup, folder / name, workers, say, start)
                except DivergedError as error:
                    if workers.count > 1:  # the other processes may wait for this one
                        raise
                    diverged[name] = str(error)
                    say(f"diverged: {error}")
            workers.wait()
        if not workers.first:
            return None
        return _conclude(folder, names, decisions, diverged, say)


def _is_finished(folder: Path, metric: str) -> bool:
    """Whether the run in `folder` has its model and its complete report.

    If the state is saved, missing files are written again from it. Raises InputError for files that are lost.
    """
    remove_all_leftovers(folder)
    if is_saved(folder):
        record, progress = RunRecord.read(folder / "last"), read_progress(folder / "last")
        best = check_best(folder / "best", record, progress.at_best)
        with contextlib.suppress(InputError):
            read_run(folder, metric)
            return best and (folder / "report.html").is_file()  # the last file of a run
        return False
    if not (folder / "report.json").is_file():
        return False
    if not (folder / "best/model.safetensors").is_file():
        raise InputError(f"{folder / 'best'}: the model of the best epoch is missing; restore it, or start a new run")
    read_run(folder, metric)
    return True


def _conclude(
    folder: Path,
    names: Mapping[str, int],
    decisions: Decisions,
    diverged: Mapping[str, str],
    say: Say,
) -> Run:
    """Write and print the summary; return the best run, with all in its `runs`."""
    if len(diverged) == len(names):
        raise DivergedError(f"all {len(names)} seeds diverged; the first: {next(iter(diverged.values()))}")
    runs = {name: read_run(folder / name, decisions.metric) for name in names if name not in diverged}
    found = summary(runs, decisions.metric, diverged)
    write_json(folder / "report.json", found.to_dict())
    say(f"\n{found}\nthe models are in {folder}/seed-*/best")
    best, *others = runs.values()
    for run in others:
        if is_better(decisions.metric, run.best_epoch.valid, best.best_epoch.valid, decisions.spec.lower_is_better):
            best = run
    return dataclasses.replace(best, runs=tuple(runs.values()))
