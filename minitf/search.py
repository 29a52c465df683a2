"""Find hyper-parameters: `python -m minitf.search --train FILE --output DIR --space lr=1e-5..1e-4:log --space …`.

--method tpe learns from the runs behind it where to look (Bergstra et al. 2011), random draws, grid tries all. Runs
that fall behind the median of the others at the same epoch are given up. The study is an SQLite file that --resume goes
on with, and DIR/best/ holds the best model. --learning-curve asks instead what more training data would bring.
"""

import argparse
import dataclasses
import itertools
import json
import random
import shlex
import shutil
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minitf import experiment, flags, kinds, learning, resuming, runs
from minitf.console import Parser, number, run
from minitf.errors import DivergedError, InputError
from minitf.files import whole, writing
from minitf.training import searching, space

if TYPE_CHECKING:
    from minitf.training.loop import Epoch

METHODS = ("tpe", "random", "grid")
STUDY = "study.db"
NOT_SEARCHED = ("output", "train", "valid", "test", "seeds", "save-every", "device", "task", "metric")


def parser() -> argparse.ArgumentParser:
    p = Parser(
        prog="python -m minitf.search",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
        epilog="all other flags are those of finetune, the same for every run (python -m minitf.finetune --help)",
        allow_abbrev=False,
    )
    count = number(1, 100_000, whole=True)
    p.add_argument("--method", choices=METHODS, default="tpe", help="default: %(default)s")
    p.add_argument("--trials", type=count, metavar="N", help="runs in all (default: 20; with grid all there are)")
    p.add_argument(
        "--space", action="append", default=[], metavar="NAME=…", help="LOW..HIGH, LOW..HIGH:log or VALUE,VALUE; again"
    )
    p.add_argument("--no-pruning", action="store_true", help="let every run come to its end")
    p.add_argument("--learning-curve", metavar="SHARES", help="of the training data, say 0.1,0.25,0.5,1")
    p.add_argument("--output", metavar="DIR", required=True, help="folder of the study")
    p.add_argument("--resume", action="store_true", help="go on with the study in --output")
    return p


def main(argv: Sequence[str] | None = None) -> int:
    own, rest = parser().parse_known_args(argv)
    base = flags.parse(__doc__ or "", rest)
    flags.check(base)
    parts = space.parse_space(own.space or [f"{k}={v}" for k, v in usual(own.method).items()])
    check(own, base, parts, rest)
    folder = Path(own.output)
    kind = kinds.choose(base)
    rest = [*rest, f"--task={kind.name}", f"--metric={base.metric}"]  # decided once
    splits = runs.read_data(base, kind)
    with resuming.locked(folder):
        if own.learning_curve:
            learning_curve(shares(own.learning_curve), base, kind, splits, folder)
            return 0
        study = Search(own, rest, parts, kind, splits, folder, base)
        try:
            study.run()
        except KeyboardInterrupt:
            command = [runs.interpreter(), "-m", "minitf.search", "--resume"]
            given = [str(word) for word in (sys.argv[1:] if argv is None else argv) if word != "--resume"]
            print(f"\ninterrupted; go on with:  {shlex.join([*command, *given])}", file=sys.stderr)
            return 130
        print(f"\n{study.conclusion()}")
    return 0


def usual(method: str) -> dict[str, str]:
    """What is searched where no --space is given."""
    return space.PAPERS if method == "grid" else space.USUAL


def check(own: argparse.Namespace, base: argparse.Namespace, parts: space.Space, rest: Sequence[str]) -> None:
    """Raises InputError for what cannot be searched."""
    if base.seeds > 1 and not own.learning_curve:
        raise InputError("--seeds: a search trains each point once; give it with --learning-curve, or to finetune")
    if base.dry_run or base.resume:
        raise InputError("--dry-run belongs to finetune; leave it out")
    if own.learning_curve:
        if own.space or own.trials:
            raise InputError("--learning-curve has one setting for all; leave --space and --trials out")
        return
    if own.method == "grid":
        space.grid(parts)
    actions = {option: action for action in flags.parser("")._actions for option in action.option_strings}
    for name, part in parts.items():
        action = actions.get(f"--{name}")
        if action is None or action.nargs == 0 or name in NOT_SEARCHED:
            raise InputError(f"--space {name}: no flag of finetune that can be searched over; see its --help")
        if own.space and any(word == f"--{name}" or word.startswith(f"--{name}=") for word in rest):
            raise InputError(f"--space {name}: is given as --{name} too; leave one out")
        for value in part.values if isinstance(part, space.Choice) else (part.low, part.high):
            flags.parse("", [*rest, f"--{name}={space.typed(value, part)}"])


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
        with whole(self.folder / "search.json") as file:
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


def shares(text: str) -> list[float]:
    """`0.1,0.5,1` as numbers. Raises InputError."""
    parse = number(0, 1, above=True)
    try:
        return sorted({parse(part) for part in text.split(",")})
    except argparse.ArgumentTypeError as error:
        raise InputError(f"--learning-curve {text}: each share {error}") from None


def learning_curve(
    parts: Sequence[float], arguments: argparse.Namespace, kind: kinds.Kind, splits: runs.Splits, folder: Path
) -> None:
    """Train on growing shares of the training rows, each holding the one before; with --seeds several times each."""
    from minitf.training.workers import ALONE

    if (folder / "learning-curve.json").exists() and not arguments.overwrite:
        raise InputError(f"--output {folder}: holds a learning curve; give another folder, or --overwrite")
    train = splits["train"].examples
    order = random.Random(arguments.seed).sample(range(len(train)), len(train))
    table = "test" if "test" in splits else "valid"
    rows: list[dict[str, Any]] = []
    for share in parts:
        chosen = sorted(order[: max(2, round(share * len(train)))])
        part = dataclasses.replace(splits["train"], examples=tuple(train[i] for i in chosen))
        values = []
        for seed in range(arguments.seed, arguments.seed + arguments.seeds):
            own = argparse.Namespace(**{**vars(arguments), "seed": seed, "seeds": 1})
            place = folder / f"share-{share:g}-seed-{seed}"
            outcome = experiment.run(own, kind, {**splits, "train": part}, place, ALONE, say=learning.silent)
            assert outcome is not None
            values.append(float(outcome.measured.to_dict()[arguments.metric]))
            for weights in ("best", "last"):
                shutil.rmtree(place / weights, ignore_errors=True)
        mean, sd = statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else 0.0
        rows.append({"share": share, "rows": len(chosen), "mean": mean, "sd": sd, "values": values})
        print(f"{share:6.0%}  {len(chosen):8,} rows  {table} {arguments.metric} {mean:.4f} ± {sd:.4f}", flush=True)
    with whole(folder / "learning-curve.json") as file:
        file.write(json.dumps({"metric": arguments.metric, "measured on": table, "shares": rows}, indent=2) + "\n")
    searching.draw_learning_curve(rows, f"{table} {arguments.metric}", folder / "learning-curve.png")
    print(f"drawn: {folder / 'learning-curve.png'}")


def _optuna() -> Any:
    """The library, silent but for errors. Raises InputError where it is not installed."""
    try:
        import optuna
    except ImportError:
        raise InputError("search needs optuna: pip install optuna (or this package with its extra [search])") from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


if __name__ == "__main__":
    run(main)
