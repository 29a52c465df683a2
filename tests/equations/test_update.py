"""Every update rule against `torch.optim` over 200 steps, float64, 1e-12, at many settings and changing rates.

`torch.optim` has no Adam without bias correction: there the oracle is a loop over single numbers, written from the
description of Google's `AdamWeightDecayOptimizer`.
"""

import inspect
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from minitf import kernels
from minitf.equations import update

PROPERTY = settings(deadline=None, derandomize=True, database=None, max_examples=40)
STEPS = 200

BETAS = {"beta_1": st.floats(0.0, 0.98), "beta_2": st.floats(0.5, 0.9999)}
EPS = st.sampled_from([1e-8, 1e-6, 1e-3])

# For each rule its settings, the same rule in PyTorch, and PyTorch's names of the moving averages.
RULES = {
    "gradient_descent": ({}, torch.optim.SGD, {}),
    "momentum": (
        {"mu": st.floats(0.0, 0.99)},
        lambda parameters, lr, mu=0.9: torch.optim.SGD(parameters, lr, momentum=mu),
        {"v": "momentum_buffer"},
    ),
    "rmsprop": (
        {"alpha": st.floats(0.5, 0.999), "eps": EPS},
        torch.optim.RMSprop,
        {"v": "square_avg"},
    ),
    "adam": (
        {**BETAS, "eps": EPS},
        lambda parameters, lr, **chosen: torch.optim.Adam(parameters, lr, **with_betas(chosen)),
        {"m": "exp_avg", "v": "exp_avg_sq"},
    ),
    "adamw": (
        {**BETAS, "eps": EPS, "weight_decay": st.floats(0.0, 0.5)},
        lambda parameters, lr, **chosen: torch.optim.AdamW(parameters, lr, **with_betas(chosen)),
        {"m": "exp_avg", "v": "exp_avg_sq"},
    ),
}
VERSIONS = [getattr(room, name) for room in (update, kernels) for name in RULES if hasattr(room, name)]
ADAMS = [rule for rule in VERSIONS if rule.__name__ in ("adam", "adamw")]


def version(rule):
    return f"{rule.__module__.removeprefix('minitf.')}.{rule.__name__}"


def with_betas(chosen):
    """PyTorch takes both in one argument. If none is chosen, its defaults apply."""
    others = {name: value for name, value in chosen.items() if not name.startswith("beta_")}
    return {**others, "betas": (chosen["beta_1"], chosen["beta_2"])} if "beta_1" in chosen else others


def near(ours, theirs):
    """Within 1e-12, of the largest value where that is beyond 1."""
    return bool((ours - theirs).abs().max() <= 1e-12 * max(1.0, float(theirs.abs().max())))


def gradients(shape, scale=1.0, seed=0):
    """STEPS gradients, a third of their elements zero, as in a table of embeddings."""
    random = torch.Generator().manual_seed(seed)
    g = torch.randn(STEPS, *shape, dtype=torch.float64, generator=random) * scale
    return g * (torch.rand(STEPS, *shape, generator=random) > 1 / 3)


def start(shape, seed=0):
    return torch.randn(shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def rate(lr, step):
    """A rate that rises from 0 and then oscillates, so that the rate of a wrong step shows."""
    return lr * min(step / 20, 1.0) * (0.6 + 0.4 * math.cos(step / 15))


def follow(rule, chosen, theta, gs, lr):
    """Take a step of `rule` and of the same rule in PyTorch for each of `gs`; assert equality after each step."""
    _, optimizer_of, averages = RULES[rule.__name__]
    reference = nn.Parameter(theta.clone())
    optimizer = optimizer_of([reference], lr, **chosen)
    state = {}
    for step, g in enumerate(gs):
        rule(theta, g, state, lr=rate(lr, step), **chosen)
        reference.grad = g.clone()
        optimizer.param_groups[0]["lr"] = rate(lr, step)
        optimizer.step()
        assert near(theta, reference.detach()), f"different after step {step}"
    for ours, theirs in averages.items():
        # With μ = 0 PyTorch keeps no v: it would be the last g.
        assert near(state[ours], optimizer.state[reference].get(theirs, g))


def test_no_rule_is_left_out():
    functions = {
        name: f for name, f in vars(update).items() if inspect.isfunction(f) and f.__module__ == update.__name__
    }
    rules = {name for name, f in functions.items() if "state" in inspect.signature(f).parameters and name[0] != "_"}
    assert rules == set(RULES)
    assert [version(rule) for rule in VERSIONS[len(RULES) :]] == ["kernels.adam", "kernels.adamw"]


@pytest.mark.parametrize("rule", VERSIONS, ids=version)
@PROPERTY
@given(
    data=st.data(),
    shape=st.sampled_from([(), (1,), (7,), (3, 4), (2, 3, 2)]),
    lr=st.sampled_from([1e-5, 1e-3, 0.1]),
    scale=st.sampled_from([1e-7, 1e-3, 1.0, 1e3]),
    seed=st.integers(0, 2**32),
)
def test_rule_is_pytorchs(rule, data, shape, lr, scale, seed):
    chosen = data.draw(st.fixed_dictionaries(RULES[rule.__name__][0]))
    follow(rule, chosen, start(shape, seed), gradients(shape, scale, seed), lr)


@pytest.mark.parametrize("rule", VERSIONS, ids=version)
def test_default_settings_are_pytorchs(rule):
    """Except the 0.9 of momentum, where PyTorch has 0."""
    follow(rule, {}, start((9,)), gradients((9,)), 0.01)


@pytest.mark.parametrize("rule", VERSIONS, ids=version)
def test_rule_learns_what_pytorchs_learns(rule):
    """Each gradient is taken at the θ of the previous step: logistic regression, by autograd."""
    random = torch.Generator().manual_seed(3)
    X = torch.randn(30, 5, dtype=torch.float64, generator=random)
    t = (X @ torch.tensor([2.0, -1.0, 0.5, 0.0, 1.0]).double() > 0).double()

    def loss_at(theta):
        return nn.functional.binary_cross_entropy_with_logits(X @ theta, t)

    theta = torch.zeros(5, dtype=torch.float64, requires_grad=True)
    reference = nn.Parameter(theta.detach().clone())
    optimizer, state = RULES[rule.__name__][1]([reference], 0.03), {}
    for _ in range(STEPS):
        rule(theta, *torch.autograd.grad(loss_at(theta), theta), state, lr=0.03)
        optimizer.zero_grad()
        loss_at(reference).backward()
        optimizer.step()
        assert near(theta.detach(), reference.detach())
    assert loss_at(theta) < 0.6 * math.log(2.0)


def google_by_loops(theta, gs, rates, beta_1, beta_2, eps, weight_decay):
    """`AdamWeightDecayOptimizer.apply_gradients` of google-research/bert, number by number."""
    theta, gs = theta.flatten().tolist(), gs.flatten(1).tolist()
    m, v = [0.0] * len(theta), [0.0] * len(theta)
    path = []
    for g, lr in zip(gs, rates, strict=True):
        for i in range(len(theta)):
            m[i] = beta_1 * m[i] + (1.0 - beta_1) * g[i]
            v[i] = beta_2 * v[i] + (1.0 - beta_2) * g[i] ** 2
            step = m[i] / (np.sqrt(v[i]) + eps)
            step += weight_decay * theta[i]
            theta[i] -= lr * step
        path.append(list(theta))
    return np.array(path)


@pytest.mark.parametrize("rule", ADAMS, ids=version)
@PROPERTY
@given(
    chosen=st.fixed_dictionaries({**BETAS, "eps": EPS}),
    weight_decay=st.floats(0.0, 0.5),
    lr=st.sampled_from([1e-5, 1e-3, 0.1]),
    scale=st.sampled_from([1e-7, 1.0, 1e3]),
    seed=st.integers(0, 2**32),
)
def test_without_bias_correction_adam_is_googles(rule, chosen, weight_decay, lr, scale, seed):
    theta, gs, rates = start((2, 3), seed), gradients((2, 3), scale, seed), [rate(lr, step) for step in range(STEPS)]
    decay = weight_decay if rule.__name__ == "adamw" else 0.0
    path = google_by_loops(theta, gs, rates, **chosen, weight_decay=decay)
    if rule.__name__ == "adamw":
        chosen = {**chosen, "weight_decay": decay}
    state = {}
    for g, lr_now, expected in zip(gs, rates, path, strict=True):
        rule(theta, g, state, lr=lr_now, bias_correction=False, **chosen)
        assert near(theta.flatten(), torch.from_numpy(expected))


@pytest.mark.parametrize("rule", ADAMS, ids=version)
def test_without_bias_correction_the_first_step_is_3_2_times_as_large(rule):
    corrected, uncorrected = torch.zeros(1, dtype=torch.float64), torch.zeros(1, dtype=torch.float64)
    g = torch.ones(1, dtype=torch.float64)
    rule(corrected, g, {}, lr=0.1, eps=0.0)
    rule(uncorrected, g, {}, lr=0.1, eps=0.0, bias_correction=False)
    assert abs(corrected.item() + 0.1) < 1e-15  # the first corrected step is η, whatever the gradient
    assert abs(uncorrected.item() / corrected.item() - 0.1 / math.sqrt(0.001)) < 1e-12


@pytest.mark.parametrize("rule", VERSIONS, ids=version)
def test_rule_writes_theta_and_its_state_in_place_and_nothing_else(rule):
    theta = torch.ones(3, dtype=torch.float64, requires_grad=True)
    g, state = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64), {}
    where = theta.data_ptr()
    assert rule(theta, g, state, lr=0.1) is None
    averages = {name: value for name, value in state.items() if isinstance(value, torch.Tensor)}
    places = {name: value.data_ptr() for name, value in averages.items()}
    assert set(averages) == set(RULES[rule.__name__][2])
    rule(theta, g, state, lr=0.1)
    assert theta.data_ptr() == where and theta.requires_grad and theta.grad_fn is None
    assert {name: state[name].data_ptr() for name in averages} == places
    assert (theta != 1.0).all()
    assert g.tolist() == [1.0, -2.0, 0.5]


@pytest.mark.parametrize("rule", VERSIONS, ids=version)
def test_the_layout_of_a_gradient_does_not_matter(rule):
    """A gradient can be a transposed or a broadcast view: its elements count, not its strides."""
    g = torch.arange(12, dtype=torch.float64).reshape(4, 3) - 5.5
    for strided in (g.T, g[0, 0].expand(3, 4), torch.stack([g.T, g.T], dim=-1)[..., 0]):
        theta, expected = start((3, 4)), start((3, 4))
        state, its_state = {}, {}
        for _ in range(3):
            rule(theta, strided, state, lr=0.1)
            rule(expected, strided.contiguous(), its_state, lr=0.1)
        assert near(theta, expected)


@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_either_version_continues_from_the_state_of_the_other(name):
    """A run saved with one mathematics can be resumed with the other."""
    equation, kernel = getattr(update, name), getattr(kernels, name)
    expected, its_state = start((4,)), {}
    theta, state = start((4,)), {}
    for step, g in enumerate(gradients((4,))):
        equation(expected, g, its_state, lr=0.01)
        (kernel if step % 3 else equation)(theta, g, state, lr=0.01)
    assert near(theta, expected)
    assert state.keys() == its_state.keys() and state["t"] == its_state["t"] == STEPS
    assert near(state["m"], its_state["m"]) and near(state["v"], its_state["v"])


@PROPERTY
@given(
    shapes=st.lists(st.sampled_from([(), (1,), (7,), (3, 4), (0,)]), min_size=1, max_size=4),
    most=st.sampled_from([1e-3, 0.5, 1.0, 10.0]),
    scale=st.sampled_from([0.0, 1e-9, 1e-2, 1.0, 1e6]),
    seed=st.integers(0, 2**32),
)
def test_clipping_is_pytorchs_and_the_loop(shapes, most, scale, seed):
    gradients = [start(shape, seed + i) * scale for i, shape in enumerate(shapes)]
    parameters = [nn.Parameter(torch.zeros_like(g)) for g in gradients]
    for parameter, g in zip(parameters, gradients, strict=True):
        parameter.grad = g.clone()
    numbers = [x for g in gradients for x in g.flatten().tolist()]
    length = math.sqrt(math.fsum(x * x for x in numbers))
    expected = [x * min(1.0, most / (length + 1e-6)) for x in numbers]

    norm = update.clip_by_norm(gradients, most)
    theirs = nn.utils.clip_grad_norm_(parameters, most)
    assert norm.shape == () and math.isclose(norm.item(), length, rel_tol=1e-14)
    assert near(norm, theirs)
    for g, parameter in zip(gradients, parameters, strict=True):
        assert g.numel() == 0 or near(g, parameter.grad)
    clipped = [x for g in gradients for x in g.flatten().tolist()]
    assert all(math.isclose(a, b, rel_tol=1e-14) for a, b in zip(clipped, expected, strict=True))


@pytest.mark.parametrize("most", [0.0, 1.0, math.inf])
def test_the_norm_of_no_gradients_is_0(most):
    norm = update.clip_by_norm([], most)
    assert norm.shape == () and norm == 0.0


def test_a_gradient_below_the_limit_is_not_changed():
    gradients = [torch.tensor([3.0, 0.0]), torch.tensor([[4.0]])]
    assert update.clip_by_norm(gradients, 5.1) == 5.0
    assert torch.equal(gradients[0], torch.tensor([3.0, 0.0])) and torch.equal(gradients[1], torch.tensor([[4.0]]))
