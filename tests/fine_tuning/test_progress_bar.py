"""A run prints its expected time once, if it is not short; a log also has the progress."""

import io
import re
import sys
from pathlib import Path

import pytest

import minitf
from minitf.fine_tuning.progress_bar import TrainingBar
from minitf.tasks import progress
from minitf.training.loop import Step

README = (Path(minitf.__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def printed(monkeypatch: pytest.MonkeyPatch, seconds: float, steps: int, done: int = 0) -> tuple[list[str], list[str]]:
    """Return what a run prints whose steps take so long, and what it prints on standard error, which is no terminal."""
    now, stream, lines = [0.0], io.StringIO(), list[str]()
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(sys, "stderr", stream)
    with TrainingBar(steps, done, shown=True) as bar:
        for number in range(done + 1, steps + 1):
            now[0] += seconds
            bar.step(Step(number, 1, 0.5, 0.1, 1.0, False), lines.append)
    return lines, stream.getvalue().splitlines()


def test_a_short_run_prints_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    assert printed(monkeypatch, 0.05, 500) == ([], [])


def test_a_long_run_prints_its_expected_time_once_and_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    lines, log = printed(monkeypatch, 2.0, 60)
    assert lines == ["training takes about 2 min for 60 steps"]
    assert log[0] == "step 15 of 60, epoch 1, loss 0.500, about 2 min left"
    assert len(log) == 4


def test_a_resumed_run_counts_the_steps_that_are_left(monkeypatch: pytest.MonkeyPatch) -> None:
    lines, log = printed(monkeypatch, 2.0, 60, done=30)
    assert lines == ["training takes about 60 s for 30 steps"]
    assert log[0] == "step 45 of 60, epoch 1, loss 0.500, about 30 s left"


def test_a_process_that_is_not_the_first_prints_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(progress, "EVERY", 0.0)
    with TrainingBar(2, 0, shown=False) as bar:
        bar.update()
    assert stream.getvalue() == ""


def test_the_readme_shows_the_line() -> None:
    assert re.search(r"^training takes about \d+ (s|min) for 250 steps$", README, re.MULTILINE)
