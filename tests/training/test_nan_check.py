"""NaN or infinity in weights, inside the network, in the logits: the first tensor is named."""

import math
import re

import pytest
import torch

from minitf.bert.frozen import FrozenLayers
from minitf.errors import DivergedError
from minitf.mathematics import EQUATIONS
from minitf.tasks.classification.task import Classification
from minitf.training.optimizer import Optimizer, Recipe
from minitf.training.strategy import freeze
from tests.support.small_training import loaded, texts, train


def error_of(model, task=None, depths: int = 0, damage=lambda model: None, at: int = 2) -> str:
    """The message of a training in which `damage` changes the model after step `at`."""
    freeze(model, 3, depths)
    optimizer, layers = Optimizer(model, Recipe(lr=1e-3), 9), FrozenLayers(model)

    def on_step(step) -> None:
        if step.number == at:
            damage(model)

    with pytest.raises(DivergedError) as caught:
        train(
            model,
            task or Classification(("a", "b")),
            texts(24),
            texts(4),
            optimizer,
            epochs=3,
            batch_size=8,
            on_step=on_step,
            stage=lambda epoch: layers.below(depths),
        )
    message = str(caught.value)
    assert message.endswith(": lower `lr`, or raise `warmup`")
    assert "\n" not in message
    return message


NAMES = ["embeddings.position.weight", "encoder.layers.0.attention.W_V.bias", "encoder.layers.1.ffn_norm.gamma",
         "encoder.layers.2.ffn.W_1.weight", "pooler.W.weight", "head.W.bias"]  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("value", "what"), [(math.nan, "NaN"), (math.inf, "infinity")])
def test_a_weight(write_bert, name: str, value: float, what: str) -> None:
    def damage(model) -> None:
        with torch.no_grad():
            model.get_parameter(name).view(-1)[1] = value
            model.get_parameter("head.W.weight")[0] = math.nan  # later in the order of computation

    message = error_of(loaded(write_bert()[0]), damage=damage)
    if name.startswith("head"):
        name, what = "head.W.weight", "NaN"
    assert f"at step 3 (the weight {name} has {what} since an earlier step)" in message


@pytest.mark.parametrize("depths", [1, 3, 4])
def test_a_weight_in_a_frozen_layer(write_bert, depths: int) -> None:
    """It is named, although it is not registered in the model during training."""
    name = {1: "embeddings.word.weight", 3: "encoder.layers.1.attention.W_K.weight", 4: "encoder.layers.2.ffn.W_2.bias"}

    model = loaded(write_bert()[0])
    with torch.no_grad():
        model.get_parameter(name[depths])[:] = math.nan
    assert f"(the weight {name[depths]} has NaN" in error_of(model, depths=depths)


class Countdown:
    """Replaces an equation: its n-th call in training returns one wrong number."""

    def __init__(self, f, at: int, value: float):
        self.f, self.at, self.value, self.calls = f, at, value, 0

    def __call__(self, *given, **more):
        out = self.f(*given, **more)
        self.calls += 1
        if self.calls % 1000 == self.at:
            wrong = out.clone()
            wrong.view(-1)[0] = self.value
            return wrong
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
@pytest.mark.parametrize(("value", "what"), [(math.nan, "NaN"), (math.inf, "infinity")])
def test_inside_the_network(write_bert, at: int, where: str, value: float, what: str) -> None:
    """All weights are finite; the innermost module with the first wrong output is named."""
    math_with_error = EQUATIONS.overlay(layer_norm=Countdown(EQUATIONS.layer_norm, at, value))

    class Own(Classification):
        def logits(self, model, batch):
            self.math.layer_norm.calls = 0
            return super().logits(model, batch)

    model = loaded(write_bert()[0], math=math_with_error)
    message = error_of(model, Own(("a", "b"), math=math_with_error))
    if (at, value) == (7, math.inf):  # tanh turns it into ±1: the loss is finite, but the gradient is not
        assert message.startswith("the gradient of pooler.W.weight became NaN or infinite at step 1: ")
    else:
        assert f"at step 1 (the first tensor with {what} is the output of {where})" in message


def test_infinite_logits(write_bert) -> None:
    class Own(Classification):
        def logits(self, model, batch):
            return super().logits(model, batch) * math.inf

    assert "(all outputs and weights are finite)" in error_of(loaded(write_bert()[0]), Own(("a", "b")))


def test_a_head_that_overflows(write_bert) -> None:
    def damage(model) -> None:
        with torch.no_grad():
            model.head.W.weight.fill_(1e308)

    message = error_of(loaded(write_bert()[0]), damage=damage)
    assert re.search(r"\(the first tensor with (NaN|infinity) is the output of head\.W\)", message)
