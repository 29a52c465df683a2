"""Writing what a user will read: whole or not at all, and a refusal by the system is one line that names the file."""

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from minitf.errors import InputError

STATE = "state.safetensors"  # in a run's last/: all that resuming needs


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Inside the block `path` is written; raises InputError where the system refuses."""
    try:
        yield
    except OSError as error:
        raise InputError(refused(path, error)) from None


@contextmanager
def whole(path: Path) -> Iterator[TextIO]:
    """A text file that takes the place of `path` when the block ends well, and leaves no trace when it does not."""
    partial = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    try:
        with writing(path):
            with open(partial, "w", encoding="utf-8", newline="") as file:
                yield file
            os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def write_bytes(path: Path, content: bytes) -> None:
    """`content` as the file `path`, whole or not at all. Raises InputError where the system refuses."""
    partial = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    try:
        with writing(path):
            partial.write_bytes(content)
            os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def refused(path: Path, error: Exception) -> str:
    """Why `path` cannot be written, and what to do."""
    if getattr(error, "errno", None) == errno.ENOSPC or "No space left" in str(error):
        return f"--output {path}: no space left on the disk; free some, or give another place (no half file is left)"
    why = getattr(error, "strerror", None) or str(error)
    return f"--output {path}: cannot be written ({why}); give another place"
