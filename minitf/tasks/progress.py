"""Progress of long computations on standard error: a bar on a terminal and in a notebook, elsewhere a line at times."""

import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Self, TypeVar

from tqdm import tqdm

T = TypeVar("T")

DELAY = 2.0  # seconds before the bar of a short computation appears
EVERY = 30.0  # seconds between two lines, where there is no bar


class ProgressBar:
    """The progress of `total` steps, of which `done` were done before; `what` is what they compute.

    The bar appears after `delay` seconds. If `shown` is false, nothing is printed.
    """

    def __init__(self, total: int, unit: str, what: str = "", *, done: int = 0, delay: float = 0.0, shown: bool = True):
        hidden = _is_hidden() if shown else True
        self.total, self.unit, self.what, self.done = total, unit, what, done
        self._bar = tqdm(
            total=total, unit=unit, desc=what or None, initial=done, delay=delay, leave=False, disable=hidden
        )
        self._has_lines = shown and self._bar.disable
        self._printed = self._start = time.monotonic()
        self._measured = -1  # steps since `_start`, which is the end of the first step: it is slower than the others

    def update(self, steps: int = 1, note: str = "") -> None:
        """Count steps; `note` is shown beside the progress."""
        now = time.monotonic()
        self.done += steps
        self._bar.update(steps)
        if note:
            self._bar.set_postfix_str(note)
        if self._measured < 0:
            self._start, self._measured = now, 0
        else:
            self._measured += steps
        if self._has_lines and now - self._printed >= EVERY:
            self._printed = now
            what, more = self.what and f"{self.what}: ", note and f", {note}"
            print(f"{what}{self.unit} {self.done} of {self.total}{more}{self._left()}", file=sys.stderr, flush=True)

    def measured(self) -> float:
        """Return the seconds since the first step."""
        return time.monotonic() - self._start if self._measured >= 0 else 0.0

    def expected(self, steps: int) -> float:
        """Return the seconds that so many steps take, 0 before the second step."""
        return self.measured() / self._measured * steps if self._measured > 0 else 0.0

    def _left(self) -> str:
        left = self.expected(self.total - self.done)
        return f", about {roughly(left)} left" if left else ""

    def paused(self) -> AbstractContextManager[None]:
        """Remove the bar inside the block, so that a line can be printed."""
        return self._bar.external_write_mode()  # type: ignore[no-any-return]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._bar.close()


def with_progress(items: Sequence[T], unit: str, what: str) -> Iterator[T]:
    """Yield the items; show their progress if this takes longer than `DELAY` seconds."""
    shown = os.environ.get("RANK", "0") == "0"  # of several processes, the first
    with ProgressBar(len(items), unit, what, delay=DELAY, shown=shown) as bar:
        for item in items:
            yield item
            bar.update()


def roughly(seconds: float) -> str:
    """Format an expected time: `45 s`, `12 min`, `3.5 h`."""
    if seconds < 90:
        return f"{max(5 * round(seconds / 5), 5)} s"
    return f"{seconds / 60:.0f} min" if seconds < 90 * 60 else f"{seconds / 3600:.1f} h"


def _is_hidden() -> bool | None:
    """Return tqdm's `disable`: False in a notebook; None, to hide the bar unless there is a terminal."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return False if type(shell).__name__ == "ZMQInteractiveShell" else None
