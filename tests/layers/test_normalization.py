"""The norms with their weights, and dropout in training only."""

import pytest
import torch
from torch import nn
from transformers.models.t5.modeling_t5 import T5LayerNorm

from minitf.layers import Dropout, LayerNorm, RMSNorm
from minitf.mathematics import EQUATIONS, KERNELS

BOTH = pytest.mark.parametrize("math", [EQUATIONS, KERNELS], ids=["equations", "kernels"])


@BOTH
@pytest.mark.parametrize("eps", [1e-12, 1e-5, 0.5])
def test_layer_norm_is_pytorchs(math, eps):
    torch.manual_seed(0)
    ours, theirs = LayerNorm(6, eps, math).double(), nn.LayerNorm(6, eps).double()
    assert {name: tuple(p.shape) for name, p in ours.named_parameters()} == {"gamma": (6,), "beta": (6,)}
    nn.init.normal_(ours.gamma), nn.init.normal_(ours.beta)
    theirs.load_state_dict({"weight": ours.gamma, "bias": ours.beta})
    X = torch.randn(2, 3, 6, dtype=torch.float64)
    assert (ours(X) - theirs(X)).abs().max() < 1e-14


def test_layer_norm_starts_as_the_bare_norm_with_bert_s_epsilon():
    X = torch.randn(4, 8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(LayerNorm(8)(X), EQUATIONS.layer_norm(X, torch.ones(8), torch.zeros(8), 1e-12))


@BOTH
def test_dropout_acts_in_training_only(math):
    X, layer = torch.ones(50, 40), Dropout(0.25, math)
    torch.manual_seed(1)
    dropped = layer.train()(X)
    assert set(dropped.unique().tolist()) == {0.0, torch.tensor(1 / 0.75).item()}
    assert abs((dropped == 0.0).float().mean() - 0.25) < 0.05
    assert layer.eval()(X) is X
    torch.manual_seed(1)
    assert torch.equal(layer.train()(X), dropped)
    assert not list(layer.parameters()) and not list(layer.buffers())


@BOTH
def test_dropout_of_rate_0_draws_nothing(math):
    before = torch.get_rng_state()
    Dropout(0.0, math).train()(torch.ones(3))
    assert torch.equal(torch.get_rng_state(), before)


@BOTH
@pytest.mark.parametrize("eps", [1e-6, 0.5])
def test_rms_norm_is_pytorchs(math, eps):
    torch.manual_seed(0)
    ours, theirs = RMSNorm(6, eps, math).double(), nn.RMSNorm(6, eps).double()
    assert {name: tuple(p.shape) for name, p in ours.named_parameters()} == {"gamma": (6,)}
    nn.init.normal_(ours.gamma)
    theirs.load_state_dict({"weight": ours.gamma})
    X = torch.randn(2, 3, 6, dtype=torch.float64)
    assert (ours(X) - theirs(X)).abs().max() < 1e-14


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_rms_norm_is_t5s(dtype):
    """T5 rounds to the dtype of the weights in the end."""
    X = torch.randn(4, 8, generator=torch.Generator().manual_seed(0)).to(dtype)
    ours, theirs = RMSNorm(8).to(dtype), T5LayerNorm(8).to(dtype)
    assert (ours(X) - theirs(X)).abs().max() < (1e-6 if dtype == torch.float32 else 0.02)
