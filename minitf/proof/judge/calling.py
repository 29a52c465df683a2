"""Calling a function that is not to be trusted: it may raise, never return, or change what it was given.

An endless loop is ended from another thread, by an exception that no `except Exception` catches. What waits in C
without end does not hear it; only the command may then end the process.
"""

import contextlib
import ctypes
import dataclasses
import inspect
import io
import linecache
import sys
import sysconfig
import threading
import traceback
import types
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

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


@contextlib.contextmanager
def time_limit(seconds: float, on_deaf: Callable[[], None] = lambda: None) -> Iterator[None]:
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
    try:
        yield
    finally:
        with lock:
            done.set()
            raise_in_thread(None)  # what was not delivered yet must not reach the judge


def answer(
    function: Callable[..., Any],
    inputs: tuple[Any, ...],
    options: Mapping[str, Any],
    seconds: float = SECONDS,
    on_deaf: Callable[[], None] = lambda: None,
) -> Answer:
    """`function(*inputs, **options)` on copies, always with the same seed; what it prints and warns is swallowed."""
    given = copied(inputs)
    try:
        with quiet(), torch.random.fork_rng(devices=[]), time_limit(seconds, on_deaf):
            torch.manual_seed(0)
            value = function(*given, **dict(options))
    except TooLongError:
        return Answer(
            error=f"it did not come to an end within {seconds:g} seconds: is there an endless loop?", kind="endless"
        )
    except (Exception, SystemExit) as error:  # whatever a learner's function may raise
        return Answer(error=told(error), kind=type(error).__name__)
    for i, (before, after) in enumerate(zip(inputs, given, strict=True)):
        if not unchanged(before, after):
            what = f"it changes its {('first', 'second', 'third', 'fourth', 'fifth')[min(i, 4)]} argument in place"
            return Answer(error=f"{what}: compute a new one", kind="in place")
    return Answer(value)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        yield


def copied(value: Any) -> Any:
    """A deep copy of numbers, tensors, arrays, and what holds them; functions stay themselves."""
    if isinstance(value, Tensor):
        return value.detach().clone().requires_grad_(value.requires_grad)
    if isinstance(value, np.ndarray):
        return value.copy()
    if isinstance(value, tuple | list):
        return type(value)(copied(each) for each in value)
    return {key: copied(each) for key, each in value.items()} if isinstance(value, dict) else value


def unchanged(before: Any, after: Any) -> bool:
    if isinstance(before, Tensor):
        return torch.equal(before, after.detach())
    if isinstance(before, np.ndarray):
        return bool(np.array_equal(before, after))
    if isinstance(before, tuple | list):
        return len(before) == len(after) and all(map(unchanged, before, after))
    if isinstance(before, dict):
        return before.keys() == after.keys() and all(unchanged(before[key], after[key]) for key in before)
    return callable(before) or bool(before == after)


def told(error: BaseException) -> str:
    """The exception in one sentence, with the learner's own line that it came through last."""
    said = str(error).strip().splitlines()
    sentence = f"{type(error).__name__}: {said[0]}" if said else type(error).__name__
    if isinstance(error, SyntaxError):
        return f"{sentence}, at line {error.lineno}"
    own = [
        frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(_NOT_THE_LEARNERS)
    ]
    if not own:
        return sentence
    line = linecache.getline(own[-1].filename, own[-1].lineno or 0).strip()
    return f"{sentence}, at your line {own[-1].lineno}" + (f": {line}" if line else "")


def takes(function: Callable[..., Any], *names: str) -> bool:
    """Whether it has parameters of these names, or takes any keyword."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # built-ins without a signature
        return not names
    return any(p.kind is p.VAR_KEYWORD for p in parameters) or set(names) <= {p.name for p in parameters}


def uses_numpy(function: Callable[..., Any]) -> bool:
    """Whether a function computes with NumPy and not with PyTorch, by the modules that it and its helpers name."""
    seen: set[int] = set()
    modules: set[str] = set()

    def look(f: Any) -> None:
        code = getattr(f, "__code__", None)
        if code is None or id(code) in seen:
            return
        seen.add(id(code))
        for name in _names(code):
            value = f.__globals__.get(name, sys.modules.get(name))
            if isinstance(value, types.ModuleType):
                modules.add(value.__name__.split(".")[0])
            elif isinstance(value, types.FunctionType):
                look(value)
            elif type(value).__module__ == "numpy":  # from numpy import exp
                modules.add("numpy")

    look(inspect.unwrap(function))
    return "numpy" in modules and "torch" not in modules


def _names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)


def as_arrays(value: Any) -> Any:
    """Every tensor as the array of the same numbers."""
    if isinstance(value, Tensor):
        return value.detach().numpy()
    if isinstance(value, tuple | list):
        return type(value)(as_arrays(each) for each in value)
    return {key: as_arrays(each) for key, each in value.items()} if isinstance(value, dict) else value
