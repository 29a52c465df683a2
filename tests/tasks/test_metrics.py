"""Which of two epochs is better."""

import math

import pytest

from minitf.tasks import registry
from minitf.tasks.metrics import is_better

DIRECTIONS = sorted({(m, m in spec.lower_is_better) for spec in registry.SPECS.values() for m in spec.metrics})


def test_the_direction_of_a_metric_is_the_same_in_every_task() -> None:
    assert len(dict(DIRECTIONS)) == len(DIRECTIONS)
    assert {name for name, lower in DIRECTIONS if lower} == {"loss", "perplexity", "rmse"}


@pytest.mark.parametrize(("metric", "lower"), DIRECTIONS)
def test_is_better(metric: str, lower: bool) -> None:
    at = lambda value: {"loss": 0.5} | {metric: value}  # noqa: E731
    worse, better = (at(0.9), at(0.2)) if lower else (at(0.2), at(0.9))
    direction = frozenset({metric}) if lower else frozenset()
    assert is_better(metric, better, worse, direction)
    assert not is_better(metric, worse, better, direction)
    assert not is_better(metric, better, better, direction)  # equal in everything: the earlier one stays
    assert not is_better(metric, at(math.nan), worse, direction)


def test_the_default_direction() -> None:
    assert is_better("loss", {"loss": 0.1}, {"loss": 0.2})
    assert is_better("pearson", {"pearson": 0.2, "loss": 0.5}, {"pearson": 0.1, "loss": 0.5})


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1"])
def test_of_two_equal_epochs_the_one_with_the_lower_loss_is_better(metric: str) -> None:
    """Otherwise the first epoch on an easy data set, with all predictions right and hardly trained, would be kept."""
    first, later = ({metric: 1.0, "loss": loss} for loss in (0.7, 0.1))
    assert is_better(metric, later, first)
    assert not is_better(metric, first, later)
