"""Calling a function that is not to be trusted: it may raise, never return, or change what it was given.

An endless loop is ended from another thread, by an exception that no `except Exception` catches. What waits in C
without end does not hear it; only the command may then end the process.
"""

import contextlib
import ctypes
import dataclasses
import faulthandler
import functools
import inspect
import linecache
import os
import random
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


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    with (
        open(os.devnull, "w", encoding="utf-8", errors="replace") as nowhere,
        warnings.catch_warnings(),
        contextlib.redirect_stdout(nowhere),
        np.errstate(all="ignore"),
    ):
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def same_settings() -> Iterator[None]:
    """What a learner's function sets for all of PyTorch holds until it has answered."""
    dtype, gradients = torch.get_default_dtype(), torch.is_grad_enabled()
    try:
        yield
    finally:
        torch.set_default_dtype(dtype)
        torch.set_grad_enabled(gradients)


@contextlib.contextmanager
def same_draws() -> Iterator[None]:
    """Random numbers from one seed, PyTorch's, NumPy's and Python's; those of others are left as they were."""
    of_numpy, of_python = np.random.get_state(), random.getstate()
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            np.random.seed(0)
            random.seed(0)
            yield
    finally:
        np.random.set_state(of_numpy)
        random.setstate(of_python)


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
        return before.dtype == after.dtype and torch.equal(before, after.detach())
    if isinstance(before, np.ndarray):
        return bool(np.array_equal(before, after))
    if isinstance(before, tuple | list):
        return len(before) == len(after) and all(map(unchanged, before, after))
    if isinstance(before, dict):
        return before.keys() == after.keys() and all(unchanged(before[key], after[key]) for key in before)
    return callable(before) or bool(before == after)


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
        if isinstance(f, functools.partial):
            look(f.func)
            return
        if type(f).__module__ == "numpy":  # np.maximum, np.vectorize(…)
            modules.add("numpy")
            return
        f = getattr(f, "__func__", f)  # of a method
        if not hasattr(f, "__code__") and not isinstance(f, type):  # an object that can be called
            f = vars(type(f)).get("__call__", f)
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
