"""Quantised numbers have an error of at most half a step."""

import base64

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from minitf.attention_maps import quantise
from minitf.errors import InputError
from tests.support.maps_to_draw import random_maps

PROPERTY = settings(deadline=None, derandomize=True, database=None, max_examples=300)
WIDTHS = st.sampled_from([np.float32, np.float64])


@PROPERTY
@given(st.data(), st.integers(1, 4), st.integers(1, 20), WIDTHS, st.sampled_from([np.uint8, np.int16]))
def test_within_half_a_step(data, rows, n, dtype, kind):
    least = 0.0 if kind is np.uint8 else -(2.0**100)
    bits = 32 if dtype is np.float32 else 64
    x = data.draw(arrays(dtype, (rows, n), elements=st.floats(least, 2.0**100, width=bits)))
    numbers, scales = quantise.quantise(x, kind)
    assert (numbers.dtype, numbers.shape, scales.shape) == (kind, x.shape, x.shape[:-1])
    back = numbers * scales.astype(np.float64)[:, None]
    assert (np.abs(back - x) <= scales[:, None] / 2 * (1 + 1e-4) + 1e-40).all()


@PROPERTY
@given(arrays(np.float32, (3, 12), elements=st.floats(0, 1, width=32)))
def test_each_row_has_its_own_scale(x):
    together = quantise.quantise(x, np.uint8)[0]
    for row, numbers in zip(x, together, strict=True):
        np.testing.assert_array_equal(quantise.quantise(row[None], np.uint8)[0][0], numbers)
        if row.max() > 1e-30:
            assert numbers.max() == 255  # the whole range is used


@pytest.mark.parametrize("bad", [np.nan, np.inf, 1e300])
def test_nan_and_infinity(bad):
    x = np.full((2, 3), 0.5)
    x[1, 1] = bad
    with pytest.raises(InputError, match="NaN or infinite numbers: the weights of this model are broken"):
        quantise.quantise(x, np.uint8)


def test_a_line_for_each_head():
    """Decoded as the page does."""
    A = random_maps(S=7, H=3).A[1]
    lines = quantise.weights(A).split("\n")
    assert len(lines) == 3
    for line, head in zip(lines, A, strict=True):
        data = base64.b64decode(line)
        assert len(data) == 4 * 7 + 7 * 7
        scales, numbers = np.frombuffer(data, "<f4", 7), np.frombuffer(data, np.uint8, offset=28).reshape(7, 7)
        assert (np.abs(numbers * scales[:, None].astype(float) - head) <= scales[:, None] * 0.501).all()


def test_queries_and_keys():
    rng = np.random.default_rng(0)
    Q, K = rng.normal(size=(2, 2, 5, 8))
    for h, line in enumerate(quantise.queries_and_keys(Q, K).split("\n")):
        data = base64.b64decode(line)
        scales, numbers = np.frombuffer(data, "<f4", 10), np.frombuffer(data, "<i2", offset=40).reshape(10, 8)
        back = numbers * scales[:, None].astype(float)
        np.testing.assert_allclose(back, np.concatenate([Q[h], K[h]]), rtol=0, atol=1e-4)
