"""The training loop: batch → loss → backward → clip → step → log, and after each epoch an evaluation."""

import dataclasses
import math
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from minitf.errors import InputError
from minitf.tasks.classification import Classification
from minitf.text.batches import Examples, by_length, shuffled
from minitf.training.metrics import ClassificationMetrics, is_better
from minitf.training.optimizer import Optimizer

REMEDY = "lower --lr, or lengthen --warmup"


@dataclasses.dataclass(frozen=True)
class Epoch:
    """What an epoch came to."""

    number: int  # from 1
    train_loss: float  # the mean over its batches, with dropout on and penalties added
    valid: ClassificationMetrics
    best: bool  # so far
    seconds: float  # of training, without the evaluation


def train(
    model: nn.Module,
    task: Classification,
    examples: Examples,
    valid: Examples,
    optimizer: Optimizer,
    *,
    epochs: int,
    batch_size: int,
    seed: int,
    metric: str = "accuracy",
    patience: int | None = None,
    log: Callable[[dict[str, Any]], None] = lambda record: None,
    after_epoch: Callable[[Epoch], None] = lambda epoch: None,
) -> list[Epoch]:
    """Train `model` in place; `log` is called after every step, `after_epoch` after every epoch.

    With `patience` the run ends early after so many epochs in a row that were not the best.
    Raises InputError if the loss is no longer a finite number.
    """
    device = next(model.parameters()).device
    lengths, history = examples.lengths(), []
    best: ClassificationMetrics | None = None
    for number in range(1, epochs + 1):
        model.train()
        start, losses = time.perf_counter(), []
        for indices in shuffled(lengths, batch_size, seed, number):
            batch, targets = examples.batch(indices)
            batch, targets = batch.to(device), targets.to(device)
            rate = optimizer.rate()
            loss = task.loss(task.logits(model, batch), targets) + optimizer.penalty()
            losses.append(_finite(loss, optimizer.steps + 1))
            loss.backward()
            norm = optimizer.step()
            log({"step": optimizer.steps, "epoch": number, "loss": losses[-1], "lr": rate, "gradient": float(norm)})
        seconds = time.perf_counter() - start
        measured = task.measure(answer(model, task, valid), valid.targets)
        if not math.isfinite(measured.loss):  # the last step may have spoiled the weights, with no batch to show it
            raise InputError(f"the validation loss is {measured.loss} after epoch {number}: {REMEDY}")
        better = best is None or is_better(metric, measured, best)
        best = measured if better else best
        history.append(Epoch(number, sum(losses) / len(losses), measured, better, seconds))
        after_epoch(history[-1])
        if patience is not None and not any(epoch.best for epoch in history[-patience:]):
            break
    return history


@torch.no_grad()
def answer(model: nn.Module, task: Classification, examples: Examples, batch_size: int = 64) -> Tensor:
    """The logits of every example, in their order, `[n, C]` on the CPU; dropout off."""
    device = next(model.parameters()).device
    training = model.training
    model.eval()
    order, rows = by_length(examples.lengths(), batch_size), []
    for indices in order:
        batch = examples.batch(indices)[0].to(device)
        rows.append(task.logits(model, batch).cpu())
    model.train(training)
    back = torch.tensor([i for indices in order for i in indices]).argsort()
    return torch.cat(rows)[back]


def _finite(loss: Tensor, step: int) -> float:
    value = float(loss.detach())
    if not math.isfinite(value):
        raise InputError(f"the loss is {value} at step {step}: {REMEDY}")
    return value
