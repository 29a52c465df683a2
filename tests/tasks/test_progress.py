"""Progress bars: on a terminal and in a notebook, only for what takes long."""

import io
import sys

import pytest

from minitf.tasks import progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def shown(monkeypatch: pytest.MonkeyPatch, stream: io.StringIO, delay: float) -> str:
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(progress, "DELAY", delay)
    assert list(progress.with_progress(range(3), "batch", "evaluating")) == [0, 1, 2]
    return stream.getvalue()


def test_a_long_computation_has_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "evaluating" in shown(monkeypatch, Terminal(), 0.0)


def test_a_short_computation_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "evaluating" not in shown(monkeypatch, Terminal(), 60.0)


def test_without_a_terminal_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    assert shown(monkeypatch, io.StringIO(), 0.0) == ""


def test_of_several_processes_only_the_first_has_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    assert shown(monkeypatch, Terminal(), 0.0) == ""


def test_a_notebook_shows_the_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    class ZMQInteractiveShell:
        pass

    class IPython:
        get_ipython = ZMQInteractiveShell

    monkeypatch.setitem(sys.modules, "IPython", IPython)
    assert "evaluating" in shown(monkeypatch, io.StringIO(), 0.0)


def test_a_log_has_a_line_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a terminal: the step, of how many, the expected time left; the first step is not measured."""
    now, stream = [0.0], io.StringIO()
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    monkeypatch.setattr(sys, "stderr", stream)
    for seconds in progress.with_progress([20.0] + [7.0] * 9, "batch", "evaluating"):
        now[0] += seconds
    assert stream.getvalue().splitlines() == [
        "evaluating: batch 3 of 10, about 50 s left",
        "evaluating: batch 8 of 10, about 15 s left",
    ]


@pytest.mark.parametrize(
    ("seconds", "expected"), [(1, "5 s"), (89, "90 s"), (95, "2 min"), (700, "12 min"), (12600, "3.5 h")]
)
def test_an_expected_time_is_short(seconds: float, expected: str) -> None:
    assert progress.roughly(seconds) == expected
