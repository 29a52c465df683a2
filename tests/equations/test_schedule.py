"""Every schedule over whole runs against `torch.optim.lr_scheduler` and `transformers`, step by step, at 1e-12."""

import inspect
import math
from itertools import pairwise

import pytest
import torch
import transformers
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch.optim.lr_scheduler import ExponentialLR, StepLR

from minitf.equations import schedule

PROPERTY = settings(deadline=None, derandomize=True, database=None, max_examples=30)
SCHEDULES = {
    name: f for name, f in vars(schedule).items() if inspect.isfunction(f) and f.__module__ == schedule.__name__
}
PUBLIC = {name: f for name, f in SCHEDULES.items() if not name.startswith("_")}
RATES = st.sampled_from([5e-5, 0.1, 1.0])


@st.composite
def runs(draw):
    """The length of a run and of its warm-up, which can be nothing or the whole run."""
    total = draw(st.integers(1, 250))
    return total, draw(st.just(0) | st.integers(0, total))


def reference(make, lr, total):
    """The rates of a PyTorch optimizer at the steps 0 … total − 1, with the scheduler that `make` returns."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr)
    scheduler = make(optimizer)
    rates = []
    for _ in range(total):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    return rates


def same(ours, theirs, lr):
    return len(ours) == len(theirs) and all(abs(a - b) <= 1e-12 * lr for a, b in zip(ours, theirs, strict=True))


def test_the_list_of_schedules():
    assert set(PUBLIC) == {"constant", "linear", "polynomial", "step", "exponential", "cosine", "inverse_sqrt"}


@pytest.mark.parametrize(
    ("name", "theirs"),
    [
        ("constant", lambda o, warmup, total: transformers.get_constant_schedule_with_warmup(o, warmup)),
        ("linear", transformers.get_linear_schedule_with_warmup),
        ("cosine", transformers.get_cosine_schedule_with_warmup),
    ],
)
@PROPERTY
@given(run=runs(), lr=RATES)
def test_schedule_is_that_of_transformers(name, theirs, run, lr):
    total, warmup = run
    ours = [PUBLIC[name](step, lr, total, warmup) for step in range(total)]
    assert same(ours, reference(lambda optimizer: theirs(optimizer, warmup, total), lr, total), lr)


@PROPERTY
@given(run=runs(), lr=RATES, power=st.sampled_from([0.5, 0.9, 1.0, 2.0, 3.0]), share=st.sampled_from([0.0, 1e-3, 0.5]))
def test_polynomial_with_a_minimum_is_that_of_transformers(run, lr, power, share):
    total, warmup = run
    assume(warmup < total)  # else the reference divides by 0
    least = share * lr
    ours = [schedule.polynomial(step, lr, total, warmup, least, power) for step in range(total)]
    make = transformers.get_polynomial_decay_schedule_with_warmup
    assert same(ours, reference(lambda o: make(o, warmup, total, lr_end=least, power=power), lr, total), lr)


@PROPERTY
@given(run=runs(), lr=RATES, share=st.sampled_from([0.0, 1e-3, 0.5, 1.0]))
def test_cosine_with_a_minimum_is_that_of_transformers(run, lr, share):
    total, warmup = run
    ours = [schedule.cosine(step, lr, total, warmup, least=share * lr) for step in range(total)]
    make = transformers.get_cosine_with_min_lr_schedule_with_warmup
    assert same(ours, reference(lambda o: make(o, warmup, total, min_lr_rate=share), lr, total), lr)


@pytest.mark.parametrize("name", PUBLIC)
@PROPERTY
@given(run=runs(), lr=RATES, share=st.sampled_from([0.0, 1e-3, 0.5, 1.0]))
def test_no_rate_after_the_warm_up_is_below_the_minimum(name, run, lr, share):
    total, warmup = run
    rates = [PUBLIC[name](step, lr, total, warmup, least=share * lr) for step in range(total + 1)]
    assert all(share * lr <= r <= lr * (1 + 1e-15) for r in rates[warmup:])
    assert rates[:warmup] == [schedule.constant(step, lr, total, warmup) for step in range(warmup)]
    if share == 0.0:
        assert rates == [PUBLIC[name](step, lr, total, warmup) for step in range(total + 1)]


@pytest.mark.parametrize("n", [1, 3, 100])
def test_the_linear_rate_is_0_at_the_end_of_a_run_that_is_all_warm_up(n):
    """As in `transformers`: the warm-up has reached η, and no step is left."""
    theirs = reference(lambda o: transformers.get_linear_schedule_with_warmup(o, n, n), 0.1, n + 2)
    for f in (schedule.linear, schedule.polynomial):
        assert same([f(step, 0.1, n, n) for step in range(n + 2)], theirs, 0.1)
        assert f(n, 0.1, n, n) == 0.0


def test_a_polynomial_of_power_1_is_linear():
    for total, warmup in ((10, 0), (10, 4), (7, 7), (0, 0), (3, 5)):
        for step in range(total + 3):
            assert schedule.polynomial(step, 0.1, total, warmup, power=1.0) == schedule.linear(step, 0.1, total, warmup)


@PROPERTY
@given(st.integers(1, 6), st.integers(1, 40), st.integers(0, 50), RATES, st.sampled_from([0.1, 0.5, 0.9]))
def test_step_is_pytorchs_after_the_warm_up(parts, part, warmup, lr, gamma):
    n = parts * part
    ours = [schedule.step(step, lr, warmup + n, warmup, gamma, parts) for step in range(warmup, warmup + n)]
    assert same(ours, reference(lambda optimizer: StepLR(optimizer, part, gamma), lr, n), lr)


@PROPERTY
@given(st.integers(1, 250), st.integers(0, 50), RATES, st.sampled_from([0.5, 0.01, 1e-4]))
def test_exponential_is_pytorchs_after_the_warm_up(n, warmup, lr, final):
    ours = [schedule.exponential(step, lr, warmup + n, warmup, final) for step in range(warmup, warmup + n)]
    assert same(ours, reference(lambda optimizer: ExponentialLR(optimizer, final ** (1 / n)), lr, n), lr)


@PROPERTY
@given(run=runs(), lr=RATES)
def test_the_inverse_square_root_is_that_of_transformers(run, lr):
    """With a warm-up; without one, `transformers` decays as after a warm-up of 10,000 steps, minitf as after one."""
    total, warmup = run
    ours = [schedule.inverse_sqrt(step, lr, total, warmup) for step in range(total)]
    timescale = warmup or 1
    make = transformers.get_inverse_sqrt_schedule
    theirs = reference(lambda optimizer: make(optimizer, warmup, timescale=timescale), lr, total)
    assert same(ours, theirs, lr)


@PROPERTY
@given(st.integers(1, 5000), st.integers(1, 100_000), st.sampled_from([64, 512, 1024]))
def test_the_inverse_square_root_is_the_formula_of_the_paper(warmup, step, D):
    """Vaswani et al. 2017, eq. 3: D^(−1/2) · min(t^(−1/2), t · w^(−3/2)); η is its peak, at t = w."""
    peak = 1 / math.sqrt(D * warmup)
    ours = schedule.inverse_sqrt(step, peak, 1, warmup)
    paper = D**-0.5 * min(step**-0.5, step * warmup**-1.5)
    assert ours == pytest.approx(paper, rel=1e-12)
    assert schedule.inverse_sqrt(step, peak, 1, warmup) == schedule.inverse_sqrt(step, peak, 10**6, warmup)


@pytest.mark.parametrize("name", PUBLIC)
@PROPERTY
@given(run=runs(), lr=RATES)
def test_every_schedule_warms_up_as_transformers_does_and_never_rises_after(name, run, lr):
    total, warmup = run
    rates = [PUBLIC[name](step, lr, total, warmup) for step in range(total)]
    constant = reference(lambda optimizer: transformers.get_constant_schedule_with_warmup(optimizer, warmup), lr, total)
    assert same(rates[:warmup], constant[:warmup], lr)
    after = rates[warmup:]
    assert all(later <= earlier for earlier, later in pairwise(after))
    assert all(0.0 <= r <= lr for r in rates)
    if after:
        assert after[0] == lr


@pytest.mark.parametrize("name", PUBLIC)
def test_defaults_are_no_warm_up_and_a_rate_that_ends_low(name):
    f = PUBLIC[name]
    assert [f(step, 2.0, 9) for step in range(9)] == [f(step, 2.0, 9, 0) for step in range(9)]
    ends = {"constant": 2.0, "linear": 0.0, "polynomial": 0.0, "cosine": 0.0, "exponential": 0.02}
    ends["inverse_sqrt"] = 2.0 / math.sqrt(10.0)
    if name in ends:
        assert abs(f(9, 2.0, 9) - ends[name]) < 1e-15
    else:
        expected = [2.0] * 3 + [0.2] * 3 + [0.02] * 3
        assert all(abs(f(step, 2.0, 9) - rate) < 1e-15 for step, rate in enumerate(expected))


@PROPERTY
@given(st.integers(1, 7), st.integers(7, 100))
def test_the_parts_of_the_step_schedule_differ_by_at_most_one_step(parts, n):
    rates = [schedule.step(step, 1.0, n, 0, 0.5, parts) for step in range(n)]
    lengths = [rates.count(0.5**i) for i in range(parts)]
    assert sum(lengths) == n and max(lengths) - min(lengths) <= 1


@pytest.mark.parametrize("name", PUBLIC)
def test_runs_of_length_0_have_a_rate(name):
    for total, warmup in ((0, 0), (1, 0), (1, 1), (3, 3), (2, 5)):
        for step in range(total + 1):
            assert math.isfinite(PUBLIC[name](step, 0.1, total, warmup))
