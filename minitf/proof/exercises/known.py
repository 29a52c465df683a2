"""The bank of known mistakes, seen from one equation: those of `proof.mistakes` that replace it."""

from minitf.proof.exercises.exercise import Wrong
from minitf.proof.mistakes import MISTAKES


def known(name: str) -> tuple[Wrong, ...]:
    """The mistakes of `proof.mistakes` in the equation called `name`."""
    return tuple(Wrong(m.name, m.tells, m.overlay[name]) for m in MISTAKES if name in m.overlay)
