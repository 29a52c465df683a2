"""Standard output and standard error of every command: control characters are visible, closed streams are handled."""

import contextlib
import io
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


def prepare_streams() -> None:
    """Prepare standard output and standard error until the end of the process, so that tracebacks use them too."""
    _open_closed()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a terminal without γ shows \u03b3
    if not isinstance(sys.stderr, VisibleStream):
        sys.stderr = _Messages(sys.stderr)
    make_output_visible()


class _Messages:
    """Standard error that ignores write errors: if nobody can read the messages, the command continues."""

    def __init__(self, stream: TextIO):
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            self._stream.flush()


def _open_closed() -> None:
    """Open closed standard streams (`>&-`). Otherwise the next file that is opened would get their descriptor.

    Output to a closed standard output is an error; messages to a closed standard error are lost.
    """
    for number, name, mode in ((0, "stdin", os.O_RDONLY), (1, "stdout", os.O_RDONLY), (2, "stderr", os.O_WRONLY)):
        if getattr(sys, name) is not None:
            continue
        with contextlib.suppress(OSError):
            while os.open(os.devnull, mode) < number:
                pass
            setattr(sys, name, os.fdopen(number, "r" if number == 0 else "w", encoding="utf-8", closefd=False))


def flush(stream: TextIO) -> OSError | None:
    """Flush a stream. If that fails, return the error and discard what Python would still write at exit."""
    try:
        stream.flush()
    except OSError as error:
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
            stream.flush()
        return error
    return None
