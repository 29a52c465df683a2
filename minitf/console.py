"""What every command shares: one line on standard error for what is the user's to mend, and the exit status.

Status 0 done, 2 bad input, 130 interrupted, 1 anything else (a traceback, since then the fault is minitf's).
"""

import argparse
import errno
import io
import math
import os
import sys
from collections.abc import Callable, Sequence

from minitf.errors import InputError


def run(main: Callable[[Sequence[str] | None], int]) -> None:
    """Call a command's `main` and leave Python with its status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that has no γ shows a question mark
    try:
        status = main(None)
        sys.stdout.flush()
    except InputError as error:
        status = complain(str(error))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        status = 130
    except BrokenPipeError:
        # The reader has gone (`| head`): nobody hears the rest, which Python would still try to say at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        status = complain(f"no space left on the disk, writing {error.filename or 'a file'}: free some and start again")
    sys.exit(status)


def complain(message: str) -> int:
    """Print what is wrong; returns the status for bad input."""
    print("minitf:", "; ".join(line.strip() for line in message.splitlines()).replace(":;", ":"), file=sys.stderr)
    return 2


def number(
    least: float = -math.inf, most: float = math.inf, *, above: bool = False, whole: bool = False
) -> Callable[[str], float]:
    """An argparse type: a finite number from `least` (itself left out if `above`) to `most`, whole if so asked."""
    kind = "a whole number" if whole else "a number"
    bound = f" {'above' if above else 'of at least'} {least:g}" if least > -math.inf else ""
    bound += f"{' and' if bound else ''} at most {most:g}" if most < math.inf else ""

    def parse(text: str) -> float:
        try:
            value = int(text) if whole else float(text)
            float(value)
        except (ValueError, OverflowError):
            raise argparse.ArgumentTypeError(f"must be {kind}{bound}, not {text!r}") from None
        if not math.isfinite(value) or value < least or value > most or (above and value == least):
            raise argparse.ArgumentTypeError(f"must be {kind}{bound}, not {text}")
        return value

    return parse


class Parser(argparse.ArgumentParser):
    """argparse in one line: its usage text belongs to --help."""

    def error(self, message: str) -> None:  # type: ignore[override]
        sys.exit(complain(f"{message} (see {self.prog} --help)"))
