"""Errors that the user can correct. A command prints such an error as one line and exits with status 2.

A message says what is wrong, where (file, row, column, setting), and what to do, in one line unless it is a list. A
setting is written in backticks, by its name in Python: `max_length`.
"""

import signal
from pathlib import Path


class InputError(ValueError):
    """An input is invalid: a setting, a path or a name."""


class DivergedError(InputError):
    """The loss or a gradient became NaN or infinite."""


class DataError(InputError):
    """A table of examples cannot be used."""


class CheckpointError(InputError):
    """A checkpoint cannot be found, read, trusted or loaded into the model."""


class Terminated(KeyboardInterrupt):
    """The signal `number` asked the process to end: SIGTERM, SIGHUP or, like KeyboardInterrupt, SIGINT."""

    def __init__(self, number: int, message: str = "interrupted"):
        super().__init__(message)
        self.number = number


class Interrupted(Terminated):
    """A run was interrupted by a signal; its saved state is in `folder`, and `resume` continues it.

    `step` is where it stopped, "step 12 of 250"; "" if that is not known.
    """

    def __init__(self, folder: Path, number: int = signal.SIGINT, step: str = ""):
        self.folder, self.step = folder, step
        self.reason = f"interrupted at {step}" if step else "interrupted"
        super().__init__(number, f"{self.reason}; resume the run in {folder}")


def signal_number(error: KeyboardInterrupt) -> int:
    """Return the signal that raised `error`."""
    return error.number if isinstance(error, Terminated) else signal.SIGINT
