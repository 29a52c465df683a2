"""Freezing, unfreezing, rates by layer, a new top: by which tensors moved, and against PyTorch's parameter groups."""

import dataclasses
import itertools
import math
from collections import defaultdict

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from minitf.bert.frozen import FrozenLayers
from minitf.errors import InputError
from minitf.mathematics import EQUATIONS
from minitf.tasks.classification.task import Classification
from minitf.text.batches import shuffled
from minitf.training import loop
from minitf.training.optimizer import SCHEDULES, Optimizer, Recipe
from minitf.training.parameter_table import groups, parameter_table
from minitf.training.strategy import Strategy, depth, freeze
from minitf.training.update_check import Witness
from tests.support.small_training import QUIET, farthest, loaded, texts, weights

L = 3
TASK = Classification(("a", "b"))


def trained(model, strategy: Strategy, recipe: Recipe, epochs: int, n: int = 40, **more) -> Optimizer:
    """As a run does it; 8 texts a batch."""
    freeze(model, L, strategy.frozen)
    optimizer = Optimizer(model, recipe, epochs * -(-n // 8), EQUATIONS, strategy.scale(L))
    layers = FrozenLayers(model)

    def stage(epoch: int):
        lowest = strategy.lowest(L, epoch, epochs)
        freeze(model, L, lowest)
        return layers.below(lowest)

    loop.train(
        model, TASK, texts(n), texts(4, seed=2), optimizer, epochs=epochs, batch_size=8, seed=0, stage=stage, **more
    )
    return optimizer


# Rates by layer -------------------------------------------------------------------------------------------------------


def names_by_depth(model: nn.Module) -> dict[int, list[str]]:
    """Written out a second time: what lies where."""
    found = defaultdict(list)
    for name, _ in model.named_parameters():
        if name.startswith("embeddings."):
            found[0].append(name)
        elif name.startswith("encoder.layers."):
            found[1 + int(name.split(".")[2])].append(name)
        else:
            found[L + 1 if name.startswith("pooler.") else L + 2].append(name)
    return dict(found)


@pytest.mark.parametrize("xi", [1.0, 0.8, 0.3])
@pytest.mark.parametrize("rule", ["adamw", "gd", "momentum"])
def test_fifty_steps_as_with_pytorchs_groups(write_bert, rule: str, xi: float) -> None:
    """η ξ^(L − ℓ) for layer ℓ, η for what lies above, and decay for matrices alone, in one group for each of both."""
    folder = write_bert(**QUIET)[0]
    decay = 0.1 if rule == "adamw" else 0.0
    recipe = Recipe(rule=rule, lr=3e-3, weight_decay=decay, schedule="linear", warmup=0.1, clip=1.0)
    ours = loaded(folder)
    optimizer = trained(ours, Strategy(layer_decay=xi), recipe, epochs=10)
    assert optimizer.steps == 50

    theirs = loaded(folder)
    rates = {0: xi**3, 1: xi**2, 2: xi, 3: 1.0, 4: 1.0, 5: 1.0}
    parts = []
    for at, names in names_by_depth(theirs).items():
        for matrices in (True, False):
            found = [theirs.get_parameter(n) for n in names if (theirs.get_parameter(n).dim() > 1) == matrices]
            parts.append({"params": found, "lr": 3e-3 * rates[at], "weight_decay": decay if matrices else 0.0})
    twin = torch.optim.AdamW(parts) if rule == "adamw" else torch.optim.SGD(parts, momentum=0.9 * (rule == "momentum"))
    schedule = torch.optim.lr_scheduler.LambdaLR(twin, lambda t: t / 5 if t < 5 else (50 - t) / 45)
    examples = texts(40)
    for epoch in range(1, 11):
        for indices in shuffled(examples.lengths(), 8, 0, epoch):
            batch, targets = examples.batch(indices)
            logits = theirs(batch.token_ids, batch.segment_ids, batch.mask).logits
            nn.functional.cross_entropy(logits, targets).backward()
            nn.utils.clip_grad_norm_(theirs.parameters(), 1.0)
            twin.step()
            schedule.step()
            twin.zero_grad()
    assert farthest(weights(ours), weights(theirs)) <= 1e-9
    assert farthest(weights(ours), weights(loaded(folder))) > 1e-3


def reference_rate(name: str, step: int, total: int, warmup: int) -> float:
    """The five schedules a second time, as shares of the highest rate."""
    if step < warmup:
        return step / warmup
    part = (step - warmup) / max(1, total - warmup)
    return {
        "constant": 1.0,
        "linear": 1.0 - part,
        "step": 0.1 ** int(part * 3 + 1e-12),
        "exponential": 0.01**part,
        "cosine": 0.5 * (1 + math.cos(math.pi * part)),
    }[name]


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("gradual", [False, True])
def test_the_rates_that_the_rule_is_given(write_bert, schedule: str, gradual: bool) -> None:
    """Every parameter at every step: the schedule goes on while a layer is frozen, and warms up once."""
    seen: dict[int, dict[int, float]] = {}

    def spy(theta, g, state, lr, **settings):
        seen[optimizer_of[0].steps][id(theta)] = lr

    class Watched(Optimizer):
        def step(self):
            optimizer_of[:] = [self]
            seen[self.steps] = {}
            return super().step()

    optimizer_of: list[Optimizer] = []
    model = loaded(write_bert(**QUIET)[0])
    strategy = Strategy(gradual=gradual, layer_decay=0.5)
    recipe = Recipe(lr=0.25, schedule=schedule, warmup=0.2)
    optimizer = Watched(model, recipe, 15, EQUATIONS.overlay(adamw=spy), strategy.scale(L))
    layers = FrozenLayers(model)

    def stage(epoch: int):
        freeze(model, L, strategy.lowest(L, epoch, 5))
        return layers.below(strategy.lowest(L, epoch, 5))

    told = []
    loop.train(
        model, TASK, texts(24), texts(4), optimizer, epochs=5, batch_size=8, seed=0, stage=stage, log=told.append
    )
    assert sorted(seen) == list(range(15))
    lowest = (4, 3, 2, 1, 0) if gradual else (0,) * 5
    for step, rates in seen.items():
        eta = 0.25 * reference_rate(schedule, step, 15, 3)
        assert told[step]["lr"] == pytest.approx(eta, abs=1e-15)
        moved = {n: rates[id(p)] for n, p in model.named_parameters() if id(p) in rates}
        assert {depth(n, L) for n in moved} == set(range(lowest[step // 3], L + 3))
        for name, rate in moved.items():
            assert rate == pytest.approx(eta * 0.5 ** max(0, L - depth(name, L)), rel=1e-12, abs=1e-15)


# Freezing and unfreezing ----------------------------------------------------------------------------------------------


def moved_by_epoch(model, strategy: Strategy, epochs: int) -> list[set[int]]:
    """The depths of which any tensor moved, epoch by epoch."""
    snapshots = [weights(model)]
    recipe = Recipe(rule="gd", lr=0.05, schedule="constant", warmup=0.0, weight_decay=0.0)
    trained(model, strategy, recipe, epochs, after_epoch=lambda epoch: snapshots.append(weights(model)))
    pairs = itertools.pairwise(snapshots)
    return [{depth(n, L) for n in old if not torch.equal(old[n], new[n])} for old, new in pairs]


ALL = set(range(L + 3))


@pytest.mark.parametrize("frozen", range(L + 3))
def test_what_is_frozen_stays(write_bert, frozen: int) -> None:
    assert moved_by_epoch(loaded(write_bert()[0]), Strategy(frozen), 2) == [ALL - set(range(frozen))] * 2


@pytest.mark.parametrize(
    ("strategy", "epochs", "lowest"),
    [
        (Strategy(gradual=True), 5, [4, 3, 2, 1, 0]),
        (Strategy(gradual=True), 3, [4, 2, 0]),
        (Strategy(gradual=True), 2, [4, 0]),
        (Strategy(gradual=True), 1, [0]),
        (Strategy(frozen=1, gradual=True), 4, [4, 3, 2, 1]),
        (Strategy(frozen=3, gradual=True), 3, [4, 4, 3]),
        (Strategy(gradual=True, reinitialized=1), 4, [3, 2, 1, 0]),
    ],
)
def test_gradual_unfreezing(write_bert, strategy: Strategy, epochs: int, lowest: list[int]) -> None:
    """From the top, in even portions, everything that is ever trained in the last epoch."""
    assert moved_by_epoch(loaded(write_bert()[0]), strategy, epochs) == [set(range(at, L + 3)) for at in lowest]


@settings(deadline=None, max_examples=200)
@given(st.integers(1, 24), st.integers(1, 30), st.data())
def test_unfreezing_only_ever_goes_down(layers: int, epochs: int, data) -> None:
    """In steps that differ by one at most, from the top to what is frozen for good."""
    strategy = Strategy(frozen=data.draw(st.integers(0, layers)), gradual=True)
    strategy.check(layers)
    found = [strategy.lowest(layers, epoch, epochs) for epoch in range(1, epochs + 1)]
    assert found[-1] == strategy.frozen
    assert epochs == 1 or found[0] == layers + 1
    portions = [a - b for a, b in itertools.pairwise(found)]
    assert all(portion >= 0 for portion in portions)
    assert not portions or max(portions) - min(portions) <= 1


@pytest.mark.parametrize(
    "strategy",
    [
        Strategy(reinitialized=4),
        Strategy(frozen=4, reinitialized=1),
        Strategy(frozen=5, reinitialized=1),
        Strategy(frozen=2, reinitialized=3),
        Strategy(frozen=4, gradual=True),
        Strategy(frozen=2, gradual=True, reinitialized=2),
    ],
)
def test_what_contradicts_itself(strategy: Strategy) -> None:
    with pytest.raises(InputError, match=r"; (freeze|give) fewer"):
        strategy.check(L)


@pytest.mark.parametrize("strategy", [Strategy(reinitialized=3), Strategy(frozen=3, reinitialized=1), Strategy(5)])
def test_what_goes_together(strategy: Strategy) -> None:
    strategy.check(L)


# The table and the witness --------------------------------------------------------------------------------------------

STRATEGIES = [
    Strategy(),
    *(Strategy(frozen) for frozen in range(1, L + 3)),
    Strategy(gradual=True),
    Strategy(frozen=2, gradual=True),
    Strategy(layer_decay=0.5),
    Strategy(frozen=1, layer_decay=0.5, gradual=True),
]


@pytest.mark.parametrize("strategy", STRATEGIES, ids=str)
def test_the_tables_numbers(write_bert, strategy: Strategy) -> None:
    """Tensors, weights, decayed weights, rates and first epochs, counted a second time."""
    model, epochs = loaded(write_bert()[0]), 3
    freeze(model, L, strategy.frozen)
    optimizer = Optimizer(model, Recipe(lr=0.5), 10, EQUATIONS, strategy.scale(L))
    rows = {row.name: row for row in groups(model, optimizer, strategy, L, epochs)}
    assert list(rows) == ["embeddings", "layer 1", "layer 2", "layer 3", "pooler", "head"]
    for at, row in enumerate(rows.values()):
        named = {n: model.get_parameter(n) for n in names_by_depth(model)[at]}
        assert (row.tensors, row.weights) == (len(named), sum(p.numel() for p in named.values()))
        ever = at >= strategy.frozen
        assert row.decayed == ever * sum(p.numel() for p in named.values() if p.dim() > 1)
        since = [epoch for epoch in (1, 2, 3) if at >= strategy.lowest(L, epoch, epochs)]
        assert row.first_epoch == (since[0] if since else None)
        assert row.rate == (0.5 * strategy.layer_decay ** max(0, L - at) if ever else 0.0)

    told = parameter_table(list(rows.values()), 0.01)
    weights_of = {name: row.weights for name, row in rows.items()}
    ever = sum(row.weights for row in rows.values() if row.first_epoch)
    assert f"trained: {ever:,} of {sum(weights_of.values()):,} weights" in told
    assert f"decay 0.01: {sum(row.decayed for row in rows.values()):,} of them" in told
    assert "decay" not in parameter_table(list(rows.values()), 0.0)
    # Layers that are alike share a line; every weight and every tensor is in one of the lines.
    lines = told.splitlines()[1 : -1 - told.splitlines()[-1].startswith("  decay")]
    counts = [[int(word.replace(",", "")) for word in line[17:37].split()] for line in lines]
    assert [sum(column) for column in zip(*counts, strict=True)] == [
        sum(row.tensors for row in rows.values()),
        sum(weights_of.values()),
    ]
    alike = len({(row.first_epoch, row.rate) for name, row in rows.items() if name.startswith("layer")}) == 1
    assert ("layers 1-3" in told) == alike


def test_the_table_as_it_is_said(write_bert) -> None:
    model = loaded(write_bert()[0])
    strategy = Strategy(frozen=2, gradual=True, layer_decay=0.5)
    freeze(model, L, strategy.frozen)
    optimizer = Optimizer(model, Recipe(lr=1e-3), 10, EQUATIONS, strategy.scale(L))
    said = parameter_table(groups(model, optimizer, strategy, L, 3), 0.01).splitlines()
    assert [" ".join(line.split()[-4:]) for line in said[1:7]] == [
        "embeddings 5 4,256 frozen",
        "1 16 7,504 frozen",
        "from epoch 3 0.0005",
        "from epoch 2 0.001",
        "2 1,056 yes 0.001",
        "2 66 yes 0.001",
    ]


@pytest.mark.parametrize("strategy", STRATEGIES, ids=str)
def test_the_witness_agrees(write_bert, strategy: Strategy) -> None:
    """After the first epoch's first step: as many moved and stayed as the strategy says."""
    model = loaded(write_bert()[0])
    witness, said = Witness(model), []
    recipe = Recipe(lr=1e-3, schedule="constant", warmup=0.0)
    trained(model, strategy, recipe, 3, log=lambda record: said.append(witness.look()) if not said else None)
    (moved,) = said
    assert not moved.wrong
    lowest = strategy.lowest(L, 1, 3)
    planned = {n for n, p in model.named_parameters() if depth(n, L) >= lowest}
    assert set(moved.moved) | set(moved.unmoved) == planned
    assert not moved.unmoved
    assert set(moved.stayed) == {n for n, _ in model.named_parameters()} - planned
    assert str(moved) == f"{len(planned)} tensors moved, {len(moved.stayed)} stayed, as planned"


def test_the_witness_finds_what_should_not_have_moved(write_bert) -> None:
    model = loaded(write_bert()[0])
    freeze(model, L, 2)
    witness = Witness(model)
    with torch.no_grad():
        model.encoder.layers[0].ffn.W_2.weight[3, 4] += 1e-9
        for p in model.head.parameters():
            p += 1.0
    moved = witness.look()
    assert moved.wrong == ("encoder.layers.0.ffn.W_2.weight",)
    assert str(moved) == "1 frozen tensors moved: encoder.layers.0.ffn.W_2.weight"
    assert set(moved.moved) == {n for n, _ in model.named_parameters() if n.startswith("head.")}
    assert set(moved.unmoved) == {n for n, p in model.named_parameters() if p.requires_grad} - set(moved.moved)
    others = str(dataclasses.replace(moved, wrong=()))
    assert f"{len(moved.unmoved)} were to move and did not" in others
    assert moved.unmoved[0] in others
