"""A number that is none: planted in weights, in the midst of the network, in the logits; the first is named."""

import math

import pytest
import torch

from minitf.bert.frozen import FrozenLayers
from minitf.errors import DivergedError
from minitf.mathematics import EQUATIONS
from minitf.tasks.classification.task import Classification
from minitf.training import loop
from minitf.training.optimizer import Optimizer, Recipe
from minitf.training.strategy import freeze
from tests.support.small_training import loaded, texts


def told(model, task=None, depths: int = 0, spoil=lambda model: None, at: int = 2) -> str:
    """What a training says that is spoiled after step `at`."""
    freeze(model, 3, depths)
    optimizer, layers = Optimizer(model, Recipe(lr=1e-3), 9), FrozenLayers(model)

    def log(record) -> None:
        if record["step"] == at:
            spoil(model)

    with pytest.raises(DivergedError) as caught:
        loop.train(
            model,
            task or Classification(("a", "b")),
            texts(24),
            texts(4),
            optimizer,
            epochs=3,
            batch_size=8,
            seed=0,
            log=log,
            stage=lambda epoch: layers.below(depths),
        )
    message = str(caught.value)
    assert message.endswith("lower --lr, or lengthen --warmup")
    assert "\n" not in message
    return message


NAMES = ["embeddings.position.weight", "encoder.layers.0.attention.W_V.bias", "encoder.layers.1.ffn_norm.gamma",
         "encoder.layers.2.ffn.W_1.weight", "pooler.W.weight", "head.W.bias"]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("value", "said"), [(math.nan, "holds NaN"), (math.inf, "holds infinity")])
def test_a_spoiled_weight(write_bert, name: str, value: float, said: str) -> None:
    def spoil(model) -> None:
        with torch.no_grad():
            model.get_parameter(name).view(-1)[1] = value
            model.get_parameter("head.W.weight")[0] = math.nan  # later in the order of computation

    message = told(loaded(write_bert()[0]), spoil=spoil)
    if name.startswith("head"):
        name, said = "head.W.weight", "holds NaN"
    assert "at step 3" in message
    assert f"first in the weight {name} {said}, since an earlier step" in message


@pytest.mark.parametrize("depths", [1, 3, 4])
def test_a_spoiled_weight_in_a_frozen_layer(write_bert, depths: int) -> None:
    """It is no part of the model in training, and yet named."""
    name = {1: "embeddings.word.weight", 3: "encoder.layers.1.attention.W_K.weight", 4: "encoder.layers.2.ffn.W_2.bias"}

    model = loaded(write_bert()[0])
    with torch.no_grad():
        model.get_parameter(name[depths])[:] = math.nan
    assert f"first in the weight {name[depths]} holds NaN" in told(model, depths=depths)


class Countdown:
    """Replaces an equation: its n-th call in training spoils one number of its answer."""

    def __init__(self, f, at: int, value: float):
        self.f, self.at, self.value, self.calls = f, at, value, 0

    def __call__(self, *given, **more):
        out = self.f(*given, **more)
        self.calls += 1
        if self.calls % 1000 == self.at:
            spoiled = out.clone()
            spoiled.view(-1)[0] = self.value
            return spoiled
        return out


@pytest.mark.parametrize(
    ("at", "where"),
    [
        (1, "embeddings.norm"),
        (2, "encoder.layers.0.attention_norm"),
        (3, "encoder.layers.0.ffn_norm"),
        (4, "encoder.layers.1.attention_norm"),
        (7, "encoder.layers.2.ffn_norm"),
    ],
)
@pytest.mark.parametrize(("value", "said"), [(math.nan, "holds NaN"), (math.inf, "holds infinity")])
def test_in_the_midst_of_the_network(write_bert, at: int, where: str, value: float, said: str) -> None:
    """All weights are sound; the layer that gives the first bad number is named, innermost first."""
    spoilt = EQUATIONS.overlay(layer_norm=Countdown(EQUATIONS.layer_norm, at, value))

    class Own(Classification):
        def logits(self, model, batch):
            self.math.layer_norm.calls = 0
            return super().logits(model, batch)

    model = loaded(write_bert()[0], math=spoilt)
    message = told(model, Own(("a", "b"), math=spoilt))
    assert "at step 1" in message
    if (at, value) == (7, math.inf):  # tanh makes ±1 of it: the loss is finite, and the first gradient is not
        assert message.startswith("the gradient of pooler.W.weight is no finite number at step 1: ")
    else:
        assert f"first in what {where} gives {said}" in message


def test_infinite_logits(write_bert) -> None:
    class Own(Classification):
        def logits(self, model, batch):
            return super().logits(model, batch) * math.inf

    assert "first in the loss itself" in told(loaded(write_bert()[0]), Own(("a", "b")))


def test_a_head_that_overflows(write_bert) -> None:
    def spoil(model) -> None:
        with torch.no_grad():
            model.head.W.weight.fill_(1e308)

    message = told(loaded(write_bert()[0]), spoil=spoil)
    assert "first in what head.W gives holds" in message
