"""Compare minitf with the reference, tensor by tensor in the order of computation, and find the first difference."""

import contextlib
import dataclasses
import math
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, nn

from minitf.proof.reference import (
    Pair,
    dropout_stand_in,
    reference_parameters,
    run_ours,
    run_ours_without_attention,
    run_reference,
)
from minitf.tasks.progress import with_progress
from minitf.text.batches import Batch
from minitf.training.optimizer import Optimizer, Recipe

STEPS = 5
LR = 5e-5

# A difference is divided by the tensor's largest value, or by this if that is smaller.
FLOOR = 1e-3

# The gradient of a key bias is zero in theory, because softmax does not change if all scores of a row change by
# the same amount. Its computed value is rounding error, so every digit may differ, and Adam divides it by its own
# size. So a key bias is compared absolutely: its gradient with the largest of all gradients, and its value with the
# distance that this rounding error can move it (`_reach`).
ZERO_GRADIENT = "W_K.bias"
ROUNDINGS = 10  # how much larger the rounding error of a gradient may be than the one that the reference shows
ADAM_EPS = 1e-8


@dataclasses.dataclass(frozen=True)
class Row:
    """The comparison of one tensor."""

    stage: str  # forward, gradient, weight
    label: str
    absolute: float  # the largest difference
    relative: float  # the same, divided by the tensor's largest value or FLOOR
    tolerance: float  # of `relative`; for an absolute comparison, in the same unit

    @property
    def within_tolerance(self) -> bool:
        return self.relative <= self.tolerance  # False for NaN


@dataclasses.dataclass(frozen=True)
class Tolerance:
    """The largest `relative` that rounding explains, by stage."""

    forward: float
    gradient: float
    weight: float


# float64 shows every known mistake, the shorter types only the coarse ones: weight decay on LayerNorm, for example,
# moves a weight by a millionth in five steps. In bfloat16 five steps change a weight by less than its rounding error.
TOLERANCES = {
    torch.float64: Tolerance(1e-10, 1e-10, 1e-10),
    torch.float32: Tolerance(1e-5, 1e-4, 1e-3),
    torch.bfloat16: Tolerance(1e-1, 5e-1, 2 * STEPS * LR / FLOOR),
}


def compare_models(
    pair: Pair,
    batch: Batch,
    targets: Tensor,
    *,
    train_seed: int | None = None,
    fixed_dropout: bool = False,
    steps: int = STEPS,
    tolerance: Tolerance | None = None,
    recipe: Recipe | None = None,
    change_optimizer: Callable[[Optimizer], None] = lambda optimizer: None,
) -> list[Row]:
    """Compare the forward pass, the loss, the gradients, and the weights after `steps` steps of AdamW.

    The models run in eval mode unless one of two options asks for train mode. `train_seed` draws dropout from that
    seed on both sides; the draws are equal only for the equations on a CPU. `fixed_dropout` replaces dropout by a
    deterministic function, which our mathematics must already contain (`stand_in`). Padding is not compared.
    `change_optimizer` may plant a mistake in our optimizer, to test that the comparison reports it.
    """
    ours, theirs = pair.ours, pair.theirs
    tolerance = tolerance or TOLERANCES[next(ours.parameters()).dtype]
    recipe = recipe or Recipe(lr=LR, schedule="constant", warmup=0.0)
    training = train_seed is not None or fixed_dropout
    ours.train(training)
    theirs.train(training)
    optimizer, reference = Optimizer(ours, recipe, steps, pair.math), _reference_optimizer(theirs, recipe)
    change_optimizer(optimizer)
    rows: list[Row] = []
    recorded: dict[str, Tensor] = {}
    reach = 0.0
    for step in with_progress(range(max(1, steps)), "step", "comparing"):
        if step == 0:
            _seed(train_seed, step)
            with torch.no_grad():
                _, recorded = run_ours(pair, batch)
        _seed(train_seed, step)
        logits, unrecorded = run_ours_without_attention(pair, batch)
        loss = pair.math.cross_entropy(logits, targets) + optimizer.penalty()
        loss.backward()
        _seed(train_seed, step)
        their_loss, other = _reference_backward(theirs, batch, targets, fixed_dropout)
        if step == 0:
            if training:  # the reference returns A after dropout, minitf before it: not comparable
                recorded = {label: t for label, t in recorded.items() if not label.endswith(".A")}
            rows += _forward_rows(recorded, other, batch.mask, tolerance)
            rows += _forward_rows(unrecorded, other, batch.mask, tolerance, suffix="/without-A")
            rows.append(compare("forward", "loss", loss.detach(), their_loss, tolerance.forward))
            rows += _gradient_rows(ours, theirs, tolerance)
        if steps:
            reach += _reach(theirs, recipe.lr)
            optimizer.step()
            _reference_step(theirs, reference, recipe)
    return [*rows, *_weight_rows(ours, theirs, tolerance, reach)] if steps else rows


def first_divergence(rows: Sequence[Row]) -> Row | None:
    """Return the first row beyond its tolerance, or None if all are within."""
    return next((row for row in rows if not row.within_tolerance), None)


def compare(
    stage: str,
    label: str,
    mine: Tensor,
    other: Tensor,
    tolerance: float,
    floor: float = FLOOR,
    reach: float = 0.0,
) -> Row:
    """Compare two tensors. Different shapes, NaN, and an infinity on one side only count as an infinite difference.

    A difference of at most `reach` is within the tolerance, whatever the tensor's values.
    """
    if mine.shape != other.shape:
        return Row(stage, label, math.inf, math.inf, tolerance)
    mine, other = mine.double(), other.double()
    difference = torch.where(mine == other, 0.0, (mine - other).abs())  # equal infinities: no difference
    if mine.numel() == 0:
        return Row(stage, label, 0.0, 0.0, tolerance)
    absolute = float(difference.nan_to_num(nan=math.inf).max())
    finite = other.abs()[other.isfinite()]
    largest = float(finite.max()) if finite.numel() else 0.0
    unit = max(largest, floor)
    return Row(stage, label, absolute, absolute / unit, max(tolerance, reach / unit))


def _forward_rows(
    mine: dict[str, Tensor], other: dict[str, Tensor], mask: Tensor, tolerance: Tolerance, suffix: str = ""
) -> Iterator[Row]:
    real = mask.bool()
    for label, tensor in mine.items():
        pair = (tensor, other[label])
        if tensor.shape == other[label].shape:
            pair = (_real_only(label, tensor, real), _real_only(label, other[label], real))
        yield compare("forward", label + suffix, *pair, tolerance.forward)


def _real_only(label: str, t: Tensor, real: Tensor) -> Tensor:
    """Select the part of a tensor that belongs to real tokens: the values at padding do not matter."""
    if label.endswith("QKᵀ/√d_k"):
        pairs = (real[:, :, None] & real[:, None, :])[:, None].expand(t.shape)  # a masked score is −∞ only in minitf
        return t[pairs]
    if label.endswith(".A"):
        return t.transpose(1, 2)[real]  # rows of real queries, [n, H, S]: padded keys must have weight 0
    if t.dim() == 3 and t.shape[:2] == real.shape:
        return t[real]
    return t


def _gradient_rows(ours: nn.Module, theirs: nn.Module, tolerance: Tolerance) -> Iterator[Row]:
    """Compare the gradients in the order in which the backward pass computes them: last layers first."""
    counterpart = reference_parameters(theirs)
    steepest = max(float(p.grad.abs().max()) for p in counterpart.values() if p.grad is not None)
    for name, p in reversed(list(ours.named_parameters())):
        other = counterpart[name].grad
        if p.grad is None or other is None:
            yield Row("gradient", name, math.inf, math.inf, tolerance.gradient)
            continue
        floor = max(FLOOR, steepest) if name.endswith(ZERO_GRADIENT) else FLOOR
        yield compare("gradient", name, p.grad, other, tolerance.gradient, floor)


def _reach(theirs: nn.Module, lr: float) -> float:
    """Return how far one step of Adam can move two key biases apart, whose gradients are rounding error.

    Adam moves a weight by η |m̂| / (√v̂ + ε), which is at most about η, and at most η g / ε for gradients up to g. Here
    g is the largest gradient of a key bias in the reference, or the precision of the dtype times the largest of all
    gradients, times ROUNDINGS. In float64 g is far below ε. In the shorter types it is often above, so that a key bias
    may move by η: twice that for two of them, and twice for rounding in bfloat16.
    """
    gradients = {name: p.grad for name, p in reference_parameters(theirs).items() if p.grad is not None}
    largest = {name: float(g.abs().max()) for name, g in gradients.items()}
    precision = max(torch.finfo(g.dtype).eps for g in gradients.values())
    g = max([precision * max(largest.values()), *(g for name, g in largest.items() if name.endswith(ZERO_GRADIENT))])
    return 4 * lr * min(1.0, ROUNDINGS * g / ADAM_EPS)


def _weight_rows(ours: nn.Module, theirs: nn.Module, tolerance: Tolerance, reach: float) -> Iterator[Row]:
    counterpart = reference_parameters(theirs)
    for name, p in ours.named_parameters():
        pair = (p.detach(), counterpart[name].detach())
        yield compare("weight", name, *pair, tolerance.weight, reach=reach if name.endswith(ZERO_GRADIENT) else 0.0)


def _reference_backward(
    theirs: nn.Module, batch: Batch, targets: Tensor, fixed_dropout: bool
) -> tuple[Tensor, dict[str, Tensor]]:
    """Run the reference forward and backward; return its loss and its tensors."""
    with dropout_stand_in() if fixed_dropout else contextlib.nullcontext():
        logits, tensors = run_reference(theirs, batch)
    loss = nn.functional.cross_entropy(logits, targets)
    loss.backward()
    return loss.detach(), tensors


def _reference_step(theirs: nn.Module, reference: torch.optim.Optimizer, recipe: Recipe) -> None:
    if recipe.clip is not None:
        nn.utils.clip_grad_norm_(theirs.parameters(), recipe.clip)
    reference.step()
    reference.zero_grad()


def _reference_optimizer(theirs: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    named = reference_parameters(theirs)
    groups = [
        {"params": [p for n, p in named.items() if is_decayed_by_reference(p)], "weight_decay": recipe.weight_decay},
        {"params": [p for n, p in named.items() if not is_decayed_by_reference(p)], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=recipe.lr, eps=ADAM_EPS)


def is_decayed_by_reference(p: nn.Parameter) -> bool:
    """Matrices decay, vectors (biases, LayerNorm) do not. Decided by shape here, by name in `training.optimizer`."""
    return p.dim() > 1


def _seed(seed: int | None, step: int) -> None:
    if seed is not None:
        torch.manual_seed(seed + step)
