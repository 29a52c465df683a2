"""A run from what was asked for to what is left in its folder, and several that differ in their seed."""

import argparse
import contextlib
import dataclasses
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from minitf import kinds, learning, preparing, resuming, runs
from minitf.errors import DivergedError
from minitf.files import write_json
from minitf.tasks.mistakes import Mistake, worst

WORST = 20  # mistakes that the report shows

if TYPE_CHECKING:
    from minitf.preparing import Ready
    from minitf.tasks.task import Metrics
    from minitf.training.loop import Epoch
    from minitf.training.workers import Workers


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a run came to."""

    history: "list[Epoch]"
    name: str  # of the table that it was measured on: test, or valid
    measured: "Metrics"
    baseline: str
    mistakes: list[Mistake]  # the worst
    mistaken: int  # how many there are

    @property
    def best(self) -> "Epoch":
        """The epoch that was kept."""
        return next(epoch for epoch in reversed(self.history) if epoch.best)


def conclude(ready: "Ready", history: "list[Epoch]", folder: Path, command: str) -> Outcome:
    """Measure what was saved, the best epoch read back; write report.json and report.html."""
    from minitf.checkpoints.load import load
    from minitf.training import loop

    device = next(ready.model.parameters()).device
    best = load(folder / "best", head=ready.task.head, math=ready.math, device=device)
    name = "test" if "test" in ready.splits else "valid"
    examples = ready.data[name]
    answers = loop.answer(best, ready.task, examples)
    mistakes = ready.task.mistakes(answers, examples, ready.splits[name])
    measured = ready.task.measure(answers, examples)
    outcome = Outcome(history, name, measured, ready.task.baseline(examples), worst(mistakes, WORST), len(mistakes))
    runs.write_report(folder, ready, outcome, command)
    return outcome


def in_words(outcome: Outcome, metric: str) -> str:
    """The result for a person."""
    from minitf.training import report

    scores = ", ".join(f"{what} {value:.4f}" for what, value in outcome.measured.scores.items())
    return (
        f"{outcome.name} {scores}  (epoch {outcome.best.number}, chosen by {metric} on the validation set;"
        f" {outcome.baseline})\n{report.table(outcome.measured)}"
    ).rstrip()


def run(
    arguments: argparse.Namespace,
    kind: kinds.Kind,
    splits: runs.Splits,
    folder: Path,
    workers: "Workers",
    command: str = "",
    say: Callable[[str], None] = print,
    watch: "Callable[[Epoch], None]" = lambda epoch: None,
) -> Outcome | None:
    """A whole run in `folder`, from its beginning or, with --resume, from where it stopped. `command` is reported;
    `watch` is called after every epoch.

    Only the first of several processes has an outcome.
    """
    start = time.perf_counter()
    ready = preparing.prepare(arguments, kind, splits, workers, say)
    with resuming.locked(folder) if workers.first else contextlib.nullcontext():
        if workers.first:
            runs.check_free(folder, arguments)  # once more: another process may have come to an end in it by now
        return carry_out(ready, folder, workers, say, start, command, watch)


def carry_out(
    ready: "Ready",
    folder: Path,
    workers: "Workers",
    say: Callable[[str], None],
    start: float,
    command: str,
    watch: "Callable[[Epoch], None]" = lambda epoch: None,
) -> Outcome | None:
    """A run that is prepared for, in a folder that is this process's own; `start` is when it began."""
    from minitf.training.report import seconds

    arguments = ready.arguments
    resume = bool(arguments.resume) and runs.is_saved(folder)
    if workers.first:
        runs.mend(folder) if resume else runs.make_fresh(folder)
    history = learning.train(ready, folder, workers, resume, say, watch)
    if not workers.first:
        return None
    outcome = conclude(ready, history, folder, command)
    say(f"\n{in_words(outcome, arguments.metric)}")
    say(f"took {seconds(time.perf_counter() - start)}; the model is in {folder / 'best'}, its curves beside it")
    return outcome


def run_seeds(
    arguments: argparse.Namespace,
    kind: kinds.Kind,
    splits: runs.Splits,
    folder: Path,
    workers: "Workers",
    command: str = "",
) -> None:
    """A run for each of --seeds, in `folder`/seed-S; what they came to, together. The validation rows stay the same.

    With --resume those that are done stay as they are. One that diverges is told, and the others go on.
    Raises DivergedError if all do.
    """
    from minitf.training import seeds

    diverged: dict[str, str] = {}
    names = [f"seed-{seed}" for seed in range(arguments.seed, arguments.seed + arguments.seeds)]
    fresh, encoded = not arguments.resume, None
    say: Callable[[str], None] = print
    with resuming.locked(folder) if workers.first else contextlib.nullcontext():
        if workers.first:
            runs.check_free(folder, arguments)
            runs.mend(folder)
        for n, name in enumerate(names):
            if not (arguments.resume and (folder / name / "report.json").is_file()):
                print(f"\nseed {arguments.seed + n}")
                own = argparse.Namespace(**{**vars(arguments), "seed": arguments.seed + n})
                start, ready = time.perf_counter(), preparing.prepare(own, kind, splits, workers, say, encoded)
                if fresh and workers.first:
                    runs.make_fresh(folder)  # now that nothing but training is left that could fail
                encoded, fresh, say = ready.encoded, False, learning.silent  # all of this once
                try:
                    carry_out(ready, folder / name, workers, print, start, command)
                except DivergedError as error:
                    if workers.count > 1:  # the others may wait for this one, and would wait for long
                        raise
                    diverged[name] = str(error)
                    print(f"diverged: {error}")
            workers.wait()
        if workers.first:
            if len(diverged) == len(names):
                raise DivergedError(f"all {len(names)} seeds diverged; the first: {diverged[names[0]]}")
            paths = {name: folder / name / "report.json" for name in names if name not in diverged}
            reports = {name: json.loads(path.read_text(encoding="utf-8")) for name, path in paths.items()}
            summary = seeds.summary(reports, arguments.metric, diverged)
            write_json(folder / "report.json", summary.to_dict())
            print(f"\n{summary}\nthe models are in {folder}/seed-*/best")
