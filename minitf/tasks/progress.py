"""Progress bars on standard error, where there is a terminal or a notebook."""

import os
import sys
from collections.abc import Iterator, Sequence
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")

DELAY = 2.0  # seconds before the bar of a short computation appears


def with_progress(items: Sequence[T], unit: str, what: str) -> Iterator[T]:
    """Yield the items; show a bar with the words `what` if this takes longer than `DELAY` seconds."""
    shown = os.environ.get("RANK", "0") == "0"  # of several processes, the first
    hidden = is_hidden() if shown else True
    yield from tqdm(items, desc=what, unit=unit, delay=DELAY, leave=False, disable=hidden)


def is_hidden() -> bool | None:
    """Return tqdm's `disable`: False in a notebook; None, to hide the bar unless there is a terminal."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    return False if type(shell).__name__ == "ZMQInteractiveShell" else None
