"""Whether two results are the same, and if not, what differs: kind, shape, then numbers."""

import dataclasses
from typing import Any

import numpy as np
import torch
from torch import Tensor

from minitf.proof.exercises.exercise import Remark


@dataclasses.dataclass(frozen=True)
class Difference:
    """Why a result is not the target. `mine` and `target` are the parts that differ, for the picture."""

    says: str
    mine: Any = None
    target: Any = None


def compared(mine: Any, target: Any, tolerance: float, names: tuple[str, ...] = ()) -> Difference | None:
    """`difference`, also of objects that do not let themselves be asked: that is one."""
    try:
        return difference(mine, target, tolerance, names=names)
    except Exception:  # a class of the learner's, a list that holds itself, a tensor without a shape
        return Difference(f"it is of type {type(mine).__name__} and cannot be compared")


def difference(
    mine: Any, target: Any, tolerance: float, part: str = "", names: tuple[str, ...] = ()
) -> Difference | None:
    """The first part of `mine` that is not as in `target`, to `tolerance` of its largest value; None if all is.

    `part` is what they are a part of, `names` what their own parts are called.
    """
    if isinstance(mine, Remark):
        return Difference(str(mine))
    if mine is Ellipsis:
        return Difference("the blank is still there: write your code in the place of the `...`")
    if mine is None and target is not None:
        return Difference("it returns nothing: the blank is still there, or a `return` is missing")
    if isinstance(target, tuple | list):
        return _of_sequences(mine, target, tolerance, part, names)
    if isinstance(target, dict):
        if not isinstance(mine, dict):
            return Difference(f"{part or 'it'} is {_kind(mine)}, not a dict")
        pairs = [(mine.get(key), each, str(key)) for key, each in target.items()]
        return next(filter(None, (difference(a, b, tolerance, name) for a, b, name in pairs)), None)
    if isinstance(target, str | bytes | bool) or target is None:
        same = isinstance(mine, type(target)) and mine == target  # NumPy's strings are strings
        return None if same else Difference(f"{part or 'it'} is {written(mine)}, not {target!r}", mine, target)
    return _of_numbers(mine, target, tolerance, part)


def _of_sequences(mine: Any, target: Any, tolerance: float, part: str, names: tuple[str, ...]) -> Difference | None:
    if not isinstance(mine, tuple | list):
        wanted = "a list" if isinstance(target, list) else f"{len(target)} values"
        return Difference(f"{part or 'it'} is {_kind(mine)}, not {wanted}", mine, target)
    if len(mine) != len(target):
        return Difference(f"{part or 'it'} has {len(mine)} values, not {len(target)}", mine, target)
    several = len(target) > 1 and all(isinstance(each, Tensor | np.ndarray) for each in target)
    for i, (a, b) in enumerate(zip(mine, target, strict=True)):
        name = names[i] if names else f"value {i + 1} of {len(target)}"
        found = difference(a, b, tolerance, name if several else part)
        if found is not None:
            plain = not isinstance(b, Tensor | np.ndarray)
            return Difference(found.says, mine, target) if plain else found
    return None


def _of_numbers(mine: Any, target: Any, tolerance: float, part: str) -> Difference | None:
    try:
        x, t = as_array(mine), as_array(target)
    except Exception:  # whatever an object of the learner's does when it is asked for its numbers
        return Difference(f"{part or 'it'} is {_kind(mine)}, not numbers")
    if x.dtype.kind not in "biufc":
        return Difference(f"{part or 'it'} is {_kind(mine)}, not numbers")
    if x.shape != t.shape:
        return Difference(f"{part or 'it'} has the shape {list(x.shape)}, not {list(t.shape)}", mine, target)
    if x.dtype.kind == "b" and t.dtype.kind != "b":
        return Difference(f"{part or 'it'} is True and False, not numbers", mine, target)
    if t.dtype.kind == "b" and x.dtype.kind != "b":
        return Difference(f"{part or 'it'} is {x.dtype}, not True and False", mine, target)
    if x.dtype.kind == "c":
        return Difference(f"{part or 'it'} is complex numbers, not real ones", mine, target)
    x, t = x.astype(float), t.astype(float)
    if not x.size:
        return None
    with np.errstate(invalid="ignore"):
        apart = np.abs(x - t)
    apart = np.where((x == t) | (np.isnan(x) & np.isnan(t)), 0.0, np.where(np.isnan(apart), np.inf, apart))
    finite = np.abs(t[np.isfinite(t)])
    if apart.max() <= tolerance * max(1.0, finite.max(initial=0.0)):
        return None
    where = tuple(int(i) for i in np.unravel_index(int(apart.argmax()), apart.shape))
    at = f" at {list(where)}" if where else ""
    says = f"it is NaN{at}" if np.isnan(x[where]) else f"the largest difference is {apart.max():.2g}{at}"
    return Difference(f"{says} of {part}" if part else says, mine, target)


def as_array(value: Any) -> Any:
    """Its numbers. Raises whatever an object does that has none: TypeError, and others."""
    if isinstance(value, Tensor):
        if value.layout is not torch.strided or value.is_meta or value.is_quantized:
            raise TypeError("a tensor without numbers in rows and columns")
        value = value.detach().cpu().resolve_conj().resolve_neg()
        return np.asarray((value.float() if value.dtype is torch.bfloat16 else value).numpy())
    return np.asarray(value)


def written(value: Any) -> str:
    """How Python writes it, not too long."""
    try:
        text = repr(value)
    except Exception:  # a class of the learner's
        return f"of type {type(value).__name__}"
    return text if len(text) <= 200 else text[:200] + "…"


def looks_like(mine: Any, target: Any) -> str:
    """What simple thing lies between two results of numbers, "" if nothing simple: a factor, a sign, a transpose."""
    try:
        x, t = (as_array(value) for value in (mine, target))
        if x.dtype.kind == "c":
            return ""
        x, t = x.astype(float), t.astype(float)
    except Exception:  # it has no numbers, which has been told already
        return ""
    if x.shape != t.shape:
        same = x.ndim == t.ndim >= 2 and x.shape == t.swapaxes(-1, -2).shape
        return "it is the target, transposed" if same and np.allclose(x, t.swapaxes(-1, -2)) else ""
    if not x.size or not np.isfinite(x).all() or not np.isfinite(t).all():
        return ""
    apart = np.abs(x - t).max()

    def explains(guess: Any) -> bool:
        """Whether next to nothing is left of the difference."""
        return bool(np.abs(x - guess).max() <= 1e-6 * apart)

    if x.ndim >= 2 and x.shape[-1] == x.shape[-2] and explains(t.swapaxes(-1, -2)):
        return "it is the target, transposed"
    some = np.abs(t) > 1e-9 * np.abs(t).max(initial=0.0)
    ratio = float(np.median(x[some] / t[some])) if some.sum() > 1 else 0.0
    if f"{ratio:.4g}" not in ("0", "1") and explains(ratio * t):
        sign = np.isclose(ratio, -1)
        return "it is the target with the wrong sign" if sign else f"it is the target times {ratio:.4g}"
    shift = float(np.median(x - t))
    if x.size > 1 and explains(t + shift):
        return f"it is the target plus {shift:.4g}"
    single = apart <= 1e-6 * max(1.0, np.abs(t).max())
    return "it is right to the seventh digit only: is something in float32, or a constant rounded?" if single else ""


def _kind(value: Any) -> str:
    if isinstance(value, Tensor) and value.layout is not torch.strided:
        return "a sparse tensor"
    if isinstance(value, Tensor | np.ndarray):
        return f"an array of shape {list(value.shape)}"
    return f"of type {type(value).__name__}"
