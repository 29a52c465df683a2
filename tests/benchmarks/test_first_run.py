"""The benchmark of the first command: its baselines by kind, and its table."""

import statistics

import pytest

from benchmarks import first_run
from minitf.datasets.built_in import BUILT_IN, DEFAULT
from minitf.fine_tuning.config import FineTuneConfig


def test_the_baselines() -> None:
    found = first_run.without_training()
    assert found["majority"]["mean"] == 0.5
    assert set(found["majority"]["kinds"].values()) == {0.5}
    assert 0.55 < found["bag of words"]["mean"] < 0.9


def test_the_table() -> None:
    runs = [{"accuracy": a, "kinds": dict.fromkeys(first_run.KINDS, a), "seconds": 60} for a in (0.8, 0.9)]
    one = {"mean": 0.5, "kinds": dict.fromkeys(first_run.KINDS, 0.5)}
    trained = first_run.summary(runs)
    assert trained["sd"] == pytest.approx(statistics.stdev([0.8, 0.9]))
    rows = {"majority": one, "bag of words": one, "from scratch": trained, "fine-tuned": trained}
    lines = first_run.table({"summary": rows, "recipe": {"lr": 1e-4, "epochs": 3}}).splitlines()
    assert lines[0] == "| | all | sd | lowest | plain | contrast | facts | negation | irony |"
    assert lines[2] == "| always one class | 50.0 |  |  | 50.0 | 50.0 | 50.0 | 50.0 | 50.0 |"
    assert lines[5] == "| the first command | 85.0 | 7.1 | 80.0 | 85.0 | 85.0 | 85.0 | 85.0 | 85.0 |"
    assert len({line.count("|") for line in lines[:6]}) == 1
    assert lines[-1] == "The recipe: `--lr 0.0001`, `--epochs 3`. The first command takes 60 s (median)."


def test_the_recipes_are_settings_and_the_chosen_one_is_among_them() -> None:
    for recipe in first_run.RECIPES:
        assert FineTuneConfig.of(**recipe).settings().items() >= recipe.items()
    assert BUILT_IN[DEFAULT].recipe in first_run.RECIPES
