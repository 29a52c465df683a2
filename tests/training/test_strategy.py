"""Freezing, gradual unfreezing, layer-wise learning rates: which tensors change; against PyTorch's parameter groups."""

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
from minitf.training.optimizer import SCHEDULES, Optimizer, Recipe
from minitf.training.parameter_table import parameter_groups, parameter_table
from minitf.training.strategy import Strategy, depth, freeze
from minitf.training.update_check import UpdateCheck
from tests.support.small_training import QUIET, farthest, loaded, texts, train, weights

L = 3
TASK = Classification(("a", "b"))


def trained(model, strategy: Strategy, recipe: Recipe, epochs: int, n: int = 40, **more) -> Optimizer:
    """Train as a run does, with 8 texts per batch."""
    freeze(model, L, strategy.frozen)
    optimizer = Optimizer(model, recipe, epochs * -(-n // 8), EQUATIONS, strategy.scale(L))
    layers = FrozenLayers(model)

    def stage(epoch: int):
        lowest = strategy.lowest(L, epoch, epochs)
        freeze(model, L, lowest)
        return layers.below(lowest)

    train(model, TASK, texts(n), texts(4, seed=2), optimizer, epochs=epochs, batch_size=8, stage=stage, **more)
    return optimizer


# Layer-wise learning rates --------------------------------------------------------------------------------------------


def names_by_depth(model: nn.Module) -> dict[int, list[str]]:
    """The depths, computed a second time."""
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
def test_fifty_steps_against_pytorchs_parameter_groups(write_bert, rule: str, xi: float) -> None:
    """η ξ^(L − ℓ) for layer ℓ, η above the layers, weight decay for matrices only: two groups per depth."""
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
    """The seven schedules, computed a second time, as shares of the peak."""
    if step < warmup:
        return step / warmup
    part = (step - warmup) / max(1, total - warmup)
    return {
        "constant": 1.0,
        "linear": 1.0 - part,
        "polynomial": (1.0 - part) ** 2,
        "step": 0.1 ** int(part * 3 + 1e-12),
        "exponential": 0.01**part,
        "cosine": 0.5 * (1 + math.cos(math.pi * part)),
        "inverse-sqrt": math.sqrt(max(1, warmup) / (step if warmup else step + 1)),
    }[name]


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("gradual", [False, True])
def test_the_learning_rates_of_all_parameters(write_bert, schedule: str, gradual: bool) -> None:
    """At every step: the schedule continues while a layer is frozen, and has one warm-up."""
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

    steps = []
    train(model, TASK, texts(24), texts(4), optimizer, epochs=5, batch_size=8, stage=stage, on_step=steps.append)
    assert sorted(seen) == list(range(15))
    lowest = (4, 3, 2, 1, 0) if gradual else (0,) * 5
    for step, rates in seen.items():
        eta = 0.25 * reference_rate(schedule, step, 15, 3)
        assert steps[step].lr == pytest.approx(eta, abs=1e-15)
        trained_rates = {n: rates[id(p)] for n, p in model.named_parameters() if id(p) in rates}
        assert {depth(n, L) for n in trained_rates} == set(range(lowest[step // 3], L + 3))
        for name, rate in trained_rates.items():
            assert rate == pytest.approx(eta * 0.5 ** max(0, L - depth(name, L)), rel=1e-12, abs=1e-15)


# Freezing and unfreezing ----------------------------------------------------------------------------------------------


def changed_depths(model, strategy: Strategy, epochs: int) -> list[set[int]]:
    """The depths of which any tensor changed, epoch by epoch."""
    snapshots = [weights(model)]
    recipe = Recipe(rule="gd", lr=0.05, schedule="constant", warmup=0.0, weight_decay=0.0)
    trained(model, strategy, recipe, epochs, on_epoch=lambda epoch: snapshots.append(weights(model)))
    pairs = itertools.pairwise(snapshots)
    return [{depth(n, L) for n in old if not torch.equal(old[n], new[n])} for old, new in pairs]


ALL = set(range(L + 3))


@pytest.mark.parametrize("frozen", range(L + 3))
def test_frozen_layers_do_not_change(write_bert, frozen: int) -> None:
    assert changed_depths(loaded(write_bert()[0]), Strategy(frozen), 2) == [ALL - set(range(frozen))] * 2


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
    """From the top, in equal portions, until the last epoch trains everything that is not frozen."""
    assert changed_depths(loaded(write_bert()[0]), strategy, epochs) == [set(range(at, L + 3)) for at in lowest]


@settings(deadline=None, max_examples=200)
@given(st.integers(1, 24), st.integers(1, 30), st.data())
def test_unfreezing_goes_down(layers: int, epochs: int, data) -> None:
    """In portions that differ by at most one, from the top to the layers that are never trained."""
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
def test_contradictions(strategy: Strategy) -> None:
    with pytest.raises(InputError, match=r"; (freeze|give) fewer"):
        strategy.check(L)


@pytest.mark.parametrize("strategy", [Strategy(reinitialized=3), Strategy(frozen=3, reinitialized=1), Strategy(5)])
def test_valid_combinations(strategy: Strategy) -> None:
    strategy.check(L)


# The parameter table and the update check -----------------------------------------------------------------------------

STRATEGIES = [
    Strategy(),
    *(Strategy(frozen) for frozen in range(1, L + 3)),
    Strategy(gradual=True),
    Strategy(frozen=2, gradual=True),
    Strategy(layer_decay=0.5),
    Strategy(frozen=1, layer_decay=0.5, gradual=True),
]


@pytest.mark.parametrize("strategy", STRATEGIES, ids=str)
def test_the_numbers_of_the_table(write_bert, strategy: Strategy) -> None:
    """Tensors, weights, decayed weights, learning rates and first epochs, computed a second time."""
    model, epochs = loaded(write_bert()[0]), 3
    rows = {row.name: row for row in parameter_groups(model, 0.5, strategy, L, epochs)}
    assert all(p.requires_grad for p in model.parameters())  # the model is not changed
    assert list(rows) == ["embeddings", "layer 1", "layer 2", "layer 3", "pooler", "head"]
    for at, row in enumerate(rows.values()):
        named = {n: model.get_parameter(n) for n in names_by_depth(model)[at]}
        assert (row.tensors, row.weights) == (len(named), sum(p.numel() for p in named.values()))
        ever = at >= strategy.frozen
        assert row.decayed == sum(p.numel() for p in named.values() if p.dim() > 1)
        since = [epoch for epoch in (1, 2, 3) if at >= strategy.lowest(L, epoch, epochs)]
        assert row.first_epoch == (since[0] if since else None)
        assert row.rate == (0.5 * strategy.layer_decay ** max(0, L - at) if ever else 0.0)

    table = parameter_table(list(rows.values()), 0.01)
    weights_of = {name: row.weights for name, row in rows.items()}
    trained_rows = [row for row in rows.values() if row.first_epoch]
    count = sum(row.weights for row in trained_rows)
    assert f"trained: {count:,} of {sum(weights_of.values()):,} weights" in table
    assert f"weight decay 0.01: {sum(row.decayed for row in trained_rows):,} of them" in table
    assert "decay" not in parameter_table(list(rows.values()), 0.0)
    # Equal layers share a line; every weight and every tensor is in one of the lines.
    lines = table.splitlines()[1:-2]
    counts = [[int(word.replace(",", "")) for word in line[17:37].split()] for line in lines]
    assert [sum(column) for column in zip(*counts, strict=True)] == [
        sum(row.tensors for row in rows.values()),
        sum(weights_of.values()),
    ]
    equal = len({(row.first_epoch, row.rate) for name, row in rows.items() if name.startswith("layer")}) == 1
    assert ("layers 1-3" in table) == equal


def test_the_text_of_the_table(write_bert) -> None:
    model = loaded(write_bert()[0])
    strategy = Strategy(frozen=2, gradual=True, layer_decay=0.5)
    lines = parameter_table(parameter_groups(model, 1e-3, strategy, L, 3), 0.01).splitlines()
    assert [" ".join(line.split()[-4:]) for line in lines[1:7]] == [
        "embeddings 5 4,256 frozen",
        "1 16 7,504 frozen",
        "from epoch 3 0.0005",
        "from epoch 2 0.001",
        "2 1,056 yes 0.001",
        "2 66 yes 0.001",
    ]


@pytest.mark.parametrize("strategy", STRATEGIES, ids=str)
def test_the_update_check_of_a_training(write_bert, strategy: Strategy) -> None:
    """After the first step: exactly the parameters have changed that the strategy trains."""
    model = loaded(write_bert()[0])
    check, results = UpdateCheck(model), []
    recipe = Recipe(lr=1e-3, schedule="constant", warmup=0.0)
    trained(model, strategy, recipe, 3, on_step=lambda step: results.append(check.result()) if not results else None)
    (changes,) = results
    assert not changes.wrong
    lowest = strategy.lowest(L, 1, 3)
    planned = {n for n, p in model.named_parameters() if depth(n, L) >= lowest}
    assert set(changes.changed) == planned
    assert not changes.unchanged
    assert set(changes.frozen) == {n for n, _ in model.named_parameters()} - planned
    assert str(changes) == f"{len(planned)} tensors changed, {len(changes.frozen)} did not, as planned"


def test_the_update_check_finds_a_frozen_parameter_that_changed(write_bert) -> None:
    model = loaded(write_bert()[0])
    freeze(model, L, 2)
    check = UpdateCheck(model)
    frozen = model.encoder.layers[0].ffn.W_2.weight
    with torch.no_grad():
        for p in model.head.parameters():
            p += 1.0
    changes = check.result()
    assert set(changes.changed) == {n for n, _ in model.named_parameters() if n.startswith("head.")}
    assert set(changes.unchanged) == {n for n, p in model.named_parameters() if p.requires_grad} - set(changes.changed)
    assert f"{len(changes.unchanged)} trained ones did not change either" in str(changes)
    assert changes.unchanged[0] in str(changes)
    with torch.no_grad():
        frozen[3, 4] += 1e-9
    with pytest.raises(RuntimeError, match=r"^1 frozen tensors changed: encoder\.layers\.0\.ffn\.W_2\.weight$"):
        check.result()
