"""The errors that are the user's to mend. A command prints one as one line and ends with status 2.

A message says what is wrong, where (file, row, column, flag), and what to do about it, in one line unless it is a list.
"""


class InputError(ValueError):
    """Something given to minitf cannot be used: a flag, a path, a name."""


class DivergedError(InputError):
    """Training came to a number that is none any more."""


class DataError(InputError):
    """A table of examples cannot be used."""


class CheckpointError(InputError):
    """A checkpoint cannot be found, read, trusted or fitted to the model."""
