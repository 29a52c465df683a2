"""The exercises of the lessons and of `python -m minitf.check`: every equation, and what else a lesson asks for."""

import functools
import importlib
import pkgutil

from minitf.proof.exercises.exercise import Exercise


@functools.cache
def exercises() -> dict[str, Exercise]:
    """Every exercise by its name: the `EXERCISES` of this package's modules."""
    found: dict[str, Exercise] = {}
    for module in pkgutil.iter_modules(__path__):
        for exercise in getattr(importlib.import_module(f"{__name__}.{module.name}"), "EXERCISES", ()):
            if exercise.name in found:
                raise ValueError(f"two exercises are called {exercise.name}")
            found[exercise.name] = exercise
    return found
