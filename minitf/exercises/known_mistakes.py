"""The mistakes of `proof.mistakes` as wrong answers to exercises."""

from minitf.exercises.exercise import WrongAnswer
from minitf.proof.mistakes import MISTAKES


def known_mistakes(name: str) -> tuple[WrongAnswer, ...]:
    """Return the mistakes of `proof.mistakes` in the equation called `name`."""
    return tuple(WrongAnswer(m.name, m.explanation, m.overlay[name]) for m in MISTAKES if name in m.overlay)
