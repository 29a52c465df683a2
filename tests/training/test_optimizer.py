"""Weight decay, learning rates, clipping, penalties, and every update rule against that of PyTorch.

`test_loop.py` compares 50 fine-tuning steps with PyTorch, `equations/test_update.py` the rules alone over 200 steps.
"""

import dataclasses
import itertools
import math

import pytest
import torch
import transformers
from torch import nn

from minitf.checkpoints import load
from minitf.checkpoints.renaming import PYTORCH
from minitf.errors import InputError
from minitf.layers import LayerNorm, Linear
from minitf.mathematics import EQUATIONS, KERNELS
from minitf.training.optimizer import RULES, SCHEDULES, Optimizer, Recipe, is_decayed

PLAIN = Recipe(rule="gd", lr=0.1, schedule="constant", warmup=0.0, weight_decay=0.0, clip=None)


class Small(nn.Module):
    """A norm and a projection as in a BERT, and a matrix on which the loss does not depend."""

    def __init__(self, seed=0):
        super().__init__()
        draw = torch.Generator().manual_seed(seed)
        self.W = nn.Linear(3, 2, dtype=torch.float64)
        self.unused = nn.Linear(2, 2, bias=False, dtype=torch.float64)
        self.norm = LayerNorm(3).double()
        with torch.no_grad():
            for p in self.parameters():
                p.copy_(torch.randn(p.shape, generator=draw, dtype=torch.float64))

    def loss(self, step):
        x = torch.randn(4, 3, generator=torch.Generator().manual_seed(step), dtype=torch.float64)
        return (self.W(self.norm(x)) - 1.0).square().mean()


def groups(model, decay):
    """PyTorch's two parameter groups, with and without weight decay, as in the scripts of `transformers`."""
    vectors = [p for p in model.parameters() if p.dim() == 1]
    return [
        {"params": [p for p in model.parameters() if p.dim() > 1], "weight_decay": decay},
        {"params": vectors, "weight_decay": 0.0},
    ]


def test_weight_decay_acts_on_every_matrix_and_nothing_else(write_bert) -> None:
    """In the reference these are the weights of the modules Linear and Embedding."""
    folder, reference = write_bert(transformers.BertForSequenceClassification, num_labels=3)
    optimizer = Optimizer(load.load(folder, head="classification"), Recipe(), total=10)
    matrices = {
        f"{name}.weight" for name, part in reference.named_modules() if isinstance(part, nn.Linear | nn.Embedding)
    }
    of = {name: PYTORCH["bert"].official_name(name, "classification") for name in optimizer.parameters}
    assert set(of.values()) == {name for name, _ in reference.named_parameters()}
    assert {of[name] for name in optimizer.decayed} == matrices
    assert {of[name] for name in optimizer.parameters if not is_decayed(name)} == set(of.values()) - matrices


def test_the_names_of_the_decayed_parameters(write_bert) -> None:
    folder, _ = write_bert(transformers.BertForSequenceClassification, num_labels=2, num_hidden_layers=1)
    optimizer = Optimizer(load.load(folder, head="classification"), Recipe(), total=10)
    layer = "encoder.layers.0"
    assert optimizer.decayed == {
        *("embeddings.word.weight", "embeddings.segment.weight", "embeddings.position.weight"),
        *(f"{layer}.attention.{W}.weight" for W in ("W_Q", "W_K", "W_V", "W_O")),
        *(f"{layer}.ffn.{W}.weight" for W in ("W_1", "W_2")),
        *("pooler.W.weight", "head.W.weight"),
    }
    assert set(optimizer.parameters) - optimizer.decayed == {
        *("embeddings.norm.gamma", "embeddings.norm.beta"),
        *(f"{layer}.attention.{W}.bias" for W in ("W_Q", "W_K", "W_V", "W_O")),
        *(f"{layer}.attention_norm.gamma", f"{layer}.attention_norm.beta"),
        *(f"{layer}.ffn.{W}.bias" for W in ("W_1", "W_2")),
        *(f"{layer}.ffn_norm.gamma", f"{layer}.ffn_norm.beta"),
        *("pooler.W.bias", "head.W.bias"),
    }


def test_weight_decay_of_a_single_layer() -> None:
    """The names of its parameters have no dot."""
    assert Optimizer(Linear(2, 3), Recipe(), total=1).decayed == {"weight"}
    assert Optimizer(LayerNorm(3), Recipe(), total=1).decayed == set()


def test_weight_decay_acts_on_matrices_only() -> None:
    """With a gradient of zero only AdamW's weight decay changes θ: by 1 − ηλ, or not at all."""
    model = Small()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimizer = Optimizer(model, dataclasses.replace(PLAIN, rule="adamw", weight_decay=0.25), total=1)
    for p in model.parameters():
        p.grad = torch.zeros_like(p)
    optimizer.step()
    for name, p in model.named_parameters():
        factor = 1.0 - 0.1 * 0.25 if p.dim() > 1 else 1.0
        assert torch.equal(p.detach(), before[name] * factor), name


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize(("share", "warmup"), [(0.0, 0), (0.1, 2), (0.13, 3), (0.5, 10), (1.0, 20)])
def test_each_step_has_its_learning_rate(schedule: str, share: float, warmup: int) -> None:
    """In gradient descent with g = 1 the change of θ is the learning rate; the warm-up is a share of the steps."""
    total, lr = 20, 0.3
    model = nn.ParameterDict({"theta": nn.Parameter(torch.zeros(1, dtype=torch.float64))})
    recipe = dataclasses.replace(PLAIN, lr=lr, schedule=schedule, warmup=share)
    optimizer = Optimizer(model, recipe, total)
    rates, changes = [], []
    for _ in range(total):
        model["theta"].grad = torch.ones(1, dtype=torch.float64)
        before = model["theta"].item()
        rates.append(optimizer.rate())
        optimizer.step()
        changes.append(before - model["theta"].item())
    assert optimizer.steps == total
    assert rates == pytest.approx(changes, abs=1e-14)
    assert rates == [SCHEDULES[schedule](step, lr, total, warmup) for step in range(total)]
    assert rates[:warmup] == pytest.approx([lr * step / warmup for step in range(warmup)])


@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine"])
def test_learning_rates_against_transformers(schedule: str) -> None:
    total, warmup, lr = 50, 5, 0.02
    parameter = nn.Parameter(torch.zeros(1))
    torch_optimizer = torch.optim.SGD([parameter], lr)
    how = schedule if schedule != "constant" else "constant_with_warmup"
    reference = transformers.get_scheduler(how, torch_optimizer, warmup, total)
    optimizer = Optimizer(Small(), dataclasses.replace(PLAIN, lr=lr, schedule=schedule, warmup=warmup / total), total)
    for _ in range(total):
        assert optimizer.rate() == pytest.approx(torch_optimizer.param_groups[0]["lr"], abs=1e-15)
        optimizer.steps += 1
        torch_optimizer.step()
        reference.step()


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_minimum_rate_is_where_the_schedule_ends(schedule: str) -> None:
    total, lr, least = 20, 0.3, 0.02
    recipe = dataclasses.replace(PLAIN, lr=lr, schedule=schedule, warmup=0.2, min_lr=least)
    optimizer = Optimizer(Small(), recipe, total)
    rates = []
    for _ in range(total + 1):
        rates.append(optimizer.rate())
        optimizer.steps += 1
    assert rates == [SCHEDULES[schedule](step, lr, total, 4, least=least) for step in range(total + 1)]
    assert rates[:5] == pytest.approx([lr * step / 4 for step in range(5)])
    ends = {"linear": least, "polynomial": least, "cosine": least, "constant": lr}
    assert rates[-1] == pytest.approx(ends.get(schedule, rates[-1]))
    assert all(least <= rate <= lr for rate in rates[4:])


def test_a_step_without_any_gradient_moves_nothing() -> None:
    """A batch whose loss depends on no trained parameter, or a model that is frozen whole."""
    model = Small()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimizer = Optimizer(model, PLAIN, 10)
    assert optimizer.step() == 0.0
    assert optimizer.steps == 1
    assert all(torch.equal(p, before[name]) for name, p in model.named_parameters())


@pytest.mark.parametrize("clip", [0.01, 1.0, 1e6, None])
def test_clipping(clip: float | None) -> None:
    """The norm of all gradients is limited to `clip`, as in PyTorch; the norm before is returned."""
    model, reference = Small(), Small()
    optimizer = Optimizer(model, dataclasses.replace(PLAIN, lr=1.0, clip=clip), total=1)
    model.loss(0).backward()
    reference.loss(0).backward()
    used = [p for p in reference.parameters() if p.grad is not None]
    theirs = nn.utils.clip_grad_norm_(used, clip if clip is not None else math.inf)
    expected = {name: p - p.grad if p.grad is not None else p for name, p in reference.named_parameters()}
    norm = optimizer.step()
    assert norm.item() == pytest.approx(theirs.item(), rel=1e-14)
    for name, p in model.named_parameters():
        assert torch.allclose(p, expected[name], rtol=0, atol=1e-14), name


@pytest.mark.parametrize("mathematics", [EQUATIONS, KERNELS], ids=["equations", "kernels"])
@pytest.mark.parametrize(("l1", "l2"), [(0.3, 0.0), (0.0, 0.2), (0.3, 0.2)])
def test_penalties(mathematics, l1: float, l2: float) -> None:
    """λ₁‖W‖₁ + λ₂‖W‖₂² over the matrices: its value, and its gradient λ₁ sign(W) + 2 λ₂ W."""
    model = Small()
    optimizer = Optimizer(model, dataclasses.replace(PLAIN, l1=l1, l2=l2), total=1, math=mathematics)
    matrices = [model.W.weight, model.unused.weight]
    by_hand = sum(l1 * sum(abs(x) for x in W.flatten().tolist()) for W in matrices)
    by_hand += sum(l2 * sum(x * x for x in W.flatten().tolist()) for W in matrices)
    penalty = optimizer.penalty()
    assert penalty.item() == pytest.approx(by_hand, rel=1e-14)
    (model.loss(0) + penalty).backward()
    plain = Small()
    plain.loss(0).backward()
    for (name, p), (_, other) in zip(model.named_parameters(), plain.named_parameters(), strict=True):
        g = torch.zeros_like(p) if other.grad is None else other.grad
        if p.dim() > 1:
            g = g + l1 * p.detach().sign() + 2.0 * l2 * p.detach()
        assert torch.allclose(p.grad, g, rtol=0, atol=1e-14), name


@pytest.mark.parametrize("name", ["l1", "l2"])
def test_penalties_are_summed_in_the_order_of_the_model(name: str) -> None:
    """Floating-point sums depend on their order, and the order of a set of names differs between processes."""
    draw = torch.Generator().manual_seed(0)
    model = nn.ParameterDict({f"W{n}": nn.Parameter(torch.randn(7, 5, generator=draw) * 10**n) for n in range(5)})
    optimizer = Optimizer(model, dataclasses.replace(PLAIN, **{name: 0.1}), total=1)
    penalty = getattr(EQUATIONS, f"{name}_penalty")
    matrices = list(model.parameters())
    sums = {penalty(order, 0.1).item() for order in itertools.permutations(matrices)}
    assert len(sums) > 1
    assert optimizer.penalty().item() == penalty(matrices, 0.1).item()
    assert list(optimizer.parameters) == [n for n, _ in model.named_parameters()]


def test_no_penalty_is_zero() -> None:
    assert Optimizer(Small(), PLAIN, total=1).penalty() == 0.0


@pytest.mark.parametrize("mathematics", [EQUATIONS, KERNELS], ids=["equations", "kernels"])
@pytest.mark.parametrize(
    ("rule", "twin"),
    [
        ("gd", lambda model, lr: torch.optim.SGD(groups(model, 0.0), lr)),
        ("momentum", lambda model, lr: torch.optim.SGD(groups(model, 0.0), lr, momentum=0.9)),
        ("rmsprop", lambda model, lr: torch.optim.RMSprop(groups(model, 0.0), lr)),
        ("adam", lambda model, lr: torch.optim.Adam(groups(model, 0.0), lr)),
        ("adamw", lambda model, lr: torch.optim.AdamW(groups(model, 0.2), lr)),
    ],
)
def test_every_rule_against_pytorch(rule: str, twin, mathematics) -> None:
    """40 steps with PyTorch's default settings."""
    model, reference = Small(), Small()
    decay = 0.2 if rule == "adamw" else 0.0
    recipe = dataclasses.replace(PLAIN, rule=rule, lr=0.01, weight_decay=decay, clip=0.5)
    optimizer, torch_optimizer = Optimizer(model, recipe, total=40, math=mathematics), twin(reference, 0.01)
    for step in range(40):
        model.loss(step).backward()
        optimizer.step()
        reference.loss(step).backward()
        nn.utils.clip_grad_norm_(reference.parameters(), 0.5)
        torch_optimizer.step()
        torch_optimizer.zero_grad()
    for (name, p), other in zip(model.named_parameters(), reference.parameters(), strict=True):
        assert torch.allclose(p, other, rtol=0, atol=1e-13), name
    assert not torch.allclose(model.W.weight, Small().W.weight, atol=1e-3)


def test_no_rule_is_left_out() -> None:
    assert set(RULES) == {"gd", "momentum", "rmsprop", "adam", "adamw"}


@pytest.mark.parametrize("rule", ["adam", "adamw"])
def test_without_bias_correction(rule: str) -> None:
    """At t = 1, m is (1 − β₁) g and v is (1 − β₂) g²: the step is (1 − β₁)/√(1 − β₂) = √10 times that of Adam."""
    changes = []
    for corrected in (True, False):
        model = Small()
        recipe = dataclasses.replace(PLAIN, rule=rule, bias_correction=corrected)
        optimizer = Optimizer(model, recipe, total=1)
        before = model.W.weight.detach().clone()
        model.loss(0).backward()
        optimizer.step()
        changes.append((before - model.W.weight.detach()).abs())
    assert torch.allclose(changes[1], changes[0] * math.sqrt(10.0), rtol=1e-5)


@pytest.mark.parametrize("rule", RULES)
def test_a_parameter_without_gradient_does_not_change(rule: str) -> None:
    """It has no weight decay either, and its first gradient is its first step (as in PyTorch)."""
    recipe = dataclasses.replace(PLAIN, rule=rule, weight_decay=0.3 if rule == "adamw" else 0.0)
    model, fresh = Small(), Small()
    before = model.unused.weight.detach().clone()
    optimizer = Optimizer(model, recipe, total=10)
    for step in range(3):
        model.loss(step).backward()
        optimizer.step()
    assert torch.equal(model.unused.weight, before)
    first = Optimizer(fresh, recipe, total=10)
    for m, o in ((model, optimizer), (fresh, first)):
        m.unused.weight.grad = torch.full((2, 2), 0.5, dtype=torch.float64)
        o.step()
    assert not torch.equal(model.unused.weight, before)
    assert torch.equal(model.unused.weight, fresh.unused.weight)


def test_a_frozen_parameter_is_ignored() -> None:
    """By penalties too."""
    model = Small()
    model.W.weight.requires_grad_(False)
    optimizer = Optimizer(model, dataclasses.replace(PLAIN, l2=1.0), total=1)
    assert set(optimizer.parameters) == {"W.bias", "unused.weight", "norm.gamma", "norm.beta"}
    assert optimizer.penalty().item() == pytest.approx(model.unused.weight.square().sum().item())
    before = model.W.weight.clone()
    (model.loss(0) + optimizer.penalty()).backward()
    optimizer.step()
    assert torch.equal(model.W.weight, before)


def test_gradients_are_deleted() -> None:
    model = Small()
    optimizer = Optimizer(model, PLAIN, total=2)
    model.loss(0).backward()
    optimizer.step()
    assert [p.grad for p in model.parameters()] == [None] * 5


def test_a_users_own_rule() -> None:
    def adamw(theta, g, state, lr, weight_decay, bias_correction):
        theta.detach().fill_(weight_decay + 2.0 * bias_correction)

    model = Small()
    recipe = dataclasses.replace(PLAIN, rule="adamw", weight_decay=0.25)
    optimizer = Optimizer(model, recipe, total=1, math=EQUATIONS.overlay(adamw=adamw))
    model.loss(0).backward()
    optimizer.step()
    assert model.W.weight.unique().tolist() == [2.25]
    assert model.W.bias.unique().tolist() == [2.0]


@pytest.mark.parametrize("rule", [rule for rule in RULES if rule != "adamw"])
def test_weight_decay_is_for_adamw_only(rule: str) -> None:
    with pytest.raises(InputError, match=f"with {rule} use the penalty `l2`"):
        Optimizer(Small(), Recipe(rule=rule, weight_decay=0.01), total=1)
