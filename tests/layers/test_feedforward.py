"""The feed-forward network against its formula, token by token."""

import pytest
import torch
import torch.nn.functional as F

from minitf.layers import FeedForward
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
