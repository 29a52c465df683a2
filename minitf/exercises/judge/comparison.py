"""Compare two results: type, shape, then numbers."""

import dataclasses
from typing import Any

import numpy as np
import torch
from torch import Tensor

from minitf.exercises.exercise import Remark


@dataclasses.dataclass(frozen=True)
class Difference:
    """Why a result differs from the target. `mine` and `target` are the parts that differ, for the picture."""

    message: str
    mine: Any = None
    target: Any = None


def compare_safely(mine: Any, target: Any, tolerance: float, names: tuple[str, ...] = ()) -> Difference | None:
    """`find_difference` for any object: one that cannot be compared counts as a difference."""
    try:
        return find_difference(mine, target, tolerance, names=names)
    except Exception:  # a class of the learner, a list that contains itself, a tensor without a shape
        return Difference(f"it is of type {type(mine).__name__} and cannot be compared")


def find_difference(
    mine: Any, target: Any, tolerance: float, part: str = "", names: tuple[str, ...] = ()
) -> Difference | None:
    """Find the first part of `mine` that differs from `target` by more than `tolerance` of its largest value.

    Returns None if there is none. `part` is the name of this value in the message, `names` are those of its items.
    """
    if isinstance(mine, Remark):
        return Difference(str(mine))
    if mine is Ellipsis:
        return Difference("the blank is still there: write your code in the place of the `...`")
    if mine is None and target is not None:
        return Difference("it returns None: the blank is still there, or a `return` is missing")
    if isinstance(target, tuple | list):
        return _of_sequences(mine, target, tolerance, part, names)
    if isinstance(target, dict):
        if not isinstance(mine, dict):
            return Difference(f"{part or 'it'} is {_type_name(mine)}, not a dict")
        pairs = [(mine.get(key), each, str(key)) for key, each in target.items()]
        return next(filter(None, (find_difference(a, b, tolerance, name) for a, b, name in pairs)), None)
    if isinstance(target, str | bytes | bool) or target is None:
        same = isinstance(mine, type(target)) and mine == target  # NumPy's strings are strings
        return None if same else Difference(f"{part or 'it'} is {short_repr(mine)}, not {target!r}", mine, target)
    return _of_numbers(mine, target, tolerance, part)


def _of_sequences(mine: Any, target: Any, tolerance: float, part: str, names: tuple[str, ...]) -> Difference | None:
    if isinstance(mine, Tensor | np.ndarray) and mine.ndim == 1:  # np.array([low, high]) is a pair
        of_arrays = any(isinstance(each, Tensor | np.ndarray) for each in target)
        mine = mine if of_arrays and mine.dtype != object else list(mine)
    if not isinstance(mine, tuple | list):
        expected = "a list" if isinstance(target, list) else f"{len(target)} values"
        return Difference(f"{part or 'it'} is {_type_name(mine)}, not {expected}", mine, target)
    if len(mine) != len(target):
        return Difference(f"{part or 'it'} has {len(mine)} values, not {len(target)}", mine, target)
    several = len(target) > 1 and all(isinstance(each, Tensor | np.ndarray) for each in target)
    for i, (a, b) in enumerate(zip(mine, target, strict=True)):
        name = names[i] if names else f"value {i + 1} of {len(target)}"
        found = find_difference(a, b, tolerance, name if several else part)
        if found is not None:
            plain = not isinstance(b, Tensor | np.ndarray)
            return Difference(found.message, mine, target) if plain else found
    return None


def _of_numbers(mine: Any, target: Any, tolerance: float, part: str) -> Difference | None:
    try:
        x, t = as_array(mine), as_array(target)
    except Exception:  # an object of the learner may raise anything here
        return Difference(f"{part or 'it'} is {_type_name(mine)}, not numbers")
    if x.dtype.kind not in "biufc":
        return Difference(f"{part or 'it'} is {_type_name(mine)}, not numbers")
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
        distance = np.abs(x - t)
    distance = np.where((x == t) | (np.isnan(x) & np.isnan(t)), 0.0, np.where(np.isnan(distance), np.inf, distance))
    finite = np.abs(t[np.isfinite(t)])
    if distance.max() <= tolerance * max(1.0, finite.max(initial=0.0)):
        return None
    where = tuple(int(i) for i in np.unravel_index(int(distance.argmax()), distance.shape))
    at = f" at {list(where)}" if where else ""
    message = f"it is NaN{at}" if np.isnan(x[where]) else f"the largest difference is {distance.max():.2g}{at}"
    return Difference(f"{message} of {part}" if part else message, mine, target)


def as_array(value: Any) -> Any:
    """Convert a value to an array. Raises TypeError, or any other exception, for an object without numbers."""
    if isinstance(value, Tensor):
        if value.layout is not torch.strided or value.is_meta or value.is_quantized:
            raise TypeError("a tensor without numbers in rows and columns")
        value = value.detach().cpu().resolve_conj().resolve_neg()
        return np.asarray((value.float() if value.dtype is torch.bfloat16 else value).numpy())
    return np.asarray(value)


def short_repr(value: Any) -> str:
    """Return the repr, cut to 200 characters."""
    try:
        text = repr(value)
    except Exception:  # a class of the learner
        return f"of type {type(value).__name__}"
    return text if len(text) <= 200 else text[:200] + "…"


def simple_relation(mine: Any, target: Any) -> str:
    """Describe a simple relation of a result to the target (a factor, the sign, a transpose), or return ""."""
    try:
        x, t = (as_array(value) for value in (mine, target))
        if x.dtype.kind == "c":
            return ""
        x, t = x.astype(float), t.astype(float)
    except Exception:  # no numbers, which the verdict says already
        return ""
    if x.shape != t.shape:
        same = x.ndim == t.ndim >= 2 and x.shape == t.swapaxes(-1, -2).shape
        return "it is the target, transposed" if same and np.allclose(x, t.swapaxes(-1, -2)) else ""
    if not x.size or not np.isfinite(x).all() or not np.isfinite(t).all():
        return ""
    distance = np.abs(x - t).max()
    if distance == 0.0:  # the numbers are right, the type is not
        return ""

    def explains(guess: Any) -> bool:
        """Whether `guess` removes nearly all of the difference."""
        return bool(np.abs(x - guess).max() <= 1e-6 * distance)

    if x.ndim >= 2 and x.shape[-1] == x.shape[-2] and explains(t.swapaxes(-1, -2)):
        return "it is the target, transposed"
    nonzero = np.abs(t) > 1e-9 * np.abs(t).max(initial=0.0)
    ratio = float(np.median(x[nonzero] / t[nonzero])) if nonzero.sum() > 1 else 0.0
    if f"{ratio:.4g}" not in ("0", "1") and explains(ratio * t):
        sign = np.isclose(ratio, -1)
        return "it is the target with the wrong sign" if sign else f"it is the target times {ratio:.4g}"
    shift = float(np.median(x - t))
    if x.size > 1 and explains(t + shift):
        return f"it is the target plus {shift:.4g}"
    if distance > 1e-6 * max(1.0, np.abs(t).max()):
        return ""
    if np.array_equal(x, x.astype(np.float32)):
        return "it is correct to about seven digits only, and the result has the precision of float32: use float64"
    return "it is correct to about seven digits only: a rounded constant, an added ε, or a part computed in float32?"


def _type_name(value: Any) -> str:
    if isinstance(value, Tensor) and value.layout is not torch.strided:
        return "a sparse tensor"
    if isinstance(value, Tensor | np.ndarray):
        return f"an array of shape {list(value.shape)}"
    return f"of type {type(value).__name__}"
