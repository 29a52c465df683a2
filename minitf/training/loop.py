"""The training loop: batch → loss → backward → clip → step → log, and after each epoch an evaluation.

What a run may need besides is handed in, and does nothing by default: `precision` (half the bits), `workers` (several
processes), `stage` (what is frozen in an epoch), `keep` (what makes it resumable).
"""

import dataclasses
import functools
import math
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from minitf.errors import DivergedError
from minitf.tasks.task import Metrics, Task
from minitf.text.batches import Examples, by_length, shuffled
from minitf.training.finite import first_culprit
from minitf.training.metrics import is_better
from minitf.training.optimizer import Optimizer
from minitf.training.precision import FULL, Precision
from minitf.training.workers import ALONE, Workers

REMEDY = "lower --lr, or lengthen --warmup"


@dataclasses.dataclass(frozen=True)
class Epoch:
    """What an epoch came to."""

    number: int  # from 1
    train_loss: float  # the mean over its steps, with dropout on and penalties added
    valid: dict[str, Any]  # the metrics' `to_dict()`
    scores: dict[str, float]  # those to be told
    best: bool  # so far
    seconds: float  # of training, without the evaluation


@dataclasses.dataclass
class Progress:
    """How far a run has come: what lies behind, and what of the epoch under way does."""

    history: list[Epoch] = dataclasses.field(default_factory=list)
    losses: list[float] = dataclasses.field(default_factory=list)  # of the steps of this epoch
    seconds: float = 0.0  # of training in this epoch

    @property
    def epoch(self) -> int:
        """The one under way, from 1."""
        return len(self.history) + 1

    @property
    def best(self) -> Epoch | None:
        return next((epoch for epoch in reversed(self.history) if epoch.best), None)


def train(
    model: nn.Module,
    task: Task,
    examples: Examples,
    valid: Examples,
    optimizer: Optimizer,
    *,
    epochs: int,
    batch_size: int,
    seed: int,
    accumulate: int = 1,
    metric: str = "accuracy",
    patience: int | None = None,
    log: Callable[[dict[str, Any]], None] = lambda record: None,
    after_epoch: Callable[[Epoch], None] = lambda epoch: None,
    stage: Callable[[int], AbstractContextManager[None]] = lambda epoch: nullcontext(),
    keep: Callable[[Progress], None] = lambda progress: None,
    progress: Progress | None = None,
    precision: Precision = FULL,
    workers: Workers = ALONE,
    drawn: Callable[[int], Examples] | None = None,
) -> list[Epoch]:
    """Train `model` in place; `log` is called after every step, `after_epoch` after every epoch.

    Each step learns from `batch_size` · `accumulate` texts, `batch_size` at a time, as if they were one batch. An epoch
    learns from `drawn(epoch)` where that is given (augmented texts), else from `examples`. With `patience` the run ends
    early after so many epochs in a row that were not the best. `keep` is called after every step and every epoch with
    the `progress`, from which a later call goes on.
    Raises DivergedError if the loss is no longer a finite number.
    """
    at = progress or Progress()
    while not is_done(at, epochs, patience):
        epoch = at.epoch
        examples = drawn(epoch) if drawn else examples
        batches = shuffled(examples.lengths(), batch_size * accumulate, seed, epoch)
        with stage(epoch):
            model.train()
            for indices in batches[len(at.losses) :]:
                start, rate = time.perf_counter(), optimizer.rate()
                loss, norm = take_step(model, task, examples, indices, optimizer, batch_size, precision, workers)
                at.losses.append(loss)
                at.seconds += time.perf_counter() - start
                length = norm if math.isfinite(norm) else None  # it overflowed, and the step was left out
                log({"step": optimizer.steps, "epoch": epoch, "loss": loss, "lr": rate, "gradient": length})
                if len(at.losses) < len(batches):
                    keep(at)
            measured = evaluate(model, task, valid, workers)
        if not math.isfinite(measured.loss):  # the last step may have spoiled the weights, with no batch to show it
            raise DivergedError(f"the validation loss is {measured.loss} after epoch {epoch}: {REMEDY}")
        scores, best = measured.to_dict(), at.best
        better = best is None or is_better(metric, scores, best.valid)
        mean = sum(at.losses) / len(at.losses)
        at.history.append(Epoch(epoch, mean, scores, dict(measured.scores), better, at.seconds))
        at.losses, at.seconds = [], 0.0
        after_epoch(at.history[-1])
        keep(at)
    return at.history


def is_done(at: Progress, epochs: int, patience: int | None) -> bool:
    """Whether all epochs are behind, or so many in a row that were not the best that the run is given up."""
    if patience is not None and at.history and not any(epoch.best for epoch in at.history[-patience:]):
        return True
    return at.epoch > epochs


def take_step(
    model: nn.Module,
    task: Task,
    examples: Examples,
    indices: Sequence[int],
    optimizer: Optimizer,
    size: int,
    precision: Precision = FULL,
    workers: Workers = ALONE,
) -> tuple[float, float]:
    """Learn once from the examples at `indices`, `size` at a time; returns the loss and the gradient's length.

    Each part's loss counts by its share of the weight of all: the sum of the gradients is that of one large batch.
    """
    device, whole = next(model.parameters()).device, task.weight(examples.targets_of(indices))
    loss = 0.0
    for i in range(0, len(indices), size):
        mine = workers.share(indices[i : i + size])
        if not mine or not (weight := task.weight(examples.targets_of(mine))):
            continue  # nothing to learn from: no words with tags in these windows, say
        batch, targets = examples.batch(mine)
        batch, targets = batch.to(device), targets.to(device)
        with precision.autocast():
            part = task.loss(task.logits(model, batch), targets) * (weight / whole)
        if not math.isfinite(value := float(part.detach())):
            with precision.autocast():
                culprit = first_culprit(model, functools.partial(task.logits, model, batch))
            raise DivergedError(f"the loss is {value} at step {optimizer.steps + 1}; first in {culprit}: {REMEDY}")
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
    if not precision.restored(gradients):
        return workers.total(loss), optimizer.skip()
    return workers.total(loss), float(optimizer.step())


def evaluate(model: nn.Module, task: Task, examples: Examples, workers: Workers = ALONE) -> Metrics:
    """How good the model's answers to `examples` are, each answered once."""
    return task.measure(answer(model, task, examples, workers=workers), examples)


@torch.no_grad()
def answer(
    model: nn.Module, task: Task, examples: Examples, batch_size: int = 64, workers: Workers = ALONE
) -> list[Tensor]:
    """The logits of every example, in their order, on the CPU; dropout off."""
    device = next(model.parameters()).device
    training = model.training
    model.eval()
    order = by_length(examples.lengths(), batch_size)
    answered: list[list[Tensor]] = []
    for indices in workers.share(order):
        batch = examples.batch(indices)[0].to(device)
        answered.append([logits.cpu() for logits in task.answers(task.logits(model, batch), batch)])
    model.train(training)
    rows: dict[int, Tensor] = {}
    for indices, logits in zip(order, workers.gathered(answered), strict=True):
        rows.update(zip(indices, logits, strict=True))
    return [rows[i] for i in range(len(examples))]
