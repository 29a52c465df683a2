"""The affine map and the look-up against loops."""

import math

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch.autograd import grad, gradcheck

from minitf.equations.projection import linear, look_up

PROPERTY = settings(deadline=None, derandomize=True, database=None, max_examples=60)
SIDE = st.integers(1, 4)


@PROPERTY
@given(st.data(), st.lists(SIDE, max_size=3), SIDE, SIDE, st.booleans())
def test_linear_is_the_loop(data, leading, D_in, D_out, with_bias):
    X, W, b = (
        torch.from_numpy(data.draw(hnp.arrays(np.float64, shape, elements=st.floats(-9, 9))))
        for shape in ((*leading, D_in), (D_out, D_in), (D_out,))
    )
    Y = linear(X, W, b if with_bias else None)
    assert Y.shape == (*leading, D_out)
    for x, y in zip(X.reshape(-1, D_in).tolist(), Y.reshape(-1, D_out).tolist(), strict=True):
        for o in range(D_out):
            products = [x[i] * W[o, i].item() for i in range(D_in)]
            assert abs(y[o] - math.fsum([*products, b[o].item() * with_bias])) < 1e-13


def test_linear_gradient():
    random = torch.Generator().manual_seed(0)
    shapes = ((2, 3, 4), (5, 4), (5,))
    X, W, b = (torch.randn(s, dtype=torch.float64, generator=random, requires_grad=True) for s in shapes)
    assert gradcheck(linear, (X, W, b))
    assert gradcheck(linear, (X, W))


@PROPERTY
@given(st.data(), SIDE, SIDE, st.lists(SIDE, max_size=3))
def test_look_up_is_the_loop(data, N, D, shape):
    E = torch.arange(N * D, dtype=torch.float64).reshape(N, D)
    ids = torch.from_numpy(data.draw(hnp.arrays(np.int64, tuple(shape), elements=st.integers(0, N - 1))))
    X = look_up(E, ids)
    assert X.shape == (*shape, D)
    for i, x in zip(ids.flatten().tolist(), X.reshape(-1, D).tolist(), strict=True):
        assert x == [i * D + d for d in range(D)]


def test_look_up_is_the_product_with_one_hot_rows():
    random = torch.Generator().manual_seed(1)
    E = torch.randn(5, 3, dtype=torch.float64, generator=random, requires_grad=True)
    ids = torch.tensor([[4, 0, 4], [4, 2, 0]])  # row 4 gets the sum of three gradients; rows 1 and 3 get none
    one_hot = torch.eye(5, dtype=torch.float64)[ids]
    c = torch.randn(2, 3, 3, dtype=torch.float64, generator=random)
    assert torch.equal(look_up(E, ids), one_hot @ E)
    (ours,), (theirs,) = grad(look_up(E, ids), E, c), grad(one_hot @ E, E, c)
    assert (ours - theirs).abs().max() < 1e-15
    assert (ours[[1, 3]] == 0.0).all() and (ours[[0, 2, 4]] != 0.0).all()
