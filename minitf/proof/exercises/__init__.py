"""The exercises of the lessons, and of `python -m minitf.check`: every equation of the mathematics, and what else a lesson asks for."""

from minitf.proof.exercises.exercise import Case, Exercise, Wrong, draw, numbers

__all__ = ["Case", "Exercise", "Wrong", "draw", "numbers"]
