"""Every kernel equals the equation of its name: in signature, value and gradient, on inputs that hypothesis finds.

A new kernel without a case below fails `test_every_kernel_has_an_equation_and_a_case`.
"""

import importlib
import inspect
import math
import pkgutil

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch import Tensor

from minitf import equations, kernels

PROPERTY = settings(deadline=None, derandomize=True, database=None, max_examples=40)

# The largest difference allowed, of the largest value where that is beyond 1.
TOLERANCE = {torch.float64: 1e-12, torch.float32: 1e-5}

# A schedule is arithmetic on single numbers and has no kernel; its `linear` is not that of `projection`. `domain`
# has the checks that both share.
ROOMS = [
    importlib.import_module(f"{equations.__name__}.{room.name}")
    for room in pkgutil.iter_modules(equations.__path__)
    if room.name not in ("domain", "schedule")
]


def functions_of(module):
    return {
        name: f
        for name, f in vars(module).items()
        if inspect.isfunction(f) and f.__module__ == module.__name__ and not name.startswith("_")
    }


KERNELS = functions_of(kernels)
EQUATIONS = {name: f for room in ROOMS for name, f in functions_of(room).items()}


# --- inputs: float64 tensors with values that float32 can represent, so that both get the same numbers

SIDE = st.integers(1, 4)
SHAPES = hnp.array_shapes(max_dims=3, max_side=4)
NUMBERS = st.floats(-10, 10, width=32) | st.sampled_from([0.0, 1e4, -1e4])
SMALL = st.floats(-3, 3, width=32)
WHOLE = st.integers(-10, 10).map(float)


def tensors(shape, elements):
    return hnp.arrays(np.float64, shape, elements=elements).map(torch.from_numpy)


def integers(shape, below):
    return hnp.arrays(np.int64, shape, elements=st.integers(0, below - 1)).map(torch.from_numpy)


@st.composite
def attention_inputs(draw):
    B, H, S_q, S_k, d_k, d_v = (draw(SIDE) for _ in range(6))
    Q, K, V = (draw(tensors(s, SMALL)) for s in ((B, H, S_q, d_k), (B, H, S_k, d_k), (B, H, S_k, d_v)))
    shapes = [(S_k,), (S_q, S_k), (B, 1, 1, S_k), (1, H, S_q, 1), (B, H, S_q, S_k)]
    shape = draw(st.sampled_from([None, *shapes]))
    mask = None if shape is None else torch.from_numpy(draw(hnp.arrays(np.bool_, shape)))
    return Q, K, V, mask, 0.0, draw(st.booleans())


@st.composite
def linear_inputs(draw):
    D_in, D_out = draw(SIDE), draw(SIDE)
    shape = (*draw(st.lists(SIDE, max_size=3)), D_in)
    b = draw(st.none() | tensors(D_out, NUMBERS))
    return draw(tensors(shape, NUMBERS)), draw(tensors((D_out, D_in), NUMBERS)), b


@st.composite
def look_up_inputs(draw):
    N, D = draw(SIDE), draw(SIDE)
    return draw(tensors((N, D), NUMBERS)), draw(integers(tuple(draw(st.lists(SIDE, max_size=3))), N))


@st.composite
def layer_norm_inputs(draw):
    """A row that varies by less than √ε has a gradient of 1/√ε, a million with BERT's ε, and large rounding errors.

    So a row here varies by 1 or more, or ε is large. Constant rows with a small ε have their own test.
    """
    shape = draw(SHAPES)
    x, gamma, beta = draw(tensors(shape, WHOLE)), draw(tensors(shape[-1:], SMALL)), draw(tensors(shape[-1:], NUMBERS))
    varied = bool((x.amax(-1) > x.amin(-1)).all())
    return x, gamma, beta, draw(st.sampled_from([1e-12, 1e-5, 0.5])) if varied else 0.5


@st.composite
def rms_norm_inputs(draw):
    """Whole numbers: every row has a root mean square of at least 1/2, or ε is large."""
    shape = draw(SHAPES)
    x, gamma = draw(tensors(shape, WHOLE)), draw(tensors(shape[-1:], SMALL))
    return x, gamma, draw(st.sampled_from([1e-6, 0.5])) if bool((x != 0.0).any(-1).all()) else 0.5


@st.composite
def cross_entropy_inputs(draw):
    B, C = draw(SIDE), draw(SIDE)
    class_weights = draw(st.none() | tensors(C, st.floats(0.125, 8, width=32)))
    smoothing = draw(st.sampled_from([0.0, 0.1, 0.9, 1.0]))
    labels, ignored = draw(integers(B, C)), draw(st.sampled_from([None, -100, 0, C]))
    if ignored is not None:
        labels[1:][torch.from_numpy(draw(hnp.arrays(np.bool_, B - 1)))] = ignored
        labels[0] = labels[0] if ignored else C - 1  # one example at least counts, unless there is one class
    if C == 1 and ignored == 0:
        ignored = None
    return draw(tensors((B, C), NUMBERS)), labels, class_weights, smoothing, ignored


def pairs(second):
    """Two tensors of one shape."""
    return SHAPES.flatmap(lambda shape: st.tuples(tensors(shape, NUMBERS), tensors(shape, second)))


ALONE = SHAPES.flatmap(lambda shape: st.tuples(tensors(shape, NUMBERS)))

CASES = {
    "softmax": SHAPES.flatmap(lambda shape: st.tuples(tensors(shape, NUMBERS | st.just(-math.inf)))),
    "dropout": st.tuples(SHAPES.flatmap(lambda shape: tensors(shape, NUMBERS)), st.sampled_from([0.0, 0.1, 0.5, 1.0])),
    "scaled_dot_product_attention": attention_inputs(),
    "linear": linear_inputs(),
    "look_up": look_up_inputs(),
    "relu": ALONE,
    "gelu": ALONE,
    "gelu_tanh": ALONE,
    "gated_gelu": pairs(NUMBERS),
    "swish": ALONE,
    "layer_norm": layer_norm_inputs(),
    "rms_norm": rms_norm_inputs(),
    "cross_entropy": cross_entropy_inputs(),
    "binary_cross_entropy": pairs(st.floats(0, 1, width=32)),
    "mean_squared_error": pairs(NUMBERS),
}
# Arguments that are data: PyTorch's kernels have no gradient for them.
WITHOUT_GRADIENT = {"cross_entropy": {2}, "binary_cross_entropy": {1}}

UPDATES = {"adam": {}, "adamw": {"weight_decay": st.floats(0.0, 0.5)}}


def value_and_gradients(f, arguments, dtype):
    """The outputs of `f`, then the gradient of each float input, for one fixed gradient of the outputs."""
    copies = [x.clone() if isinstance(x, Tensor) else x for x in arguments]
    for i, x in enumerate(copies):
        if isinstance(x, Tensor) and x.is_floating_point():
            copies[i] = x.to(dtype).requires_grad_(i not in WITHOUT_GRADIENT.get(f.__name__, ()))
    leaves = [x for x in copies if isinstance(x, Tensor) and x.requires_grad]
    torch.manual_seed(0)
    output = f(*copies)
    outputs = [y for y in (output if isinstance(output, tuple) else (output,)) if y is not None]
    random = torch.Generator().manual_seed(1)
    output_gradients = [torch.randn(y.shape, dtype=torch.float64, generator=random).to(dtype) for y in outputs]
    gradients = torch.autograd.grad(outputs, leaves, output_gradients)
    for x, copy in zip(arguments, copies, strict=True):
        assert not isinstance(x, Tensor) or torch.equal(x.to(copy.dtype), copy)  # f has not changed its inputs
    return [*outputs, *gradients]


def assert_near(ours, theirs):
    assert ours.dtype == theirs.dtype and ours.shape == theirs.shape
    if theirs.numel():
        largest = max(1.0, float(theirs.detach().abs().max()))
        assert (ours - theirs).abs().max() <= TOLERANCE[ours.dtype] * largest


def test_every_kernel_has_an_equation_and_a_case():
    assert set(KERNELS) - set(EQUATIONS) == set()
    assert set(KERNELS) == set(CASES) | set(UPDATES)
    assert len(EQUATIONS) == sum(len(functions_of(room)) for room in ROOMS)  # every name is unique


@pytest.mark.parametrize("name", KERNELS)
def test_kernel_has_the_equations_signature(name):
    ours, theirs = (inspect.signature(f).parameters for f in (KERNELS[name], EQUATIONS[name]))
    assert [(p.name, p.kind) for p in ours.values()] == [(p.name, p.kind) for p in theirs.values()]
    for parameter in ours:
        default, other = ours[parameter].default, theirs[parameter].default
        if inspect.isfunction(default):  # an equation calls equations, a kernel kernels
            assert default is KERNELS[default.__name__] and other is EQUATIONS[default.__name__]
        else:
            assert default == other


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("name", CASES)
@PROPERTY
@given(data=st.data())
def test_kernel_is_the_equation(name, dtype, data):
    arguments = data.draw(CASES[name])
    ours = value_and_gradients(KERNELS[name], arguments, dtype)
    theirs = value_and_gradients(EQUATIONS[name], arguments, dtype)
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert b.isfinite().all()
        assert_near(a, b)


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("name", UPDATES)
@PROPERTY
@given(
    data=st.data(),
    shape=SHAPES,
    beta_1=st.floats(0.0, 0.98),
    beta_2=st.floats(0.5, 0.9999),
    eps=st.sampled_from([1e-8, 1e-3]),
    bias_correction=st.booleans(),
    seed=st.integers(0, 2**32),
)
def test_update_kernel_is_the_equation(name, dtype, data, shape, seed, **settings):
    settings |= data.draw(st.fixed_dictionaries(UPDATES[name]))
    random = torch.Generator().manual_seed(seed)
    theta = torch.randn(shape, generator=random).to(dtype)
    expected, state, its_state = theta.clone(), {}, {}
    for _ in range(10):
        g = torch.randn(shape, generator=random).to(dtype)
        KERNELS[name](theta, g, state, 0.01, **settings)
        EQUATIONS[name](expected, g, its_state, 0.01, **settings)
    assert_near(theta, expected)
    assert state.keys() == its_state.keys() and state["t"] == its_state["t"] == 10
    assert_near(state["m"], its_state["m"])
    assert_near(state["v"], its_state["v"])


# --- outside of the domain

FLOATS = [torch.float64, torch.float32, torch.bfloat16]
DTYPES = [*FLOATS, torch.int64, torch.int32, torch.uint8, torch.bool]


@st.composite
def changed(draw, arguments):
    """The arguments with one of them outside of its domain, or still in it: another shape, dtype, value or memory."""
    arguments = list(arguments)
    i = draw(st.sampled_from([i for i, x in enumerate(arguments) if isinstance(x, Tensor | float)]))
    x = arguments[i]
    if isinstance(x, float):
        arguments[i] = draw(st.sampled_from([-1.0, -1e-9, 0.0, 1.0, 1.0 + 1e-9, 1.2, math.nan, math.inf]))
        return arguments
    axis = draw(st.integers(0, x.dim() - 1)) if x.dim() else None
    changes = [
        lambda: x.unsqueeze(0),
        lambda: x.unsqueeze(-1),
        lambda: x.to(draw(st.sampled_from(DTYPES))),
        lambda: x.to(draw(st.sampled_from(FLOATS))),
        lambda: torch.stack([x, x], dim=-1)[..., 0],  # gaps in memory
    ]
    if axis is not None:
        changes += [
            lambda: torch.cat([x, x], axis),
            lambda: x.narrow(axis, 0, 1),
            lambda: x.narrow(axis, 0, 0),
            lambda: x.select(axis, 0),
        ]
    if not x.is_floating_point() and x.dtype != torch.bool:
        changes.append(lambda: x - draw(st.sampled_from([1, 100, -1, -4])))
    arguments[i] = draw(st.sampled_from(changes))()
    return arguments


def outcome(f, arguments):
    """The outputs, or the error."""
    torch.manual_seed(0)
    try:
        output = f(*(x.clone() if isinstance(x, Tensor) else x for x in arguments))
    except (ValueError, RuntimeError) as error:  # PyTorch's own: two dtypes in one product
        return [], error
    return [y for y in (output if isinstance(output, tuple) else (output,)) if y is not None], None


def assert_same_outcome(ours, theirs):
    (values, error), (others, other) = ours, theirs
    assert type(error) is type(other), (error, other)
    if isinstance(error, ValueError):
        assert str(error) == str(other)
    assert len(values) == len(others)
    for a, b in zip(values, others, strict=True):
        assert a.dtype == b.dtype and a.shape == b.shape
        tolerance = {torch.bfloat16: 0.05, **TOLERANCE}.get(a.dtype, 0.0)
        a, b = a.double(), b.double()
        largest = max(1.0, float(b.nan_to_num().abs().max()) if b.numel() else 0.0)
        assert torch.allclose(a, b, rtol=0.0, atol=tolerance * largest, equal_nan=True)


@pytest.mark.parametrize("name", CASES)
@settings(PROPERTY, max_examples=150)
@given(data=st.data())
def test_outside_of_the_domain_both_refuse_alike_or_agree(name, data):
    arguments = data.draw(CASES[name].flatmap(changed))
    assert_same_outcome(outcome(KERNELS[name], arguments), outcome(EQUATIONS[name], arguments))


Z, Q = torch.ones(3, 4), torch.ones(1, 2, 3, 4)
REFUSED = {
    "a label -100": ("cross_entropy", (Z, torch.tensor([1, -100, 2]))),
    "a label -1": ("cross_entropy", (Z, torch.tensor([1, -1, 2]))),
    "a label C": ("cross_entropy", (Z, torch.tensor([1, 4, 2]))),
    "a label beside the ignored one": ("cross_entropy", (Z, torch.tensor([1, -1, -100]), None, 0.0, -100)),
    "labels as one-hot rows": ("cross_entropy", (Z, Z)),
    "as many labels as classes": ("cross_entropy", (Z, torch.tensor([0, 1, 2, 3]))),
    "logits of a sequence": ("cross_entropy", (Z[None], torch.tensor([[1, 0, 2]]))),
    "class weights of another dtype": ("cross_entropy", (Z, torch.tensor([1, 0, 2]), torch.ones(4).double())),
    "fewer class weights": ("cross_entropy", (Z, torch.tensor([1, 0, 2]), torch.ones(3))),
    "smoothing above 1": ("cross_entropy", (Z, torch.tensor([1, 0, 2]), None, 1.2)),
    "smoothing below 0": ("cross_entropy", (Z, torch.tensor([1, 0, 2]), None, -0.1)),
    "a column of logits": ("binary_cross_entropy", (torch.zeros(5, 1), torch.ones(5))),
    "targets of integers": ("binary_cross_entropy", (torch.zeros(5), torch.ones(5, dtype=torch.long))),
    "a column of predictions": ("mean_squared_error", (torch.zeros(5, 1), torch.arange(5.0))),
    "a target that broadcasts": ("mean_squared_error", (torch.zeros(5), torch.ones(()))),
    "a dropout rate above 1": ("dropout", (Z, 1.5)),
    "a dropout rate below 0": ("dropout", (Z, -0.1)),
    "a dropout rate in attention": ("scaled_dot_product_attention", (Q, Q, Q, None, 1.5)),
    "a floating-point mask": ("scaled_dot_product_attention", (Q, Q, Q, torch.zeros(3, 3))),
    "a mask of integers": ("scaled_dot_product_attention", (Q, Q, Q, torch.ones(3, 3, dtype=torch.long))),
    "a mask of more texts": ("scaled_dot_product_attention", (Q, Q, Q, torch.ones(2, 1, 1, 3, dtype=torch.bool))),
    "fewer keys than values": ("scaled_dot_product_attention", (Q, Q[:, :, :2], Q)),
    "one head's keys": ("scaled_dot_product_attention", (Q, Q[:, :1], Q[:, :1])),
    "an id -1": ("look_up", (Z, torch.tensor([0, -1]))),
    "an id N": ("look_up", (Z, torch.tensor([0, 3]))),
    "ids as a mask": ("look_up", (Z, torch.tensor([True, False, True]))),
    "a gate of another shape": ("gated_gelu", (Z, torch.ones(3, 1))),
    "a root-mean-square gain over two axes": ("rms_norm", (Z, Z, 1e-6)),
    "a gain over two axes": ("layer_norm", (Z, Z, Z, 1e-12)),
    "a bias that broadcasts": ("linear", (Z, Z, torch.ones(1))),
    "softmax of integers": ("softmax", (Z.long(),)),
}


@pytest.mark.parametrize("need_attention", [False, True])
@pytest.mark.parametrize("case", REFUSED)
def test_outside_of_the_domain_both_raise_value_error(case, need_attention):
    name, arguments = REFUSED[case]
    if need_attention and name != "scaled_dot_product_attention":
        return
    settings = {"need_attention": True} if need_attention else {}
    messages = []
    for f in (KERNELS[name], EQUATIONS[name]):
        with pytest.raises(ValueError, match=r"must|does not broadcast") as error:
            f(*arguments, **settings)
        messages.append(str(error.value))
    assert messages[0] == messages[1]


@pytest.mark.parametrize("f", [KERNELS["softmax"], EQUATIONS["softmax"]], ids=["kernel", "equation"])
@pytest.mark.parametrize("shape", [(0,), (3, 0), (0, 3), (2, 0, 4)])
def test_softmax_of_nothing_is_nothing(f, shape):
    x = torch.ones(shape, requires_grad=True)
    assert f(x).shape == shape
    assert torch.autograd.grad(f(x).sum(), x)[0].shape == shape


@pytest.mark.parametrize("f", [kernels, equations], ids=["kernels", "equations"])
def test_of_no_keys_the_context_is_0(f):
    f = (KERNELS if f is kernels else EQUATIONS)["scaled_dot_product_attention"]
    context, _ = f(Q, Q[:, :, :0], Q[:, :, :0])
    assert torch.equal(context, torch.zeros_like(Q))


@pytest.mark.parametrize("f", [KERNELS["cross_entropy"], EQUATIONS["cross_entropy"]], ids=["kernel", "equation"])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_ignored_examples_do_not_count(f, smoothing):
    random = torch.Generator().manual_seed(0)
    z = torch.randn(5, 3, dtype=torch.float64, generator=random, requires_grad=True)
    labels = torch.tensor([2, -100, 0, -100, 1])
    weights = torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64)
    loss = f(z, labels, weights, smoothing, -100)
    assert_near(loss, f(z[[0, 2, 4]], labels[[0, 2, 4]], weights, smoothing))
    (g,) = torch.autograd.grad(loss, z)
    assert (g[[1, 3]] == 0.0).all() and (g[[0, 2, 4]] != 0.0).all()
    nothing = f(z, torch.full((5,), -100), weights, smoothing, -100)
    assert nothing.isnan()  # a mean of nothing, as in PyTorch
    assert (torch.autograd.grad(nothing, z)[0] == 0.0).all()


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("name", UPDATES)
@PROPERTY
@given(data=st.data(), shape=hnp.array_shapes(min_dims=1, max_dims=3, max_side=4), seed=st.integers(0, 2**32))
def test_update_kernel_is_the_equation_in_any_memory(name, dtype, data, shape, seed):
    """θ may be a part of a larger tensor: nothing beside it changes. Its moments may have come from a file."""
    random = torch.Generator().manual_seed(seed)
    axis, start, step = (
        data.draw(st.integers(0, len(shape) - 1)),
        data.draw(st.integers(0, 2)),
        data.draw(st.integers(1, 3)),
    )
    order = data.draw(st.permutations(range(len(shape))))
    larger = [n + 3 if i == axis else n for i, n in enumerate(shape)]
    larger[axis] = start + step * shape[axis] + 1

    def part(tensor):
        return tensor.permute(order)[
            tuple(slice(start, start + step * n, step) if i == axis else slice(None) for i, n in enumerate(shape))
        ]

    inverse = sorted(range(len(shape)), key=order.__getitem__)
    whole = torch.randn([larger[i] for i in inverse], generator=random).to(dtype)
    ours, theirs, beside = whole.clone(), whole.clone(), torch.ones_like(whole, dtype=torch.bool)
    part(beside).fill_(False)
    assert part(whole).shape == shape
    state, its_state = {}, {}
    for i in range(4):
        g = torch.randn(shape, generator=random).to(dtype)
        KERNELS[name](part(ours), g, state, 0.01)
        EQUATIONS[name](part(theirs), g, its_state, 0.01)
        if i == 1:
            state |= {moment: state[moment].clone(memory_format=torch.contiguous_format) for moment in ("m", "v")}
    assert_near(ours, theirs)
    assert torch.equal(ours[beside], whole[beside])


@pytest.mark.parametrize("name", ["gradient_descent", "momentum", "rmsprop", *UPDATES])
@pytest.mark.parametrize("shape", [(1,), (3,), (4, 1), (2, 3), (5, 4)])
def test_an_update_refuses_a_gradient_of_another_shape(name, shape):
    for f in filter(None, (KERNELS.get(name), EQUATIONS[name])):
        theta, state = torch.ones(3, 4), {}
        with pytest.raises(ValueError, match="must have the shape of its parameter"):
            f(theta, torch.ones(shape), state, 0.1)
        assert torch.equal(theta, torch.ones(3, 4)) and not state


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("need_attention", [False, True])
@pytest.mark.parametrize("f", [kernels, equations], ids=["kernels", "equations"])
def test_a_fully_masked_row_gives_0_and_has_no_gradient(f, need_attention, dtype):
    f = (KERNELS if f is kernels else EQUATIONS)["scaled_dot_product_attention"]
    random = torch.Generator().manual_seed(0)
    Q, K, V = (torch.randn(2, 2, 3, 4, generator=random).to(dtype).requires_grad_() for _ in range(3))
    mask = torch.ones(2, 1, 3, 3, dtype=torch.bool)
    mask[0, :, 1] = False  # one query
    mask[1] = False  # a whole sentence
    context, A = f(Q, K, V, mask, need_attention=need_attention)
    assert (context[0, :, 1] == 0.0).all() and (context[1] == 0.0).all()
    assert (context[0, :, [0, 2]] != 0.0).all()
    if need_attention:
        assert (A[1] == 0.0).all() and (A[0, :, 1] == 0.0).all()
    gradients = torch.autograd.grad(context, (Q, K, V), torch.ones_like(context))
    assert all(g.isfinite().all() and (g[1] == 0.0).all() for g in gradients)
    assert (gradients[0][0, :, 1] == 0.0).all()


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@PROPERTY
@given(data=st.data(), arguments=attention_inputs(), scale=st.sampled_from([None, 1.0, 0.3, -2.0]))
def test_the_attention_kernel_with_a_bias_and_a_scale_is_the_equation(dtype, data, arguments, scale):
    """Value and gradients, of the bias too; queries that may look nowhere included."""
    Q, K, V, mask, dropout, need_attention = arguments
    B, H, S_q = Q.shape[:3]
    S_k = K.shape[2]
    shape = data.draw(st.sampled_from([(S_k,), (S_q, S_k), (1, H, S_q, S_k), (B, 1, 1, S_k), (B, H, S_q, S_k)]))
    bias = data.draw(tensors(shape, SMALL))
    results = []
    for functions in (KERNELS, EQUATIONS):

        def with_bias(Q, K, V, bias, mask, f=functions["scaled_dot_product_attention"]):
            return f(Q, K, V, mask, dropout, need_attention, bias=bias, scale=scale)

        results.append(value_and_gradients(with_bias, (Q, K, V, bias, mask), dtype))
    for ours, theirs in zip(*results, strict=True):
        assert ours.isfinite().all()
        assert_near(ours, theirs)


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("f", [KERNELS, EQUATIONS], ids=["kernel", "equation"])
def test_with_a_bias_a_query_that_may_look_nowhere_gets_zeros(f, dtype):
    """Without gradients, where PyTorch may use another of its kernels."""
    random = torch.Generator().manual_seed(0)
    Q, K, V = (torch.randn(2, 2, 70, 16, generator=random).to(dtype) for _ in range(3))
    mask = torch.ones(2, 1, 70, 70, dtype=torch.bool)
    mask[0], mask[1, :, 5] = False, False
    with torch.no_grad():
        context, _ = f["scaled_dot_product_attention"](Q, K, V, mask, bias=torch.ones(1, 2, 70, 70), scale=1.0)
    assert context.dtype == dtype
    assert (context[0] == 0.0).all() and (context[1, :, 5] == 0.0).all() and (context[1, :, 6] != 0.0).any()


def test_attention_weights_on_request():
    random = torch.Generator().manual_seed(0)
    Q, K, V = (torch.randn(2, 2, 3, 4, dtype=torch.float64, generator=random) for _ in range(3))
    fused, no_A = kernels.scaled_dot_product_attention(Q, K, V)
    context, A = kernels.scaled_dot_product_attention(Q, K, V, need_attention=True)
    assert no_A is None
    assert_near(fused, context)
    assert_near(A.sum(-1), torch.ones(2, 2, 3, dtype=torch.float64))


def test_attention_with_weights_uses_the_given_softmax_and_dropout():
    Q, V = torch.zeros(1, 1, 2, 2), torch.tensor([[[[1.0], [10.0]]]])
    context, A = kernels.scaled_dot_product_attention(
        Q, Q, V, None, 0.5, True, softmax=torch.ones_like, drop=lambda A, p: A * p
    )
    assert torch.equal(A, torch.ones(1, 1, 2, 2))
    assert torch.equal(context, torch.full((1, 1, 2, 1), 5.5))


@pytest.mark.parametrize("need_attention", [False, True])
@pytest.mark.parametrize("shape", [(), (1,), (4,), (3, 1), (3, 4), (2, 3, 4), (5, 1, 1, 4), (1, 2, 1, 1), (5, 2, 3, 4)])
def test_attention_takes_every_mask_that_broadcasts(shape, need_attention):
    random = torch.Generator().manual_seed(6)
    sizes = ((5, 2, 3, 4), (5, 2, 4, 4), (5, 2, 4, 2))
    Q, K, V = (torch.randn(size, dtype=torch.float64, generator=random) for size in sizes)
    mask = torch.rand(shape, generator=random) > 0.4
    context, _ = kernels.scaled_dot_product_attention(Q, K, V, mask, need_attention=need_attention)
    expected, _ = EQUATIONS["scaled_dot_product_attention"](Q, K, V, mask.expand(5, 2, 3, 4))
    assert_near(context, expected)


@pytest.mark.parametrize("p", [0.1, 0.5])
@pytest.mark.parametrize("need_attention", [False, True])
def test_attention_drops_at_its_rate_and_scale(p, need_attention):
    """With equal scores and V = I the context is the dropped A itself."""
    B, S = 20, 100
    Q = torch.zeros(B, 1, S, 2, dtype=torch.float64)
    torch.manual_seed(0)
    context, A = kernels.scaled_dot_product_attention(
        Q, Q, torch.eye(S, dtype=torch.float64).expand(B, 1, S, S), None, p, need_attention
    )
    kept = context != 0.0
    assert (context[kept] - 1.0 / S / (1.0 - p)).abs().max() < 1e-15
    assert abs(kept.double().mean() - (1.0 - p)) < 5.0 * math.sqrt(p * (1.0 - p) / kept.numel())
    if need_attention:
        assert (A - 1.0 / S).abs().max() < 1e-15  # before dropout


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("f", [KERNELS["layer_norm"], EQUATIONS["layer_norm"]], ids=["kernel", "equation"])
def test_layer_norm_of_a_constant_row_is_beta(f, dtype):
    x = torch.tensor([[0.5, 0.5, 0.5, 0.5], [-8.0, -8.0, -8.0, -8.0]], dtype=dtype, requires_grad=True)
    gamma, beta = torch.tensor([1, 2, 3, 4], dtype=dtype), torch.tensor([5, 6, 7, 8], dtype=dtype)
    y = f(x, gamma, beta, 1e-12)
    assert torch.equal(y, beta.expand(2, 4))
    c = torch.tensor([1, 0, 0, 0], dtype=dtype).expand(2, 4)
    (g,) = torch.autograd.grad(y, x, c)
    # 1/√ε (cγ − mean(cγ)) is of the order of 1e6, and its rounding errors too: compare relative to that.
    expected = torch.tensor([0.75, -0.25, -0.25, -0.25], dtype=dtype).expand(2, 4)
    assert_near(g * 1e-6, expected)


def test_dropout_kernel_off_is_the_input_itself():
    x = torch.ones(3)
    assert kernels.dropout(x, 0.0) is x
