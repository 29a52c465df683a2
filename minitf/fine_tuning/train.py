"""The training of one run: logging, saving and drawing between the steps of the loop, in order."""

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import torch

from minitf.bert.frozen import FrozenLayers
from minitf.checkpoints.save import save
from minitf.errors import InputError, Interrupted
from minitf.fine_tuning import resume as resuming
from minitf.fine_tuning.config import RecipeConfig
from minitf.fine_tuning.figures import draw_curves
from minitf.fine_tuning.journal import Journal
from minitf.fine_tuning.progress_bar import progress_bar, say_above
from minitf.fine_tuning.report import metadata
from minitf.fine_tuning.setup import TrainingSetup, optimizer_recipe
from minitf.fine_tuning.terminal import EpochTable, Say, silent
from minitf.training import loop, state
from minitf.training.compact_vocabulary import CompactVocabulary, is_exact
from minitf.training.interrupt import Interrupt
from minitf.training.loop import Epoch, Progress, Runtime, Step, TrainingData
from minitf.training.optimizer import Optimizer
from minitf.training.precision import choose_precision
from minitf.training.strategy import freeze
from minitf.training.update_check import UpdateCheck
from minitf.training.workers import Workers


class Saver:
    """Saves the state of the run in `folder`/last, and the model of the best epoch in `folder`/best."""

    def __init__(
        self, setup: TrainingSetup, folder: Path, optimizer: Optimizer, vocabulary: CompactVocabulary, runtime: Runtime
    ):
        self.setup, self.folder, self.optimizer = setup, folder, optimizer
        self.vocabulary, self.runtime = vocabulary, runtime

    def save_state(self, progress: Progress, offset: int) -> None:
        """Called by all processes; the first one writes. `offset` is the size of the journal in bytes."""
        extra = resuming.saved_with(self.setup, offset)
        precision, workers = self.runtime.precision, self.runtime.workers
        state.save_state(self.folder / "last", self.optimizer, progress, extra, precision, workers)

    def save_best(self) -> None:
        with self.vocabulary.restored(self.optimizer):
            save(self.setup.model, self.setup.tokenizer, self.folder / "best", metadata(self.setup))


def train(
    setup: TrainingSetup,
    folder: Path,
    workers: Workers,
    resume: bool,
    say: Say,
    on_epoch: Callable[[Epoch], None] = lambda epoch: None,
) -> list[Epoch]:
    """Train the model of `setup`; write best/, last/, metrics.jsonl and curves.png in `folder`; return the history.

    Raises Interrupted after Ctrl-C, when the state is saved, and InputError.
    """
    vocabulary = compact_vocabulary(setup)
    examples = {name: vocabulary.renumber(found) for name, found in setup.encoded.examples.items()}
    data = TrainingData(examples["train"], examples["valid"], setup.augmented)
    optimizer = setup.optimizer()
    runtime = Runtime(choose_precision(setup.config.recipe.precision, setup.device), workers)
    saver = Saver(setup, folder, optimizer, vocabulary, runtime)
    progress, offset = restored(setup, folder / "last", optimizer, runtime, say) if resume else (Progress(), 0)
    check = None if resume else UpdateCheck(setup.model)
    table = EpochTable(setup.plan.epochs)
    events = loop.train(setup.model, setup.task, data, optimizer, setup.plan, stages(setup, data), progress, runtime)
    with (
        Journal(folder / "metrics.jsonl" if workers.first else None, offset) as journal,
        progress_bar(optimizer.total, optimizer.steps, workers.first) as bar,
        Interrupt(_say_error if workers.first else silent) as interrupt,
        closing(events),
        gpu_memory(setup),
    ):
        if not resume:
            saver.save_state(progress, journal.offset)  # a run that is killed early can be resumed from it
        for event in events:
            journal.write(event)
            if isinstance(event, Step):
                bar.update()
                bar.set_postfix_str(f"epoch {event.epoch}, loss {event.loss:.3f}")
                if check is not None and event.lr > 0.0 and event.gradient is not None:
                    changes = check.result()
                    if setup.shows_parameters or changes.unchanged:
                        say_above(bar, say, f"step {event.number}: {changes}")
                    check = None
            else:
                for line in table.lines(event):
                    say_above(bar, say, line)
                if event.best and workers.first:
                    saver.save_best()
                on_epoch(event)
            if isinstance(event, Step) and event.ends_epoch:
                continue  # the state is saved after the evaluation
            stop = workers.total(float(interrupt.requested)) > 0.0  # all processes stop at the same step
            if stop or isinstance(event, Epoch) or is_due(event, setup.config.output.save_every):
                saver.save_state(progress, journal.offset)
            if stop:
                raise Interrupted(folder)
    if workers.first:
        draw_curves(journal.steps, progress.history, folder / "curves.png")
    return progress.history


def compact_vocabulary(setup: TrainingSetup) -> CompactVocabulary:
    """Remove the rows of the word embedding that no text uses, if that changes no result."""
    # Augmentation may add any word, so with it all rows stay.
    exact = setup.augmented is None and is_exact(optimizer_recipe(setup.config.recipe), setup.math)
    return CompactVocabulary(setup.model.embeddings.word, setup.encoded.examples.values() if exact else None)


def stages(setup: TrainingSetup, data: TrainingData) -> Callable[[int], AbstractContextManager[None]]:
    """Return a function that maps an epoch to a context in which its untrained layers are frozen."""
    known = [(tuple(t.ids), tuple(t.segments)) for part in (data.train, data.valid) for t in part.tokens]
    frozen = FrozenLayers(setup.model, known)

    @contextmanager
    def stage(epoch: int) -> Iterator[None]:
        lowest = setup.strategy.lowest(setup.layers, epoch, setup.plan.epochs)
        freeze(setup.model, setup.layers, lowest)
        with frozen.below(lowest):
            yield

    return stage


def restored(
    setup: TrainingSetup, last: Path, optimizer: Optimizer, runtime: Runtime, say: Say
) -> tuple[Progress, int]:
    """Restore the saved state; return the progress, and the size of the journal when it was saved."""
    offset = resuming.journal_offset(setup, last)
    progress = state.restore_state(last, optimizer, runtime.precision, runtime.workers)
    done = loop.is_done(progress, setup.plan)
    where = "after the last epoch: nothing is left to train" if done else f"in epoch {progress.epoch}"
    say(f"resumed at step {optimizer.steps} of {optimizer.total}, {where}")
    return progress, offset


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
