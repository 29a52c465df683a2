"""How a setting is declared: its default, its meaning and the values it can have, in one place. Standard library only.

The command line makes a flag of each declaration, `minitf.fine_tune` a keyword.
"""

import dataclasses
import math
import os
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from minitf.errors import InputError


class Values(Protocol):
    """The values that a setting can have."""

    def parse(self, text: str) -> Any:
        """The value that is typed as `text`. Raises ValueError that says what it must be."""

    def check(self, value: Any) -> Any:
        """`value`, given from Python, in the form in which it is kept. Raises ValueError."""


@dataclasses.dataclass(frozen=True)
class Number:
    """Finite numbers from `least` (excluded if `above`) to `most`; integers if `whole`."""

    least: float = -math.inf
    most: float = math.inf
    above: bool = False
    whole: bool = False

    def parse(self, text: str) -> float:
        try:
            value = int(text) if self.whole else float(text)
            float(value)
        except (ValueError, OverflowError):
            raise ValueError(f"must be {self}, not {text!r}") from None
        if not self._has(value):
            raise ValueError(f"must be {self}, not {text}")
        return value

    def check(self, value: Any) -> float:
        number = isinstance(value, int if self.whole else (int, float)) and not isinstance(value, bool)
        if not number or not self._has(value):
            raise ValueError(f"must be {self}, not {value!r}")
        found: float = value
        return found

    def _has(self, value: float) -> bool:
        within = self.least <= value <= self.most and not (self.above and value == self.least)
        return math.isfinite(value) and within

    def __str__(self) -> str:
        bound = f" {'above' if self.above else 'of at least'} {self.least:g}" if self.least > -math.inf else ""
        bound += f"{' and' if bound else ''} at most {self.most:g}" if self.most < math.inf else ""
        return ("a whole number" if self.whole else "a number") + bound


@dataclasses.dataclass(frozen=True)
class Choice:
    """One of some names; a function gives those that are not known until a command is called."""

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
    """True or False; a flag without a value on the command line."""

    def parse(self, text: str) -> bool:
        raise ValueError("takes no value")

    def check(self, value: Any) -> bool:
        if not isinstance(value, bool):
            raise ValueError(f"must be True or False, not {value!r}")
        return value


@dataclasses.dataclass(frozen=True)
class Text:
    """A text, or a path; `form` checks its form."""

    form: Callable[[str], Any] = str

    def parse(self, text: str) -> str:
        self.form(text)
        return text

    def check(self, value: Any) -> str:
        if not isinstance(value, str | os.PathLike):
            raise ValueError(f"must be a text or a path, not {value!r:.60}")
        return self.parse(os.fspath(value))


@dataclasses.dataclass(frozen=True)
class TextOrNumber(Text):
    """A text that may be a number too, as the layers of `freeze`."""

    def check(self, value: Any) -> str:
        return super().check(str(value) if isinstance(value, int) and not isinstance(value, bool) else value)


@dataclasses.dataclass(frozen=True)
class Source(Text):
    """A file, or from Python a list of records."""

    def check(self, value: Any) -> Any:
        if isinstance(value, list | tuple) and all(isinstance(record, dict) for record in value):
            return tuple(value)
        return super().check(value)


def setting(default: Any, values: Values, meaning: str, metavar: str | None = None, shown: str | None = None) -> Any:
    """Declare a field of a configuration. `shown` is what help says of the default, where the value does not say it."""
    return dataclasses.field(
        default=default, metadata={"values": values, "meaning": meaning, "metavar": metavar, "shown": shown}
    )


class Checked:
    """A frozen dataclass of settings that checks each of them when it is made. Raises InputError."""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            if value is None and field.default is None:
                continue
            try:
                object.__setattr__(self, field.name, field.metadata["values"].check(value))
            except ValueError as error:
                raise InputError(f"`{field.name}` {error}") from None
