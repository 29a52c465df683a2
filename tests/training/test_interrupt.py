"""Signals: the first stops training after the step, a second at once, echoes are ignored; the handlers come back."""

import os
import signal
import threading

import pytest

from minitf.errors import Terminated
from minitf.training import interrupt
from minitf.training.interrupt import SIGNALS, Interrupt, Termination, handlers


def send(number: int) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_the_first_signal_is_a_request_its_echo_is_ignored_and_a_second_ends_at_once(number, monkeypatch) -> None:
    before, lines = [signal.getsignal(each) for each in SIGNALS], []
    with Interrupt(lines.append) as stop:
        assert not stop.requested
        send(number)
        send(number)
        assert stop.requested and stop.number == number
        monkeypatch.setattr(interrupt, "ECHO", -1.0)
        with pytest.raises(Terminated) as caught:
            send(signal.SIGTERM)
        assert caught.value.number == signal.SIGTERM
    assert len(lines) == 1
    assert [signal.getsignal(each) for each in SIGNALS] == before


def test_a_message_that_cannot_be_written_does_not_stop_the_handler() -> None:
    """A closed terminal: SIGHUP comes, and its message has no reader."""

    def fails(line: str) -> None:
        raise OSError("the terminal is closed")

    with Interrupt(fails) as stop:
        send(signal.SIGHUP)
    assert stop.number == signal.SIGHUP


def test_an_output_that_cannot_be_written_is_a_request() -> None:
    def fails(line: str) -> None:
        raise BrokenPipeError

    with Interrupt() as stop:
        stop.guarded(fails)("line")
        stop.guarded(fails)("line")
        assert stop.requested and isinstance(stop.error, BrokenPipeError)
        with pytest.raises(ZeroDivisionError):
            stop.guarded(lambda value: 1 / value)(0)


def test_outside_training_a_signal_ends_at_once() -> None:
    with handlers(stop := Termination()):
        with pytest.raises(Terminated):
            send(signal.SIGTERM)
        send(signal.SIGTERM)  # an echo
    assert stop.number == signal.SIGTERM


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_an_ignored_signal_stays_ignored(number) -> None:
    """SIGHUP under nohup, SIGINT in the background of a script."""
    before = signal.signal(number, signal.SIG_IGN)
    try:
        with Interrupt() as stop:
            send(number)
            assert not stop.requested
        assert signal.getsignal(number) is signal.SIG_IGN
    finally:
        signal.signal(number, before)


def test_another_thread_installs_no_handlers() -> None:
    """Python allows it only in the main thread."""
    before, failures = [signal.getsignal(each) for each in SIGNALS], []

    def body() -> None:
        try:
            with Interrupt():
                assert [signal.getsignal(each) for each in SIGNALS] == before
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    assert failures == []
