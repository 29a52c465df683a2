"""Declarations of settings: the default, the meaning and the allowed values of each, in one place.

Each declaration becomes a flag of the command line and a keyword of `minitf.fine_tune`. Imports no torch.
"""

import dataclasses
import math
import numbers
import os
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from minitf.datasets.strings import decoded
from minitf.errors import InputError


class Values(Protocol):
    """The allowed values of a setting."""

    def parse(self, text: str) -> Any:
        """Parse `text` from a command line. Raises ValueError with the allowed values."""

    def check(self, value: Any) -> Any:
        """Return a value from Python in its stored form. Raises ValueError like `parse`."""


@dataclasses.dataclass(frozen=True)
class Number:
    """Finite numbers from `least` (excluded if `above`) to `most`; only integers if `whole`."""

    least: float = -math.inf
    most: float = math.inf
    above: bool = False
    whole: bool = False

    def parse(self, text: str) -> float:
        try:
            value = int(text) if self.whole else float(text)
        except ValueError:
            raise ValueError(f"must be {self}, not {text!r}") from None
        if not self._has(value):
            raise ValueError(f"must be {self}, not {text}")
        return value

    def check(self, value: Any) -> float:
        kind: Any = numbers.Integral if self.whole else numbers.Real
        if not isinstance(value, kind) or isinstance(value, bool) or not self._has(value):
            raise ValueError(f"must be {self}, not {value!r}")
        return int(value) if self.whole else float(value)

    def _has(self, value: float) -> bool:
        try:
            value = float(value)
        except OverflowError:  # of a huge integer
            return False
        within = self.least <= value <= self.most and not (self.above and value == self.least)
        return math.isfinite(value) and within

    def __str__(self) -> str:
        bound = f" {'above' if self.above else 'of at least'} {self.least:g}" if self.least > -math.inf else ""
        bound += f"{' and' if bound else ''} at most {self.most:g}" if self.most < math.inf else ""
        return ("a whole number" if self.whole else "a number") + bound


@dataclasses.dataclass(frozen=True)
class Choice:
    """One of a list of names; a function can return the list, for names that are registered later."""

    options: Sequence[str] | Callable[[], Sequence[str]]

    def names(self) -> list[str]:
        return list(self.options() if callable(self.options) else self.options)

    def parse(self, text: str) -> str:
        return self.check(text)

    def check(self, value: Any) -> str:
        if value not in self.names():
            raise ValueError(f"must be one of {', '.join(self.names())}, not {value!r}")
        return str(value)


@dataclasses.dataclass(frozen=True)
class Flag:
    """True or False; on the command line a flag without a value."""

    def parse(self, text: str) -> bool:
        raise ValueError("takes no value")

    def check(self, value: Any) -> bool:
        if not isinstance(value, bool):
            raise ValueError(f"must be True or False, not {value!r}")
        return value


@dataclasses.dataclass(frozen=True)
class Text:
    """A text or a path; `form` raises ValueError for a text in the wrong form."""

    form: Callable[[str], Any] = str

    def parse(self, text: str) -> str:
        self.form(text)
        return text

    def check(self, value: Any) -> str:
        if not isinstance(value, str | os.PathLike):
            raise ValueError(f"must be a text or a path, not {value!r:.60}")
        return self.parse(os.fspath(value))


@dataclasses.dataclass(frozen=True)
class Words(Text):
    """A text that is not a path."""

    def parse(self, text: str) -> str:
        return decoded(super().parse(text))


@dataclasses.dataclass(frozen=True)
class TextOrNumber(Text):
    """A text; from Python also an integer, such as the number of layers of `freeze`."""

    def check(self, value: Any) -> str:
        return super().check(str(value) if isinstance(value, int) and not isinstance(value, bool) else value)


@dataclasses.dataclass(frozen=True)
class Source(Text):
    """A file; from Python also a list of records."""

    def check(self, value: Any) -> Any:
        if isinstance(value, list | tuple) and all(isinstance(record, dict) for record in value):
            return tuple(value)
        if not isinstance(value, str | os.PathLike):
            raise ValueError(f'must be a path or a list of records, {{"text": "…", "label": "…"}}, not {value!r:.60}')
        return super().check(value)


def setting(default: Any, values: Values, meaning: str, metavar: str | None = None, shown: str | None = None) -> Any:
    """Declare a field of a configuration. `shown` describes the default in the help if its value does not."""
    return dataclasses.field(
        default=default, metadata={"values": values, "meaning": meaning, "metavar": metavar, "shown": shown}
    )


def checked(field: dataclasses.Field[Any], value: Any) -> Any:
    """Return a value of this setting in its stored form. Raises InputError."""
    if value is None and field.default is None:
        return None
    try:
        return field.metadata["values"].check(value)
    except ValueError as error:
        raise InputError(f"`{field.name}` {error}") from None


class Checked:
    """The base of a frozen dataclass of settings: checks each setting when it is created. Raises InputError."""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            object.__setattr__(self, field.name, checked(field, getattr(self, field.name)))
