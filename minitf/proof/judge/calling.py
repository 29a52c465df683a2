"""Calling a function that is not to be trusted: it may raise, never return, or change what it was given.

An endless loop is ended from another thread, by an exception that no `except Exception` catches. What waits in C
without end does not hear it; only the command may then end the process.
"""

import contextlib
import ctypes
import dataclasses
import faulthandler
import linecache
import sys
import sysconfig
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from minitf.proof.judge.surroundings import quiet, same_draws, same_settings
from minitf.proof.judge.values import copied, unchanged

SECONDS = 5.0  # that one call may take
GRACE = 3.0  # that a call which was told to stop may go on
_MINITF = str(Path(__file__).parents[2])
_NOT_THE_LEARNERS = (_MINITF, sysconfig.get_path("purelib"), sysconfig.get_path("stdlib"), "<frozen")


class TooLongError(BaseException):
    """Raised inside a call that has used up its time."""


@dataclasses.dataclass(frozen=True)
class Answer:
    """What came of a call: a value, or what went wrong and where."""

    value: Any = None
    error: str = ""  # one sentence
    kind: str = ""  # the exception's class, or "endless", "in place"


def nothing() -> None:
    """What is done about a call that does not hear, in a notebook."""


@contextlib.contextmanager
def time_limit(seconds: float, on_deaf: Callable[[], None] = nothing) -> Iterator[None]:
    """Raise TooLongError in this thread if the block takes longer; then again and again, should it be caught.

    `on_deaf` is called once if the block goes on for all that.
    """
    thread, done = threading.get_ident(), threading.Event()
    lock = threading.Lock()

    def raise_in_thread(exception: Any) -> None:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), exception)

    def watch() -> None:
        waited = seconds
        if done.wait(seconds):
            return
        while True:
            with lock:
                if done.is_set():
                    return
                raise_in_thread(ctypes.py_object(TooLongError))
            if done.wait(0.5):
                return
            waited += 0.5
            if seconds + GRACE <= waited < seconds + GRACE + 0.5:
                on_deaf()

    watchdog = threading.Thread(target=watch, daemon=True)
    watchdog.start()
    if on_deaf is not nothing:  # the process may be ended: also where C code lets no other thread of Python run
        faulthandler.dump_traceback_later(seconds + 2.0 * GRACE, exit=True, file=sys.__stderr__ or 2)
    try:
        yield
    finally:
        if on_deaf is not nothing:
            faulthandler.cancel_dump_traceback_later()
        with lock:
            done.set()
            raise_in_thread(None)  # what was not delivered yet must not reach the judge


def answer(
    function: Callable[..., Any],
    inputs: tuple[Any, ...],
    options: Mapping[str, Any],
    seconds: float = SECONDS,
    on_deaf: Callable[[], None] = nothing,
) -> Answer:
    """`function(*inputs, **options)` on copies, always with the same seed; what it prints and warns is swallowed."""
    given = copied(inputs)
    try:
        with quiet(), same_settings(), same_draws(), time_limit(seconds, on_deaf):
            value = function(*given, **dict(options))
    except TooLongError:
        return Answer(
            error=f"it did not come to an end within {seconds:g} seconds: is there an endless loop?", kind="endless"
        )
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # whatever a learner's function may raise
        return Answer(error=told(error), kind=type(error).__name__)
    for i, (before, after) in enumerate(zip(inputs, given, strict=True)):
        if not unchanged(before, after):
            what = f"it changes its {('first', 'second', 'third', 'fourth', 'fifth')[min(i, 4)]} argument in place"
            return Answer(error=f"{what}: compute a new one", kind="in place")
    return Answer(value)


def told(error: BaseException) -> str:
    """The exception in one sentence, with the learner's own line that it came through last."""
    try:
        said = str(error).strip().splitlines()
    except Exception:  # a class of the learner's
        said = []
    sentence = f"{type(error).__name__}: {said[0]}" if said else type(error).__name__
    if isinstance(error, SyntaxError):
        return f"{sentence}, at line {error.lineno}" if error.lineno else sentence
    own = [
        frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(_NOT_THE_LEARNERS)
    ]
    if not own:
        return sentence
    line = linecache.getline(own[-1].filename, own[-1].lineno or 0).strip()
    return f"{sentence}, at your line {own[-1].lineno}" + (f": {line}" if line else "")
