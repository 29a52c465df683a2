"""A hyperparameter search: fine-tuning runs with values that Optuna proposes, in a study that can be resumed."""

import dataclasses
import itertools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from minitf.checkpoints.metadata import SAVED
from minitf.errors import DivergedError, InputError
from minitf.files import move_folder, write_json, writing
from minitf.fine_tuning.config import FineTuneConfig, storable
from minitf.fine_tuning.data import Decisions, Splits
from minitf.fine_tuning.folder import WEIGHTS, check_manifest
from minitf.fine_tuning.manifest import Manifest
from minitf.fine_tuning.single import run_in
from minitf.fine_tuning.terminal import Say, epoch_lines, silent
from minitf.training.loop import Epoch
from minitf.training.workers import ALONE
from minitf.tuning import figures, space

STUDY = "study.db"
COMMAND = "search"  # in the manifest
# The names of all files that a study may write beside its runs.
FILES = (STUDY, f"{STUDY}-journal", "search.json", "search.png", *(f"best/{name}" for name in SAVED))
TRIALS = 20


@dataclasses.dataclass(frozen=True)
class SearchConfig:
    """The settings of a search."""

    space: space.Space
    folder: Path  # of the study
    method: str = "tpe"  # or random, grid
    trials: int | None = None  # None: 20, or all points of a grid
    pruning: bool = True  # stop a run that is behind the median of the others at the same epoch
    resume: bool = False


class Study:
    """Runs of one configuration, each with its own values of the searched settings."""

    def __init__(
        self, search: SearchConfig, config: FineTuneConfig, decisions: Decisions, splits: Splits, say: Say = print
    ):
        self.search, self.config, self.decisions, self.splits, self.say = search, config, decisions, splits, say
        self.folder, self.metric = search.folder, decisions.metric
        self.manifest = Manifest(self.folder, COMMAND)
        self.optuna = _optuna()
        self.states = self.optuna.trial.TrialState
        self.trials = search.trials or (space.points(search.space) if search.method == "grid" else TRIALS)
        self.study = self._open()

    def run(self) -> None:
        """Train until the configured number of runs is reached."""
        self._keep_best()  # a study that is resumed may have been killed before it did this
        while (n := len(self.ended())) < self.trials:
            trial = self.study.ask()
            chosen = {name: space.suggest(trial, name, part) for name, part in self.search.space.items()}
            self.say(f"\nrun {n + 1} of {self.trials}: {self.described(chosen)}")
            self.say(self._train(trial, chosen))
            self._keep_best()
            self._write()

    def described(self, chosen: Mapping[str, space.Value]) -> str:
        """Format the values of the searched settings."""
        return ", ".join(f"`{name}` {text}" for name, text in self.typed(chosen).items())

    def typed(self, chosen: Mapping[str, space.Value]) -> dict[str, str]:
        """Return the values of the searched settings as they are typed."""
        return {name: space.typed(v, self.search.space[name]) for name, v in chosen.items()}

    def settings(self, chosen: Mapping[str, space.Value]) -> dict[str, Any]:
        """Return the values of the searched settings as the configuration stores them."""
        return {name: space.value(name, text) for name, text in self.typed(chosen).items()}

    def _train(self, trial: Any, chosen: Mapping[str, space.Value]) -> str:
        """Run once; return the result as a line."""
        config = self.config.replace(**self.settings(chosen))
        say_epoch = epoch_lines(config, self.say)

        def report(epoch: Epoch) -> None:
            say_epoch(epoch)
            trial.report(epoch.valid[self.metric], epoch.number)
            if self.search.pruning and trial.should_prune():
                raise self.optuna.TrialPruned

        place = self._place(trial.number)
        self.manifest.add_run(place.name)
        command = ", ".join(f"{name}={text}" for name, text in self.typed(chosen).items())
        try:
            run = run_in(place, config, self.decisions, self.splits, ALONE, silent, command, report)
        except self.optuna.TrialPruned:
            self.study.tell(trial, state=self.states.PRUNED)
            return "stopped: behind the other runs at this epoch"
        except DivergedError as error:
            trial.set_user_attr("diverged", str(error))
            self.study.tell(trial, state=self.states.FAIL)
            return f"diverged: {error}"
        assert run is not None
        value = run.best_epoch.valid[self.metric]
        self.study.tell(trial, value)
        return f"valid {self.metric} {value:.4f}; the best so far {self.study.best_value:.4f}"

    def _open(self) -> Any:
        """Create the study, or open it to resume: its unfinished runs are queued again. Raises InputError."""
        path = self.folder / STUDY
        if path.exists() and not self.search.resume:
            raise InputError(f"`output` {self.folder}: has a study; `resume` it, or choose another folder")
        if self.search.resume and not path.exists():
            raise InputError(f"`resume`: {path} does not exist; give the folder of the study to continue")
        check_manifest(self.folder, COMMAND)
        self.manifest.add(*FILES)
        lower = self.metric in self.decisions.spec.lower_is_better
        with writing(self.folder):
            study = self.optuna.create_study(
                storage=f"sqlite:///{path.absolute()}",
                study_name="minitf",
                sampler=self._sampler(),
                pruner=self.optuna.pruners.MedianPruner(n_startup_trials=4),
                direction="minimize" if lower else "maximize",
                load_if_exists=True,
            )
        self._check_same(study)
        for trial in study.get_trials(deepcopy=False, states=(self.states.RUNNING,)):
            study.tell(trial.number, state=self.states.FAIL)
            study.enqueue_trial({**trial.system_attrs.get("fixed_params", {}), **trial.params})
            Manifest(self._place(trial.number)).remove_files()
        if self.search.method == "grid" and not self.search.resume:
            self._enqueue_grid(study)
        return study

    def _sampler(self) -> Any:
        samplers = self.optuna.samplers
        seed = self.config.recipe.seed
        if self.search.method == "grid":
            return samplers.RandomSampler(seed=seed)  # not used, because every point is queued
        seed += len(list(self.folder.glob("run-*")))  # a resumed study must not propose the same values again
        if self.search.method == "tpe":
            return samplers.TPESampler(seed=seed, n_startup_trials=5)
        return samplers.RandomSampler(seed=seed)

    def _check_same(self, study: Any) -> None:
        """Raise InputError if the study was started with another space or other settings."""
        if "flags" in study.user_attrs:
            raise InputError(
                f"`resume`: the study in {self.folder} was started by an earlier version of minitf; start a new one"
            )
        settings = {k: v for k, v in storable(self.config.settings()).items() if k != "offline"}
        now = {"space": {k: repr(part) for k, part in self.search.space.items()}, "settings": settings}
        for part, value in now.items():
            before = study.user_attrs.get(part, value)
            if different := sorted(name for name in {*before, *value} if before.get(name) != value.get(name)):
                names = ", ".join(f"`{name}`" for name in different)
                raise InputError(f"`resume`: the study in {self.folder} was started with other values of {names}")
            study.set_user_attr(part, value)

    def _enqueue_grid(self, study: Any) -> None:
        parts = self.search.space
        for values in itertools.product(*space.grid(parts).values()):
            named = zip(parts.items(), values, strict=True)
            study.enqueue_trial({name: v if isinstance(part, space.Choice) else int(v) for (name, part), v in named})

    def ended(self) -> list[Any]:
        """Return the runs that finished, were stopped or diverged; not those that were interrupted."""
        over = (self.states.COMPLETE, self.states.PRUNED)
        return [t for t in self.study.get_trials(deepcopy=False) if t.state in over or "diverged" in t.user_attrs]

    def complete(self) -> list[Any]:
        """Return the runs that finished, with the best first."""
        trials = self.study.get_trials(deepcopy=False, states=(self.states.COMPLETE,))
        return sorted(trials, key=lambda t: t.value, reverse=self.study.direction.name == "MAXIMIZE")

    def _place(self, number: int) -> Path:
        return self.folder / f"run-{number}"

    def _keep_best(self) -> None:
        """Move the model of the best run to `best`; delete the weights of all other runs, but not their reports."""
        complete = self.complete()
        if complete and (best := self._place(complete[0].number) / "best").is_dir():
            move_folder(best, self.folder / "best", SAVED)
        for name in self.manifest.runs:
            Manifest(self.folder / name).remove_files(WEIGHTS)

    def _write(self) -> None:
        """Write `search.json`, whose settings have the names of the flags (a contract), and the figure."""
        rows = [
            {"run": t.number, "state": t.state.name.lower(), "value": t.value, "settings": _dashed(t.params)}
            for t in self.ended()
        ]
        content = {"metric": self.metric, "method": self.search.method, "runs": rows}
        write_json(self.folder / "search.json", content)
        if self.complete():
            direction = self.study.direction.name
            figures.draw_search(self.ended(), self.search.space, self.metric, direction, self.folder)

    def result_lines(self) -> str:
        """Format the best runs for the terminal. Raises InputError if all runs diverged."""
        complete, n = self.complete(), len(self.ended())
        if not complete:
            raise InputError(f"none of {n} runs has a result: all diverged; search lower learning rates")
        lines = [f"{n} runs, {len(complete)} finished; the best by valid {self.metric}:"]
        lines += [f"  {t.value:.4f}  {self.described(t.params)}" for t in complete[:5]]
        lines.append(f"the best model is in {self.folder / 'best'}, all numbers in {self.folder / 'search.json'}")
        return "\n".join(lines)


def _dashed(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings with the names that `search.json` has: `batch-size`."""
    return {name.replace("_", "-"): value for name, value in settings.items()}


def _optuna() -> Any:
    """Import optuna and let it log only errors. Raises InputError if it is not installed."""
    try:
        import optuna
    except ImportError:
        raise InputError("search needs optuna: pip install optuna (or this package with its extra [search])") from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna
