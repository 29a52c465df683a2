"""The losses and penalties against loops, closed forms of their gradients, and one another."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch.autograd import grad, gradcheck

from minitf.equations import update
from minitf.equations.loss import (
    binary_cross_entropy,
    cross_entropy,
    l1_penalty,
    l2_penalty,
    log_softmax,
    mean_squared_error,
)

PROPERTY = settings(deadline=None, derandomize=True, database=None, max_examples=60)
SIDE = st.integers(1, 4)
LOGITS = st.floats(-30, 30) | st.just(0.0)


def draw_tensor(data, shape, elements=LOGITS):
    return torch.from_numpy(data.draw(hnp.arrays(np.float64, shape, elements=elements)))


def log_softmax_by_loops(z, i):
    """−log Σⱼ exp(zⱼ − zᵢ)."""
    return -math.log(math.fsum(math.exp(other - z[i]) for other in z))


# --- cross-entropy


@PROPERTY
@given(st.data(), SIDE, SIDE)
def test_log_softmax_is_the_loop(data, B, C):
    z = draw_tensor(data, (B, C))
    ours = log_softmax(z)
    for b, row in enumerate(z.tolist()):
        for i in range(C):
            assert abs(ours[b, i].item() - log_softmax_by_loops(row, i)) < 1e-13


@PROPERTY
@given(st.data(), SIDE, SIDE, st.booleans())
def test_cross_entropy_is_the_loop_and_its_gradient_the_closed_form(data, B, C, weighted):
    z = draw_tensor(data, (B, C)).requires_grad_()
    labels = torch.from_numpy(data.draw(hnp.arrays(np.int64, B, elements=st.integers(0, C - 1))))
    class_weights = draw_tensor(data, C, st.floats(0.125, 8)) if weighted else None
    loss = cross_entropy(z, labels, class_weights)

    rows, ys = z.tolist(), labels.tolist()
    w = [class_weights[y].item() if weighted else 1.0 for y in ys]
    losses = [-w[b] * log_softmax_by_loops(rows[b], ys[b]) for b in range(B)]
    assert loss.shape == ()
    assert abs(loss.item() - math.fsum(losses) / math.fsum(w)) < 1e-12

    (g,) = grad(loss, z)
    for b in range(B):
        for i in range(C):
            probability = math.exp(log_softmax_by_loops(rows[b], i))
            assert abs(g[b, i].item() - w[b] * (probability - (i == ys[b])) / math.fsum(w)) < 1e-13


@PROPERTY
@given(st.data(), SIDE, SIDE, st.booleans(), st.sampled_from([1e-9, 0.1, 0.5, 0.99]))
def test_label_smoothing_is_the_loop_and_pytorchs(data, B, C, weighted, epsilon):
    """q_c is ε/C for every class and 1 − ε more for the label; every class has its own weight."""
    z = draw_tensor(data, (B, C)).requires_grad_()
    labels = torch.from_numpy(data.draw(hnp.arrays(np.int64, B, elements=st.integers(0, C - 1))))
    class_weights = draw_tensor(data, C, st.floats(0.125, 8)) if weighted else None
    loss = cross_entropy(z, labels, class_weights, epsilon)

    w = class_weights.tolist() if weighted else [1.0] * C
    total = 0.0
    for row, y in zip(z.tolist(), labels.tolist(), strict=True):
        q = [epsilon / C + (1 - epsilon) * (c == y) for c in range(C)]
        total -= math.fsum(w[c] * q[c] * log_softmax_by_loops(row, c) for c in range(C))
    assert abs(loss.item() - total / math.fsum(w[y] for y in labels.tolist())) < 1e-11

    theirs = torch.nn.functional.cross_entropy(z, labels, class_weights, label_smoothing=epsilon)
    assert torch.allclose(loss, theirs, rtol=1e-12, atol=1e-12)
    for ours, other in zip(grad(loss, z), grad(theirs, z), strict=True):
        assert torch.allclose(ours, other, rtol=1e-10, atol=1e-12)


def test_smoothing_of_0_changes_nothing():
    z, labels = torch.randn(5, 3, dtype=torch.float64), torch.tensor([0, 1, 2, 1, 0])
    assert torch.equal(cross_entropy(z, labels, None, 0.0), cross_entropy(z, labels))
    assert cross_entropy(z, labels, None, 0.1) != cross_entropy(z, labels)


def test_a_class_weight_of_n_is_like_n_copies_of_an_example():
    z = torch.tensor([[1.0, -0.5], [0.3, 2.0], [-1.0, 0.7]], dtype=torch.float64)
    labels = torch.tensor([0, 1, 0])
    weighted = cross_entropy(z, labels, torch.tensor([1.0, 3.0], dtype=torch.float64))
    repeated = cross_entropy(z[[0, 1, 1, 1, 2]], labels[[0, 1, 1, 1, 2]])
    assert abs(weighted - repeated) < 1e-15


@pytest.mark.parametrize(("dtype", "huge"), [(torch.float64, 1e4), (torch.float64, 1e300), (torch.float32, 1e30)])
def test_cross_entropy_of_huge_logits(dtype, huge):
    z = (torch.tensor([[1, -1], [-1, -1], [1, 1]], dtype=dtype) * huge).requires_grad_()
    assert cross_entropy(z[:1], torch.tensor([0])) == 0.0
    assert cross_entropy(z[:1], torch.tensor([1])) == torch.tensor(2.0 * huge, dtype=dtype)
    for row in (1, 2):
        tie = cross_entropy(z[row : row + 1], torch.tensor([1]))
        assert abs(tie.item() - math.log(2.0)) < torch.finfo(dtype).eps
    (g,) = grad(cross_entropy(z, torch.tensor([1, 0, 0])), z)
    expected = torch.tensor([[1, -1], [-0.5, 0.5], [-0.5, 0.5]], dtype=dtype) / 3
    assert (g - expected).abs().max() <= torch.finfo(dtype).eps


@PROPERTY
@given(hnp.arrays(np.float64, (3, 4), elements=st.integers(-80, 80).map(lambda n: n / 8)), st.integers(-(2**40), 2**40))
def test_cross_entropy_is_invariant_to_a_shift(z, c):
    labels = torch.tensor([0, 3, 1])
    assert cross_entropy(torch.from_numpy(z) + c, labels) == cross_entropy(torch.from_numpy(z), labels)


def test_log_softmax_of_nothing_is_nothing():
    for shape in ((0,), (3, 0), (0, 3)):
        assert log_softmax(torch.ones(shape)).shape == shape


# --- binary cross-entropy


@PROPERTY
@given(st.data(), hnp.array_shapes(max_dims=2, max_side=4))
def test_binary_cross_entropy_is_the_loop_and_its_gradient_the_closed_form(data, shape):
    z = draw_tensor(data, shape).requires_grad_()
    t = draw_tensor(data, shape, st.floats(0, 1))
    loss = binary_cross_entropy(z, t)
    pairs = list(zip(z.flatten().tolist(), t.flatten().tolist(), strict=True))
    # −log σ(z) = log(1 + exp(−z)),  −log(1 − σ(z)) = log(1 + exp(z))
    losses = [t * math.log1p(math.exp(-z)) + (1 - t) * math.log1p(math.exp(z)) for z, t in pairs]
    assert loss.shape == ()
    assert abs(loss.item() - math.fsum(losses) / len(pairs)) < 1e-13

    (g,) = grad(loss, z)
    for ours, (z_i, t_i) in zip(g.flatten().tolist(), pairs, strict=True):
        assert abs(ours - (1 / (1 + math.exp(-z_i)) - t_i) / len(pairs)) < 1e-14


@pytest.mark.parametrize(("dtype", "huge"), [(torch.float64, 1e4), (torch.float64, 1e300), (torch.float32, 1e30)])
def test_binary_cross_entropy_of_huge_logits(dtype, huge):
    z = (torch.tensor([1, -1], dtype=dtype) * huge).requires_grad_()
    right, wrong = torch.tensor([1, 0], dtype=dtype), torch.tensor([0, 1], dtype=dtype)
    assert binary_cross_entropy(z, right) == 0.0
    assert binary_cross_entropy(z, wrong) == torch.tensor(huge, dtype=dtype)
    assert grad(binary_cross_entropy(z, right), z)[0].tolist() == [0.0, 0.0]
    assert grad(binary_cross_entropy(z, wrong), z)[0].tolist() == [0.5, -0.5]


# --- mean squared error


@PROPERTY
@given(st.data(), hnp.array_shapes(max_dims=2, max_side=4))
def test_mean_squared_error_is_the_loop_and_its_gradient_the_closed_form(data, shape):
    y, t = draw_tensor(data, shape).requires_grad_(), draw_tensor(data, shape)
    loss = mean_squared_error(y, t)
    errors = [a - b for a, b in zip(y.flatten().tolist(), t.flatten().tolist(), strict=True)]
    assert loss.shape == ()
    assert abs(loss.item() - math.fsum(e * e for e in errors) / len(errors)) <= 1e-12
    (g,) = grad(loss, y)
    assert all(abs(a - 2 * e / len(errors)) <= 1e-13 for a, e in zip(g.flatten().tolist(), errors, strict=True))


def test_gradients_of_the_losses():
    random = torch.Generator().manual_seed(0)
    z = torch.randn(4, 3, dtype=torch.float64, generator=random, requires_grad=True)
    t = torch.rand(4, 3, dtype=torch.float64, generator=random)
    labels, weights = torch.tensor([0, 2, 1, 2]), torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64)
    assert gradcheck(log_softmax, (z,))
    assert gradcheck(lambda z: cross_entropy(z, labels), (z,))
    assert gradcheck(lambda z: cross_entropy(z, labels, weights), (z,))
    assert gradcheck(binary_cross_entropy, (z, t))
    assert gradcheck(mean_squared_error, (z, t))


# --- penalties


@PROPERTY
@given(st.data(), st.lists(hnp.array_shapes(max_dims=2, max_side=3), min_size=1, max_size=3), st.floats(0, 2))
def test_penalties_are_the_loop_and_their_gradients_the_closed_forms(data, shapes, lam):
    parameters = [draw_tensor(data, shape).requires_grad_() for shape in shapes]
    numbers = [x for theta in parameters for x in theta.flatten().tolist()]

    l1, l2 = l1_penalty(iter(parameters), lam), l2_penalty(iter(parameters), lam)
    assert l1.shape == l2.shape == ()
    assert math.isclose(l1.item(), lam * math.fsum(abs(x) for x in numbers), rel_tol=1e-14)
    assert math.isclose(l2.item(), lam * math.fsum(x * x for x in numbers), rel_tol=1e-14)
    for theta, g1, g2 in zip(parameters, grad(l1, parameters), grad(l2, parameters), strict=True):
        assert torch.equal(g1, lam * theta.sign())  # 0 where θ is 0
        assert (g2 - 2 * lam * theta).abs().max() <= 1e-14


@pytest.mark.parametrize("lam", [0.0, 0.01, 1.5])
def test_the_gradient_of_a_loss_with_penalty_is_the_one_by_hand(lam):
    """Linear regression, ∂/∂w: mean over the examples of 2 (w·x − t) x, plus λ sign(w) or 2λw."""
    random = np.random.default_rng(0)
    x, t, w = random.normal(size=(7, 3)), random.normal(size=7), random.normal(size=3)
    by_hand = 2 * sum((x[i] @ w - t[i]) * x[i] for i in range(7)) / 7
    X, T, W = (torch.from_numpy(a) for a in (x, t, w))
    W.requires_grad_()
    for penalty, slope in ((l1_penalty, lam * np.sign(w)), (l2_penalty, 2 * lam * w)):
        (whole,) = grad(mean_squared_error(X @ W, T) + penalty([W], lam), W)
        (bare,) = grad(mean_squared_error(X @ W, T), W)
        assert np.abs(whole.numpy() - (by_hand + slope)).max() < 1e-14
        assert np.abs((whole - bare).numpy() - slope).max() < 1e-14


def train(rule, steps=100, l2=0.0, decay=0.0, **settings):
    """θ after `steps` of least squares; `l2` in the loss, `decay` decoupled: θ ← θ − η λ θ before the step."""
    random = torch.Generator().manual_seed(1)
    X = torch.randn(20, 4, dtype=torch.float64, generator=random) * torch.tensor([10.0, 1.0, 0.1, 0.01]).double()
    T = torch.randn(20, dtype=torch.float64, generator=random)
    theta = torch.ones(4, dtype=torch.float64, requires_grad=True)
    state, lr = {}, 0.005
    for _ in range(steps):
        (g,) = grad(mean_squared_error(X @ theta, T) + l2_penalty([theta], l2), theta)
        with torch.no_grad():
            theta *= 1.0 - lr * decay
        rule(theta, g, state, lr=lr, **settings)
    return theta.detach()


def test_l2_and_decoupled_decay_are_equal_for_gradient_descent_and_differ_for_adam():
    """Loshchilov & Hutter 2019, §2: proposition 1 (equal, λ halved), proposition 2 (different under Adam)."""
    lam = 0.4
    plain = train(update.gradient_descent)
    in_the_loss = train(update.gradient_descent, l2=lam / 2)
    decoupled = train(update.gradient_descent, decay=lam)
    assert (in_the_loss - decoupled).abs().max() < 1e-14
    assert (plain - decoupled).abs().max() > 1e-2

    in_the_loss = train(update.adam, l2=lam / 2)
    decoupled = train(update.adam, decay=lam)
    assert (in_the_loss - decoupled).abs().max() > 1e-2
    assert torch.equal(train(update.adamw, weight_decay=lam), decoupled)


def test_adam_with_l2_is_what_pytorch_calls_weight_decay_in_adam():
    """`torch.optim.Adam(weight_decay=λ)` adds λθ to the gradient: an L2 penalty of λ/2, not AdamW."""
    lam = 0.4
    ours = train(update.adam, l2=lam / 2)
    random = torch.Generator().manual_seed(1)
    X = torch.randn(20, 4, dtype=torch.float64, generator=random) * torch.tensor([10.0, 1.0, 0.1, 0.01]).double()
    T = torch.randn(20, dtype=torch.float64, generator=random)
    theta = torch.nn.Parameter(torch.ones(4, dtype=torch.float64))
    optimizer = torch.optim.Adam([theta], lr=0.005, weight_decay=lam)
    for _ in range(100):
        optimizer.zero_grad()
        (X @ theta - T).square().mean().backward()
        optimizer.step()
    assert (ours - theta.detach()).abs().max() < 1e-12
