"""A hyperparameter search: fine-tuning runs with values that Optuna proposes, in a study that can be resumed."""

import contextlib
import dataclasses
import functools
import itertools
import math
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from minitf.checkpoints.metadata import SAVED
from minitf.errors import DivergedError, InputError
from minitf.files import move_folder, remove_leftovers, write_json, writing
from minitf.fine_tuning.config import FineTuneConfig, storable
from minitf.fine_tuning.data import Decisions, Splits
from minitf.fine_tuning.digests import CODE_FREE, digest_file, digest_model
from minitf.fine_tuning.folder import WEIGHTS, check_manifest
from minitf.fine_tuning.manifest import Manifest
from minitf.fine_tuning.record import RunRecord, check_start
from minitf.fine_tuning.result import Run
from minitf.fine_tuning.setup import TrainingSetup, prepare
from minitf.fine_tuning.single import run_prepared
from minitf.fine_tuning.terminal import Say, epoch_lines, silent
from minitf.training.figure import warned
from minitf.training.loop import Epoch
from minitf.training.workers import ALONE
from minitf.tuning import figures, space

STUDY = "study.db"
COMMAND = "search"  # in the manifest
# The names of all files that a study may write beside its runs.
FILES = (STUDY, f"{STUDY}-journal", "search.json", "search.png", *(f"best/{name}" for name in SAVED))
TRIALS = 20
VERSION = 2  # of the attributes of a study


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
        self.unchecked = True
        self.trials = search.trials or (space.points(search.space) if search.method == "grid" else TRIALS)
        with self._database():
            self.study = self._open()

    def run(self) -> None:
        """Train until the configured number of runs is reached."""
        with self._database():
            self._run_all()

    def _run_all(self) -> None:
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
        say_epoch = epoch_lines(self.config.replace(**self.settings(chosen)), self.say)

        def report(epoch: Epoch) -> None:
            say_epoch(epoch)
            trial.report(epoch.valid[self.metric], epoch.number)
            if self.search.pruning and trial.should_prune():
                raise self.optuna.TrialPruned

        try:
            run = self._run(trial.number, chosen, report)
        except self.optuna.TrialPruned:
            self.study.tell(trial, state=self.states.PRUNED)
            return "stopped: behind the other runs at this epoch"
        except DivergedError as error:
            trial.set_user_attr("diverged", str(error))
            self.study.tell(trial, state=self.states.FAIL)
            return f"diverged: {error}"
        value = run.best_epoch.valid[self.metric]
        self.study.tell(trial, value)
        return f"valid {self.metric} {value:.4f}; the best so far {self.study.best_value:.4f}"

    def _run(
        self, number: int, chosen: Mapping[str, space.Value], on_epoch: Callable[[Epoch], None] = lambda epoch: None
    ) -> Run:
        """Train in the folder of run `number`; record the digests of its model in the study."""
        self.manifest.add_run(self._place(number).name)
        start, place, config = time.perf_counter(), self._place(number), self.config.replace(**self.settings(chosen))
        command = ", ".join(f"{name}={text}" for name, text in self.typed(chosen).items())
        setup = prepare(config, self.decisions, self.splits, ALONE, silent, command=command)
        self._check_inputs(setup)
        run = run_prepared(setup, place, ALONE, silent, start, on_epoch)
        assert run is not None
        self.study.set_user_attr(f"model of {place.name}", digest_model(run.best))
        return run

    def _check_inputs(self, setup: TrainingSetup) -> None:
        """Raise InputError if the model or `math` has changed since the study first used it."""
        model = setup.config.model
        searched = [getattr(model, name) for name in ("model", "revision", "math") if name in self.search.space]
        key = " ".join(["inputs", *map(str, searched)])
        if key not in self.study.user_attrs:
            record = RunRecord.of(setup, {}, {}, {})
            self.study.set_user_attr(key, dataclasses.asdict(record))
        before = RunRecord.from_dict(self.study.user_attrs[key], f"{self.folder / STUDY}: has other content")
        check_start(before, setup, self.say if self.unchecked else silent)
        self.unchecked = False  # a warning is printed once

    @contextmanager
    def _database(self) -> Iterator[None]:
        """Turn an error of the study's database into an InputError."""
        from sqlalchemy.exc import SQLAlchemyError

        try:
            yield
        except (SQLAlchemyError, sqlite3.Error, self.optuna.exceptions.StorageInternalError) as error:
            reason = str(error.__cause__ or error).partition("\n")[0]
            raise InputError(
                f"{self.folder / STUDY}: cannot be read or written ({reason}); restore it, or start a new study"
            ) from None

    @contextmanager
    def _content(self) -> Iterator[None]:
        """Turn an error in the content of the study into an InputError."""
        try:
            yield
        except InputError:
            raise
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            reason = str(error).partition("\n")[0]
            raise InputError(
                f"{self.folder / STUDY}: has other content than search writes ({reason}); restore it, or start a new"
                " study"
            ) from None

    def _check_tables(self, path: Path) -> None:
        """Raise InputError for the database of another program, before Optuna adds its tables, and for an empty one."""
        with writing(path), contextlib.closing(sqlite3.connect(path)) as database:
            tables = {name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if not {"studies", "trials", "trial_params", "trial_values"} <= tables:
            what = "is the database of another program" if tables else "is empty"
            raise InputError(f"{self.folder / STUDY}: {what}, not a study; restore it, or start a new study")

    def _open(self) -> Any:
        """Create the study, or open it to resume: its unfinished runs are queued again. Raises InputError."""
        path = self.folder / STUDY
        if path.exists() and not self.search.resume:
            raise InputError(f"`output` {self.folder}: has a study; `resume` it, or choose another folder")
        if self.search.resume and not path.exists():
            raise InputError(f"`resume`: {path} does not exist; give the folder of the study to continue")
        path = path.absolute()  # not as part of a URL, where some characters have a meaning
        check_manifest(self.folder, COMMAND)
        self.manifest.add(*FILES)
        remove_leftovers(self.folder)
        if not (new := not path.exists()):
            self._check_tables(path)
        lower = self.metric in self.decisions.spec.lower_is_better
        with writing(self.folder), self._content():
            study = self.optuna.create_study(
                storage=self._storage(path.absolute()),
                study_name="minitf",
                sampler=self._sampler(),
                pruner=self.optuna.pruners.MedianPruner(n_startup_trials=4),
                direction="minimize" if lower else "maximize",
                load_if_exists=True,
            )
            self._check_same(study, new)
            self._check_trials(study)
        for trial in study.get_trials(deepcopy=False, states=(self.states.RUNNING,)):
            study.tell(trial.number, state=self.states.FAIL)
            study.enqueue_trial({**trial.system_attrs.get("fixed_params", {}), **trial.params})
            if self._place(trial.number).name in self.manifest.runs:
                Manifest(self._place(trial.number)).remove_files()
        if self.search.method == "grid" and not self.search.resume:
            self._enqueue_grid(study)
        return study

    def _storage(self, path: Path) -> Any:
        """Open the file of the study. Its path is not part of a URL, where `?`, `#`, `%` and braces have a meaning."""
        connect = functools.partial(sqlite3.connect, path, check_same_thread=False)
        return self.optuna.storages.RDBStorage("sqlite:///study.db", engine_kwargs={"creator": connect})

    def _sampler(self) -> Any:
        samplers = self.optuna.samplers
        seed = self.config.recipe.seed
        if self.search.method == "grid":
            return samplers.RandomSampler(seed=seed)  # not used, because every point is queued
        seed += len(list(self.folder.glob("run-*")))  # a resumed study must not propose the same values again
        if self.search.method == "tpe":
            return samplers.TPESampler(seed=seed, n_startup_trials=5)
        return samplers.RandomSampler(seed=seed)

    def _check_same(self, study: Any, new: bool) -> None:
        """Raise InputError if the study was started with another space or other settings."""
        if "flags" in study.user_attrs or study.user_attrs.get("version", VERSION if new else 1) != VERSION:
            raise InputError(
                f"`resume`: the study in {self.folder} was started by an earlier version of minitf; start a new one"
            )
        study.set_user_attr("version", VERSION)
        ranges = {name: repr(part) for name, part in self.search.space.items()}
        now = {"space": ranges, "settings": self._compared_settings()}
        for part, value in now.items():
            before = study.user_attrs.get(part, value)
            if different := sorted(name for name in {*before, *value} if before.get(name) != value.get(name)):
                names = ", ".join(f"`{name}`" for name in different)
                raise InputError(
                    f"`resume`: the study in {self.folder} was started with other values of {names} (files are compared"
                    " by their content); give the same, or start a new study"
                )
            study.set_user_attr(part, value)

    def _check_trials(self, study: Any) -> None:
        """Raise InputError or ValueError for runs that this search cannot have recorded."""
        for trial in study.get_trials(deepcopy=False):
            space.check_values(trial.params, self.search.space)
            if trial.state is self.states.COMPLETE and not math.isfinite(trial.value):
                raise ValueError(f"the value {trial.value}")

    def _compared_settings(self) -> dict[str, Any]:
        """Return the settings that a study must be resumed with; for files the digest of their content."""
        settings = storable(self.config.settings())
        for name, table in self.splits.items():
            if settings[name] is not None:
                settings[name] = table.digest + Path(settings[name]).suffix.lower()
        if settings["math"] not in CODE_FREE:
            settings["math"] = digest_file(Path(settings["math"]))
        return {name: value for name, value in settings.items() if name not in ("model", "offline")}

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
        if complete := self.complete():
            self._move_best(complete[0])
        for name in self.manifest.runs:
            Manifest(self.folder / name).remove_files(WEIGHTS)

    def _move_best(self, trial: Any) -> None:
        """Move the model of the best run to `best`; if it is missing, train the run again.

        Raises InputError if the files in `best` are not from this study.
        """
        best, place = self.folder / "best", self._place(trial.number)
        models = {k: v for k, v in self.study.user_attrs.items() if k.startswith("model of ")}
        found, wanted = digest_model(best), models.get(f"model of {place.name}")
        if found == wanted:
            return
        if digest_model(place / "best") != wanted:
            if found and found not in models.values():
                raise InputError(
                    f"{best}: has changed since the search saved it; restore it, or delete it so that {place.name}, the"
                    " best run, is trained again"
                )
            space.check_values(trial.params, self.search.space)
            self.say(f"{place.name} is the best run, but its model is missing: it is trained again")
            self.manifest.add_run(place.name)
            Manifest(place).remove_files(WEIGHTS)
            self._run(trial.number, trial.params)
        move_folder(place / "best", best, SAVED)

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
            with warned(self.say, "search.png"):
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
