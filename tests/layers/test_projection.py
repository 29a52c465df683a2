"""Linear and Embedding: values, parameter names and initialization."""

import pytest
import torch
from torch import nn

from minitf.layers import Embedding, Encoder, LayerNorm, Linear, initialize
from minitf.mathematics import EQUATIONS, KERNELS

BOTH = pytest.mark.parametrize("math", [EQUATIONS, KERNELS], ids=["equations", "kernels"])


@BOTH
@pytest.mark.parametrize("shape", [(5,), (2, 5), (2, 3, 5)])
def test_linear_is_pytorchs(math, shape):
    torch.manual_seed(0)
    ours, theirs = Linear(5, 4, math).double(), nn.Linear(5, 4).double()
    nn.init.normal_(ours.bias)
    theirs.load_state_dict(ours.state_dict())  # the same names and shapes
    X = torch.randn(shape, dtype=torch.float64)
    assert ours(X).shape == (*shape[:-1], 4)
    assert (ours(X) - theirs(X)).abs().max() < 1e-14


@BOTH
def test_linear_without_a_bias_is_pytorchs(math):
    torch.manual_seed(0)
    ours, theirs = Linear(5, 4, math, bias=False).double(), nn.Linear(5, 4, bias=False).double()
    theirs.load_state_dict(ours.state_dict())
    X = torch.randn(2, 5, dtype=torch.float64)
    assert (ours(X) - theirs(X)).abs().max() < 1e-14
    assert list(ours.state_dict()) == ["weight"] and ours.bias is None
    initialize(ours)


@BOTH
def test_embedding_is_pytorchs(math):
    torch.manual_seed(0)
    ours, theirs = Embedding(7, 4, math).double(), nn.Embedding(7, 4).double()
    theirs.load_state_dict(ours.state_dict())
    ids = torch.tensor([[0, 6, 3], [3, 3, 1]])
    assert ours(ids).shape == (2, 3, 4)
    assert torch.equal(ours(ids), theirs(ids))


def test_initial_weights_are_truncated_normal_and_biases_0():
    torch.manual_seed(0)
    encoder = Encoder(L=1, D=64, H=4, F=256)
    initialize(encoder, std=0.1)
    matrices = [p for p in encoder.parameters() if p.dim() == 2]
    for matrix in matrices:
        assert matrix.abs().max() <= 0.2
        # A normal variable truncated at ± 2σ has a standard deviation of 0.8796 σ.
        assert abs(matrix.std().item() - 0.08796) < 0.08796 * 4 / (2 * matrix.numel()) ** 0.5
        assert abs(matrix.mean().item()) < 0.08796 * 5 / matrix.numel() ** 0.5
    assert len(matrices) == 6
    assert all((p == 0.0).all() for name, p in encoder.named_parameters() if "bias" in name or "beta" in name)
    assert all((p == 1.0).all() for name, p in encoder.named_parameters() if "gamma" in name)


def test_the_constructor_initializes():
    torch.manual_seed(0)
    for weight in (Linear(40, 50).weight, Embedding(40, 50).weight):
        assert 0.016 < weight.std() < 0.019 and weight.abs().max() <= 0.04


def test_layers_on_the_meta_device_are_not_initialized():
    """A model to be loaded is built on the device "meta", which costs neither memory nor time."""
    before = torch.get_rng_state()
    with torch.device("meta"):
        parts = [Linear(4, 4), Embedding(4, 4), LayerNorm(4), Encoder(L=2, D=8, H=2, F=16)]
    for part in parts:
        initialize(part)
        assert all(p.is_meta for p in part.parameters())
    assert torch.equal(torch.get_rng_state(), before)
