"""Positions against their formulas, number by number, and against `transformers` to the last bit."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers.models.marian.modeling_marian import MarianSinusoidalPositionalEmbedding
from transformers.models.t5.modeling_t5 import T5Attention

from minitf.equations.position import (
    half_sinusoidal_positions,
    relative_position_bias,
    relative_position_buckets,
    sinusoidal_positions,
)


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


# --- half and half


@pytest.mark.parametrize(("S", "D"), [(1, 2), (5, 4), (40, 6), (512, 16), (512, 64), (1024, 128)])
def test_half_sinusoidal_positions_are_those_of_transformers_to_the_bit(S, D):
    theirs = MarianSinusoidalPositionalEmbedding(S, D).create_weight()
    assert torch.equal(half_sinusoidal_positions(S, D), theirs)
    for dtype in (torch.float64, torch.bfloat16):  # a model in another dtype has the rounded numbers too
        ours = half_sinusoidal_positions(S, D, dtype)
        assert ours.dtype == dtype and torch.equal(ours, theirs.to(dtype))


@settings(deadline=None, derandomize=True, database=None, max_examples=25)
@given(st.integers(1, 40), st.integers(1, 8).map(lambda half: 2 * half))
def test_half_sinusoidal_positions_are_the_other_ones_in_another_order(S, D):
    interleaved = sinusoidal_positions(S, D, torch.float64)
    PE = half_sinusoidal_positions(S, D, torch.float64)
    assert (PE[:, : D // 2] - interleaved[:, 0::2]).abs().max() < 1e-7
    assert (PE[:, D // 2 :] - interleaved[:, 1::2]).abs().max() < 1e-7


def test_half_sinusoidal_positions_of_an_odd_width_are_an_error():
    with pytest.raises(ValueError, match="D must be even, not 5"):
        half_sinusoidal_positions(3, 5)


# --- relative


@pytest.mark.parametrize("bidirectional", [True, False])
@pytest.mark.parametrize(("buckets", "distance"), [(32, 128), (8, 20), (4, 128), (33, 50), (64, 1000)])
@pytest.mark.parametrize("S", [1, 7, 300])
def test_relative_position_buckets_are_those_of_transformers(S, buckets, distance, bidirectional):
    offset = torch.arange(S)[None] - torch.arange(S)[:, None]
    theirs = T5Attention._relative_position_bucket(offset, bidirectional, buckets, distance)
    assert torch.equal(relative_position_buckets(S, S, bidirectional, buckets, distance), theirs)


@settings(deadline=None, derandomize=True, database=None, max_examples=40)
@given(st.data(), st.booleans(), st.sampled_from([(32, 128), (8, 20), (10, 64)]))
def test_relative_position_buckets_grow_with_the_distance_and_depend_on_nothing_else(data, bidirectional, sizes):
    buckets, distance = sizes
    S_k = data.draw(st.integers(1, 150))
    S_q = data.draw(st.integers(0, S_k))
    b = relative_position_buckets(S_q, S_k, bidirectional, buckets, distance)
    assert b.shape == (S_q, S_k) and b.dtype == torch.int64
    assert torch.equal(b, relative_position_buckets(S_k, S_k, bidirectional, buckets, distance)[S_k - S_q :])
    n = buckets // 2 if bidirectional else buckets
    for q in range(S_q):
        position = S_k - S_q + q
        before, after = b[q, : position + 1].flip(0), b[q, position + 1 :]
        assert before[0] == 0  # the query itself
        assert (before.diff() >= 0).all() and (before < n).all()
        exact = before[: n // 2]
        assert torch.equal(exact, torch.arange(len(exact)))  # one bucket for each short distance
        assert (before[distance:] == n - 1).all()  # one bucket for all long ones
        if bidirectional:
            assert (after.diff() >= 0).all() and (after > n).all() and (after < 2 * n).all()
        else:
            assert (after == 0).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((3, 2), "3 queries cannot be the last of 2 positions"),
        ((2, 2, True, 3), "3 buckets cannot cover"),
        ((2, 2, False, 1), "1 buckets cannot cover"),
        ((2, 2, False, 32, 16), "32 buckets cannot cover distances up to 16"),
    ],
)
def test_impossible_relative_position_buckets_are_an_error(arguments, message):
    with pytest.raises(ValueError, match=message):
        relative_position_buckets(*arguments)


def test_the_relative_position_bias_is_a_row_of_the_table_for_each_pair():
    E = torch.randn(8, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    buckets = relative_position_buckets(4, 6, True, 8, 20)
    bias = relative_position_bias(E, buckets)
    assert bias.shape == (1, 3, 4, 6)
    for h in range(3):
        for q in range(4):
            for k in range(6):
                assert bias[0, h, q, k] == E[buckets[q, k], h]
    (g,) = torch.autograd.grad(bias.sum(), E)
    assert torch.equal(g, torch.bincount(buckets.flatten(), minlength=8)[:, None].double().expand(8, 3))
