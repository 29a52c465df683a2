"""The training of one run: logging, saving and drawing between the steps of the loop, in order."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch

from minitf.bert import Bert
from minitf.bert.frozen import FrozenLayers
from minitf.errors import InputError, Interrupted
from minitf.fine_tuning import figures
from minitf.fine_tuning.config import RecipeConfig
from minitf.fine_tuning.journal import Journal
from minitf.fine_tuning.progress_bar import TrainingBar
from minitf.fine_tuning.saver import Saver
from minitf.fine_tuning.setup import TrainingSetup, optimizer_recipe
from minitf.fine_tuning.terminal import EpochTable, Say, silent
from minitf.training import loop
from minitf.training.compact_vocabulary import CompactVocabulary, is_exact
from minitf.training.figure import warned
from minitf.training.interrupt import Interrupt
from minitf.training.loop import Epoch, Progress, Runtime, Step, TrainingData
from minitf.training.precision import choose_precision
from minitf.training.strategy import freeze
from minitf.training.update_check import UpdateCheck
from minitf.training.workers import Workers
from minitf.transformer import DecoderModel, EncoderDecoder


def train(
    setup: TrainingSetup,
    folder: Path,
    workers: Workers,
    resume: bool,
    say: Say,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
) -> list[Epoch]:
    """Train the model of `setup`; write best/, last/, metrics.jsonl and curves.png in `folder`; return the history.

    Raises Interrupted after a signal, and OSError if `say` or `on_epoch` raises it, both when the state is saved;
    InputError.
    """
    vocabulary = compact_vocabulary(setup)
    examples = {name: vocabulary.renumber(found) for name, found in setup.encoded.examples.items()}
    data = TrainingData(examples["train"], examples["valid"], setup.augmented)
    optimizer = setup.optimizer()
    runtime = Runtime(choose_precision(setup.config.recipe.precision, setup.device), workers)
    saver = Saver(setup, folder, optimizer, vocabulary, runtime)
    progress, mark = restored(saver, say) if resume else (Progress(), None)
    check = None if resume else UpdateCheck(setup.model)
    journal_path = folder / "metrics.jsonl" if workers.first else None
    events = loop.train(setup.model, setup.task, data, optimizer, setup.plan, stages(setup, data), progress, runtime)
    with (
        Journal(journal_path, mark, progress.history, optimizer.steps) as journal,
        TrainingBar(optimizer.total, optimizer.steps, workers.first) as bar,
        Interrupt(_say_error if workers.first else silent) as interrupt,
        closing(events),
        gpu_memory(setup),
    ):
        say, on_epoch = interrupt.guarded(say), interrupt.guarded(on_epoch)
        show = shown(setup, bar, say, check)
        if journal.damaged:
            kept = f"with {len(journal.steps)} of {optimizer.steps} steps"
            say(f"warning: {journal_path}: was lost or damaged; written again from the saved state, {kept}")
        if not resume or workers.total(float(journal.damaged)):
            saver.save(progress, journal.mark())  # a run that is killed early can be resumed from it
        for event in events:
            journal.write(event)
            show(event)
            if isinstance(event, Epoch):
                on_epoch(event)
            if isinstance(event, Step) and event.ends_epoch:
                continue  # the state is saved after the evaluation
            stop = workers.total(float(interrupt.requested)) > 0.0  # all processes stop at the same step
            if stop or isinstance(event, Epoch) or is_due(event, setup.config.output.save_every):
                saver.save(progress, journal.mark(), best=isinstance(event, Epoch) and event.best)
            if stop:
                break
    if workers.total(float(interrupt.requested)) > 0.0:  # also if the signal came during the last save
        step = f"step {optimizer.steps} of {optimizer.total}"
        raise interrupt.error or Interrupted(folder, interrupt.number or signal.SIGINT, step)
    if workers.first:
        with warned(say, "curves.png"):
            figures.draw_curves(journal.steps, progress.history, folder / "curves.png")
    return progress.history


def shown(
    setup: TrainingSetup, bar: TrainingBar, say: Say, check: UpdateCheck | None
) -> Callable[[Step | Epoch], None]:
    """Return a function that shows an event: the progress, the check of the first update, the table of epochs."""
    table, checks = EpochTable(setup.plan.epochs), [] if check is None else [check]

    def show(event: Step | Epoch) -> None:
        if isinstance(event, Epoch):
            for line in table.lines(event):
                bar.say_above(say, line)
            return
        bar.step(event, say)
        if checks and event.lr > 0.0 and event.gradient is not None:
            changes = checks.pop().result()
            if setup.shows_parameters or changes.unchanged:
                bar.say_above(say, f"step {event.number}: {changes}")

    return show


def compact_vocabulary(setup: TrainingSetup) -> CompactVocabulary:
    """Remove the rows of the word embedding that no text uses, if that changes no result."""
    if isinstance(setup.model, EncoderDecoder | DecoderModel):  # every row of the table is also a class of the logits
        return CompactVocabulary(setup.model.word, None)
    assert isinstance(setup.model, Bert)
    # Augmentation may add any word, so with it all rows stay.
    exact = setup.augmented is None and is_exact(optimizer_recipe(setup.config.recipe), setup.math)
    return CompactVocabulary(setup.model.embeddings.word, setup.encoded.examples.values() if exact else None)


def stages(setup: TrainingSetup, data: TrainingData) -> Callable[[int], AbstractContextManager[None]]:
    """Return a function that maps an epoch to a context in which its untrained layers are frozen."""
    known = [(tuple(t.ids), tuple(t.segments)) for part in (data.train, data.valid) for t in part.tokens]
    frozen = FrozenLayers(setup.model, known) if isinstance(setup.model, Bert) else None

    @contextmanager
    def stage(epoch: int) -> Iterator[None]:
        lowest = setup.strategy.lowest(setup.layers, epoch, setup.plan.epochs)
        freeze(setup.model, setup.layers, lowest)
        with frozen.below(lowest) if frozen else nullcontext():
            yield

    return stage


def restored(saver: Saver, say: Say) -> tuple[Progress, dict[str, Any]]:
    """Restore the saved state; return the progress, and the mark of the journal when it was saved."""
    progress, record = saver.restore(say)
    optimizer, done = saver.optimizer, loop.is_done(progress, saver.setup.plan)
    where = "after the last epoch: nothing is left to train" if done else f"in epoch {progress.epoch}"
    say(f"resumed at step {optimizer.steps} of {optimizer.total}, {where}")
    return progress, record.journal


def is_due(event: Step | Epoch, every: int | None) -> bool:
    """Whether the state is saved after this step (`save_every`)."""
    return every is not None and isinstance(event, Step) and event.number % every == 0


@contextmanager
def gpu_memory(setup: TrainingSetup) -> Iterator[None]:
    """Turn an out-of-memory error inside the block into an InputError with advice."""
    try:
        yield
    except torch.OutOfMemoryError:
        raise InputError(_smaller(setup.config.recipe, setup.max_length)) from None


def _smaller(recipe: RecipeConfig, max_length: int) -> str:
    size, parts = recipe.batch_size, recipe.accumulate
    half = f"`batch_size` {size // 2} with `accumulate` {parts * 2} (the same steps)" if size > 1 else "a smaller model"
    return (
        f"out of GPU memory with `batch_size` {size} of up to {max_length} tokens: try {half}, a lower `max_length`,"
        " or `precision` bf16"
    )


def _say_error(line: str) -> None:
    print(f"\n{line}", file=sys.stderr)  # on a new line, below the progress bar
