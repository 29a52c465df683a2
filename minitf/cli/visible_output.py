"""Standard output and standard error with control characters made visible: the guard of everything a command prints."""

import os
import re
import sys
from collections.abc import Iterable
from typing import Any, TextIO, cast

from minitf.visible import visible_text

_CURSOR = re.compile(r"(\r|\x1b\[A)")  # what a progress bar needs


class VisibleStream:
    """A text stream that writes to `stream` with control characters escaped. All else is that of `stream`.

    Messages, tracebacks, warnings and the messages of other libraries all pass it. Only progress bars of tqdm may move
    the cursor.
    """

    def __init__(self, stream: TextIO):
        self.stream = stream

    def write(self, text: str) -> int:
        """Write `text` with control characters escaped; return its length."""
        caller = sys._getframe().f_back  # None: Python itself, which prints a traceback
        if caller is not None and caller.f_globals.get("__name__") == "tqdm.utils":
            parts = _CURSOR.split(text)  # cursor movements at odd positions
            self.stream.write("".join(part if n % 2 else visible_text(part) for n, part in enumerate(parts)))
        else:
            self.stream.write(visible_text(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write each of `lines`."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def make_output_visible() -> None:
    """Replace `sys.stdout` and `sys.stderr` until the end of the process, so that a traceback is escaped too."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and not isinstance(stream, VisibleStream):
            setattr(sys, name, cast(TextIO, VisibleStream(stream)))
    os.environ.setdefault("NO_COLOR", "1")  # colours are terminal escapes: Python and other libraries leave them out
