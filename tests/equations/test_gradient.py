"""The gradients by hand against autograd of minitf's own equations, and against central differences of them."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch.autograd import grad

from minitf.equations import activation, attention, gradient, loss, normalization, projection
from minitf.equations.mask import causal_mask
from minitf.layers import EncoderLayer

PROPERTY = settings(deadline=None, derandomize=True, database=None, max_examples=60)
SIDE = st.integers(1, 4)
NUMBERS = st.floats(-8, 8)
ROWS = st.lists(SIDE, min_size=0, max_size=3).map(tuple)  # the axes before the last

# Two such numbers are equal or 1/8 apart. Rows that differ in the last digits only are ill-posed with an ε of 1e-12.
EIGHTHS = st.integers(-80, 80).map(lambda n: n / 8)


def draw_array(data, shape, elements=NUMBERS):
    return data.draw(hnp.arrays(np.float64, shape, elements=elements))


def largest_difference(ours, theirs):
    """Of the largest value, where that is more than 1."""
    ours, theirs = np.asarray(ours), np.asarray(theirs)
    assert ours.shape == theirs.shape and ours.dtype == np.float64
    return np.abs(ours - theirs).max() / max(1.0, np.abs(theirs).max())


def by_autograd(equation, inputs, above=None):
    """∂loss/∂input for each of `inputs` by autograd, where `above` is ∂loss/∂output; None: the output is the loss."""
    tensors = [torch.from_numpy(x.copy()).requires_grad_() for x in inputs]
    output = equation(*tensors)
    return [g.numpy() for g in grad(output, tensors, None if above is None else torch.from_numpy(above))]


def by_central_differences(equation, inputs, above=1.0, h=2.0**-17):
    """The same by central differences: each number of each input a little larger and a little smaller."""
    with torch.no_grad():
        gradients = []
        for i, x in enumerate(inputs):
            d = np.empty_like(x)
            for at in np.ndindex(x.shape):
                ends = []
                for step in (h, -h):
                    moved = [each.copy() for each in inputs]
                    moved[i][at] += step
                    ends.append((equation(*map(torch.from_numpy, moved)).numpy() * above).sum())
                d[at] = (ends[0] - ends[1]) / (2 * h)
            gradients.append(d)
    return gradients


# --- losses


@PROPERTY
@given(st.data(), SIDE, SIDE, st.sampled_from([8.0, 1e4]))
def test_cross_entropy(data, B, C, most):
    z = draw_array(data, (B, C), st.floats(-most, most))
    labels = data.draw(hnp.arrays(np.int64, B, elements=st.integers(0, C - 1)))
    (expected,) = by_autograd(lambda z: loss.cross_entropy(z, torch.from_numpy(labels)), [z])
    assert largest_difference(gradient.cross_entropy_gradient(z, labels), expected) < 1e-14


@PROPERTY
@given(st.data(), SIDE, SIDE, st.sampled_from([-100, -1, 0]))
def test_cross_entropy_with_ignored_examples(data, B, C, ignored):
    z = draw_array(data, (B, C))
    labels = data.draw(hnp.arrays(np.int64, B, elements=st.integers(0, C - 1) | st.just(ignored)))
    ours = gradient.cross_entropy_gradient(z, labels, ignored)
    (expected,) = by_autograd(lambda z: loss.cross_entropy(z, torch.from_numpy(labels), ignore_index=ignored), [z])
    assert largest_difference(ours, expected) < 1e-14
    assert (ours[labels == ignored] == 0.0).all()


@pytest.mark.parametrize("labels", [[1, -100, 2], [1, -1, 2], [1, 4, 2], [1, 2], [1.0, 2.0, 0.0]], ids=str)
def test_a_label_outside_of_the_classes_is_refused_as_by_the_loss(labels):
    """`np.eye(C)[-1]` would be the last class."""
    z, labels = np.ones((3, 4)), np.array(labels)
    with pytest.raises(ValueError, match="labels") as error:
        gradient.cross_entropy_gradient(z, labels)
    with pytest.raises(ValueError, match="labels") as other:
        loss.cross_entropy(torch.from_numpy(z), torch.from_numpy(labels))
    assert str(error.value) == str(other.value)


@pytest.mark.parametrize("name", ["binary_cross_entropy", "mean_squared_error"])
def test_two_shapes_are_refused_as_by_the_loss(name):
    a, b = np.zeros((5, 1)), np.zeros(5)
    with pytest.raises(ValueError, match="must have the same shape"):
        getattr(gradient, f"{name}_gradient")(a, b)
    with pytest.raises(ValueError, match="must have the same shape"):
        getattr(loss, name)(torch.from_numpy(a), torch.from_numpy(b))


@PROPERTY
@given(st.data(), hnp.array_shapes(max_dims=2, max_side=4), st.sampled_from([8.0, 1e4]))
def test_binary_cross_entropy(data, shape, most):
    z, t = draw_array(data, shape, st.floats(-most, most)), draw_array(data, shape, st.floats(0, 1))
    (expected,) = by_autograd(lambda z: loss.binary_cross_entropy(z, torch.from_numpy(t)), [z])
    assert largest_difference(gradient.binary_cross_entropy_gradient(z, t), expected) < 1e-14


@PROPERTY
@given(st.data(), hnp.array_shapes(max_dims=2, max_side=4))
def test_mean_squared_error(data, shape):
    y, t = draw_array(data, shape), draw_array(data, shape)
    (expected,) = by_autograd(lambda y: loss.mean_squared_error(y, torch.from_numpy(t)), [y])
    assert largest_difference(gradient.mean_squared_error_gradient(y, t), expected) < 1e-14


# --- equations


@PROPERTY
@given(st.data(), ROWS, SIDE, SIDE)
def test_linear(data, rows, D_in, D_out):
    inputs = [draw_array(data, shape) for shape in ((*rows, D_in), (D_out, D_in), (D_out,))]
    dY = draw_array(data, (*rows, D_out))
    ours = gradient.linear_gradient(*inputs[:2], dY)
    for d, expected in zip(ours, by_autograd(projection.linear, inputs, dY), strict=True):
        assert largest_difference(d, expected) < 1e-14


@PROPERTY
@given(st.data(), hnp.array_shapes(max_dims=3, max_side=4), st.sampled_from([8.0, 60.0]))
def test_gelu(data, shape, most):
    x, dy = draw_array(data, shape, st.floats(-most, most)), draw_array(data, shape)
    (expected,) = by_autograd(activation.gelu, [x], dy)
    assert largest_difference(gradient.gelu_gradient(x, dy), expected) < 1e-14


@PROPERTY
@given(st.data(), hnp.array_shapes(max_dims=3, max_side=4), st.sampled_from([8.0, 60.0, 800.0]))
def test_gelu_tanh_and_swish(data, shape, most):
    x, dy = draw_array(data, shape, st.floats(-most, most)), draw_array(data, shape)
    for ours, equation in (
        (gradient.gelu_tanh_gradient, activation.gelu_tanh),
        (gradient.swish_gradient, activation.swish),
    ):
        (expected,) = by_autograd(equation, [x], dy)
        assert largest_difference(ours(x, dy), expected) < 1e-13


@PROPERTY
@given(st.data(), hnp.array_shapes(max_dims=3, max_side=4))
def test_gated_gelu(data, shape):
    inputs, dy = [draw_array(data, shape), draw_array(data, shape)], draw_array(data, shape)
    ours = gradient.gated_gelu_gradient(*inputs, dy)
    for d, expected in zip(ours, by_autograd(activation.gated_gelu, inputs, dy), strict=True):
        assert largest_difference(d, expected) < 1e-13


@PROPERTY
@given(st.data(), ROWS, st.integers(1, 6), st.sampled_from([1e-6, 1e-5, 0.5]))
def test_rms_norm(data, rows, D, eps):
    x, dy, gamma = draw_array(data, (*rows, D), EIGHTHS), draw_array(data, (*rows, D)), draw_array(data, D)
    ours = gradient.rms_norm_gradient(x, gamma, eps, dy)
    expected = by_autograd(lambda x, g: normalization.rms_norm(x, g, eps), [x, gamma], dy)
    for d, e in zip(ours, expected, strict=True):
        assert largest_difference(d, e) < 1e-10


@PROPERTY
@given(st.data(), SIDE, SIDE)
def test_causal_softmax(data, S_q, earlier):
    """Of scores under a causal mask: no gradient reaches a later position."""
    S_k = S_q + earlier
    allowed = causal_mask(S_q, S_k)
    scores, dA = draw_array(data, (2, S_q, S_k)), draw_array(data, (2, S_q, S_k))

    def causal_softmax(scores):
        return attention.softmax(scores.masked_fill(~allowed, -math.inf))

    ours = gradient.softmax_gradient(causal_softmax(torch.from_numpy(scores)).numpy(), dA)
    (expected,) = by_autograd(causal_softmax, [scores], dA)
    assert largest_difference(ours, expected) < 1e-14
    assert (ours[:, ~allowed.numpy()] == 0.0).all()


@PROPERTY
@given(st.data(), ROWS, st.integers(1, 6), st.sampled_from([1e-12, 1e-5, 0.5]))
def test_layer_norm(data, rows, D, eps):
    x, dy = draw_array(data, (*rows, D), EIGHTHS), draw_array(data, (*rows, D))
    gamma, beta = draw_array(data, D), draw_array(data, D)
    ours = gradient.layer_norm_gradient(x, gamma, eps, dy)
    expected = by_autograd(lambda x, g, b: normalization.layer_norm(x, g, b, eps), [x, gamma, beta], dy)
    for d, e in zip(ours, expected, strict=True):
        # Where a row is constant, dx is divided by √ε: 1e6 times as large, and so are its last digits.
        assert largest_difference(d, e) < 1e-10


@PROPERTY
@given(st.data(), ROWS, st.integers(1, 6))
def test_softmax(data, rows, S):
    scores, dA = draw_array(data, (*rows, S), NUMBERS | st.just(-math.inf)), draw_array(data, (*rows, S))
    A = attention.softmax(torch.from_numpy(scores)).numpy()
    (expected,) = by_autograd(attention.softmax, [scores], dA)
    ours = gradient.softmax_gradient(A, dA)
    assert largest_difference(ours, expected) < 1e-14
    assert np.abs(ours.sum(axis=-1)).max() < 1e-14  # softmax is invariant to a shift of all scores
    assert (ours[A == 0.0] == 0.0).all()


@st.composite
def problems(draw):
    """Q, K, V, the gradient of the context, and a mask of any shape that broadcasts, or none."""
    B, H, S_q, S_k, d_k, d_v = (draw(SIDE) for _ in range(6))
    shapes = (B, H, S_q, d_k), (B, H, S_k, d_k), (B, H, S_k, d_v), (B, H, S_q, d_v)
    Q, K, V, dcontext = (draw(hnp.arrays(np.float64, s, elements=st.floats(-4, 4))) for s in shapes)
    masks = [(S_k,), (S_q, S_k), (B, 1, 1, S_k), (B, 1, S_q, S_k), (B, H, S_q, 1), (B, H, S_q, S_k)]
    mask = draw(st.none() | st.sampled_from(masks).flatmap(lambda shape: hnp.arrays(np.bool_, shape)))
    return Q, K, V, dcontext, None if mask is None else torch.from_numpy(mask)


@PROPERTY
@given(problems())
def test_attention(problem):
    """With any mask, also with fully masked rows: the gradients depend on the mask through A only."""
    Q, K, V, dcontext, mask = problem
    _, A = attention.scaled_dot_product_attention(*map(torch.from_numpy, (Q, K, V)), mask, need_attention=True)
    ours = gradient.attention_gradient(Q, K, V, A.numpy(), dcontext)
    expected = by_autograd(
        lambda Q, K, V: attention.scaled_dot_product_attention(Q, K, V, mask)[0], [Q, K, V], dcontext
    )
    for d, e in zip(ours, expected, strict=True):
        assert largest_difference(d, e) < 1e-13


def test_gradients_by_central_differences():
    """Independent of autograd: the definition of the derivative."""
    random = np.random.default_rng(0)
    draw = random.normal
    labels, t = np.array([0, 2]), random.uniform(size=(2, 3))
    z, x, dy, gamma, beta = draw(size=(2, 3)), draw(size=(2, 2, 4)), draw(size=(2, 2, 4)), draw(size=4), draw(size=4)
    W, b, dY = draw(size=(3, 4)), draw(size=3), draw(size=(2, 2, 3))
    Q, K, V, dcontext = (draw(size=(2, 2, 3, 2)) for _ in range(4))
    mask = torch.tensor([[1, 1, 0], [1, 1, 1], [0, 0, 0]], dtype=torch.bool)
    context, A = attention.scaled_dot_product_attention(*map(torch.from_numpy, (Q, K, V)), mask, need_attention=True)
    assert context.shape == dcontext.shape

    def layer_norm(x, gamma, beta):
        return normalization.layer_norm(x, gamma, beta, 1e-12)

    def rms_norm(x, gamma):
        return normalization.rms_norm(x, gamma, 1e-6)

    def attend(Q, K, V):
        return attention.scaled_dot_product_attention(Q, K, V, mask)[0]

    of_the_losses = [
        (gradient.cross_entropy_gradient(z, labels), lambda z: loss.cross_entropy(z, torch.from_numpy(labels)), z),
        (gradient.binary_cross_entropy_gradient(z, t), lambda z: loss.binary_cross_entropy(z, torch.from_numpy(t)), z),
        (gradient.mean_squared_error_gradient(z, t), lambda y: loss.mean_squared_error(y, torch.from_numpy(t)), z),
    ]
    for ours, equation, point in of_the_losses:
        assert largest_difference(ours, by_central_differences(equation, [point])[0]) < 1e-9

    A_of_x = attention.softmax(torch.from_numpy(x)).numpy()
    of_the_equations = [
        (gradient.linear_gradient(x, W, dY), projection.linear, [x, W, b], dY),
        ([gradient.gelu_gradient(x, dy)], activation.gelu, [x], dy),
        ([gradient.gelu_tanh_gradient(x, dy)], activation.gelu_tanh, [x], dy),
        ([gradient.swish_gradient(x, dy)], activation.swish, [x], dy),
        (gradient.gated_gelu_gradient(x, dy, -x), activation.gated_gelu, [x, dy], -x),
        (gradient.rms_norm_gradient(x, gamma, 1e-6, dy), rms_norm, [x, gamma], dy),
        (gradient.layer_norm_gradient(x, gamma, 1e-12, dy), layer_norm, [x, gamma, beta], dy),
        ([gradient.softmax_gradient(A_of_x, dy)], attention.softmax, [x], dy),
        (gradient.attention_gradient(Q, K, V, A.numpy(), dcontext), attend, [Q, K, V], dcontext),
    ]
    for ours, equation, inputs, above in of_the_equations:
        for d, expected in zip(ours, by_central_differences(equation, inputs, above), strict=True):
            assert largest_difference(d, expected) < 1e-9


# --- one encoder layer


def layer_at_random(D, H, F, seed=0):
    """An EncoderLayer with every weight far from its initial value, and its weights as arrays."""
    random = torch.Generator().manual_seed(seed)
    layer = EncoderLayer(D, H, F, activation="gelu").double()
    with torch.no_grad():
        for name, theta in layer.named_parameters():
            theta.copy_(torch.randn(theta.shape, generator=random, dtype=torch.float64) * 0.5 + name.endswith("gamma"))
    return layer, {name: theta.detach().numpy() for name, theta in layer.named_parameters()}


@PROPERTY
@given(st.data(), SIDE, SIDE, SIDE, st.integers(2, 4), st.integers(1, 6), st.sampled_from([None, "keys", "pairs"]))
def test_encoder_layer(data, B, S, H, d_k, F, masked):
    D = H * d_k
    layer, theta = layer_at_random(D, H, F)
    random = np.random.default_rng(data.draw(st.integers(0, 1000)))
    X, dY = random.normal(size=(B, S, D)), random.normal(size=(B, S, D))
    shape = {None: None, "keys": (B, 1, 1, S), "pairs": (B, H, S, S)}[masked]
    mask = None if shape is None else data.draw(hnp.arrays(np.bool_, shape))
    torch_mask = None if mask is None else torch.from_numpy(mask)

    Y, kept = gradient.encoder_layer(X, theta, H, 1e-12, mask)
    expected_Y, expected_A = layer(torch.from_numpy(X), torch_mask, need_attention=True)
    assert largest_difference(Y, expected_Y.detach()) < 1e-10
    assert largest_difference(kept.A, expected_A.detach()) < 1e-10

    dX, d = gradient.encoder_layer_gradient(kept, theta, H, 1e-12, dY)
    names = list(theta)
    assert sorted(d) == sorted(names)

    def forward(X, *weights):
        return torch.func.functional_call(layer, dict(zip(names, weights, strict=True)), (X, torch_mask))[0]

    expected_dX, *expected = by_autograd(forward, [X, *theta.values()], dY)
    assert largest_difference(dX, expected_dX) < 1e-10
    for name, e in zip(names, expected, strict=True):
        assert largest_difference(d[name], e) < 1e-10, name


def test_encoder_layer_by_central_differences():
    """Every weight, with padding, and a loss after the layer."""
    B, S, D, H, F, eps = 2, 3, 4, 2, 5, 1e-12
    _, theta = layer_at_random(D, H, F)
    random = np.random.default_rng(0)
    X, T = random.normal(size=(B, S, D)), random.normal(size=(B, S, D))
    mask = np.array([[1, 1, 1], [1, 1, 0]], dtype=bool)[:, None, None, :]
    Y, kept = gradient.encoder_layer(X, theta, H, eps, mask)
    dX, d = gradient.encoder_layer_gradient(kept, theta, H, eps, gradient.mean_squared_error_gradient(Y, T))

    def loss_at(X, *weights):
        Y, _ = gradient.encoder_layer(
            X.numpy(), {n: w.numpy() for n, w in zip(theta, weights, strict=True)}, H, eps, mask
        )
        return torch.tensor(((Y - T) ** 2).mean())

    expected = by_central_differences(loss_at, [X, *theta.values()])
    for name, ours, e in zip(["X", *theta], [dX, *(d[name] for name in theta)], expected, strict=True):
        assert largest_difference(ours, e) < 1e-8, name


def test_the_gradient_of_the_key_bias_is_zero():
    """It adds the same number to every score of a row, and softmax is invariant to a shift."""
    _, theta = layer_at_random(8, 2, 6)
    random = np.random.default_rng(1)
    X, dY = random.normal(size=(2, 5, 8)), random.normal(size=(2, 5, 8))
    _, kept = gradient.encoder_layer(X, theta, 2, 1e-12)
    _, d = gradient.encoder_layer_gradient(kept, theta, 2, 1e-12, dY)
    assert np.abs(d["attention.W_K.bias"]).max() < 1e-13
    assert np.abs(d["attention.W_Q.bias"]).max() > 1e-3


def test_the_backward_pass_does_not_change_its_inputs():
    _, theta = layer_at_random(4, 2, 3)
    random = np.random.default_rng(2)
    X, dY = random.normal(size=(1, 3, 4)), random.normal(size=(1, 3, 4))
    before = {name: weight.copy() for name, weight in theta.items()}
    _, kept = gradient.encoder_layer(X, theta, 2, 1e-12)
    copies = [array.copy() for array in kept]
    first = gradient.encoder_layer_gradient(kept, theta, 2, 1e-12, dY)
    again = gradient.encoder_layer_gradient(kept, theta, 2, 1e-12, dY)
    assert np.array_equal(first[0], again[0]) and all(np.array_equal(first[1][n], again[1][n]) for n in theta)
    assert all(map(np.array_equal, kept, copies)) and all(np.array_equal(theta[n], before[n]) for n in theta)
