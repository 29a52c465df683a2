"""The sinusoidal positions against the formula, number by number."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from minitf.equations.position import sinusoidal_positions


@settings(deadline=None, derandomize=True, database=None, max_examples=25)
@given(st.integers(1, 40), st.integers(1, 8).map(lambda half: 2 * half))
def test_positions_are_the_loop(S, D):
    PE = sinusoidal_positions(S, D, torch.float64)
    assert PE.shape == (S, D) and PE.dtype == torch.float64
    for pos in range(S):
        for i in range(D // 2):
            angle = pos / 10000 ** (2 * i / D)
            assert abs(PE[pos, 2 * i].item() - math.sin(angle)) < 1e-14
            assert abs(PE[pos, 2 * i + 1].item() - math.cos(angle)) < 1e-14


def test_a_step_is_the_same_rotation_everywhere():
    """PE(pos + k) is a linear function of PE(pos), the reason given in Vaswani et al. 2017, §3.5."""
    D, k = 8, 3
    PE = sinusoidal_positions(100, D, torch.float64).reshape(100, D // 2, 2)
    sine, cosine = PE[:-k].unbind(-1)
    turn = PE[k]  # sin and cos of k steps, because PE(0) has the angle 0
    turned = torch.stack([sine * turn[:, 1] + cosine * turn[:, 0], cosine * turn[:, 1] - sine * turn[:, 0]], dim=-1)
    assert (turned - PE[k:]).abs().max() < 1e-13


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_positions_are_computed_exactly_and_rounded_once(dtype):
    """With angles in float32 the first 5,000 positions would be off by up to 8e-5."""
    assert torch.equal(sinusoidal_positions(5001, 16, dtype), sinusoidal_positions(5001, 16, torch.float64).to(dtype))


def test_the_default_is_float32():
    assert sinusoidal_positions(2, 4).dtype == torch.float32


def test_an_odd_width_is_an_error():
    with pytest.raises(ValueError, match="D must be even, not 5"):
        sinusoidal_positions(3, 5)
