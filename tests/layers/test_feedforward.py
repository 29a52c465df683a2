"""The feed-forward network against its formula, token by token."""

import pytest
import torch
import torch.nn.functional as F

from minitf.layers import FeedForward, GatedFeedForward
from minitf.mathematics import EQUATIONS, KERNELS

BOTH = pytest.mark.parametrize("math", [EQUATIONS, KERNELS], ids=["equations", "kernels"])
ACTIVATIONS = {"relu": F.relu, "gelu": F.gelu, "gelu_tanh": lambda x: F.gelu(x, approximate="tanh")}


def build(*args):
    torch.manual_seed(0)
    ffn = FeedForward(*args).double()
    for parameter in ffn.parameters():
        torch.nn.init.normal_(parameter)
    return ffn


@BOTH
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_feed_forward_is_its_formula_for_each_token_alone(math, activation):
    ffn = build(4, 6, activation, math)
    assert {name: tuple(p.shape) for name, p in ffn.named_parameters()} == {
        "W_1.weight": (6, 4),
        "W_1.bias": (6,),
        "W_2.weight": (4, 6),
        "W_2.bias": (4,),
    }
    X = torch.randn(2, 3, 4, dtype=torch.float64)
    Y = ffn(X)
    assert Y.shape == X.shape
    W_1, b_1, W_2, b_2 = ffn.parameters()
    for b in range(2):
        for s in range(3):
            expected = W_2 @ ACTIVATIONS[activation](W_1 @ X[b, s] + b_1) + b_2
            assert (Y[b, s] - expected).abs().max() < 1e-13


def test_the_papers_activation_is_the_default():
    X = torch.randn(2, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    assert torch.equal(build(4, 6)(X), build(4, 6, "relu")(X))
    assert not torch.equal(build(4, 6)(X), build(4, 6, "gelu")(X))


@BOTH
def test_a_replaced_activation_is_used(math):
    ffn = build(4, 4, "gelu", math.overlay(gelu=torch.zeros_like))
    assert torch.equal(ffn(torch.ones(1, 1, 4, dtype=torch.float64))[0, 0], ffn.W_2.bias)


@BOTH
def test_the_gated_feed_forward_is_its_formula_for_each_token_alone(math):
    torch.manual_seed(0)
    ffn = GatedFeedForward(4, 6, math=math, bias=False).double()
    assert {name: tuple(p.shape) for name, p in ffn.named_parameters()} == {
        "W_gate.weight": (6, 4),
        "W_1.weight": (6, 4),
        "W_2.weight": (4, 6),
    }
    for parameter in ffn.parameters():
        torch.nn.init.normal_(parameter)
    X = torch.randn(2, 3, 4, dtype=torch.float64)
    Y = ffn(X)
    W_gate, W_1, W_2 = ffn.parameters()
    for b in range(2):
        for s in range(3):
            expected = W_2 @ (F.gelu(W_gate @ X[b, s], approximate="tanh") * (W_1 @ X[b, s]))
            assert (Y[b, s] - expected).abs().max() < 1e-12
    assert len(list(GatedFeedForward(4, 6).parameters())) == 6  # with biases


@BOTH
@pytest.mark.parametrize("cls", [FeedForward, GatedFeedForward])
def test_dropout_after_the_activation_in_training_only(cls, math):
    torch.manual_seed(0)
    ffn = cls(4, 6, math=math, dropout=0.5).double()
    X = torch.randn(2, 3, 4, dtype=torch.float64)
    undropped = ffn.eval()(X)
    inputs = []
    ffn.W_2.register_forward_pre_hook(lambda module, given: inputs.append(given[0]))
    torch.manual_seed(1)
    ffn.train()(X)
    torch.manual_seed(1)
    ffn.eval()(X)
    assert torch.equal(inputs[0], F.dropout(inputs[1], 0.5))
    assert torch.equal(ffn(X), undropped)


@BOTH
def test_feed_forward_without_dropout_asks_for_none(math):
    """BERT has no dropout here: neither a random number nor a call of a replaced dropout."""
    asked = []
    ffn = FeedForward(4, 6, math=math.overlay(dropout=lambda x, p: asked.append(p) or x))
    ffn.train()(torch.ones(1, 4))
    assert asked == []
