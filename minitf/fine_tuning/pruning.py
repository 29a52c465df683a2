"""Pruning of a fine-tuned model: the importance of each attention head, and the scores without heads or weights."""

import copy
import dataclasses
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from minitf.bert.pruning import HeadGates, HeadIndex, count_zeros, least_important, zero_heads, zero_smallest
from minitf.errors import InputError
from minitf.fine_tuning.evaluation import Labelled, LabelledModel, open_labelled
from minitf.fine_tuning.saved import ModelOptions, Say
from minitf.tasks.base import Metrics
from minitf.tasks.progress import with_progress
from minitf.text.batches import by_length
from minitf.training.figure import new_figure, save_figure

SHARES = tuple(tenths / 10 for tenths in range(10))  # of a sweep


@dataclasses.dataclass(frozen=True)
class Prunable:
    """A model on a labelled table, and its heads in the order of removal (empty if weights are removed)."""

    opened: LabelledModel
    order: "list[HeadIndex]"
    batch_size: int

    def remove_heads(self, n: int) -> int:
        """Set the `n` least important heads to 0; return the number of weights. Raises InputError for too many."""
        if n > len(self.order):
            raise InputError(f"`heads` {n}: at most {len(self.order)}, because every layer keeps one")
        return zero_heads(self.opened.model, self.order[:n])

    def remove_weights(self, share: float) -> int:
        """Set the smallest weights of the encoder's matrices to 0; return their number."""
        return zero_smallest(self.opened.model, share)

    def measure(self) -> Metrics:
        return self.opened.measure(self.batch_size)

    def sizes(self) -> tuple[int, int]:
        """Return (number of weights that are 0, number of all weights)."""
        return count_zeros(self.opened.model), sum(p.numel() for p in self.opened.model.parameters())

    def sweep(self) -> Iterator[tuple[float, dict[str, float]]]:
        """Yield (removed share, scores and loss) for growing shares of the heads, or weights if `order` is empty."""
        kept = copy.deepcopy(self.opened.model.state_dict())
        for share in SHARES:
            self.opened.model.load_state_dict(kept)
            if self.order:
                self.remove_heads(round(share * len(self.order)))
            else:
                self.remove_weights(share)
            metrics = self.measure()
            yield share, {**metrics.scores, "loss": metrics.loss}


def open_prunable(
    source: str, labelled: Labelled, options: ModelOptions, say: Say, batch_size: int, *, by_heads: bool
) -> Prunable:
    """Load the model and the table; rank the heads if `by_heads`. Raises InputError."""
    gates = HeadGates()
    opened = open_labelled(source, labelled, options, say, gates.overlay if by_heads else lambda math: math)
    if opened.spec.model != "bert":
        raise InputError(f"{source}: a model that generates text cannot be pruned")
    opened.model.eval()
    order: list[HeadIndex] = []
    if by_heads:
        importance = head_importance(opened, gates, batch_size)
        order = least_important(importance, importance.numel())
    return Prunable(opened, order, batch_size)


def head_importance(opened: LabelledModel, gates: HeadGates, batch_size: int) -> Tensor:
    """Compute the mean over the examples of |∂loss/∂ξ|, ξ the gate of a head, `[L, H]`: Michel et al. 2019, eq. 2."""
    task, examples, model = opened.task, opened.examples, opened.model
    device, total = next(model.parameters()).device, None
    for indices in with_progress(by_length(examples.lengths(), batch_size), "batch", "head importance"):
        batch, targets = examples.batch(indices)
        batch, targets = batch.to(device), targets.to(device)
        gates.reset()
        with torch.enable_grad():
            loss = task.loss(task.logits(model, batch), targets) * task.weight(targets)  # the sum over the examples
        loss.backward()
        model.zero_grad()
        found = gates.sensitivity()
        total = found if total is None else total + found
    gates.reset()
    assert total is not None
    return total / len(examples)


def draw_sweep(rows: "list[tuple[float, dict[str, float]]]", what: str, path: Path) -> None:
    """Draw the scores over the removed share."""
    figure = new_figure(5.5, 3.5)
    axes = figure.subplots()
    for n, name in enumerate(name for name in rows[0][1] if name != "loss"):
        style = ("s-", "^--", "o-.")[n % 3]
        axes.plot([100 * share for share, _ in rows], [scores[name] for _, scores in rows], style, label=name)
    axes.set(xlabel=f"{what} removed, %", ylabel="score")
    axes.legend()
    save_figure(figure, path)
