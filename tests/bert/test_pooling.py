"""Sentence vectors: the mean over the real tokens, of length 1."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from minitf.bert.head import mean_pooled

PROPERTY = settings(deadline=None, derandomize=True, database=None, max_examples=60)


def mean_pooled_by_loops(X, mask):
    """One number at a time; `X [B, S, D]`, `mask [B, S]` -> `[B, D]`. Without a token: zeros."""
    B, S, D = X.shape
    vectors = np.zeros((B, D))
    for b in range(B):
        real = [s for s in range(S) if mask[b, s]]
        mean = [math.fsum(X[b, s, d] for s in real) / max(len(real), 1) for d in range(D)]
        length = math.hypot(*mean)
        vectors[b] = [x / length if length else 0.0 for x in mean]
    return vectors


@st.composite
def problems(draw):
    B, S, D = (draw(st.integers(1, 4)) for _ in range(3))
    # Eighths: their sums are exact, so a mean is zero for both or for neither.
    X = draw(hnp.arrays(np.float64, (B, S, D), elements=st.integers(-80, 80).map(lambda n: n / 8)))
    mask = draw(hnp.arrays(np.int64, (B, S), elements=st.integers(0, 1)))
    return X, mask


@given(problems())
@PROPERTY
def test_against_loops(problem):
    X, mask = problem
    vectors = mean_pooled(torch.from_numpy(X), torch.from_numpy(mask))
    np.testing.assert_allclose(vectors.numpy(), mean_pooled_by_loops(X, mask), rtol=0, atol=1e-14)


def test_padding_does_not_matter():
    X = torch.randn(2, 5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    mask = torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]])
    spoiled = X.clone()
    spoiled[0, 3:] = 1e30
    torch.testing.assert_close(mean_pooled(spoiled, mask), mean_pooled(X, mask), rtol=0, atol=1e-14)
    torch.testing.assert_close(mean_pooled(X[:1, :3], mask[:1, :3]), mean_pooled(X, mask)[:1], rtol=0, atol=1e-14)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16])
def test_length_one_in_the_precision_given(dtype):
    X = torch.randn(8, 6, 32, generator=torch.Generator().manual_seed(1)).to(dtype)
    mask = torch.ones(8, 6, dtype=torch.long)
    vectors = mean_pooled(X, mask)
    assert vectors.dtype == dtype
    tolerance = 8 * torch.finfo(dtype).eps
    torch.testing.assert_close(vectors.double().norm(dim=-1), torch.ones(8).double(), rtol=0, atol=tolerance)


def test_no_token_gives_zeros_and_finite_gradients():
    X = torch.randn(2, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(2), requires_grad=True)
    vectors = mean_pooled(X, torch.tensor([[0, 0, 0], [1, 1, 0]]))
    assert vectors[0].count_nonzero() == 0
    vectors.sum().backward()
    assert X.grad.isfinite().all()
    assert X.grad[0].count_nonzero() == 0 and X.grad[1, 2].count_nonzero() == 0
    assert X.grad[1, :2].count_nonzero() > 0
