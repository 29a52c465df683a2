"""The search space: for each searched setting a range or a list of values, such as `lr=1e-5..1e-4:log`."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

from minitf.errors import InputError
from minitf.fine_tuning.config import declared, field_of
from minitf.fine_tuning.settings import Flag

Value = float | int | str


@dataclasses.dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, integers if `whole`; `log` samples them uniformly in their logarithm."""

    low: float
    high: float
    whole: bool
    log: bool


@dataclasses.dataclass(frozen=True)
class Choice:
    """One of these values, as they are typed on the command line."""

    values: tuple[str, ...]


Space = Mapping[str, Range | Choice]
NOT_SEARCHED = ("output", "train", "valid", "test", "seeds", "save_every", "device", "task", "metric", "by")

# Devlin et al. 2019, appendix A.3: the values that they tried for every task.
PAPERS: dict[str, str] = {"lr": "2e-5,3e-5,5e-5", "batch_size": "16,32", "epochs": "2,3,4"}
# A range around them, for searches that sample.
USUAL: dict[str, str] = {"lr": "1e-5..2e-4:log", "batch_size": "16,32", "epochs": "2..5", "weight_decay": "0..0.1"}


def usual(method: str) -> dict[str, str]:
    """Return the space that is searched by default."""
    return PAPERS if method == "grid" else USUAL


def parse_space(given: Sequence[str]) -> dict[str, Range | Choice]:
    """Parse texts such as `lr=1e-5..1e-4:log`, `epochs=2..5` and `batch_size=16,32`. Raises InputError."""
    space: dict[str, Range | Choice] = {}
    for text in given:
        name, equals, values = text.partition("=")
        name = name.strip().lstrip("-").replace("-", "_")
        if not equals or not name or not values.strip():
            raise InputError(f"`space` {text}: write NAME=LOW..HIGH, NAME=LOW..HIGH:log or NAME=VALUE,VALUE")
        if name in space:
            raise InputError(f"`space` {text}: `{name}` is given twice")
        space[name] = _range(text, values.strip()) if ".." in values else Choice(tuple(_split(text, values)))
    return space


def _split(text: str, values: str) -> list[str]:
    found = [value.strip() for value in values.split(",")]
    if "" in found or len(set(found)) < len(found):
        raise InputError(f"`space` {text}: values must not be empty or repeat")
    return found


def _range(text: str, values: str) -> Range:
    bounds, _, scale = values.partition(":")
    ends = bounds.split("..")
    if len(ends) != 2 or scale not in ("", "log"):
        raise InputError(f"`space` {text}: a range is LOW..HIGH or LOW..HIGH:log")
    try:
        low, high = map(float, ends)
    except ValueError:
        raise InputError(f"`space` {text}: LOW and HIGH must be numbers") from None
    whole = all(end.strip().lstrip("-").isdigit() for end in ends)
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise InputError(f"`space` {text}: LOW must be less than HIGH, both finite")
    if scale == "log" and low <= 0:
        raise InputError(f"`space` {text}: on a logarithmic scale LOW must be above 0")
    return Range(low, high, whole, scale == "log")


def grid(space: Space) -> dict[str, list[str]]:
    """Return the values of each setting for a grid search. Raises InputError for a range of real numbers."""
    values = {}
    for name, part in space.items():
        if isinstance(part, Choice):
            values[name] = list(part.values)
        elif part.whole and part.high - part.low < 1000:
            values[name] = [str(n) for n in range(int(part.low), int(part.high) + 1)]
        else:
            raise InputError(f"`method` grid: `{name}` is a range without steps; list its values, as NAME=VALUE,VALUE")
    return values


def suggest(trial: Any, name: str, part: Range | Choice) -> Value:
    """Return the value that an Optuna trial proposes."""
    if isinstance(part, Choice):
        chosen: Value = trial.suggest_categorical(name, list(part.values))
    elif part.whole:
        chosen = trial.suggest_int(name, int(part.low), int(part.high), log=part.log)
    else:
        chosen = trial.suggest_float(name, part.low, part.high, log=part.log)
    return chosen


def points(space: Space) -> int:
    """Return the number of points of a grid search."""
    return math.prod(len(values) for values in grid(space).values())


def check_values(values: Mapping[str, Value], space: Space) -> None:
    """Raise InputError for values that are not in the space: a study can have been written by another program."""
    for name, found in values.items():
        part = space.get(name)
        if isinstance(part, Range):
            inside = isinstance(found, int | float) and part.low <= found <= part.high
        else:
            inside = part is not None and found in part.values
        if not inside:
            raise InputError(f"`space`: the study has a run with `{name}` {found}, which is not in the space")


def typed(value: Value, part: Range | Choice) -> str:
    """Format a value as it is typed on the command line; a real number with four digits."""
    if isinstance(part, Choice):
        return str(value)
    return str(int(value)) if part.whole else f"{float(value):.4g}"


def value(name: str, text: str) -> Any:
    """Return the value of the setting `name` that is typed as `text`. Raises InputError if it is not allowed."""
    try:
        return field_of(name).metadata["values"].parse(text)
    except ValueError as error:
        raise InputError(f"`{name}` {error}") from None


def check_space(space: Space) -> None:
    """Raise InputError for a setting that cannot be searched, and for values that it cannot have."""
    settings = {field.name for _, field in declared() if not isinstance(field.metadata["values"], Flag)}
    searchable = sorted(settings - set(NOT_SEARCHED))
    for name, part in space.items():
        if name not in searchable:
            names = ", ".join(f"`{name}`" for name in searchable)
            raise InputError(f"`space` {name}: cannot be searched; choose from: {names}")
        for bound in part.values if isinstance(part, Choice) else (part.low, part.high):
            value(name, typed(bound, part))
