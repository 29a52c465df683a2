"""The parameter table, printed before the first step: what is trained, from which epoch on, at which learning rate."""

import dataclasses
from collections.abc import Iterator, Mapping

from torch import nn

from minitf.training.optimizer import is_decayed
from minitf.training.strategy import Strategy, count_layers, depth


@dataclasses.dataclass(frozen=True)
class ParameterGroup:
    """The parameters of one depth."""

    name: str
    tensors: int
    weights: int
    decayed: int  # of the weights
    first_epoch: int | None  # in which they are trained; None: never
    rate: float  # the peak of the schedule


def parameter_groups(model: nn.Module, lr: float, strategy: Strategy, L: int, epochs: int) -> list[ParameterGroup]:
    """Group the parameters, from the bottom: embeddings, each layer, pooler, head. The model is not changed."""
    first_epochs = _first_epochs(strategy, L, epochs)
    rows: dict[str, ParameterGroup] = {}
    _, below = count_layers(model)
    for name, p in model.named_parameters():
        at = depth(name, L, below)
        title = _title(name, below)
        rate = lr * strategy.scale(L, below)(name) if at in first_epochs else 0.0
        row = rows.setdefault(title, ParameterGroup(title, 0, 0, 0, first_epochs.get(at), rate))
        rows[title] = dataclasses.replace(
            row,
            tensors=row.tensors + 1,
            weights=row.weights + p.numel(),
            decayed=row.decayed + p.numel() * is_decayed(name),
        )
    return list(rows.values())


def _title(name: str, below: int) -> str:
    """Return the group of a parameter: `layer 3`, in an encoder-decoder `decoder layer 3`, else its first part."""
    part, *rest = name.split(".")
    if part not in ("encoder", "decoder"):
        return part
    if rest[0] != "layers":
        return f"{part} norm"
    return f"{part} layer {int(rest[1]) + 1}" if below else f"layer {int(rest[1]) + 1}"


def _first_epochs(strategy: Strategy, L: int, epochs: int) -> Mapping[int, int]:
    """The first epoch in which each depth is trained, without the depths that are never trained."""
    found: dict[int, int] = {}
    for epoch in range(epochs, 0, -1):
        found |= dict.fromkeys(range(strategy.lowest(L, epoch, epochs), L + 3), epoch)
    return found


def parameter_table(rows: list[ParameterGroup], decay: float) -> str:
    """Format the groups, one line for neighbouring layers that are trained alike; `decay` acts on matrices only."""
    lines = [f"  {'group':<14} tensors      weights  trained           rate"]
    for group in _merged(rows):
        since = {None: "frozen", 1: "yes"}.get(group.first_epoch, f"from epoch {group.first_epoch}")
        rate = "" if group.first_epoch is None else f"{group.rate:.3g}"
        lines.append(f"  {group.name:<14} {group.tensors:7d} {group.weights:12,}  {since:<13} {rate:>8}".rstrip())
    trained = [group for group in rows if group.first_epoch is not None]
    decayed = sum(group.decayed for group in trained)
    lines.append(f"  trained: {sum(g.weights for g in trained):,} of {sum(g.weights for g in rows):,} weights")
    if decay:
        lines.append(f"  weight decay {decay:g}: {decayed:,} of them (matrices, without biases, γ and β)")
    return "\n".join(lines)


def _merged(rows: list[ParameterGroup]) -> Iterator[ParameterGroup]:
    """Merge neighbouring layers that differ only in their number: `layers 1-6`."""
    run: list[ParameterGroup] = []
    for group in rows:
        if run and "layer " in group.name and _like(group) == _like(run[-1]):
            run.append(group)
        else:
            yield from _as_one(run)
            run = [group]
    yield from _as_one(run)


def _like(group: ParameterGroup) -> tuple[object, ...]:
    return group.name.rpartition(" ")[0], group.first_epoch, group.rate, group.weights


def _as_one(run: list[ParameterGroup]) -> Iterator[ParameterGroup]:
    if len(run) == 1:
        yield run[0]
    elif run:
        (kind, _, first), last = run[0].name.rpartition(" "), run[-1].name.rpartition(" ")[2]
        sums = {key: sum(getattr(group, key) for group in run) for key in ("tensors", "weights", "decayed")}
        yield dataclasses.replace(run[0], name=f"{kind}s {first}-{last}", **sums)
