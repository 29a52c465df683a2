"""Atomic writes: a file or folder appears complete or not at all.

Everything is written to a hidden temporary path beside its target and then renamed. A process that is killed while it
writes leaves such a path behind; `remove_leftovers` deletes it. Where the system refuses (disk full, no permission),
InputError says so in one line that names the target.
"""

import contextlib
import errno
import json
import math
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from minitf.errors import InputError

STATE = "state.safetensors"  # in the folder last/ of a run: what resuming needs

_TEMPORARY = re.compile(r"\.(.+)-[0-9a-f]{8}(-old)?")
# How libraries written in Rust (safetensors, tokenizers) report an error of the system.
_SYSTEM_ERROR = re.compile(r"os error \d+|I/O error|No space left")


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an error of the system inside the block into an InputError that names `path`."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        if isinstance(error, OSError) or _SYSTEM_ERROR.search(str(error)):
            raise InputError(_message(path, error)) from None
        raise


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; move that file over `path` if the block succeeds, else delete it."""
    temporary = _temporary(path)
    try:
        with writing(path):
            yield temporary
            os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def open_text(path: Path) -> Iterator[TextIO]:
    """Yield a text file for writing that replaces `path` if the block succeeds."""
    with replacing(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        yield file


def write_text(path: Path, text: str) -> None:
    """Write `text` as the whole content of `path`."""
    with open_text(path) as file:
        file.write(text)


def write_json(path: Path, content: Any) -> None:
    """Write `content` as the JSON file `path`."""
    write_text(path, to_json(content))


def to_json(content: Any, indent: int | None = 2) -> str:
    """Format `content` as all JSON files of minitf are formatted; None as `indent` gives one line.

    NaN and infinity become null: JSON has no such numbers, and other programs refuse a file that has them.
    """
    try:
        text = json.dumps(content, indent=indent, ensure_ascii=False, allow_nan=False)
    except ValueError:
        text = json.dumps(_without_nan(content), indent=indent, ensure_ascii=False, allow_nan=False)
    return text + "\n"


def _without_nan(content: Any) -> Any:
    if isinstance(content, float) and not math.isfinite(content):
        return None
    if isinstance(content, dict):
        return {_without_nan(key): _without_nan(value) for key, value in content.items()}
    return [_without_nan(value) for value in content] if isinstance(content, list | tuple) else content


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` as the whole content of `path`."""
    with replacing(path) as temporary:
        temporary.write_bytes(content)


@contextmanager
def replacing_folder(folder: Path, *, keep_existing: bool = False) -> Iterator[Path]:
    """Yield a new temporary folder beside `folder`; it replaces `folder` if the block succeeds, else it is deleted.

    With `keep_existing`, a folder that another process has created in the meantime stays, and the new one is deleted.
    """
    temporary = _temporary(folder)
    old = temporary.with_name(temporary.name + "-old")
    try:
        with writing(folder):
            temporary.mkdir(parents=True)
            yield temporary
            if not keep_existing and os.path.lexists(folder):
                os.rename(folder, old)
            try:
                os.rename(temporary, folder)
            except OSError:
                if not (keep_existing and folder.is_dir()):
                    raise
                remove(temporary)
    except BaseException:
        if not os.path.lexists(folder) and os.path.lexists(old):
            old.rename(folder)  # it was moved aside, and the new folder could not take its place
        remove(temporary)
        raise
    remove(old)


def leftovers(folder: Path) -> list[Path]:
    """List the temporary files and folders in `folder` that interrupted writes left behind."""
    return sorted(path for path in folder.glob(".*") if _TEMPORARY.fullmatch(path.name))


def remove_leftovers(folder: Path) -> None:
    """Delete the leftovers in `folder`; move a folder back that was moved aside and not replaced."""
    for path in leftovers(folder):
        match = _TEMPORARY.fullmatch(path.name)
        if match and match[2] and not os.path.lexists(folder / match[1]):
            path.rename(folder / match[1])
        else:
            remove(path)


def remove(path: Path) -> None:
    """Delete a file or folder if it exists; ignore what cannot be deleted."""
    with contextlib.suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _temporary(path: Path) -> Path:
    return path.parent / f".{path.name}-{secrets.token_hex(4)}"


def _message(path: Path, error: Exception) -> str:
    if getattr(error, "errno", None) == errno.ENOSPC or "No space left" in str(error):
        return f"{path}: cannot be written (no space left on the disk): free some space or choose another path"
    reason = getattr(error, "strerror", None) or str(error)
    return f"{path}: cannot be written ({reason}): choose another path"
