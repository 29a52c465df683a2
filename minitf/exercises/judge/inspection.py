"""Inspect a function without calling it: its parameters, and the library that it computes with."""

import functools
import inspect
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any


def takes(function: Callable[..., Any], *names: str) -> bool:
    """Whether a function has parameters of these names, or accepts any keyword."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # built-ins without a signature
        return not names
    return any(p.kind is p.VAR_KEYWORD for p in parameters) or set(names) <= {p.name for p in parameters}


def uses_numpy(function: Callable[..., Any]) -> bool:
    """Whether a function computes with NumPy, not PyTorch, according to the modules that it and its helpers use."""
    seen: set[int] = set()
    modules: set[str] = set()

    def visit(f: Any) -> None:
        if isinstance(f, functools.partial):
            visit(f.func)
            return
        if type(f).__module__ == "numpy":  # np.maximum, np.vectorize(…)
            modules.add("numpy")
            return
        f = getattr(f, "__func__", f)  # of a method
        if not hasattr(f, "__code__") and not isinstance(f, type):  # a callable object
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
                visit(value)
            elif type(value).__module__ == "numpy":  # from numpy import exp
                modules.add("numpy")

    visit(inspect.unwrap(function))
    return "numpy" in modules and "torch" not in modules


def _names(code: types.CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _names(constant)
