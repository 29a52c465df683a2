"""The training loop: batch → loss → backward → clip → step, and an evaluation after each epoch.

`train` is a generator. It yields a `Step` after each update and an `Epoch` after each evaluation; logging, saving and
stopping are done in the caller's `for` loop. This file is the algorithm; everything else is optional and does nothing
by default: mixed precision and several processes (`Runtime`), freezing (`stage`), augmentation (`TrainingData`).
"""

import dataclasses
import functools
import math
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from minitf.errors import DivergedError
from minitf.tasks.base import Metrics, Task
from minitf.tasks.inference import BATCH_SIZE, in_order, logits_of_batches
from minitf.tasks.metrics import is_better, without_long_lists
from minitf.tasks.spec import LOWER_IS_BETTER
from minitf.text.batches import Examples, by_length, shuffled
from minitf.training.nan_check import first_nonfinite
from minitf.training.optimizer import Optimizer
from minitf.training.precision import FULL, Precision
from minitf.training.workers import ALONE, Workers

REMEDY = "lower `lr`, or raise `warmup`"


@dataclasses.dataclass(frozen=True)
class Plan:
    """The number of epochs, the batches, and how the best epoch is chosen.

    An update uses `batch_size` · `accumulate` examples, `batch_size` at a time, with the gradient of one large batch.
    With `patience`, training stops after so many epochs in a row without a new best one.
    """

    epochs: int
    batch_size: int
    seed: int
    accumulate: int = 1
    metric: str = "accuracy"
    patience: int | None = None
    lower_is_better: frozenset[str] = LOWER_IS_BETTER


@dataclasses.dataclass(frozen=True)
class TrainingData:
    """Training and validation examples; `augmented` returns the training examples of an epoch instead of `train`."""

    train: Examples
    valid: Examples
    augmented: Callable[[int], Examples] | None = None

    def of_epoch(self, epoch: int) -> Examples:
        """Return the training examples of an epoch."""
        return self.augmented(epoch) if self.augmented else self.train


@dataclasses.dataclass(frozen=True)
class Runtime:
    """The precision and the processes of the loop; the defaults do nothing."""

    precision: Precision = FULL
    workers: Workers = ALONE


@dataclasses.dataclass(frozen=True)
class Step:
    """One update of the weights."""

    number: int  # from 1
    epoch: int
    loss: float
    lr: float
    gradient: float | None  # gradient norm before clipping; None if the update was skipped
    ends_epoch: bool  # the last of its epoch: save a state after the `Epoch` that follows, not here

    def to_dict(self) -> dict[str, Any]:
        """Return the record of `metrics.jsonl`."""
        numbers = {"loss": self.loss, "lr": self.lr, "gradient": self.gradient}
        return {"step": self.number, "epoch": self.epoch, **numbers}


@dataclasses.dataclass(frozen=True)
class Epoch:
    """One pass over the training data, and the evaluation after it."""

    number: int  # from 1
    train_loss: float  # mean over its steps, with dropout and penalties
    valid: dict[str, Any]  # the metrics' `to_dict()`, `without_long_lists`
    scores: dict[str, float]  # the metrics' `scores`
    best: bool  # so far
    seconds: float  # of training, without the evaluation


@dataclasses.dataclass
class Progress:
    """The progress of training; a run is resumed from a saved one."""

    history: list[Epoch] = dataclasses.field(default_factory=list)
    losses: list[float] = dataclasses.field(default_factory=list)  # of the steps of this epoch
    seconds: float = 0.0  # of training in this epoch

    @property
    def epoch(self) -> int:
        """The current epoch, from 1."""
        return len(self.history) + 1

    @property
    def best(self) -> Epoch | None:
        return next((epoch for epoch in reversed(self.history) if epoch.best), None)

    @property
    def at_best(self) -> bool:
        """Whether the best epoch has just ended, so that the weights are those of its model."""
        return bool(self.history) and self.history[-1].best and not self.losses

    def end_epoch(self, metrics: Metrics, plan: Plan) -> Epoch:
        """Add the current epoch to the history. Raises DivergedError if the validation loss is not finite."""
        if not math.isfinite(metrics.loss):  # no batch follows the last update: a NaN in the weights shows only here
            raise DivergedError(f"the validation loss is {metrics.loss} after epoch {self.epoch}: {REMEDY}")
        valid, best = without_long_lists(metrics.to_dict()), self.best
        better = best is None or is_better(plan.metric, valid, best.valid, plan.lower_is_better)
        mean = sum(self.losses) / len(self.losses)
        self.history.append(Epoch(self.epoch, mean, valid, dict(metrics.scores), better, self.seconds))
        self.losses, self.seconds = [], 0.0
        return self.history[-1]


def train(
    model: nn.Module,
    task: Task,
    data: TrainingData,
    optimizer: Optimizer,
    plan: Plan,
    stage: Callable[[int], AbstractContextManager[None]] = lambda epoch: nullcontext(),
    progress: Progress | None = None,
    runtime: Runtime = Runtime(),
) -> Generator[Step | Epoch]:
    """Train `model` in place. Each epoch runs inside `stage(epoch)`, which freezes layers; `progress` is updated.

    Close the generator if you leave it early (`contextlib.closing`). Raises DivergedError if a loss or gradient becomes
    NaN or infinite.
    """
    progress = progress or Progress()
    while not is_done(progress, plan):
        epoch, examples = progress.epoch, data.of_epoch(progress.epoch)
        batches = shuffled(examples.lengths(), plan.batch_size * plan.accumulate, plan.seed, epoch)
        with stage(epoch):
            model.train()
            for indices in batches[len(progress.losses) :]:
                start, lr = time.perf_counter(), optimizer.rate()
                loss, norm = update(model, task, examples, indices, optimizer, plan.batch_size, runtime)
                progress.losses.append(loss)
                progress.seconds += time.perf_counter() - start
                gradient = norm if math.isfinite(norm) else None
                yield Step(optimizer.steps, epoch, loss, lr, gradient, len(progress.losses) == len(batches))
            metrics = evaluate(model, task, data.valid, runtime.workers)
        yield progress.end_epoch(metrics, plan)


def update(
    model: nn.Module,
    task: Task,
    examples: Examples,
    indices: Sequence[int],
    optimizer: Optimizer,
    size: int,
    runtime: Runtime = Runtime(),
) -> tuple[float, float]:
    """Update the weights once with the examples at `indices`, `size` at a time; return the loss and the gradient norm.

    The loss of each part is multiplied by its share of the whole weight, so the sum of the gradients is the gradient
    of one batch. The norm is NaN if the update was skipped.
    """
    precision, workers = runtime.precision, runtime.workers
    device, whole = next(model.parameters()).device, task.weight(examples.targets_of(indices))
    loss = 0.0
    for i in range(0, len(indices), size):
        mine = workers.share(indices[i : i + size])
        if not mine or not (weight := task.weight(examples.targets_of(mine))):
            continue  # no targets, for example windows without a tagged word
        batch, targets = examples.batch(mine)
        batch, targets = batch.to(device), targets.to(device)
        with precision.autocast():
            part = task.loss(task.logits(model, batch), targets) * (weight / whole)
        if not math.isfinite(value := float(part.detach())):
            with precision.autocast():
                first = first_nonfinite(model, functools.partial(task.logits, model, batch))
            raise DivergedError(f"the loss is {value} at step {optimizer.steps + 1} ({first}): {REMEDY}")
        precision.scaled(part).backward()
        loss += value
    if not whole:
        return 0.0, optimizer.skip()
    penalty = optimizer.penalty()
    if isinstance(penalty, Tensor):
        precision.scaled(penalty / workers.count).backward()
        loss += float(penalty.detach()) / workers.count
    workers.sum_gradients(optimizer.parameters.values())
    gradients = [p.grad for p in optimizer.parameters.values() if p.grad is not None]
    if not precision.unscale(gradients):
        return workers.total(loss), optimizer.skip()
    return workers.total(loss), float(optimizer.step())


def is_done(progress: Progress, plan: Plan) -> bool:
    """Whether all epochs are finished, or `patience` of them in a row were not the best."""
    history, patience = progress.history, plan.patience
    if patience is not None and history and not any(epoch.best for epoch in history[-patience:]):
        return True
    return progress.epoch > plan.epochs


def evaluate(model: nn.Module, task: Task, examples: Examples, workers: Workers = ALONE) -> Metrics:
    """Measure the model on `examples`, each process its share of the batches."""
    batches = by_length(examples.lengths(), BATCH_SIZE)
    logits: list[list[torch.Tensor]] = logits_of_batches(model, task, examples, workers.share(batches))
    return task.measure(in_order(batches, workers.gathered(logits)), examples)
