"""Confidence intervals of the groups, and the scores of single examples against the metrics of the tasks."""

import random

import pytest
import torch
from scipy.stats import binomtest

from minitf.fine_tuning.slices import Group, Slices, bootstrap, slice_scores, wilson
from minitf.tasks.example_scores import ExampleScores, f1_of_counts, mean, pearson
from minitf.tasks.regression import metrics as regression


@pytest.mark.parametrize(("right", "n"), [(81, 263), (0, 10), (10, 10), (1, 1), (1, 2)])
def test_wilson(right: int, n: int) -> None:
    known = binomtest(right, n).proportion_ci(method="wilson")
    assert wilson(right / n, n) == pytest.approx((known.low, known.high), abs=1e-12)


def test_the_bootstrap_agrees_with_theory() -> None:
    """Of a mean: ± 1.96 standard deviations / √n. The same draws every time."""
    values = torch.randn(400, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    low, high = bootstrap(ExampleScores(values, mean))
    half = 1.96 * float(values.std()) / 20
    assert (low, high) == pytest.approx((float(values.mean()) - half, float(values.mean()) + half), abs=0.1 * half)
    assert (low, high) == bootstrap(ExampleScores(values, mean))


@pytest.mark.parametrize("scale", [1.0, 1e150, 1e-150])
def test_pearson_is_that_of_the_metrics(scale: float) -> None:
    draw = random.Random(0)
    x = [draw.gauss(3, 1) for _ in range(50)]
    y = [scale * (0.5 * v + draw.gauss(0, 1)) for v in x]
    values = torch.tensor([x, y], dtype=torch.float64).T
    assert float(pearson(values)) == pytest.approx(regression.pearson(x, y), rel=1e-12)


def test_pearson_of_constant_numbers_is_0() -> None:
    values = torch.tensor([[0.1, v] for v in (1.0, 2.0, 3.0)], dtype=torch.float64)
    assert float(pearson(values)) == float(pearson(values.flip(1))) == float(pearson(values[:1])) == 0.0


def test_f1_without_any_entity_is_0() -> None:
    assert float(f1_of_counts(torch.zeros(3, 3, dtype=torch.float64))) == 0.0


def test_a_single_example_has_an_interval_only_as_a_share() -> None:
    one = torch.ones(1, 1, dtype=torch.float64)
    (group,) = slice_scores(ExampleScores(one, mean), "F1", "city", ["a"], ["a"]).groups
    assert (group.score, group.low, group.high) == (1.0, None, None)
    (group,) = slice_scores(ExampleScores(one, mean, is_share=True), "accuracy", "city", ["a"], ["a"]).groups
    assert 0 < group.low < group.high == 1.0


def test_the_table_is_aligned_and_shows_control_characters() -> None:
    groups = (Group("\x1b[31m" + "x" * 60, 7, 0.5, 0.25, 0.75), Group("b", 1234567, 1.0, None, None))
    header, *lines = Slices("a\nb", "accuracy", 3, groups).lines()
    assert "\x1b" not in "".join(lines)
    assert header.startswith("  a b ")
    assert lines[0].index("7    0.5") == lines[1].index("7    1.0")
    assert lines[0].endswith("0.5000  0.2500 to 0.7500")
    assert lines[1].endswith("1.0000  -")
    assert lines[2] == "  the 2 largest of 3 groups"
