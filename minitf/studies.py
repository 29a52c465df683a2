"""A search for settings: runs of finetune with values that Optuna proposes, in a study that can be gone on with."""

import argparse
import itertools
import json
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minitf import experiment, flags, kinds, learning, runs
from minitf.errors import DivergedError, InputError
from minitf.files import open_text, writing
from minitf.training import searching, space

if TYPE_CHECKING:
    from minitf.training.loop import Epoch

STUDY = "study.db"


class Search:
    """A study: runs of finetune, each with its own values, until there are as many as asked for."""

    def __init__(
        self,
        own: argparse.Namespace,
        rest: Sequence[str],
        parts: space.Space,
        kind: kinds.Kind,
        splits: runs.Splits,
        folder: Path,
        base: argparse.Namespace,
    ):
        self.own, self.rest, self.parts, self.kind, self.splits, self.folder = own, rest, parts, kind, splits, folder
        self.metric, self.seed = base.metric, base.seed
        self.optuna = _optuna()
        self.states = self.optuna.trial.TrialState
        self.asked = own.trials or (space.points(parts) if own.method == "grid" else 20)
        self.study = self._open()

    def run(self) -> None:
        while (n := len(self.ended())) < self.asked:
            trial = self.study.ask()
            chosen = {name: space.suggest(trial, name, part) for name, part in self.parts.items()}
            words = [f"--{name}={space.typed(value, self.parts[name])}" for name, value in chosen.items()]
            print(f"\nrun {n + 1} of {self.asked}: {shlex.join(words)}")
            print(self._one(trial, words))
            self._keep_best()
            self._write()

    def _one(self, trial: Any, words: list[str]) -> str:
        """Train once; what came of it, in words."""
        arguments = flags.parse("", [*self.rest, *words])
        kinds.choose(arguments)

        def watch(epoch: "Epoch") -> None:
            trial.report(epoch.valid[self.metric], epoch.number)
            if not self.own.no_pruning and trial.should_prune():
                raise self.optuna.TrialPruned

        from minitf.training.workers import ALONE

        place = self._place(trial.number)
        try:
            outcome = experiment.run(
                arguments, self.kind, self.splits, place, ALONE, shlex.join(words), say=learning.silent, watch=watch
            )
        except self.optuna.TrialPruned:
            self.study.tell(trial, state=self.states.PRUNED)
            return "given up: behind the others at this epoch"
        except DivergedError as error:
            trial.set_user_attr("diverged", str(error))
            self.study.tell(trial, state=self.states.FAIL)
            return f"diverged: {error}"
        assert outcome is not None
        value = outcome.best.valid[self.metric]
        self.study.tell(trial, value)
        return f"valid {self.metric} {value:.4f}; the best so far {self.study.best_value:.4f}"

    def _open(self) -> Any:
        """A fresh study, or the one to be resumed; its runs that were cut off are tried again. Raises InputError."""
        from minitf.training.metrics import HIGHER_IS_BETTER

        optuna, folder, path = self.optuna, self.folder, self.folder / STUDY
        if path.exists() and not self.own.resume:
            raise InputError(f"--output {folder}: holds a study; --resume it, or give another folder")
        if self.own.resume and not path.exists():
            raise InputError(f"--resume: {path} is not there; give the folder of the study to go on with")
        begun = len(list(folder.glob("run-*")))  # a resumed one must not draw the same again
        samplers = {
            "tpe": lambda: optuna.samplers.TPESampler(seed=self.seed + begun, n_startup_trials=5),
            "random": lambda: optuna.samplers.RandomSampler(seed=self.seed + begun),
            "grid": lambda: optuna.samplers.RandomSampler(seed=self.seed),  # not asked: every point waits in a queue
        }
        with writing(folder):
            study = optuna.create_study(
                storage=f"sqlite:///{path.absolute()}",
                study_name="minitf",
                sampler=samplers[self.own.method](),
                pruner=optuna.pruners.MedianPruner(n_startup_trials=4),
                direction="maximize" if HIGHER_IS_BETTER[self.metric] else "minimize",
                load_if_exists=True,
            )
        asked = {"space": {name: repr(part) for name, part in self.parts.items()}, "flags": list(self.rest)}
        for what, now in asked.items():
            if study.user_attrs.get(what, now) != now:
                raise InputError(f"--resume: the study in {folder} was begun with other {what}; give the same")
            study.set_user_attr(what, now)
        for trial in study.get_trials(deepcopy=False, states=(self.states.RUNNING,)):
            study.tell(trial.number, state=self.states.FAIL)
            study.enqueue_trial({**trial.system_attrs.get("fixed_params", {}), **trial.params})
            shutil.rmtree(self._place(trial.number), ignore_errors=True)
        if self.own.method == "grid" and not self.own.resume:
            for values in itertools.product(*space.grid(self.parts).values()):
                named = zip(self.parts.items(), values, strict=True)
                point = {name: v if isinstance(part, space.Choice) else int(v) for (name, part), v in named}
                study.enqueue_trial(point)
        return study

    def ended(self) -> list[Any]:
        """The runs with a result, given up, or diverged; not those that were cut off."""
        over = (self.states.COMPLETE, self.states.PRUNED)
        return [t for t in self.study.get_trials(deepcopy=False) if t.state in over or "diverged" in t.user_attrs]

    def complete(self) -> list[Any]:
        """Those with a result, the best first."""
        trials = self.study.get_trials(deepcopy=False, states=(self.states.COMPLETE,))
        return sorted(trials, key=lambda t: t.value, reverse=self.study.direction.name == "MAXIMIZE")

    def _place(self, number: int) -> Path:
        return self.folder / f"run-{number}"

    def _keep_best(self) -> None:
        """The best run's model becomes `best`; of all runs the reports and numbers stay, and no weights."""
        complete = self.complete()
        if complete and (best := self._place(complete[0].number) / "best").is_dir():
            shutil.rmtree(self.folder / "best", ignore_errors=True)
            best.rename(self.folder / "best")
        for place in self.folder.glob("run-*"):
            for weights in ("best", "last"):
                shutil.rmtree(place / weights, ignore_errors=True)

    def _write(self) -> None:
        """`search.json`, and its picture."""
        rows = [
            {"run": t.number, "state": t.state.name.lower(), "value": t.value, "settings": t.params}
            for t in self.ended()
        ]
        with open_text(self.folder / "search.json") as file:
            file.write(json.dumps({"metric": self.metric, "method": self.own.method, "runs": rows}, indent=2) + "\n")
        if self.complete():
            searching.draw_search(self.ended(), self.parts, self.metric, self.study.direction.name, self.folder)

    def conclusion(self) -> str:
        """The best runs, and how to train like the best."""
        complete, n = self.complete(), len(self.ended())
        if not complete:
            raise InputError(f"none of {n} runs came to a result: all diverged; search lower learning rates")
        lines = [f"{n} runs, {len(complete)} to their end; the best by valid {self.metric}:"]
        for t in complete[:5]:
            settings = " ".join(f"--{k}={space.typed(v, self.parts[k])}" for k, v in t.params.items())
            lines.append(f"  {t.value:.4f}  {settings}")
        words = [f"--{k}={space.typed(v, self.parts[k])}" for k, v in complete[0].params.items()]
        command = [runs.interpreter(), "-m", "minitf.finetune", *self.rest, *words]
        lines += [f"the best model is in {self.folder / 'best'}, all numbers in {self.folder / 'search.json'}"]
        lines += ["of many runs the best owes some of its score to luck: measure it again, with several seeds:"]
        return "\n".join([*lines, f"  {shlex.join([*command, '--seeds', '5'])}"])


def _optuna() -> Any:
    """The library, silent but for errors. Raises InputError where it is not installed."""
    try:
        import optuna
    except ImportError:
        raise InputError("search needs optuna: pip install optuna (or this package with its extra [search])") from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna
