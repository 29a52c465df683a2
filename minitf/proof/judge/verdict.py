"""What the judge says: in words for the prompt, with a picture beside them in a notebook."""

import dataclasses
import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from minitf.files import write_bytes
from minitf.proof.exercises.exercise import Case, Remark
from minitf.proof.judge.comparing import as_array, written

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WRITTEN = 36  # numbers of a picture that are written into it
BLANK = "the blank is still there"
LARGEST_SHOWN = 24  # numbers of an array; of a larger one, its shape


@dataclasses.dataclass(frozen=True)
class Example:
    """The smallest case that fails: what was asked, what came, what was wanted."""

    case: Case
    says: str
    mine: Any = None  # None where there was an error in its place
    target: Any = None
    failure: str = ""  # the kind of that error


@dataclasses.dataclass(frozen=True)
class Verdict:
    """True if the function passed. `mistake` names the known mistake that was made, "" if it is none of them."""

    name: str
    done: Mapping[str, str] = dataclasses.field(default_factory=dict)
    example: Example | None = None
    mistake: str = ""
    hint: str = ""
    problem: str = ""
    arguments: tuple[str, ...] = ()  # what the inputs of a case are called

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
            lines += [f"  {what:<13} {said}" for what, said in self.done.items()]
        if self.problem:
            lines.append(f"  {self.problem}")
        if self.example is not None:
            lines += self._example(self.example)
        if self.hint:
            lines.append(f"  {self.hint}")
        return "\n".join(lines)

    def _example(self, example: Example) -> list[str]:
        if BLANK in example.says:
            return [f"  {example.says}"]
        lines = [f"  wrong for {example.case.about}: {example.says}"]
        given = {**dict(zip(self.arguments, example.case.inputs, strict=False)), **example.case.options}
        lines += _aligned("given", [f"{name} = {shown(value)}" for name, value in given.items()])
        yours = None if example.mine is None or isinstance(example.mine, Remark) else _told(example.mine)
        target = None if example.target is None else _parts(example.target)
        if yours is not None and yours == target:  # to four digits
            yours, target = _told(example.mine, 12), _parts(example.target, 12)
        return lines + _aligned("yours", yours or []) + _aligned("target", target or [])

    def figure(self) -> "Figure | None":
        """Yours, the target and their difference as maps of colour; None where there is nothing to draw."""
        if self.example is None:
            return None
        return draw(self.example.mine, self.example.target, self.name)

    def save(self, path: Path) -> bool:
        """The picture as a PNG; whether there is one."""
        figure = self.figure()
        if figure is not None:
            picture = io.BytesIO()
            figure.savefig(picture, format="png", dpi=100)
            write_bytes(path, picture.getvalue())
        return figure is not None

    def _ipython_display_(self) -> None:
        from IPython.display import Image, display  # there, for a notebook asks

        print(self)
        figure = self.figure()
        if figure is not None:
            png = io.BytesIO()
            figure.savefig(png, format="png", dpi=100)
            display(Image(png.getvalue()))


def _told(value: Any, digits: int = 4) -> list[str]:
    try:
        return _parts(value, digits)
    except Exception:  # an object of the learner's that does not let itself be asked
        return [written(value)]


def _parts(value: Any, digits: int = 4) -> list[str]:
    """A result by its values, if it has several."""
    if isinstance(value, dict):
        return [f"{name}: {shown(each, digits)}" for name, each in value.items()]
    several = isinstance(value, tuple | list) and all(isinstance(each, Tensor | np.ndarray) for each in value)
    return [shown(each, digits) for each in value] if several else [shown(value, digits)]


def _aligned(title: str, values: list[str]) -> list[str]:
    lines = []
    for i, value in enumerate(values):
        first, *others = value.splitlines() or [""]
        lines.append(f"    {title if i == 0 else '':<7} {first}")
        lines += [f"    {'':<7} {' ' * first.find('[')}{line}" for line in others if line.strip()]
    return lines


def shown(value: Any, digits: int = 4) -> str:
    """Numbers to so many digits, and the shape where axes of length 1 are left out; of a large array its beginning."""
    if isinstance(value, Tensor | np.ndarray):
        try:
            array = as_array(value)
        except (TypeError, RuntimeError):  # a sparse tensor, say
            return written(value)
        shape = list(array.shape)
        while array.ndim > 2 and array.shape[0] == 1:
            array = array[0]
        small = bool(array.size and np.abs(array).max() > 1e-3)
        how: dict[str, Any] = {"precision": digits, "suppress_small": small, "separator": ", "}
        if array.size > LARGEST_SHOWN:
            return f"{shape}, beginning with {np.array2string(array.reshape(-1)[:4], **how)}"
        text = np.array2string(array, **how)
        return text if len(shape) == array.ndim else f"{text}, shape {shape}"
    if isinstance(value, float):
        return f"{value:.{max(6, digits)}g}"
    if isinstance(value, list | tuple) and any(isinstance(each, Tensor | np.ndarray) for each in value):
        return "[" + "; ".join(shown(each, digits).replace("\n", "") for each in value) + "]"
    if callable(value):
        return str(getattr(value, "__name__", "a function"))
    return written(value)


def draw(mine: Any, target: Any, name: str) -> "Figure | None":
    """Three maps side by side, of the last two axes; None unless both are numbers of at least two dimensions' worth."""
    try:
        x, t = (as_array(value) for value in (mine, target))
        if x.dtype.kind == "c":
            return None
        x, t = x.astype(float), t.astype(float)
    except Exception:  # whatever an object of the learner's does when it is asked for its numbers
        return None
    if t.size < 4 or x.size < 2 or t.ndim == 0 or x.ndim == 0:
        return None
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    x, t = (_flat(array) for array in (x, t))
    same = x.shape == t.shape
    panels = [("yours", x), ("target", t)] + ([("yours − target", x - t)] if same else [])
    figure = Figure(figsize=(2.6 * len(panels), 2.4), layout="constrained")
    finite = np.concatenate([x[np.isfinite(x)], t[np.isfinite(t)]])
    low, high = (finite.min(), finite.max()) if finite.size else (0.0, 1.0)
    for axes, (title, array) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        if title in ("yours", "target"):
            image = axes.imshow(array, cmap="viridis", vmin=low, vmax=high, aspect="auto")
        else:
            most = np.nanmax(np.abs(array[np.isfinite(array)]), initial=0.0) or 1.0
            image = axes.imshow(array, cmap="RdBu", vmin=-most, vmax=most, aspect="auto")
        axes.set_title(title, fontsize=9)
        axes.tick_params(labelsize=7)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
        if len(array) == 1:
            axes.set_yticks([])
        for (row, column), number in np.ndenumerate(array) if array.size <= WRITTEN else ():
            red, green, blue, _ = image.cmap(image.norm(number))
            light = 0.3 * red + 0.6 * green + 0.1 * blue > 0.5  # how bright the cell looks
            axes.text(
                column, row, f"{number:.3g}", ha="center", va="center", fontsize=7, color="0.1" if light else "0.95"
            )
        figure.colorbar(image, ax=axes).ax.tick_params(labelsize=7)
    figure.suptitle(name, fontsize=10)
    return figure


def _flat(array: Any) -> Any:
    """The last two axes, the rest laid out below one another."""
    return array.reshape(1, -1) if array.ndim == 1 else array.reshape(-1, array.shape[-1])
