"""Exit statuses of all commands, and one line on standard error for an error that the user can correct.

Status 0: done. 2: invalid input, or output that cannot be written. 130, 143, 129: ended by Ctrl-C, SIGTERM, SIGHUP.
141: standard output was closed by its reader (`| head`). 1: any other error (a bug of minitf, with its traceback).
"""

import argparse
import errno
import functools
import itertools
import math
import os
import re
import shutil
import sys
import textwrap
from collections.abc import Callable, Sequence
from typing import Any

from minitf.cli.streams import VisibleStream, flush, prepare_streams
from minitf.datasets.strings import did_you_mean
from minitf.errors import InputError, signal_number
from minitf.fine_tuning.other_names import OTHER_NAMES
from minitf.fine_tuning.settings import Number, Values, Words
from minitf.fine_tuning.terminal import Strong
from minitf.training.interrupt import Termination, handlers

Main = Callable[[Sequence[str] | None], int]

SETTING = re.compile(r"`([a-z][a-z0-9_]*)`")  # a setting in a message
BROKEN_PIPE = 128 + 13  # SIGPIPE, which Windows does not have
# Errors of the system for which a path or the disk is the cause, not the program.
OF_PATHS = (errno.EACCES, errno.EPERM, errno.ENAMETOOLONG, errno.ELOOP, errno.EROFS, errno.EIO, errno.ESTALE)
_known_flags: set[str] = set()  # flags of all parsers used so far


def run(main: Main) -> None:
    """Call the `main` of a command and exit with its status."""
    prepare_streams()
    with handlers(terminate := Termination()):
        try:
            status = main(None)
        except SystemExit as left:  # of argparse
            status = left.code  # type: ignore[assignment]
        except KeyboardInterrupt as error:
            status = _interrupted(signal_number(error))
        except Exception as error:
            # A library can turn an interruption into another error, such as "the file is corrupt".
            status = _failed(error) if terminate.number is None else _interrupted(terminate.number)
        if (failed := flush(sys.stdout)) and not status:
            status = _output_failed(failed)
    flush(sys.stderr)
    sys.exit(status)


def _interrupted(number: int) -> int:
    print("interrupted", file=sys.stderr)
    return 128 + number


def _failed(error: Exception) -> int:
    """Print an error that the user can correct; return its status. Raises any other error."""
    if isinstance(error, InputError):
        return complain(str(error))
    if isinstance(error, OSError):
        return _not_written(error)
    raise error


def _not_written(error: OSError) -> int:
    """Return the status for an OSError that no other part of minitf has turned into an InputError."""
    if isinstance(error, BrokenPipeError):
        return BROKEN_PIPE
    if failed := flush(sys.stdout):
        return _output_failed(failed)
    if error.errno in OF_PATHS and error.filename:
        return complain(f"{error.filename}: cannot be read or written ({error.strerror})")
    if error.errno != errno.ENOSPC:
        raise error
    what = error.filename or "a file or standard output"
    return complain(f"no space left on the disk, writing {what}: free some space and start again")


def _output_failed(error: OSError) -> int:
    """Return the status if standard output cannot be written."""
    if isinstance(error, BrokenPipeError):
        return BROKEN_PIPE
    return complain(f"standard output: cannot be written ({error.strerror}); redirect it elsewhere and start again")


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


def say(line: str) -> None:
    """Print a line of a run, with settings as flags; on a terminal wrapped between words, a `Strong` one in bold.

    The line is flushed at once, so that a broken pipe is noticed.
    """
    text = with_flags(line)
    if sys.stdout.isatty():
        text = wrapped(text, shutil.get_terminal_size().columns)
    if isinstance(line, Strong) and isinstance(sys.stdout, VisibleStream):
        sys.stdout.write_bold(text)
        text = ""
    print(text, flush=True)


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


words = argument_type(Words())  # an argparse type: a text or a column, in any locale; not a path


class HelpFormatter(argparse.HelpFormatter):
    """Wraps the paragraphs of the description to the terminal; the lines of the examples stay as they are."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        if text.startswith("examples:"):
            return text
        paragraphs = (" ".join(paragraph.split()) for paragraph in text.split("\n\n"))
        return "\n\n".join(textwrap.fill(p, width, break_on_hyphens=False) for p in paragraphs)

    def _split_lines(self, text: str, width: int) -> list[str]:
        return textwrap.wrap(" ".join(text.split()), width, break_on_hyphens=False)


class Parser(argparse.ArgumentParser):
    """argparse with one-line errors, a one-line usage, and help that ends with examples."""

    def __init__(self, *, prog: str, usage: str = "[flags]", examples: Sequence[str] = (), **settings: Any):
        """`usage` and each of `examples` follow `prog` on the command line."""
        settings.setdefault("formatter_class", HelpFormatter)
        if examples:
            settings["epilog"] = "\n".join(["examples:", *(f"  {prog} {example}".rstrip() for example in examples)])
        super().__init__(prog=prog, usage=f"{prog} {usage}", **settings)
        self.examples = examples
        self._words: list[str] = []  # of the command line

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse as argparse does, and record the flags so that messages can name them."""
        _known_flags.update(self._option_string_actions)
        self._words = list(sys.argv[1:] if args is None else args)
        return super().parse_known_args(args, namespace)

    def _print_message(self, message: str, file: Any = None) -> None:
        """Print the help. Unlike in argparse, a write error is raised."""
        (file or sys.stderr).write(message or "")

    def error(self, message: str) -> None:  # type: ignore[override]
        sys.exit(complain(f"{message}{self._suggestion(message)} (see {self.prog} --help)"))

    def _suggestion(self, message: str) -> str:
        """Return the flag or the value that was probably meant, as a question."""
        if unknown := re.match(r"unrecognized arguments: (--[^\s=]+)", message):
            name = unknown[1].removeprefix("--").replace("-", "_")
            settings = {known.removeprefix("--").replace("-", "_"): known for known in sorted(_known_flags)}
            meant = settings.get(OTHER_NAMES.get(name.lower(), name.lower()))
            return f" (did you mean {meant!r}?)" if meant else did_you_mean(unknown[1], sorted(_known_flags))
        if message.startswith(("unrecognized arguments: ", "the following arguments are required: ")):
            return self._file_suggestion()
        if invalid := re.match(r"argument (?:[^:]*/)?(\S+): invalid choice: '([^']*)'", message):
            action = self._option_string_actions.get(invalid[1])
            return did_you_mean(invalid[2], [str(choice) for choice in (action and action.choices) or ()])
        return ""

    def _file_suggestion(self) -> str:
        """Return the flag of the data, as a question, if a file is given without it."""
        known = self._option_string_actions
        taking = next((name for name in ("--train", "--data", "--input") if name in known), None)
        for before, word in itertools.pairwise(["", *self._words]):
            has_flag = before in known and known[before].nargs != 0
            if taking and not has_flag and not word.startswith("-") and os.path.isfile(word):
                return f" (did you mean {taking} {word}?)"
        return ""
