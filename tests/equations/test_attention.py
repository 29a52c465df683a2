"""Softmax, attention and the heads against loops over single numbers, under shifts, masks and huge inputs."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch.autograd import grad, gradcheck

from minitf.equations.attention import merge_heads, scaled_dot_product_attention, softmax, split_heads

PROPERTY = settings(deadline=None, derandomize=True, database=None, max_examples=60)
SIDE = st.integers(1, 4)

# Sums of such numbers are exact, so that a shift by one of them loses nothing.
EIGHTHS = st.integers(-800, 800).map(lambda n: n / 8)


def tensors(shape, elements):
    return hnp.arrays(np.float64, shape, elements=elements).map(torch.from_numpy)


def softmax_by_loops(row):
    """1 / Σⱼ exp(xⱼ − xᵢ) for each i: the same function as the equation, computed in another way."""
    if all(x == -math.inf for x in row):
        return [0.0 for _ in row]
    return [0.0 if x == -math.inf else 1.0 / math.fsum(exp(other - x) for other in row) for x in row]


def exp(x):
    return math.inf if x > 709.0 else math.exp(x)


def attention_by_loops(Q, K, V, may_look):
    """softmax(QKᵀ / √d_k) V, one number at a time. `may_look [B, H, S_q, S_k]`."""
    B, H, S_q, d_k = Q.shape
    S_k, d_v = V.shape[2:]
    A = np.zeros((B, H, S_q, S_k))
    context = np.zeros((B, H, S_q, d_v))
    for b in range(B):
        for h in range(H):
            for q in range(S_q):
                scores = []
                for k in range(S_k):
                    product = math.fsum(Q[b, h, q, i] * K[b, h, k, i] for i in range(d_k))
                    scores.append(product / d_k**0.5 if may_look[b, h, q, k] else -math.inf)
                A[b, h, q] = softmax_by_loops(scores)
                for j in range(d_v):
                    context[b, h, q, j] = math.fsum(A[b, h, q, k] * V[b, h, k, j] for k in range(S_k))
    return context, A


@st.composite
def problems(draw):
    """Q, K, V and a mask of any shape that broadcasts, or none."""
    B, H, S_q, S_k, d_k, d_v = (draw(SIDE) for _ in range(6))
    Q, K, V = (draw(tensors(s, st.floats(-4, 4))) for s in ((B, H, S_q, d_k), (B, H, S_k, d_k), (B, H, S_k, d_v)))
    shapes = [(S_k,), (S_q, S_k), (B, 1, 1, S_k), (B, 1, S_q, S_k), (1, H, 1, S_k), (B, H, S_q, 1), (B, H, S_q, S_k)]
    shape = draw(st.sampled_from([None, *shapes]))
    mask = None if shape is None else torch.from_numpy(draw(hnp.arrays(np.bool_, shape)))
    return Q, K, V, mask


def broadcast(mask, Q, K):
    shape = (*Q.shape[:3], K.shape[2])
    return torch.ones(shape, dtype=torch.bool) if mask is None else mask.expand(shape)


def largest_difference(a, b):
    return float(np.abs(np.asarray(a) - np.asarray(b)).max())


# --- softmax


@PROPERTY
@given(st.data(), st.lists(SIDE, min_size=1, max_size=3))
def test_softmax_is_the_loop(data, shape):
    numbers = st.floats(-30, 30) | st.floats(-1e4, 1e4) | st.just(-math.inf)
    x = data.draw(tensors(tuple(shape), numbers))
    expected = [softmax_by_loops(row) for row in x.reshape(-1, shape[-1]).tolist()]
    assert largest_difference(softmax(x).reshape(-1, shape[-1]), expected) < 1e-14


@PROPERTY
@given(tensors((3, 4), EIGHTHS), st.integers(-(2**40), 2**40))
def test_softmax_is_invariant_to_a_shift(x, c):
    assert torch.equal(softmax(x + c), softmax(x))


@pytest.mark.parametrize(
    ("dtype", "huge"), [(torch.float64, 1e4), (torch.float64, 1e300), (torch.float32, 1e4), (torch.float32, 1e30)]
)
def test_softmax_of_huge_inputs(dtype, huge):
    x = torch.tensor([[1, 1, 0, -1], [-1, -1, -1, -1], [1, 0, 0, 0]], dtype=dtype) * huge
    x.requires_grad_()
    expected = torch.tensor([[0.5, 0.5, 0, 0], [0.25, 0.25, 0.25, 0.25], [1, 0, 0, 0]], dtype=dtype)
    y = softmax(x)
    assert torch.equal(y, expected)
    (g,) = grad(y[:, 0].sum(), x)
    # ∂y₀/∂xⱼ = y₀ (δ₀ⱼ − yⱼ)
    assert torch.equal(g, expected[:, :1] * (torch.eye(4, dtype=dtype)[0] - expected))


def test_softmax_of_a_fully_masked_row_is_zero_and_so_is_its_gradient():
    x = torch.tensor([[-math.inf] * 3, [1.0, -math.inf, 2.0]], dtype=torch.float64, requires_grad=True)
    y = softmax(x)
    assert y[0].tolist() == [0.0, 0.0, 0.0]
    assert y[1, 1] == 0.0 and abs(y[1].sum().item() - 1.0) < 1e-15
    c = torch.tensor([[5.0, -7.0, 11.0], [2.0, 3.0, -4.0]], dtype=torch.float64)
    (g,) = grad(y, x, c)
    assert g[0].tolist() == [0.0, 0.0, 0.0]
    assert g[1, 1] == 0.0
    other = y.detach()[1]
    assert torch.allclose(g[1], other * (c[1] - (c[1] * other).sum()), rtol=0, atol=1e-15)


def test_softmax_gradient():
    x = torch.randn(2, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)
    assert gradcheck(softmax, (x,))


# --- attention


@PROPERTY
@given(problems())
def test_attention_is_the_loop(problem):
    Q, K, V, mask = problem
    context, A = scaled_dot_product_attention(Q, K, V, mask, need_attention=True)
    may_look = broadcast(mask, Q, K).numpy()
    expected_context, expected_A = attention_by_loops(Q.numpy(), K.numpy(), V.numpy(), may_look)
    assert largest_difference(A, expected_A) < 1e-13
    assert largest_difference(context, expected_context) < 1e-13
    # Masked weights are exactly 0, not nearly.
    assert (A[~torch.from_numpy(may_look)] == 0.0).all()
    fully_masked = ~torch.from_numpy(may_look).any(dim=-1)
    assert (context[fully_masked] == 0.0).all()


@PROPERTY
@given(problems())
def test_attention_gradients_stay_finite_and_masked_keys_get_none(problem):
    Q, K, V, mask = problem
    inputs = [X.requires_grad_() for X in (Q, K, V)]
    context, _ = scaled_dot_product_attention(*inputs, mask)
    dQ, dK, dV = grad(context, inputs, torch.ones_like(context))
    assert all(d.isfinite().all() for d in (dQ, dK, dV))
    may_look = broadcast(mask, Q, K)
    unseen = ~may_look.any(dim=2)  # [B, H, S_k]: keys that no query sees
    assert (dK[unseen] == 0.0).all() and (dV[unseen] == 0.0).all()
    assert (dQ[~may_look.any(dim=-1)] == 0.0).all()


def test_attention_gradient():
    random = torch.Generator().manual_seed(1)
    Q, K, V = (torch.randn(2, 2, 3, 2, dtype=torch.float64, generator=random, requires_grad=True) for _ in range(3))
    mask = torch.tensor([[1, 1, 0], [1, 0, 0], [0, 0, 0]], dtype=torch.bool)
    assert gradcheck(lambda Q, K, V: scaled_dot_product_attention(Q, K, V, mask, 0.0, True), (Q, K, V))


def test_padding_has_no_influence():
    random = torch.Generator().manual_seed(2)
    Q, K, V = (torch.randn(2, 3, 5, 4, dtype=torch.float64, generator=random) for _ in range(3))
    mask = torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]], dtype=torch.bool)[:, None, None, :]
    context, A = scaled_dot_product_attention(Q, K, V, mask, need_attention=True)
    assert (A[0, :, :, 3:] == 0.0).all() and (A[1] > 0.0).all()
    K[0, :, 3:], V[0, :, 3:] = 1e5, -1e5
    again, _ = scaled_dot_product_attention(Q, K, V, mask)
    assert torch.equal(again, context)


@pytest.mark.parametrize(("dtype", "huge"), [(torch.float64, 1e150), (torch.float32, 1e15)])
def test_attention_of_huge_scores_selects_one_key(dtype, huge):
    K = torch.eye(3, dtype=dtype)[None, None] * huge
    V = torch.arange(6, dtype=dtype).reshape(1, 1, 3, 2)
    context, A = scaled_dot_product_attention(K, K, V, need_attention=True)
    assert torch.equal(A[0, 0], torch.eye(3, dtype=dtype))
    assert torch.equal(context, V)


def test_attention_weights_are_returned_only_on_request():
    X = torch.zeros(1, 1, 2, 3)
    assert scaled_dot_product_attention(X, X, X)[1] is None
    assert scaled_dot_product_attention(X, X, X, need_attention=True)[1].shape == (1, 1, 2, 2)


def test_the_returned_weights_are_those_before_dropout():
    random = torch.Generator().manual_seed(3)
    Q, K, V = (torch.randn(2, 2, 6, 4, dtype=torch.float64, generator=random) for _ in range(3))
    _, before = scaled_dot_product_attention(Q, K, V, need_attention=True)
    torch.manual_seed(4)
    context, A = scaled_dot_product_attention(Q, K, V, dropout=0.4, need_attention=True)
    torch.manual_seed(4)
    dropped = F.dropout(before, 0.4)
    assert torch.equal(A, before)
    assert (dropped == 0.0).any()
    assert largest_difference(context, dropped @ V) < 1e-15


def test_attention_uses_the_given_softmax_and_dropout():
    Q = torch.zeros(1, 1, 2, 2, dtype=torch.float64)
    V = torch.tensor([[[[1.0], [10.0]]]], dtype=torch.float64)
    rates = []

    def drop(A, p):
        rates.append(p)
        return A * 2.0

    context, A = scaled_dot_product_attention(Q, Q, V, None, 0.3, True, softmax=torch.ones_like, drop=drop)
    assert A.tolist() == [[[[1.0, 1.0], [1.0, 1.0]]]]
    assert context.flatten().tolist() == [22.0, 22.0]
    assert rates == [0.3]


@PROPERTY
@given(problems())
def test_attention_leaves_its_inputs_alone(problem):
    before = [None if X is None else X.clone() for X in problem]
    scaled_dot_product_attention(*problem, dropout=0.5, need_attention=True)
    assert all(X is None or torch.equal(X, Y) for X, Y in zip(problem, before, strict=True))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_attention_keeps_the_dtype(dtype):
    random = torch.Generator().manual_seed(5)
    X = torch.randn(1, 2, 4, 8, generator=random).to(dtype)
    mask = torch.tensor([True, True, True, False])
    context, A = scaled_dot_product_attention(X, X, X, mask, 0.1, True)
    _, exact = scaled_dot_product_attention(X.double(), X.double(), X.double(), mask, 0.0, True)
    assert context.dtype == A.dtype == dtype
    assert (A.double() - exact).abs().max() < 8 * torch.finfo(dtype).eps


# --- heads


@PROPERTY
@given(SIDE, SIDE, SIDE, SIDE)
def test_heads_are_slices_of_the_columns(B, S, H, d_k):
    X = torch.arange(B * S * H * d_k, dtype=torch.float64).reshape(B, S, H * d_k)
    heads = split_heads(X, H)
    assert heads.shape == (B, H, S, d_k)
    for b in range(B):
        for h in range(H):
            for s in range(S):
                for i in range(d_k):
                    assert heads[b, h, s, i] == X[b, s, h * d_k + i]
    assert torch.equal(merge_heads(heads), X)


def test_heads_of_a_strided_tensor():
    X = torch.arange(48.0).reshape(2, 6, 4).transpose(1, 2)  # [2, 4, 6], columns not next to each other
    assert torch.equal(split_heads(X, 3), split_heads(X.contiguous(), 3))
    assert torch.equal(merge_heads(split_heads(X, 2)), X)


@PROPERTY
@given(problems(), st.data(), st.sampled_from([None, 1.0, 0.25, -2.0]))
def test_attention_with_a_bias_and_a_scale_is_the_loop(problem, data, scale):
    """The loop knows neither: the scale is put into Q, and the bias into more columns of Q, with one-hot keys."""
    Q, K, V, mask = problem
    B, H, S_q, d_k = Q.shape
    S_k = K.shape[2]
    shape = data.draw(st.sampled_from([(1, H, S_q, S_k), (S_q, S_k), (S_k,), (B, 1, 1, S_k), (B, H, S_q, S_k)]))
    bias = data.draw(tensors(shape, st.floats(-4, 4)))
    context, A = scaled_dot_product_attention(Q, K, V, mask, need_attention=True, bias=bias, scale=scale)
    factor = d_k**-0.5 if scale is None else scale
    wide_Q = torch.cat([Q * factor, bias.expand(B, H, S_q, S_k)], dim=-1) * math.sqrt(d_k + S_k)
    wide_K = torch.cat([K, torch.eye(S_k, dtype=torch.float64).expand(B, H, S_k, S_k)], dim=-1)
    may_look = broadcast(mask, Q, K).numpy()
    expected_context, expected_A = attention_by_loops(wide_Q.numpy(), wide_K.numpy(), V.numpy(), may_look)
    assert largest_difference(A, expected_A) < 1e-12
    assert largest_difference(context, expected_context) < 1e-12


def test_a_bias_of_zeros_and_the_usual_scale_change_nothing():
    random = torch.Generator().manual_seed(0)
    Q, K, V = (torch.randn(2, 2, 3, 4, dtype=torch.float64, generator=random) for _ in range(3))
    expected, _ = scaled_dot_product_attention(Q, K, V)
    zero = torch.zeros(3, 3, dtype=torch.float64)
    assert torch.equal(scaled_dot_product_attention(Q, K, V, bias=zero)[0], expected)
    assert torch.equal(scaled_dot_product_attention(Q, K, V, scale=0.5)[0], expected)  # 1/√4


@pytest.mark.parametrize(
    ("bias", "message"),
    [
        (torch.zeros(3, 4), r"bias \[3, 4\] does not broadcast"),
        (torch.zeros(1, 1, 2, 3, 3), "does not broadcast"),
        (torch.zeros(3, 3, dtype=torch.bool), "bias must have a floating-point dtype, not bool"),
        (torch.zeros(3, 3, dtype=torch.long), "bias must have a floating-point dtype, not int64"),
    ],
)
def test_a_bias_of_another_shape_or_dtype_is_an_error(bias, message):
    Q = torch.ones(2, 2, 3, 4)
    with pytest.raises(ValueError, match=message):
        scaled_dot_product_attention(Q, Q, Q, bias=bias)
