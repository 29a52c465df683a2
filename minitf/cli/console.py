"""Exit statuses of all commands, and one line on standard error for an error that the user can correct.

Status 0: done. 2: invalid input. 130: interrupted. 1: any other error (a bug of minitf, with its traceback).
"""

import argparse
import errno
import functools
import io
import math
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Sequence
from typing import Any

from minitf.cli.visible_output import VisibleStream, make_output_visible
from minitf.datasets.strings import did_you_mean
from minitf.errors import InputError
from minitf.fine_tuning.settings import Number, Values
from minitf.fine_tuning.terminal import Strong

Main = Callable[[Sequence[str] | None], int]

SETTING = re.compile(r"`([a-z][a-z0-9_]*)`")  # a setting in a message
_known_flags: set[str] = set()  # flags of all parsers used so far


def run(main: Main) -> None:
    """Call the `main` of a command and exit with its status."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without γ shows a question mark
    make_output_visible()
    try:
        status = main(None)
        sys.stdout.flush()
    except InputError as error:
        status = complain(str(error))
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        status = 130
    except BrokenPipeError:
        # The reader closed the pipe (`| head`): discard the output that Python would still write at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        status = 0
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        status = complain(
            f"no space left on the disk, writing {error.filename or 'a file'}: free some space and start again"
        )
    sys.exit(status)


def complain(message: str) -> int:
    """Print an error as one line on standard error; return the status for invalid input."""
    print("minitf:", "; ".join(line.strip() for line in message.splitlines()).replace(":;", ":"), file=sys.stderr)
    return 2


def flag(name: str) -> str:
    """Return the flag of a setting: `max_length` -> `--max-length`."""
    return "--" + name.replace("_", "-")


def with_flags(message: str) -> str:
    """Replace settings in backticks by flags: `max_length` becomes --max-length.

    Modules outside `cli` write a setting by its Python name and do not know the flags. Words in backticks that are not
    flags of the command are left unchanged: they may be part of the user's data.
    """
    return SETTING.sub(lambda found: name if (name := flag(found[1])) in _known_flags else found[0], message)


def say(line: str, *, flush: bool = False) -> None:
    """Print a line of a run, with settings as flags; on a terminal wrapped between words, a `Strong` one in bold."""
    text = with_flags(line)
    if sys.stdout.isatty():
        text = wrapped(text, shutil.get_terminal_size().columns)
    if isinstance(line, Strong) and isinstance(sys.stdout, VisibleStream):
        sys.stdout.write_bold(text)
        text = ""
    print(text, flush=flush)


def wrapped(text: str, width: int) -> str:
    """Wrap lines longer than `width` between words."""
    lines = (
        textwrap.wrap(line, width, subsequent_indent="    ", break_on_hyphens=False, replace_whitespace=False)
        if len(line) > width
        else [line]
        for line in text.split("\n")
    )
    return "\n".join(part for parts in lines for part in parts)


def say_error(line: str) -> None:
    """Print a line on standard error, with settings as flags: for messages that are not the output of a command."""
    print(with_flags(line), file=sys.stderr)


def flags_in_errors(main: Main) -> Main:
    """Wrap the `main` of a command so that its errors name flags instead of settings."""

    @functools.wraps(main)
    def wrapped(argv: Sequence[str] | None = None) -> int:
        try:
            return main(argv)
        except InputError as error:
            error.args = (with_flags(str(error)), *error.args[1:])
            raise

    return wrapped


def number(
    least: float = -math.inf, most: float = math.inf, *, above: bool = False, whole: bool = False
) -> Callable[[str], float]:
    """Make an argparse type: a finite number from `least` (excluded if `above`) to `most`, an integer if `whole`."""
    return argument_type(Number(least, most, above, whole))


def argument_type(values: Values) -> Callable[[str], Any]:
    """Make an argparse type of the values that a setting can have."""

    def parse(text: str) -> Any:
        try:
            return values.parse(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return parse


class Parser(argparse.ArgumentParser):
    """argparse with one-line errors, a one-line usage, and help that ends with examples."""

    def __init__(self, *, prog: str, usage: str = "[flags]", examples: Sequence[str] = (), **settings: Any):
        """`usage` and each of `examples` follow `prog` on the command line."""
        settings.setdefault("formatter_class", argparse.RawTextHelpFormatter)
        if examples:
            settings["epilog"] = "\n".join(["examples:", *(f"  {prog} {example}".rstrip() for example in examples)])
        super().__init__(prog=prog, usage=f"{prog} {usage}", **settings)
        self.examples = examples

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse as argparse does, and record the flags so that messages can name them."""
        _known_flags.update(self._option_string_actions)
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> None:  # type: ignore[override]
        sys.exit(complain(f"{message}{self._suggestion(message)} (see {self.prog} --help)"))

    def _suggestion(self, message: str) -> str:
        """Return the flag or the value that was probably meant, as a question."""
        if unknown := re.match(r"unrecognized arguments: (--[^\s=]+)", message):
            return did_you_mean(unknown[1], sorted(_known_flags))
        if invalid := re.match(r"argument (?:[^:]*/)?(\S+): invalid choice: '([^']*)'", message):
            action = self._option_string_actions.get(invalid[1])
            return did_you_mean(invalid[2], [str(choice) for choice in (action and action.choices) or ()])
        return ""
