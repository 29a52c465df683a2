"""Both norms against loops; dropout against PyTorch's draws and against its own statistics."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch.autograd import grad, gradcheck

from minitf.equations.normalization import dropout, layer_norm, rms_norm

PROPERTY = settings(deadline=None, derandomize=True, database=None, max_examples=60)

# Two such numbers are equal or 1/8 apart. Rows that differ in the last digits only are ill-posed with an ε of 1e-12.
EIGHTHS = st.integers(-80, 80).map(lambda n: n / 8)


def layer_norm_by_loops(row, gamma, beta, eps):
    mu = math.fsum(row) / len(row)
    variance = math.fsum((x - mu) ** 2 for x in row) / len(row)
    return [(x - mu) / (variance + eps) ** 0.5 * g + b for x, g, b in zip(row, gamma, beta, strict=True)]


@PROPERTY
@given(st.data(), hnp.array_shapes(max_dims=3, max_side=5), st.sampled_from([1e-12, 1e-5, 0.5]))
def test_layer_norm_is_the_loop(data, shape, eps):
    x, gamma, beta = (data.draw(hnp.arrays(np.float64, s, elements=EIGHTHS)) for s in (shape, shape[-1:], shape[-1:]))
    y = layer_norm(*map(torch.from_numpy, (x, gamma, beta)), eps)
    assert y.shape == shape
    for row, ours in zip(x.reshape(-1, shape[-1]).tolist(), y.reshape(-1, shape[-1]).tolist(), strict=True):
        expected = layer_norm_by_loops(row, gamma.tolist(), beta.tolist(), eps)
        assert all(abs(a - b) < 1e-12 for a, b in zip(ours, expected, strict=True))


@PROPERTY
@given(hnp.arrays(np.float64, (3, 4), elements=EIGHTHS), st.integers(-(2**30), 2**30))
def test_layer_norm_is_invariant_to_a_shift(x, c):
    one, zero = torch.ones(4, dtype=torch.float64), torch.zeros(4, dtype=torch.float64)
    x = torch.from_numpy(x)
    assert torch.equal(layer_norm(x + c, one, zero, 1e-12), layer_norm(x, one, zero, 1e-12))


def test_layer_norm_gives_mean_beta_and_deviation_gamma():
    x = torch.randn(50, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 7 + 3
    y = layer_norm(x, torch.full((64,), 5.0).double(), torch.full((64,), -2.0).double(), 1e-12)
    assert (y.mean(-1) + 2.0).abs().max() < 1e-13
    assert (y.std(-1, unbiased=False) - 5.0).abs().max() < 1e-12


@pytest.mark.parametrize("eps", [1e-12, 0.3])
def test_layer_norm_gradient(eps):
    random = torch.Generator().manual_seed(1)
    x, gamma, beta = (
        torch.randn(s, dtype=torch.float64, generator=random, requires_grad=True) for s in ((2, 3, 5), (5,), (5,))
    )
    assert gradcheck(lambda x, gamma, beta: layer_norm(x, gamma, beta, eps), (x, gamma, beta))


@pytest.mark.parametrize(("dtype", "huge"), [(torch.float64, 1e4), (torch.float64, 1e150), (torch.float32, 1e15)])
def test_layer_norm_of_huge_rows_and_of_constant_ones(dtype, huge):
    x = (torch.tensor([[1, 1, -1, -1], [1, 1, 1, 1]], dtype=dtype) * huge).requires_grad_()
    gamma, beta = torch.tensor([1, 2, 3, 4], dtype=dtype), torch.tensor([5, 6, 7, 8], dtype=dtype)
    y = layer_norm(x, gamma, beta, 1e-12)
    assert torch.equal(y, torch.tensor([[6, 8, 4, 4], [5, 6, 7, 8]], dtype=dtype))
    (g,) = grad(y.sum(), x)
    assert g.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("p", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("layout", ["rows", "columns", "every other"])
def test_dropout_draws_as_pytorch_does(dtype, p, layout):
    x = torch.randn(12, 8, generator=torch.Generator().manual_seed(2)).to(dtype)
    x = {"rows": x, "columns": x.T, "every other": x[:, ::2]}[layout].requires_grad_()
    torch.manual_seed(3)
    ours = dropout(x, p)
    after = torch.rand(1)
    torch.manual_seed(3)
    theirs = F.dropout(x, p)
    assert torch.equal(ours, theirs) and ours.dtype == dtype
    assert torch.equal(after, torch.rand(1))  # the same state of the generator afterwards
    c = torch.ones_like(x)
    assert torch.equal(*(grad(y, x, c)[0] for y in (ours, theirs)))


@pytest.mark.parametrize("p", [0.05, 0.1, 0.5, 0.8])
def test_dropout_by_its_statistics(p):
    torch.manual_seed(5)
    rows, columns = 400, 500
    y = dropout(torch.ones(rows, columns, dtype=torch.float64), p)
    kept = y != 0.0
    assert (y[kept] == 1.0 / (1.0 - p)).all()  # the scale
    n, sigma = rows * columns, math.sqrt(p * (1.0 - p))
    assert abs(kept.double().mean() - (1.0 - p)) < 5.0 * sigma / math.sqrt(n)  # the rate
    assert abs(y.mean() - 1.0) < 5.0 * sigma / (1.0 - p) / math.sqrt(n)  # the expectation
    # Elements are independent: no whole rows or columns are dropped, and neighbours are not correlated.
    assert (kept.double().mean(0) - (1.0 - p)).abs().max() < 5.0 * sigma / math.sqrt(rows)
    assert (kept.double().mean(1) - (1.0 - p)).abs().max() < 5.0 * sigma / math.sqrt(columns)
    pairs = (kept[:, :-1] & kept[:, 1:]).double().mean()
    assert abs(pairs - (1.0 - p) ** 2) < 10.0 * sigma / math.sqrt(n)


def test_dropout_of_rate_0_and_1():
    x = torch.tensor([1.0, -2.0, 3.0], requires_grad=True)
    before = torch.get_rng_state()
    assert dropout(x, 0.0) is x
    assert torch.equal(dropout(x, 1.0), torch.zeros(3))
    assert torch.equal(grad(dropout(x, 1.0).sum(), x)[0], torch.zeros(3))
    assert torch.equal(torch.get_rng_state(), before)  # neither draws random numbers


def test_dropout_and_layer_norm_leave_their_inputs_alone():
    x, gamma, beta = torch.arange(6.0).reshape(2, 3), torch.ones(3), torch.zeros(3)
    dropout(x, 0.5)
    layer_norm(x, gamma, beta, 1e-12)
    assert torch.equal(x, torch.arange(6.0).reshape(2, 3))
    assert torch.equal(gamma, torch.ones(3)) and torch.equal(beta, torch.zeros(3))


def rms_norm_by_loops(row, gamma, eps):
    root = (math.fsum(x * x for x in row) / len(row) + eps) ** 0.5
    return [x / root * g for x, g in zip(row, gamma, strict=True)]


@PROPERTY
@given(st.data(), hnp.array_shapes(max_dims=3, max_side=5), st.sampled_from([1e-6, 1e-5, 0.5]))
def test_rms_norm_is_the_loop(data, shape, eps):
    x, gamma = (data.draw(hnp.arrays(np.float64, s, elements=EIGHTHS)) for s in (shape, shape[-1:]))
    y = rms_norm(*map(torch.from_numpy, (x, gamma)), eps)
    assert y.shape == shape
    for row, ours in zip(x.reshape(-1, shape[-1]).tolist(), y.reshape(-1, shape[-1]).tolist(), strict=True):
        expected = rms_norm_by_loops(row, gamma.tolist(), eps)
        assert all(abs(a - b) < 1e-12 for a, b in zip(ours, expected, strict=True))


@PROPERTY
@given(hnp.arrays(np.float64, 4, elements=EIGHTHS), st.integers(-20, 20))
def test_rms_norm_is_invariant_to_a_factor(x, power):
    one, x = torch.ones(4, dtype=torch.float64), torch.from_numpy(x)
    assume(x.any())
    assert torch.equal(rms_norm(x * 2.0**power, one, 0.0), rms_norm(x, one, 0.0))


def test_rms_norm_is_not_invariant_to_a_shift():
    x, one = torch.tensor([1.0, 2.0, 3.0, 6.0]), torch.ones(4)
    assert (rms_norm(x + 1.0, one, 1e-6) - rms_norm(x, one, 1e-6)).abs().max() > 0.1


def test_of_a_row_with_mean_0_rms_norm_is_layer_norm():
    x = torch.randn(6, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
    x = x - x.mean(-1, keepdim=True)
    gamma, zero = torch.linspace(1, 2, 8, dtype=torch.float64), torch.zeros(8, dtype=torch.float64)
    assert (rms_norm(x, gamma, 1e-6) - layer_norm(x, gamma, zero, 1e-6)).abs().max() < 1e-14


def test_rms_norm_of_zeros_is_zero_and_its_gradient_is_finite():
    x = torch.zeros(2, 3, dtype=torch.float64, requires_grad=True)
    y = rms_norm(x, torch.ones(3, dtype=torch.float64), 1e-6)
    assert (y == 0.0).all()
    assert (grad(y.sum(), x)[0] - 1e3).abs().max() < 1e-9  # 1 / √ε


@pytest.mark.parametrize("eps", [1e-6, 0.3])
def test_rms_norm_gradient(eps):
    random = torch.Generator().manual_seed(1)
    x, gamma = (torch.randn(s, dtype=torch.float64, generator=random, requires_grad=True) for s in ((2, 3, 5), (5,)))
    assert gradcheck(lambda x, gamma: rms_norm(x, gamma, eps), (x, gamma))


@pytest.mark.parametrize("gamma", [torch.ones(3), torch.ones(1, 4), torch.ones(())], ids=lambda g: str(tuple(g.shape)))
def test_rms_norm_refuses_a_gain_of_another_shape(gamma):
    with pytest.raises(ValueError, match=r"must be \[…, D\] and \[D\]"):
        rms_norm(torch.ones(2, 4), gamma, 1e-6)
