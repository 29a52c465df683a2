"""The progress bar of a run, and lines above it."""

import sys
from typing import NoReturn

from tqdm import tqdm

from minitf.fine_tuning.terminal import Say


def progress_bar(steps: int, done: int, shown: bool) -> "tqdm[NoReturn]":
    """Return the bar of a run of `steps`. If `shown`, it appears on a terminal and in a notebook."""
    hidden: bool | None = True
    if shown:
        hidden = False if in_notebook() else None  # None: tqdm hides the bar unless there is a terminal
    return tqdm(total=steps, initial=done, unit="step", disable=hidden, leave=False)


def say_above(bar: "tqdm[NoReturn]", say: Say, line: str) -> None:
    """Print a line above the bar."""
    with bar.external_write_mode():
        say(line)


def in_notebook() -> bool:
    """Whether this Python runs a notebook, which shows a bar although it is not a terminal."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return type(shell).__name__ == "ZMQInteractiveShell"
