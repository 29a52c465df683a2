"""Lines for the terminal while a run trains. Torch-free."""

import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from minitf.fine_tuning.config import FineTuneConfig
    from minitf.training.loop import Epoch

Say = Callable[[str], None]  # prints a line


class Strong(str):
    """A line that a terminal shows in bold."""


def print_line(line: str) -> None:
    """Print a line; characters that standard output cannot encode are escaped."""
    try:
        print(line)
    except UnicodeEncodeError:
        print(line.encode(sys.stdout.encoding, "backslashreplace").decode(sys.stdout.encoding))


def silent(line: str) -> None:
    """Print nothing: a `Say` for all processes but the first, and for the runs of a search."""


class EpochTable:
    """The results of the epochs as the lines of a table; `epochs` is the number of epochs of the run."""

    def __init__(self, epochs: int):
        self.epochs = epochs
        self.has_header = False

    def lines(self, epoch: "Epoch") -> Iterator[str]:
        """Yield the line of an epoch, after the header if it is the first."""
        cells = {
            "epoch": f"{epoch.number}/{self.epochs}",
            "train loss": f"{epoch.train_loss:.4f}",
            "valid loss": f"{epoch.valid['loss']:.4f}",
            **{name: f"{value:.4f}" for name, value in epoch.scores.items()},
            "time": duration(epoch.seconds),
        }
        widths = [max(len(name), 2 * len(str(self.epochs)) + 1, 6) for name in cells]
        if not self.has_header:
            yield "  ".join(f"{name:>{width}}" for name, width in zip(cells, widths, strict=True))
            self.has_header = True
        row = "  ".join(f"{cell:>{width}}" for cell, width in zip(cells.values(), widths, strict=True))
        yield f"{row}  best so far" if epoch.best else row


def epoch_lines(config: "FineTuneConfig", say: Say) -> Callable[["Epoch"], None]:
    """Return a function that prints the line of an epoch of one of many runs, if `verbose` is set."""
    table = EpochTable(config.recipe.epochs)

    def report(epoch: "Epoch") -> None:
        for line in table.lines(epoch) if config.output.verbose else ():
            say(line)

    return report


def duration(seconds: float) -> str:
    """Format a time: `58 s`, `2 min 38 s`."""
    return f"{seconds:.0f} s" if seconds < 60 else f"{int(seconds) // 60} min {int(seconds) % 60} s"
