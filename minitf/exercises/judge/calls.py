"""Call a learner's function safely: it may raise, never return, or change its arguments.

An endless loop is interrupted from another thread, by an exception that `except Exception` does not catch. Python
cannot interrupt C code this way. Then only the command may end the process (`on_hang`).
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

from minitf.exercises.judge.isolation import fixed_seeds, quiet, restored_settings
from minitf.exercises.judge.values import deep_copy, unchanged

SECONDS = 5.0  # the time limit of one call
GRACE = 3.0  # seconds from the interrupt to `on_hang`
_MINITF = str(Path(__file__).parents[2])
_NOT_THE_LEARNERS = (_MINITF, sysconfig.get_path("purelib"), sysconfig.get_path("stdlib"), "<frozen")


class TooLongError(BaseException):
    """Raised inside a call that exceeds its time limit."""


@dataclasses.dataclass(frozen=True)
class CallResult:
    """The result of a call: a value, or an error."""

    value: Any = None
    error: str = ""  # one sentence
    kind: str = ""  # the exception's class, or "endless", "in place"


def do_nothing() -> None:
    """The default `on_hang`, for notebooks."""


@contextlib.contextmanager
def time_limit(seconds: float, on_hang: Callable[[], None] = do_nothing) -> Iterator[None]:
    """Raise TooLongError in this thread if the block takes longer, and repeat it in case the block catches it.

    `on_hang` is called once if the block still does not end.
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
                on_hang()

    watchdog = threading.Thread(target=watch, daemon=True)
    watchdog.start()
    if on_hang is not do_nothing:  # this timer also works while C code blocks all other Python threads
        faulthandler.dump_traceback_later(seconds + 2.0 * GRACE, exit=True, file=sys.__stderr__ or 2)
    try:
        yield
    finally:
        if on_hang is not do_nothing:
            faulthandler.cancel_dump_traceback_later()
        with lock:
            done.set()
            raise_in_thread(None)  # cancel an exception that was not raised yet: it must not reach the judge


def call_safely(
    function: Callable[..., Any],
    inputs: tuple[Any, ...],
    options: Mapping[str, Any],
    seconds: float = SECONDS,
    on_hang: Callable[[], None] = do_nothing,
) -> CallResult:
    """Call `function(*inputs, **options)` on copies, with fixed seeds, and discard what it prints and warns."""
    given = deep_copy(inputs)
    try:
        with quiet(), restored_settings(), fixed_seeds(), time_limit(seconds, on_hang):
            value = function(*given, **dict(options))
    except TooLongError:
        return CallResult(
            error=f"it did not finish within {seconds:g} seconds: is there an endless loop?", kind="endless"
        )
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a learner's function may raise anything
        return CallResult(error=describe_error(error), kind=type(error).__name__)
    for i, (before, after) in enumerate(zip(inputs, given, strict=True)):
        if not unchanged(before, after):
            what = f"it changes its {('first', 'second', 'third', 'fourth', 'fifth')[min(i, 4)]} argument in place"
            return CallResult(error=f"{what}: write the result into a new tensor or list", kind="in place")
    return CallResult(value)


def describe_error(error: BaseException) -> str:
    """Describe the exception in one sentence, with the last line of the learner's own code that it passed through."""
    try:
        message = str(error).strip().splitlines()
    except Exception:  # an exception class of the learner
        message = []
    sentence = f"{type(error).__name__}: {message[0]}" if message else type(error).__name__
    if isinstance(error, SyntaxError):
        return f"{sentence}, at line {error.lineno}" if error.lineno else sentence
    own = [
        frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(_NOT_THE_LEARNERS)
    ]
    if not own:
        return sentence
    line = linecache.getline(own[-1].filename, own[-1].lineno or 0).strip()
    return f"{sentence}, at your line {own[-1].lineno}" + (f": {line}" if line else "")
