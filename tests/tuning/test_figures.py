"""The figures of a search and of a learning curve."""

import dataclasses
from types import SimpleNamespace

import pytest

from minitf.fine_tuning.seeds import Summary
from minitf.tuning import figures
from minitf.tuning.space import parse_space


@pytest.fixture
def drawn(monkeypatch):
    """The figures that are drawn, instead of files."""
    kept = []
    monkeypatch.setattr(figures, "save_figure", lambda figure, path: kept.append(figure))
    return kept


def trial(number, value, state="COMPLETE", **params):
    state = SimpleNamespace(name=state)
    return SimpleNamespace(number=number, value=value, state=state, intermediate_values={1: value}, params=params)


def test_runs_count_from_one(drawn, tmp_path):
    """As in the terminal: "run 1 of 3"."""
    trials = [trial(0, 0.5, lr=1e-5), trial(1, 0.4, "PRUNED", lr=2e-5), trial(2, 0.7, lr=3e-5)]
    figures.draw_search(trials, parse_space(["lr=1e-5..1e-4:log"]), "accuracy", "MAXIMIZE", tmp_path)
    complete, stopped = drawn[0].axes[0].collections
    assert complete.get_offsets().tolist() == [[1, 0.5], [3, 0.7]] and stopped.get_offsets().tolist() == [[2, 0.4]]
    (best,) = drawn[0].axes[0].lines
    assert best.get_xdata().tolist() == [1, 3] and best.get_ydata().tolist() == [0.5, 0.7]


@pytest.mark.parametrize("seeds", [1, 3])
def test_error_bars_need_several_seeds(drawn, tmp_path, seeds):
    rows = [{"rows": n, "mean": 0.5, "sd": 0.1 if seeds > 1 else 0.0, "values": [0.5] * seeds} for n in (10, 100)]
    figures.draw_learning_curve(rows, "test accuracy", tmp_path / "a.png")
    assert bool(drawn[0].axes[0].collections) == (seeds > 1)


def test_a_single_run_has_no_deviation():
    summary = Summary("accuracy", "valid", {"seed 0": 0.5, "seed 1": 0.6}, ())
    assert "2 runs: accuracy 0.5500 ± 0.0707" in str(summary)
    assert "±" not in str(dataclasses.replace(summary, values={"seed 0": 0.5}))
