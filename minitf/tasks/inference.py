"""The logits for a data set: each example once, without dropout, in batches of similar length."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from minitf.errors import InputError
from minitf.tasks.base import OwnOutputs, Task
from minitf.tasks.progress import with_progress
from minitf.text.batches import Batch, Examples, by_length

BATCH_SIZE = 64


def check_finite(numbers: Tensor) -> Tensor:
    """Return `numbers`, the output of a trained model. Raises InputError if one is NaN or infinite."""
    if not numbers.isfinite().all():
        raise InputError(
            "the model's output is NaN or infinite: its weights are too large for their type, or `math` is wrong"
        )
    return numbers


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Switch to eval mode, and back to the previous mode at the end."""
    training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(training)


def predict_logits(model: nn.Module, task: Task, examples: Examples, batch_size: int = BATCH_SIZE) -> list[Tensor]:
    """Return the unpadded logits of every example, in order, on the CPU."""
    batches = by_length(examples.lengths(), batch_size)
    return in_order(batches, logits_of_batches(model, task, examples, batches))


@torch.no_grad()
def logits_of_batches(
    model: nn.Module, task: Task, examples: Examples, batches: Sequence[Sequence[int]]
) -> list[list[Tensor]]:
    """Return the unpadded logits of the examples in each batch of indices, computed in eval mode."""
    device, found = next(model.parameters()).device, []
    with evaluating(model):
        for indices in with_progress(batches, "batch", "evaluating"):
            batch = examples.batch(indices)[0].to(device)
            found.append([logits.cpu() for logits in _outputs(model, task, batch)])
    return found


def _outputs(model: nn.Module, task: Task, batch: Batch) -> Sequence[Tensor]:
    return task.outputs(model, batch) if isinstance(task, OwnOutputs) else task.unpad(task.logits(model, batch), batch)


def in_order(batches: Sequence[Sequence[int]], logits: Sequence[Sequence[Tensor]]) -> list[Tensor]:
    """Return the logits of all batches, sorted by the index of their example."""
    by_index: dict[int, Tensor] = {}
    for indices, rows in zip(batches, logits, strict=True):
        by_index.update(zip(indices, rows, strict=True))
    return [by_index[i] for i in range(len(by_index))]
