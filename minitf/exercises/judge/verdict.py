"""The verdict of the judge: text for the terminal, and a picture in a notebook."""

import dataclasses
import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from minitf.exercises.exercise import Case, Remark
from minitf.exercises.judge.comparison import as_array, short_repr
from minitf.exercises.judge.picture import draw

if TYPE_CHECKING:
    from matplotlib.figure import Figure

BLANK = "the blank is still there"
MOST_PRINTED = 24  # the size of an array up to which all its numbers are printed


@dataclasses.dataclass(frozen=True)
class FailingExample:
    """The smallest case that fails, with the learner's result and the target."""

    case: Case
    message: str
    mine: Any = None  # None after an error
    target: Any = None
    failure: str = ""  # the kind of error (see `CallResult`)


@dataclasses.dataclass(frozen=True)
class Verdict:
    """The result of judging a function; true if it passed. `mistake` names the known mistake, or is ""."""

    name: str
    checks: Mapping[str, str] = dataclasses.field(default_factory=dict)  # title -> result of each check passed
    example: FailingExample | None = None
    mistake: str = ""
    hint: str = ""
    problem: str = ""
    arguments: tuple[str, ...] = ()  # the names of the inputs of a case

    @property
    def passed(self) -> bool:
        return self.example is None and not self.problem

    def __bool__(self) -> bool:
        return self.passed

    def __repr__(self) -> str:
        return self.__str__()

    def __str__(self) -> str:
        lines = [f"{self.name}: {'passed' if self.passed else 'not yet'}"]
        if self.passed:
            lines += [f"  {title:<13} {result}" for title, result in self.checks.items()]
        if self.problem:
            lines.append(f"  {self.problem}")
        if self.example is not None:
            lines += self._example_lines(self.example)
        if self.hint:
            lines.append(f"  {self.hint}")
        return "\n".join(lines)

    def _example_lines(self, example: FailingExample) -> list[str]:
        if BLANK in example.message:
            return [f"  {example.message}"]
        lines = [f"  wrong for {example.case.about}: {example.message}"]
        given = {**dict(zip(self.arguments, example.case.inputs, strict=False)), **example.case.options}
        lines += _aligned("given", [f"{name} = {format_value(value)}" for name, value in given.items()])
        yours = None if example.mine is None or isinstance(example.mine, Remark) else _value_lines(example.mine)
        target = None if example.target is None else _parts(example.target)
        if yours is not None and yours == target:  # to four digits
            yours, target = _value_lines(example.mine, 12), _parts(example.target, 12)
        return lines + _aligned("yours", yours or []) + _aligned("target", target or [])

    def figure(self) -> "Figure | None":
        """Draw the learner's result, the target and their difference as colour maps; None if there are none."""
        if self.example is None:
            return None
        return draw(self.example.mine, self.example.target, self.name)

    def save(self, path: Path) -> bool:
        """Save the picture as a PNG. Returns False if there is none."""
        figure = self.figure()
        if figure is not None:
            figure.savefig(path, dpi=100)
        return figure is not None

    def _ipython_display_(self) -> None:
        from IPython.display import Image, display  # available: a notebook calls this

        print(self)
        figure = self.figure()
        if figure is not None:
            png = io.BytesIO()
            figure.savefig(png, format="png", dpi=100)
            display(Image(png.getvalue()))


def _value_lines(value: Any, digits: int = 4) -> list[str]:
    try:
        return _parts(value, digits)
    except Exception:  # an object of the learner may raise anything here
        return [short_repr(value)]


def _parts(value: Any, digits: int = 4) -> list[str]:
    """Format a result, one item per value if it has several."""
    if isinstance(value, dict):
        return [f"{name}: {format_value(each, digits)}" for name, each in value.items()]
    several = isinstance(value, tuple | list) and all(isinstance(each, Tensor | np.ndarray) for each in value)
    return [format_value(each, digits) for each in value] if several else [format_value(value, digits)]


def _aligned(title: str, values: list[str]) -> list[str]:
    lines = []
    for i, value in enumerate(values):
        first, *others = value.splitlines() or [""]
        lines.append(f"    {title if i == 0 else '':<7} {first}")
        lines += [f"    {'':<7} {' ' * first.find('[')}{line}" for line in others if line.strip()]
    return lines


def format_value(value: Any, digits: int = 4) -> str:
    """Format a value: numbers with `digits` digits, a large array by its shape and first numbers.

    Leading axes of length 1 are not printed; then the shape is added.
    """
    if isinstance(value, Tensor | np.ndarray):
        try:
            array = as_array(value)
        except (TypeError, RuntimeError):  # a sparse tensor, say
            return short_repr(value)
        shape = list(array.shape)
        while array.ndim > 2 and array.shape[0] == 1:
            array = array[0]
        small = bool(array.size and np.abs(array).max() > 1e-3)
        how: dict[str, Any] = {"precision": digits, "suppress_small": small, "separator": ", "}
        if array.size > MOST_PRINTED:
            return f"{shape}, beginning with {np.array2string(array.reshape(-1)[:4], **how)}"
        text = np.array2string(array, **how)
        return text if len(shape) == array.ndim else f"{text}, shape {shape}"
    if isinstance(value, float):
        return f"{value:.{max(6, digits)}g}"
    if isinstance(value, list | tuple) and any(isinstance(each, Tensor | np.ndarray) for each in value):
        return "[" + "; ".join(format_value(each, digits).replace("\n", "") for each in value) + "]"
    if callable(value):
        return str(getattr(value, "__name__", "a function"))
    return short_repr(value)
