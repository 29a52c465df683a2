"""The progress bar of a run, and lines above it."""

from typing import NoReturn

from tqdm import tqdm

from minitf.fine_tuning.terminal import Say
from minitf.tasks.progress import is_hidden


def progress_bar(steps: int, done: int, shown: bool) -> "tqdm[NoReturn]":
    """Return the bar of a run of `steps`. If `shown`, it appears on a terminal and in a notebook."""
    return tqdm(total=steps, initial=done, unit="step", disable=is_hidden() if shown else True, leave=False)


def say_above(bar: "tqdm[NoReturn]", say: Say, line: str) -> None:
    """Print a line above the bar."""
    with bar.external_write_mode():
        say(line)
