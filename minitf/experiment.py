"""One fine-tuning, from what was asked for to what is left in its folder: what commands that train are made of."""

import argparse
import contextlib
import dataclasses
import functools
import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minitf import augmenting, data_check, flags, kinds, resuming, runs
from minitf.errors import DivergedError, InputError
from minitf.files import whole
from minitf.tasks.mistakes import Mistake, worst

WORST = 20  # mistakes that the report shows

if TYPE_CHECKING:
    from minitf.bert import Bert
    from minitf.checkpoints.load import LoadReport
    from minitf.mathematics import Mathematics
    from minitf.tasks.task import Metrics, Task
    from minitf.text.batches import Examples
    from minitf.text.token_checks import TokenCounts
    from minitf.text.tokenizer import Tokenizer
    from minitf.training.loop import Epoch, Progress
    from minitf.training.optimizer import Optimizer
    from minitf.training.strategy import Strategy
    from minitf.training.workers import Workers


@dataclasses.dataclass(frozen=True)
class Ready:
    """All that training needs, loaded and encoded."""

    arguments: argparse.Namespace
    kind: kinds.Kind
    splits: runs.Splits
    model: "Bert"
    loaded: "LoadReport"
    tokenizer: "Tokenizer"
    task: "Task"
    data: "dict[str, Examples]"
    math: "Mathematics"
    strategy: "Strategy"
    checked: "dict[str, TokenCounts]"
    drawn: "Callable[[int], Examples] | None"  # the training texts as an epoch learns from them, where they are changed
    digest: str  # of the weights that were loaded

    @property
    def layers(self) -> int:
        return len(self.model.encoder.layers)

    @property
    def steps(self) -> int:
        size = self.arguments.batch_size * self.arguments.accumulate
        return int(self.arguments.epochs * -(-len(self.data["train"]) // size))

    def optimizer(self) -> "Optimizer":
        """A fresh one, for what the strategy ever trains."""
        from minitf.training.optimizer import Optimizer
        from minitf.training.strategy import freeze

        freeze(self.model, self.layers, self.strategy.frozen)
        recipe = flags.recipe(self.arguments)
        return Optimizer(self.model, recipe, self.steps, self.math, self.strategy.scale(self.layers))

    @functools.cached_property
    def parameters(self) -> str:
        """Which parameters move, when, and how fast, as a table; to be asked for before training."""
        from minitf.training import groups

        optimizer = self.optimizer()
        rows = groups.groups(self.model, optimizer, self.strategy, self.layers, self.arguments.epochs)
        return groups.parameter_table(rows, optimizer.recipe.weight_decay)


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


def prepare(
    arguments: argparse.Namespace,
    kind: kinds.Kind,
    splits: runs.Splits,
    workers: "Workers",
    say: Callable[[str], None] = print,
) -> Ready:
    """Load the model, encode the texts, and say what is about to happen."""
    import torch

    from minitf.bert.device import choose_device
    from minitf.bert.fresh import reinitialize_top
    from minitf.checkpoints.load import load_with_report
    from minitf.mathematics import mathematics
    from minitf.training import state
    from minitf.training.precision import choose_precision
    from minitf.training.workers import local_device

    torch.manual_seed(arguments.seed)
    device = local_device(choose_device(arguments.device))
    choose_precision(arguments.precision, device)
    math = mathematics(arguments.math)
    task = kind.make(splits["train"], arguments, math)
    model, loaded = load_with_report(
        arguments.model,
        head=task.head,
        labels=task.labels or None,
        math=math,
        device=device,
        offline=arguments.offline,
        say=say,
        change=lambda config: flags.changed(config, arguments, task.problem_type),
        from_scratch=arguments.from_scratch,
        verify=not arguments.no_verify,
    )
    say(str(loaded))
    L = len(model.encoder.layers)
    strategy = flags.strategy(arguments, L)
    digest = state.digest(model, loaded.loaded)
    reinitialize_top(model, strategy.reinitialized)
    if workers.rank:
        torch.manual_seed(arguments.seed + (workers.rank << 32))  # its own dropout; the first draws as one alone would
    tokenizer, longest = loaded.checked_tokenizer(), model.config.longest
    if arguments.max_length is None:
        arguments.max_length = min(kind.max_length, longest)
    if arguments.max_length > longest:
        raise InputError(f"--max-length {arguments.max_length}: this model has learned only {longest} positions")
    data = {name: task.encode(dataset, tokenizer, arguments.max_length) for name, dataset in splits.items()}
    checked = data_check.counts(arguments, kind, splits, tokenizer)
    told: list[str] = []
    drawn = augmenting.drawing(arguments, splits["train"], task, tokenizer, math, told.append)
    ready = Ready(arguments, kind, splits, model, loaded, tokenizer, task, data, math, strategy, checked, drawn, digest)

    say(runs.data_line(splits, kind))
    for line in (*data_check.lines(arguments, kind, splits, tokenizer, checked, longest), *told):
        say(line)
    for note in data["train"].notes():
        say(f"  {note}")
    say(f"{arguments.optimizer}, {ready.steps} steps of {_how(arguments, kind.step)}")
    say(ready.parameters)
    return ready


def _how(arguments: argparse.Namespace, what: str) -> str:
    size = f"{arguments.batch_size} {what}"
    if arguments.accumulate > 1:
        size = f"{arguments.accumulate} × {size}"
    return f"{size}, learning rate {arguments.lr:g}, {arguments.schedule}, seed {arguments.seed}"


def train(
    ready: Ready,
    folder: Path,
    workers: "Workers",
    resume: bool,
    say: Callable[[str], None],
    watch: "Callable[[Epoch], None]" = lambda epoch: None,
) -> "list[Epoch]":
    """Train, keeping the best epoch in `folder`/best, what resuming needs in `folder`/last, every number in
    metrics.jsonl. Raises Interrupted when asked to stop, its state saved; InputError."""
    import torch
    from tqdm import tqdm

    from minitf.bert.frozen import FrozenLayers
    from minitf.checkpoints.save import save
    from minitf.training import loop, report, state
    from minitf.training.compact import CompactVocabulary, is_exact
    from minitf.training.keeper import Keeper
    from minitf.training.precision import choose_precision
    from minitf.training.strategy import freeze
    from minitf.training.witness import Witness

    arguments, model, L = ready.arguments, ready.model, ready.layers
    note = runs.trained_with(arguments, ready.kind, ready.splits["train"])
    # What augmentation may draw, a text's other words or new ones, is not known beforehand: no row is left out then.
    exact = ready.drawn is None and is_exact(flags.recipe(arguments), ready.math)
    vocabulary = CompactVocabulary(model.embeddings.word, ready.data.values() if exact else None)
    data = {name: vocabulary.renumber(examples) for name, examples in ready.data.items()}
    optimizer = ready.optimizer()
    precision = choose_precision(arguments.precision, next(model.parameters()).device)
    known = [(tuple(t.ids), tuple(t.segments)) for name in ("train", "valid") for t in data[name].tokens]
    layers, last = FrozenLayers(model, known), folder / "last"
    progress, offset = None, 0
    if resume:
        offset = resuming.where_it_stopped(ready, last)
        progress = state.restore_state(last, optimizer, precision, workers)
        done = loop.is_done(progress, arguments.epochs, arguments.early_stopping)
        where = "after its last epoch, with nothing left to train" if done else f"in epoch {progress.epoch}"
        say(f"resumed at step {optimizer.steps} of {optimizer.total}, {where}")
    witness: Witness | None = None if resume else Witness(model)

    @contextmanager
    def stage(epoch: int) -> Iterator[None]:
        lowest = ready.strategy.lowest(L, epoch, arguments.epochs)
        freeze(model, L, lowest)
        with layers.below(lowest):
            yield

    with (
        report.Journal(folder / "metrics.jsonl" if workers.first else None, offset) as journal,
        tqdm(total=optimizer.total, initial=optimizer.steps, unit="step", disable=_no_bar(workers), leave=False) as bar,
    ):

        def log(record: dict[str, Any]) -> None:
            nonlocal witness
            journal.step(record)
            bar.update()
            bar.set_postfix_str(f"epoch {record['epoch']}, loss {record['loss']:.3f}")
            if witness is not None and record["lr"] > 0.0 and record["gradient"] is not None:
                moved, witness = witness.look(), None
                if workers.first:
                    bar.write(f"step {record['step']}: {moved}")
                if moved.wrong:
                    raise RuntimeError(str(moved))

        def after_epoch(epoch: "Epoch") -> None:
            journal.epoch(epoch)
            if workers.first:
                bar.write(report.epoch_line(epoch, arguments.epochs))
                if epoch.best:
                    with vocabulary.restored(optimizer):
                        save(model, ready.tokenizer, folder / "best", note)
            watch(epoch)

        def keep(progress: "Progress") -> None:
            state.save_state(last, optimizer, progress, resuming.begun_with(ready, journal.offset), precision, workers)

        if not resume:
            keep(loop.Progress())  # so that there is something to resume from the beginning
        try:
            with Keeper(keep, arguments.save_every, workers, _aside if workers.first else _silent) as keeper:
                history = loop.train(
                    model,
                    ready.task,
                    data["train"],
                    data["valid"],
                    optimizer,
                    epochs=arguments.epochs,
                    batch_size=arguments.batch_size,
                    accumulate=arguments.accumulate,
                    seed=arguments.seed,
                    metric=arguments.metric,
                    patience=arguments.early_stopping,
                    log=log,
                    after_epoch=after_epoch,
                    stage=stage,
                    keep=keeper,
                    progress=progress,
                    precision=precision,
                    workers=workers,
                    drawn=ready.drawn,
                )
        except torch.OutOfMemoryError:
            raise InputError(_smaller(arguments)) from None
    if workers.first:
        report.draw_curves(journal.steps, history, folder / "curves.png")
    return history


def _aside(line: str) -> None:
    print(f"\n{line}", file=sys.stderr)


def _no_bar(workers: "Workers") -> bool | None:
    """None: where there is no terminal."""
    return None if workers.first else True


def _smaller(arguments: argparse.Namespace) -> str:
    size, parts = arguments.batch_size, arguments.accumulate
    half = f"--batch-size {size // 2} --accumulate {parts * 2} (the same steps)" if size > 1 else "a smaller model"
    return (
        f"out of GPU memory with --batch-size {size} of up to {arguments.max_length} tokens: try {half}, a shorter"
        " --max-length, or --precision bf16"
    )


def conclude(ready: Ready, history: "list[Epoch]", folder: Path, command: str) -> Outcome:
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
    ready = prepare(arguments, kind, splits, workers, say)
    with resuming.locked(folder) if workers.first else contextlib.nullcontext():
        if workers.first:
            runs.check_free(folder, arguments)  # once more: another process may have come to an end in it by now
        return carry_out(ready, folder, workers, say, start, command, watch)


def carry_out(
    ready: Ready,
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
    history = train(ready, folder, workers, resume, say, watch)
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
    fresh = not arguments.resume
    say: Callable[[str], None] = print
    with resuming.locked(folder) if workers.first else contextlib.nullcontext():
        if workers.first:
            runs.check_free(folder, arguments)
            runs.mend(folder)
        for n, name in enumerate(names):
            if not (arguments.resume and (folder / name / "report.json").is_file()):
                print(f"\nseed {arguments.seed + n}")
                own = argparse.Namespace(**{**vars(arguments), "seed": arguments.seed + n})
                start, ready = time.perf_counter(), prepare(own, kind, splits, workers, say)
                if fresh and workers.first:
                    runs.make_fresh(folder)  # now that nothing but training is left that could fail
                fresh, say = False, _silent  # what is loaded and planned is said once
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
            with whole(folder / "report.json") as file:
                file.write(json.dumps(summary.to_dict(), indent=2) + "\n")
            print(f"\n{summary}\nthe models are in {folder}/seed-*/best")


def _silent(line: str) -> None:
    pass
