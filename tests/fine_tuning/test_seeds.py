"""The summary of several runs, against the statistics module."""

import statistics
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minitf.fine_tuning.result import Run
from minitf.fine_tuning.seeds import summary


def runs(values: list[float], table: str = "test", failed: tuple[int, ...] = ()) -> dict[str, Run]:
    return {
        f"seed-{n}": Run(
            folder=Path(f"seed-{n}"),
            history=(),
            measured_on=table,
            metrics={"accuracy": value, "loss": 9.0},
            scores={},
            baseline="",
            learned=n not in failed,
            prediction_command="",
            attention_command="",
        )
        for n, value in enumerate(values)
    }


@settings(deadline=None, max_examples=100)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=9))
def test_the_numbers(values: list[float]) -> None:
    found = summary(runs(values), "accuracy")
    content = found.to_dict()
    assert content["mean"] == pytest.approx(sum(values) / len(values))
    assert content["sd"] == (pytest.approx(statistics.stdev(values), abs=1e-12) if len(values) > 1 else 0.0)
    assert (content["lowest"], content["highest"]) == (min(values), max(values))
    assert list(content["values"].values()) == values
    if len(values) == 1:
        assert "±" not in str(found)  # one run has no standard deviation
    else:
        assert f"{len(values)} runs: accuracy {statistics.fmean(values):.4f} ± " in str(found)
        assert f"lowest {min(values):.4f}, highest {max(values):.4f}" in str(found)


FAILED = (
    "failed to learn (no better than the baseline): seed-0: try a lower `lr`, a higher `warmup` or more `epochs`"
    " (Mosbach et al. 2021)"
)


def test_by_hand() -> None:
    """The sample standard deviation, with n − 1: of 0.8, 0.9, 1.0 it is 0.1."""
    found = summary(runs([0.8, 0.9, 1.0], failed=(0,)), "accuracy", {"seed-3": "the loss is nan at step 4"})
    assert (found.mean, found.sd) == (pytest.approx(0.9), pytest.approx(0.1))
    assert str(found).splitlines() == [
        "seed-0: test accuracy 0.8000",
        "seed-1: test accuracy 0.9000",
        "seed-2: test accuracy 1.0000",
        "3 runs: accuracy 0.9000 ± 0.1000 (mean ± standard deviation), lowest 0.8000, highest 1.0000",
        "seed-3 diverged and is not counted: the loss is nan at step 4",
        FAILED,
    ]


def test_the_test_set_if_there_is_one() -> None:
    assert summary(runs([0.5, 0.6]), "accuracy").table == "test"
    assert summary(runs([0.5, 0.6], "valid"), "accuracy").mean == pytest.approx(0.55)
    assert summary(runs([0.5, 0.6], "valid"), "accuracy").table == "valid"
