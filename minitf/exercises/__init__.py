"""The exercises of the lessons and of `python -m minitf.check`: every equation, and other functions of the lessons."""

from collections.abc import Iterable

from minitf.exercises import (
    activation,
    adam,
    attention,
    heads,
    lesson_01,
    lesson_02,
    lesson_03,
    lesson_04,
    lesson_05,
    lesson_06,
    lesson_07,
    lesson_08,
    lesson_09,
    lesson_10,
    loss,
    normalization,
    penalties,
    update,
    vectors,
)
from minitf.exercises.exercise import Exercise

_LESSONS = (
    *(lesson_01, lesson_02, lesson_03, lesson_04, lesson_05),
    *(lesson_06, lesson_07, lesson_08, lesson_09, lesson_10),
)


def by_name(exercises: Iterable[Exercise]) -> dict[str, Exercise]:
    """Map exercises by name. Raises ValueError if two have the same name."""
    named: dict[str, Exercise] = {}
    for exercise in exercises:
        if exercise.name in named:
            raise ValueError(f"two exercises are called {exercise.name}")
        named[exercise.name] = exercise
    return named


_EQUATIONS = (attention, heads, vectors, activation, normalization, loss, penalties, update, adam)

EXERCISES = by_name(exercise for module in (*_EQUATIONS, *_LESSONS) for exercise in module.EXERCISES)
