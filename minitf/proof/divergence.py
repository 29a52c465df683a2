"""minitf and the reference side by side, tensor by tensor in the order of computation: where do they first differ?"""

import contextlib
import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn

from minitf.proof.reference import Pair, dropout_stand_in, reference_parameters, run_fast, run_ours, run_reference
from minitf.text.batches import Batch
from minitf.training.optimizer import Optimizer, Recipe

STEPS = 5
LR = 5e-5

# Differences count in proportion to the tensor's largest value, but not below this: the gradient of the key bias is
# zero in theory (softmax does not see what all scores of a row share), so its own size is rounding.
FLOOR = 1e-3


@dataclasses.dataclass(frozen=True)
class Row:
    """One tensor of both."""

    stage: str  # forward, gradient, weight
    label: str
    absolute: float  # the largest difference
    relative: float  # that, over the tensor's largest value or FLOOR
    tolerance: float  # of `relative`

    @property
    def fine(self) -> bool:
        return self.relative <= self.tolerance  # False for NaN


@dataclasses.dataclass(frozen=True)
class Tolerance:
    """What rounding may do to `relative`, by stage."""

    forward: float
    gradient: float
    weight: float


# float64 sees every known mistake, the shorter types only the coarse ones: decay on LayerNorm, say, moves a weight by
# a millionth in five steps. In them a key bias, whose gradient is rounding, also moves by rounding, for Adam divides
# it by its own size: it is held only to the length that five steps can have.
FREE = 2 * STEPS * LR / FLOOR
TOLERANCES = {
    torch.float64: Tolerance(1e-10, 1e-10, 1e-10),
    torch.float32: Tolerance(1e-5, 1e-4, 1e-3),
    torch.bfloat16: Tolerance(1e-1, 5e-1, FREE),
}


def walk(
    pair: Pair,
    batch: Batch,
    targets: Tensor,
    *,
    train_seed: int | None = None,
    fixed_dropout: bool = False,
    steps: int = STEPS,
    tolerance: Tolerance | None = None,
    recipe: Recipe | None = None,
    plant: Callable[[Optimizer], None] = lambda optimizer: None,
) -> list[Row]:
    """Forward, loss, gradients, and the weights after `steps` steps of AdamW; every tensor a row.

    In eval mode, or with `train_seed` in train mode with dropout drawn from that seed on both sides (equal draws only
    for the equations on a CPU), or with `fixed_dropout` under a deterministic stand-in that our mathematics must
    already hold (`stand_in`). Padding is not compared. `plant` may spoil our optimizer, to see that the walk notices.
    """
    ours, theirs = pair.ours, pair.theirs
    dtype = next(ours.parameters()).dtype
    tolerance = tolerance or TOLERANCES[dtype]
    recipe = recipe or Recipe(lr=LR, schedule="constant", warmup=0.0)
    training = train_seed is not None or fixed_dropout
    ours.train(training)
    theirs.train(training)
    optimizer, reference = Optimizer(ours, recipe, steps, pair.math), _reference_optimizer(theirs, recipe)
    plant(optimizer)
    rows: list[Row] = []
    for step in range(max(1, steps)):
        _seed(train_seed, step)
        if step == 0:
            with torch.no_grad():
                _, mine = run_ours(pair, batch)
            _seed(train_seed, step)
        logits, fast = run_fast(pair, batch)
        loss = pair.math.cross_entropy(logits, targets) + optimizer.penalty()
        loss.backward()
        _seed(train_seed, step)
        with dropout_stand_in() if fixed_dropout else contextlib.nullcontext():
            their_logits, other = run_reference(theirs, batch)
        their_loss = nn.functional.cross_entropy(their_logits, targets)
        their_loss.backward()
        if step == 0:
            if training:  # the reference hands out A after dropout, minitf before: not comparable
                mine = {label: t for label, t in mine.items() if not label.endswith(".A")}
            rows += _forward_rows(mine, other, batch.mask, tolerance)
            rows += _forward_rows(fast, other, batch.mask, tolerance, note="/without-A")
            rows.append(compare("forward", "loss", loss.detach(), their_loss.detach(), tolerance.forward))
            rows += _gradient_rows(ours, theirs, tolerance)
        if steps:
            optimizer.step()
            if recipe.clip is not None:
                nn.utils.clip_grad_norm_(theirs.parameters(), recipe.clip)
            reference.step()
            reference.zero_grad()
    if steps:
        counterpart = reference_parameters(theirs)
        for name, p in ours.named_parameters():
            idle = name.endswith("W_K.bias") and dtype is not torch.float64
            bound = FREE if idle else tolerance.weight
            rows.append(compare("weight", name, p.detach(), counterpart[name].detach(), bound))
    return rows


def first_divergence(rows: Sequence[Row]) -> Row | None:
    """The first row beyond its tolerance, None if both are equal."""
    return next((row for row in rows if not row.fine), None)


def compare(stage: str, label: str, mine: Tensor, other: Tensor, tolerance: float, floor: float = FLOOR) -> Row:
    """One row. Shapes that differ, NaN, and an infinity on one side alone are infinitely far apart."""
    if mine.shape != other.shape:
        return Row(stage, label, math.inf, math.inf, tolerance)
    mine, other = mine.double(), other.double()
    difference = torch.where(mine == other, 0.0, (mine - other).abs())  # equal infinities: no difference
    if mine.numel() == 0:
        return Row(stage, label, 0.0, 0.0, tolerance)
    absolute = float(difference.nan_to_num(nan=math.inf).max())
    finite = other.abs()[other.isfinite()]
    largest = float(finite.max()) if finite.numel() else 0.0
    return Row(stage, label, absolute, absolute / max(largest, floor), tolerance)


def _forward_rows(
    mine: dict[str, Tensor], other: dict[str, Tensor], mask: Tensor, tolerance: Tolerance, note: str = ""
) -> Iterator[Row]:
    real = mask.bool()
    for label, tensor in mine.items():
        pair = (tensor, other[label])
        if tensor.shape == other[label].shape:
            pair = (_real_only(label, tensor, real), _real_only(label, other[label], real))
        yield compare("forward", label + note, *pair, tolerance.forward)


def _real_only(label: str, t: Tensor, real: Tensor) -> Tensor:
    """The part of a tensor that belongs to real tokens: padding may hold anything."""
    if label.endswith("QKᵀ/√d_k"):
        pairs = (real[:, :, None] & real[:, None, :])[:, None].expand(t.shape)  # a masked score is −∞, theirs is not
        return t[pairs]
    if label.endswith(".A"):
        return t.transpose(1, 2)[real]  # rows of real queries, [n, H, S]: padded keys must have weight 0
    if t.dim() == 3 and t.shape[:2] == real.shape:
        return t[real]
    return t


def _gradient_rows(ours: nn.Module, theirs: nn.Module, tolerance: Tolerance) -> Iterator[Row]:
    """In the order of computation, which backward runs through from its end: last layers first."""
    counterpart = reference_parameters(theirs)
    steepest = max(float(p.grad.abs().max()) for p in counterpart.values() if p.grad is not None)
    for name, p in reversed(list(ours.named_parameters())):
        other = counterpart[name].grad
        if p.grad is None or other is None:
            yield Row("gradient", name, math.inf, math.inf, tolerance.gradient)
            continue
        # In a short type what is left of the key bias's zero is as large as its rounding: measured by all the others.
        short = name.endswith("W_K.bias") and p.dtype is not torch.float64
        floor = max(FLOOR, steepest) if short else FLOOR
        yield compare("gradient", name, p.grad, other, tolerance.gradient, floor)


def _reference_optimizer(theirs: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    named = reference_parameters(theirs)
    groups = [
        {"params": [p for n, p in named.items() if is_decayed_by_reference(p)], "weight_decay": recipe.weight_decay},
        {"params": [p for n, p in named.items() if not is_decayed_by_reference(p)], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=recipe.lr)


def is_decayed_by_reference(p: nn.Parameter) -> bool:
    """Matrices decay, vectors (biases, LayerNorm) do not: said by shape here, by name in `training.optimizer`."""
    return p.dim() > 1


def _seed(seed: int | None, step: int) -> None:
    if seed is not None:
        torch.manual_seed(seed + step)
