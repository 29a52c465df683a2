"""Standard output and error with visible control characters: the guard for everything that a command prints."""

import os
import re
import sys
from collections.abc import Iterable
from typing import Any, TextIO, cast

from minitf.visible import visible_text

_CURSOR = re.compile(r"(\r|\x1b\[A)")  # what a progress bar needs


class VisibleStream:
    """A text stream that writes to `stream` with control characters escaped. Other attributes are those of `stream`.

    Messages, tracebacks, warnings and the messages of other libraries all pass through it. Only progress bars of tqdm
    may move the cursor.
    """

    def __init__(self, stream: TextIO, styled: bool = False):
        """`styled`: the stream shows bold text."""
        self.stream, self.styled = stream, styled

    def write(self, text: str) -> int:
        """Write `text` with control characters escaped; return its length."""
        caller = sys._getframe().f_back  # None: Python itself, which prints a traceback
        if caller is not None and caller.f_globals.get("__name__") == "tqdm.utils":
            parts = _CURSOR.split(text)  # cursor movements at odd positions
            self.stream.write("".join(part if n % 2 else visible_text(part) for n, part in enumerate(parts)))
        else:
            self.stream.write(visible_text(text))
        return len(text)

    def write_bold(self, text: str) -> None:
        """Write `text` with control characters escaped, in bold if the stream shows it."""
        self.stream.write(f"\x1b[1m{visible_text(text)}\x1b[0m" if self.styled else visible_text(text))

    def writelines(self, lines: Iterable[str]) -> None:
        """Write each of `lines`."""
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


def shows_styles(stream: TextIO) -> bool:
    """Whether a stream shows bold text: a terminal, unless NO_COLOR is set (https://no-color.org) or it is "dumb"."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def make_output_visible() -> None:
    """Replace `sys.stdout` and `sys.stderr` until the end of the process, so that a traceback is escaped too."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is not None and not isinstance(stream, VisibleStream):
            setattr(sys, name, cast(TextIO, VisibleStream(stream, styled=shows_styles(stream))))
    os.environ.setdefault("NO_COLOR", "1")  # colours are terminal escapes: Python and other libraries leave them out
