"""Atomic, durable writes: a file or folder appears complete or not at all, also after a power cut.

Everything is written to a hidden temporary path beside its target, synced to the disk, renamed, and the folder is
synced. A process that is killed while it writes leaves such a path behind; `remove_leftovers` deletes it. A symbolic
link is followed: the file that it points to is replaced. A device or FIFO is never replaced: text is written to it
directly, and other content is refused. If the system reports an error (disk full, no permission), an InputError of one
line names the target. `docs/reliability.md` describes the guarantees.
"""

import contextlib
import errno
import itertools
import json
import math
import os
import re
import secrets
import shutil
import stat
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

from minitf.errors import InputError
from minitf.visible import visible_text

ESCAPED = "backslashreplace"  # how lone surrogates are written: the bytes of a path that is not UTF-8
MANIFEST = "minitf-run.json"  # in the folder of a run: the files that minitf created there
GENERATOR = '<meta name="generator" content="minitf">'  # at the beginning of every page of minitf
STATE = "state.safetensors"  # in the folder last/ of a run: what resuming needs

_TEMPORARY = re.compile(r"\.(.+)-[0-9a-f]{8}(-old)?")
# The system errors of libraries written in Rust (safetensors, tokenizers).
_SYSTEM_ERROR = re.compile(r"os error \d+|I/O error|No space left")


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an error of the system inside the block into an InputError that names `path`."""
    try:
        yield
    except (InputError, BrokenPipeError):  # broken pipe: a FIFO lost its reader; the command line handles it
        raise
    except Exception as error:
        if isinstance(error, OSError) or _SYSTEM_ERROR.search(str(error)):
            raise InputError(_message(path, error)) from None
        raise


def check_output(path: Path, inputs: Iterable[Path] = (), *, is_own: bool = False) -> None:
    """Check before the work that `path` can be written as a file.

    Raises InputError if it is one of `inputs`, a folder, in a folder that does not exist or cannot be written, or an
    HTML file that minitf did not write (`is_own`: it is known to be minitf's). Other existing files are replaced: their
    formats have no mark of the program.
    """
    with writing(path):
        target = _target(path)
        for source in inputs:
            if source.exists() and target.exists() and os.path.samefile(source, target):
                raise InputError(f"{path}: is the file that is read; choose another path")
        if target.is_dir():
            raise InputError(f"{path}: is a folder; choose a file")
        if _is_special(target):
            return
        if not target.parent.is_dir():
            raise FileNotFoundError(errno.ENOENT, "No such file or directory")
        if not os.access(target.parent, os.W_OK | os.X_OK) or _is_protected(target):
            raise PermissionError(errno.EACCES, "Permission denied")
        _check_name(target)
        if not is_own and not _is_own_page(target):
            raise InputError(f"{path}: exists and is not a page of minitf; move it, or choose another file")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; move that file over `path` if the block succeeds, else delete it."""
    target = path
    with writing(path):
        target = _target(path)
        if _is_special(target):
            raise InputError(f"{path}: is a device or a FIFO, not a file; choose another path")
    temporary = _temporary(target)
    try:
        with writing(path):
            if _is_protected(target):
                raise PermissionError(errno.EACCES, "Permission denied")
            yield temporary
            if target.exists():  # a private file stays private
                os.chmod(temporary, stat.S_IMODE(os.stat(target).st_mode))
            sync(temporary)
            os.replace(temporary, target)
            sync(target.parent)
    except BaseException:
        remove(temporary)
        raise


@contextmanager
def temporary_folder(path: Path) -> Iterator[Path]:
    """Yield a new hidden folder beside `path`, and delete it after the block.

    For libraries that write temporary files of their own: a killed process leaves them in a folder that
    `remove_leftovers` deletes.
    """
    temporary = _temporary(path)
    try:
        temporary.mkdir()
        yield temporary
    finally:
        remove(temporary)


@contextmanager
def open_text(path: Path) -> Iterator[TextIO]:
    """Yield a text file that replaces `path` if the block succeeds; a device or FIFO is written directly."""
    with writing(path):
        special = _is_special(_target(path))
    if special:
        with writing(path), open(path, "w", encoding="utf-8", errors=ESCAPED, newline="") as file:
            yield file
        return
    with replacing(path) as temporary, open(temporary, "w", encoding="utf-8", errors=ESCAPED, newline="") as file:
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

    NaN and infinity become null: JSON has no such numbers, and other programs refuse a file that has them. Control
    characters in a string are escaped, as well as characters that some programs take for the end of a line, and the
    lone surrogates that Python has for the bytes of a path that is not UTF-8.
    """
    try:
        text = json.dumps(content, indent=indent, ensure_ascii=False, allow_nan=False)
    except ValueError:
        text = json.dumps(_without_nan(content), indent=indent, ensure_ascii=False, allow_nan=False)
    return visible_text(text) + "\n"


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
def replacing_folder(
    folder: Path, *, keep_existing: bool = False, ours: Collection[str] | None = None
) -> Iterator[Path]:
    """Yield a new temporary folder beside `folder`; it replaces `folder` if the block succeeds, else it is deleted.

    With `keep_existing`, a folder that another process has created in the meantime stays, and the new one is deleted.
    With `ours`, files of other names in the old folder are from other programs, and are copied into the new one.
    """
    temporary = _temporary(folder)
    old = temporary.with_name(temporary.name + "-old")
    try:
        with writing(folder):
            make_folder(folder.parent)
            temporary.mkdir()
            yield temporary
            if ours is not None:
                _copy_others(folder, temporary, ours)
            sync_tree(temporary)
            if not keep_existing and os.path.lexists(folder):
                os.rename(folder, old)
            try:
                os.rename(temporary, folder)
            except OSError:
                if not (keep_existing and folder.is_dir()):
                    raise
                remove(temporary)
            sync(folder.parent)
    except BaseException:
        _restore(old, folder)
        remove(temporary)
        raise
    remove(old)


def move_folder(source: Path, target: Path, ours: Collection[str]) -> None:
    """Move `source` to `target`, on the same disk; an older `target` is replaced, except for files not in `ours`."""
    temporary = _temporary(target)
    old = temporary.with_name(temporary.name + "-old")
    with writing(target):
        _copy_others(target, source, ours)
        sync_tree(source)
        if os.path.lexists(target):
            os.rename(target, old)
        try:
            os.rename(source, target)
        except BaseException:
            _restore(old, target)
            raise
        sync(target.parent)
        sync(source.parent)
    remove(old)


def _restore(old: Path, folder: Path) -> None:
    """Rename the old folder back if no new one has replaced it. If that fails, `remove_leftovers` does it later."""
    with contextlib.suppress(OSError):
        if not os.path.lexists(folder) and os.path.lexists(old):
            os.rename(old, folder)


def _copy_others(old: Path, new: Path, ours: Collection[str]) -> None:
    """Copy what is in `old` and not in `ours`. Moving it would lose it if the process were killed before the swap."""
    for path in old.iterdir() if old.is_dir() else ():
        if path.name in ours or os.path.lexists(new / path.name):
            continue
        if path.is_dir() and not path.is_symlink():
            shutil.copytree(path, new / path.name, symlinks=True)
        else:
            shutil.copy2(path, new / path.name, follow_symlinks=False)


def leftovers(folder: Path) -> list[Path]:
    """List the temporary files and folders in `folder` that interrupted writes left behind."""
    return sorted(path for path in folder.glob(".*") if _TEMPORARY.fullmatch(path.name))


def remove_leftovers(folder: Path) -> None:
    """Delete the leftovers in `folder`; restore a folder that was renamed and not replaced. Raises InputError."""
    with writing(folder):
        for path in leftovers(folder):
            match = _TEMPORARY.fullmatch(path.name)
            if match and match[2] and not os.path.lexists(folder / match[1]):
                os.rename(path, folder / match[1])
            else:
                remove(path)


def remove(path: Path) -> None:
    """Delete a file or folder if it exists; ignore errors."""
    with contextlib.suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def make_folder(folder: Path) -> None:
    """Create a folder and its parents, if they do not exist, and write their names to the disk. Raises OSError."""
    missing = itertools.takewhile(lambda path: not os.path.lexists(path), (folder, *folder.parents))
    for path in reversed(list(missing)):
        path.mkdir(exist_ok=True)
        sync(path.parent)
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder))


def sync(path: Path) -> None:
    """Write a file, or the names in a folder, from the system's memory to the disk."""
    if os.name == "nt" and path.is_dir():  # Windows cannot open a folder, and writes names at once
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # a file system without fsync for folders
            raise
    finally:
        os.close(handle)


def sync_tree(folder: Path) -> None:
    """Call `sync` on all files and folders in `folder`, and on `folder`."""
    for path in sorted(folder.rglob("*"), reverse=True):
        if not path.is_symlink():
            sync(path)
    sync(folder)


def _target(path: Path) -> Path:
    """Return the path with links resolved. Raises InputError for an invalid name."""
    if "\0" in str(path):
        raise InputError(f"{str(path)!r}: a path cannot contain a NUL character; choose another path")
    try:
        # The link /dev/stdout resolves to a name that does not exist if it is a pipe.
        return path if _is_special(path) else Path(os.path.realpath(path))
    except ValueError as error:
        raise InputError(f"{path}: cannot be written ({error}); choose another path") from None


def _is_special(path: Path) -> bool:
    """Whether `path` exists and is neither a file nor a folder."""
    try:
        mode = os.stat(path).st_mode
    except FileNotFoundError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))


def _is_protected(path: Path) -> bool:
    """Whether `path` is a file without write permission. A rename would replace the file without checking this."""
    return path.is_file() and not os.access(path, os.W_OK)


def _is_own_page(path: Path) -> bool:
    """Whether writing `path` loses no HTML file of other programs or people: it has `GENERATOR` or no content."""
    if path.suffix.lower() != ".html" or not path.is_file():
        return True
    with path.open("rb") as file:
        beginning = file.read(1 << 14)
    return not beginning or GENERATOR.encode() in beginning


def _check_name(path: Path) -> None:
    """Raise OSError if the system does not accept the name, or the temporary name, which is longer."""
    with contextlib.suppress(FileNotFoundError):
        os.lstat(_temporary(path))


def _temporary(path: Path) -> Path:
    return path.parent / f".{path.name}-{secrets.token_hex(4)}"


def _message(path: Path, error: Exception) -> str:
    if getattr(error, "errno", None) == errno.ENOSPC or "No space left" in str(error):
        return f"{path}: cannot be written (no space left on the disk): free some space or choose another path"
    reason = getattr(error, "strerror", None) or str(error)
    return f"{path}: cannot be written ({reason}): choose another path"
