"""The training of one run: the loop, with what a person wants around it, and what it writes as it goes."""

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minitf import plans, resuming, runs
from minitf.errors import InputError

if TYPE_CHECKING:
    from minitf.preparing import Ready
    from minitf.training.loop import Epoch, Progress
    from minitf.training.workers import Workers


def train(
    ready: "Ready",
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
    exact = ready.drawn is None and is_exact(plans.recipe(arguments), ready.math)
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
            with Keeper(keep, arguments.save_every, workers, _aside if workers.first else silent) as keeper:
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


def silent(line: str) -> None:
    """For `say`: nothing is said."""
