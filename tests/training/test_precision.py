"""Mixed precision: bfloat16 learns; float16's loss scale cancels out, is halved on overflow and doubled later."""

import itertools
import math

import pytest
import torch

from minitf.bert.frozen import FrozenLayers
from minitf.errors import DivergedError, InputError
from minitf.mathematics import mathematics
from minitf.tasks.classification.task import Classification
from minitf.training.optimizer import Optimizer, Recipe
from minitf.training.precision import SMALLEST, Half, Precision, choose_precision
from tests.support.small_training import QUIET, TINY, loaded, texts, train, weights

CPU = torch.device("cpu")


def gradients_of(loss: torch.Tensor, precision: Precision, W: torch.Tensor) -> tuple[bool, torch.Tensor]:
    W.grad = None
    precision.scaled(loss).backward()
    return precision.unscale([W.grad]), W.grad


def test_the_scale_cancels_out() -> None:
    """Exactly, for powers of two."""
    W = torch.randn(5, 4, requires_grad=True)
    x = torch.randn(3, 5)
    whole, plain = gradients_of((x @ W).square().mean(), Precision(), W)
    for scale in (1.0, 2.0**16, 2.0**30):
        kept, g = gradients_of((x @ W).square().mean(), Half(torch.float16, CPU, scale), W)
        assert (whole, kept) == (True, True)
        assert torch.equal(g, plain)


@pytest.mark.parametrize("bad", [math.inf, -math.inf, math.nan])
def test_an_overflow_halves_the_scale(bad: float) -> None:
    half = Half(torch.float16, CPU, scale=8.0, patience=3)
    good, wrong = torch.ones(3), torch.tensor([1.0, bad])
    assert [half.unscale([good.clone()]) for _ in range(2)] == [True, True]
    assert not half.unscale([good.clone(), wrong.clone(), good.clone()])
    assert (half.scale, half.good) == (4.0, 0)
    assert [half.unscale([good.clone()]) for _ in range(2)] == [True, True]
    assert half.scale == 4.0  # the count started again
    assert half.unscale([good.clone()])
    assert (half.scale, half.good) == (8.0, 0)


def test_an_overflow_at_every_scale_is_an_error() -> None:
    half = Half(torch.float16, CPU, scale=1.0)
    while half.scale > SMALLEST:
        assert not half.unscale([torch.tensor([math.nan])])
    with pytest.raises(DivergedError, match="gradients overflow at every loss scale: lower `lr`"):
        half.unscale([torch.tensor([math.nan])])


def test_bfloat16_has_no_scale() -> None:
    half = Half(torch.bfloat16, CPU)
    loss = torch.tensor(3.0)
    assert half.scaled(loss) == loss
    assert half.unscale([torch.tensor([math.inf])])  # the optimizer reports it
    assert half.scale == 1.0


class Overflowing(Half):
    """Full precision with float16's loss scale, and gradients that overflow at some steps."""

    def __init__(self, at: set[int], **more):
        super().__init__(torch.float16, CPU, **more)
        self.at, self.step = at, 0

    def autocast(self):
        return Precision.autocast(self)

    def unscale(self, gradients):
        gradients = list(gradients)
        self.step += 1
        if self.step in self.at:
            gradients[0].view(-1)[0] = math.inf
        return super().unscale(gradients)


def test_a_step_that_overflows_is_skipped(write_bert) -> None:
    """Neither weights nor moments change; the schedule continues; the step has a loss but no gradient norm."""
    folder, steps, states = write_bert(**TINY)[0], {}, {}
    for name, precision in (("plain", Precision()), ("overflow", Overflowing({3, 4}, scale=64.0, patience=2))):
        model = loaded(folder)
        optimizer = Optimizer(model, Recipe(lr=1e-3, warmup=0.0), 8)
        steps[name], states[name] = [], [weights(model)]

        def on_step(step, name=name, model=model):
            steps[name].append(step)
            states[name].append(weights(model))

        torch.manual_seed(0)
        more = {"epochs": 2, "batch_size": 8, "on_step": on_step, "precision": precision}
        train(model, Classification(("a", "b")), texts(32), texts(4), optimizer, **more)
        assert optimizer.steps == 8
    pairs = itertools.pairwise(states["overflow"])
    same = [all(torch.equal(old[name], new[name]) for name in old) for old, new in pairs]
    assert same == [step in (3, 4) for step in range(1, 9)]
    assert precision.scale == 64.0 * 2 / 2 / 2 * 2 * 2  # doubled after steps 2, 6 and 8, halved after 3 and 4
    assert [step.gradient is None for step in steps["overflow"]] == [number in (3, 4) for number in range(1, 9)]
    assert [step.lr for step in steps["overflow"]] == [step.lr for step in steps["plain"]]
    assert steps["overflow"][:2] == steps["plain"][:2]  # the scale cancels out exactly
    # Adam counts only the steps that were not skipped.
    assert {state["t"] for state in optimizer.state.values()} == {6}


@pytest.mark.parametrize("math_name", ["equations", "kernels"])
@pytest.mark.parametrize("frozen", [0, 2])
def test_bfloat16_learns(write_bert, math_name: str, frozen: int) -> None:
    """On the CPU, with and without frozen layers: close to float32, but not equal; the weights stay float32."""
    chosen, losses = mathematics(math_name), {}
    folder = write_bert(**(TINY | QUIET | {"num_hidden_layers": 2}))[0]
    for name in ("fp32", "bf16"):
        model = loaded(folder, dtype=torch.float32, math=chosen)
        examples, steps = texts(32), []
        layers = FrozenLayers(model, [(tuple(t.ids), tuple(t.segments)) for t in examples.tokens])
        train(
            model,
            Classification(("a", "b"), math=chosen),
            examples,
            examples,
            Optimizer(model, Recipe(lr=3e-3, warmup=0.0), 80, chosen),
            epochs=20,
            batch_size=8,
            on_step=steps.append,
            stage=lambda epoch, layers=layers: layers.below(frozen),
            precision=choose_precision(name, CPU),
        )
        losses[name] = [step.loss for step in steps]
        assert {p.dtype for p in model.parameters()} == {torch.float32}
        assert sum(losses[name][-4:]) < 0.8 * sum(losses[name][:4])
    assert losses["bf16"] != losses["fp32"]
    assert losses["bf16"][:4] == pytest.approx(losses["fp32"][:4], rel=0.05)


def test_the_precisions_of_a_cpu() -> None:
    assert type(choose_precision("fp32", CPU)) is Precision
    assert choose_precision("bf16", CPU).dtype is torch.bfloat16
    with pytest.raises(InputError, match="`precision` fp16 needs a GPU"):
        choose_precision("fp16", CPU)
