"""The causal mask, entry by entry."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from minitf.equations.mask import causal_mask
from minitf.layers import padding_mask

PROPERTY = settings(deadline=None, derandomize=True, database=None, max_examples=40)


@PROPERTY
@given(st.data(), st.integers(0, 12))
def test_no_query_sees_a_later_position(data, S_k):
    """The queries are the last positions, as in a decoder that has computed the earlier ones before."""
    S_q = data.draw(st.integers(0, S_k))
    M = causal_mask(S_q, S_k)
    assert M.shape == (S_q, S_k) and M.dtype == torch.bool
    for q in range(S_q):
        position = S_k - S_q + q
        assert M[q].tolist() == [k <= position for k in range(S_k)]
    assert torch.equal(M, causal_mask(S_k)[S_k - S_q :])


def test_without_a_second_length_the_causal_mask_is_a_lower_triangle():
    assert torch.equal(causal_mask(4), torch.ones(4, 4, dtype=torch.bool).tril())


def test_the_causal_mask_and_the_padding_mask_together():
    both = causal_mask(3) & padding_mask(torch.tensor([[1, 1, 0], [0, 1, 1]]))
    assert both.shape == (2, 1, 3, 3)
    assert both[0, 0].int().tolist() == [[1, 0, 0], [1, 1, 0], [1, 1, 0]]
    assert both[1, 0].int().tolist() == [[0, 0, 0], [0, 1, 0], [0, 1, 1]]


def test_a_causal_mask_of_more_queries_than_positions_is_an_error():
    with pytest.raises(ValueError, match="3 queries cannot be the last of 2 positions"):
        causal_mask(3, 2)
