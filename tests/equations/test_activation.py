"""The activation functions against Python's own `math`, to the last digits: a rounded √2 or 2/π fails."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch.autograd import grad, gradcheck

from minitf.equations.activation import gated_gelu, gelu, gelu_tanh, relu, swish

PROPERTY = settings(deadline=None, derandomize=True, database=None, max_examples=60)
SHAPES = hnp.array_shapes(max_dims=3, max_side=4)
NUMBERS = st.floats(-8, 8) | st.floats(-1e4, 1e4)


def sigmoid_by_hand(x):
    return 0.5 * (1.0 + math.tanh(x / 2.0))


BY_HAND = {
    relu: lambda x: x if x > 0 else 0.0,
    gelu: lambda x: x * 0.5 * (1.0 + math.erf(x / 2.0**0.5)),
    gelu_tanh: lambda x: x * 0.5 * (1.0 + math.tanh((2.0 / math.pi) ** 0.5 * (x + 0.044715 * x * x * x))),
    swish: lambda x: x * sigmoid_by_hand(x),
}
SLOPE_BY_HAND = {
    relu: lambda x: float(x > 0),
    gelu: lambda x: 0.5 * (1.0 + math.erf(x / 2.0**0.5)) + x * math.exp(-x * x / 2.0) / (2.0 * math.pi) ** 0.5,
    swish: lambda x: sigmoid_by_hand(x) * (1.0 + x * (1.0 - sigmoid_by_hand(x))),
}
ACTIVATIONS = pytest.mark.parametrize("activation", BY_HAND, ids=lambda f: f.__name__)


@ACTIVATIONS
@PROPERTY
@given(hnp.arrays(np.float64, SHAPES, elements=NUMBERS))
def test_activation_is_the_formula(activation, x):
    y = activation(torch.from_numpy(x))
    assert y.shape == x.shape
    for ours, number in zip(y.flatten().tolist(), x.flatten().tolist(), strict=True):
        assert abs(ours - BY_HAND[activation](number)) <= 1e-15 * max(1.0, abs(number))


@pytest.mark.parametrize("activation", SLOPE_BY_HAND, ids=lambda f: f.__name__)
@PROPERTY
@given(hnp.arrays(np.float64, 4, elements=NUMBERS | st.just(0.0)))
def test_slope_is_the_formula(activation, x):
    """Also of ReLU at 0, where it is not differentiable: 0, as in every framework."""
    X = torch.from_numpy(x).requires_grad_()
    (g,) = grad(activation(X).sum(), X)
    for ours, number in zip(g.tolist(), x.tolist(), strict=True):
        assert abs(ours - SLOPE_BY_HAND[activation](number)) <= 1e-14


@ACTIVATIONS
def test_gradient(activation):
    x = torch.tensor([-5.0, -1.5, -0.3, 0.2, 1.0, 4.0], dtype=torch.float64, requires_grad=True)
    assert gradcheck(activation, (x,))


@ACTIVATIONS
@pytest.mark.parametrize(("dtype", "huge"), [(torch.float64, 1e4), (torch.float64, 1e300), (torch.float32, 1e30)])
def test_an_activation_of_huge_inputs_is_x_or_0(activation, dtype, huge):
    x = torch.tensor([huge, -huge], dtype=dtype)
    assert torch.equal(activation(x), torch.tensor([huge, 0.0], dtype=dtype))


@ACTIVATIONS
def test_activation_leaves_its_input_and_its_dtype_alone(activation):
    for dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64):
        x = torch.linspace(-3, 3, 7, dtype=dtype)
        before = x.clone()
        assert activation(x).dtype == dtype
        assert torch.equal(x, before)


def test_the_two_gelus_differ_by_at_most_5e_4():
    x = torch.linspace(-6, 6, 100_001, dtype=torch.float64)
    assert 4e-4 < (gelu(x) - gelu_tanh(x)).abs().max() < 5e-4


@PROPERTY
@given(st.floats(-1e4, 1e4))
def test_gelu_x_minus_gelu_of_minus_x_is_x(x):
    """Φ(x) + Φ(−x) = 1, and σ(x) + σ(−x) = 1."""
    X = torch.tensor([x, -x], dtype=torch.float64)
    for activation in (relu, gelu, gelu_tanh, swish):
        y, mirrored = activation(X).tolist()
        assert abs(y - mirrored - x) <= 1e-15 * max(1.0, abs(x))


@PROPERTY
@given(st.data(), SHAPES)
def test_the_gated_gelu_is_the_formula(data, shape):
    gate, x = (data.draw(hnp.arrays(np.float64, shape, elements=NUMBERS)) for _ in range(2))
    y = gated_gelu(torch.from_numpy(gate), torch.from_numpy(x))
    assert y.shape == shape
    for ours, g, number in zip(y.flatten().tolist(), gate.flatten().tolist(), x.flatten().tolist(), strict=True):
        assert abs(ours - BY_HAND[gelu_tanh](g) * number) <= 1e-15 * max(1.0, abs(g)) * max(1.0, abs(number))


def test_the_gated_gelu_gates_with_its_first_argument():
    """It is linear in the second argument and not in the first."""
    random = torch.Generator().manual_seed(0)
    gate, x = (torch.randn(5, dtype=torch.float64, generator=random, requires_grad=True) for _ in range(2))
    assert gradcheck(gated_gelu, (gate, x))
    assert torch.allclose(gated_gelu(gate, 2.0 * x), 2.0 * gated_gelu(gate, x), rtol=0, atol=1e-15)
    assert (gated_gelu(2.0 * gate, x) - 2.0 * gated_gelu(gate, x)).abs().max() > 1e-2
    with pytest.raises(ValueError, match="must have the same shape"):
        gated_gelu(gate, x[:1])
