"""Errors that the user can correct. A command prints one as one line and exits with status 2.

A message says what is wrong, where (file, row, column, setting) and what to do about it, in one line unless it is a
list. It names a setting in backticks, as Python does; the command line prints it as a flag.
"""


class InputError(ValueError):
    """An input cannot be used: a setting, a path, a name."""


class DivergedError(InputError):
    """The loss or a gradient became NaN or infinite."""


class DataError(InputError):
    """A table of examples cannot be used."""


class CheckpointError(InputError):
    """A checkpoint cannot be found, read, verified or loaded into the model."""
