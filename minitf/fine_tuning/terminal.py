"""Lines for the terminal while a run trains. Torch-free."""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from minitf.training.loop import Epoch

Say = Callable[[str], None]  # prints a line


def print_line(line: str) -> None:
    """Print a line; characters that standard output cannot encode are escaped."""
    try:
        print(line)
    except UnicodeEncodeError:
        print(line.encode(sys.stdout.encoding, "backslashreplace").decode(sys.stdout.encoding))


def silent(line: str) -> None:
    """Print nothing: a `Say` for all processes but the first, and for the runs of a search."""


def epoch_line(epoch: "Epoch", of: int) -> str:
    """Format the result of an epoch; `of` is the number of epochs."""
    scores = "  ".join(f"{name} {value:.4f}" for name, value in epoch.scores.items())
    return (
        f"epoch {epoch.number}/{of}  train loss {epoch.train_loss:.4f}  valid loss {epoch.valid['loss']:.4f}"
        f"  {scores}  {epoch.seconds:.0f} s{'  best so far' if epoch.best else ''}"
    )


def duration(seconds: float) -> str:
    """Format a time: `58 s`, `2 min 38 s`."""
    return f"{seconds:.0f} s" if seconds < 60 else f"{int(seconds) // 60} min {int(seconds) % 60} s"
