"""Read the files of a TensorFlow checkpoint from a folder, or from a zip as Google published it.

A zip is never unpacked to disk, and a small file in it is read up to a limit, whatever size it claims. Large files are
arrays of bytes: from a folder mapped into memory, from a zip decompressed piece by piece.
"""

import io
import mmap
import os
import posixpath
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import IO, Protocol, TypeVar

import numpy as np

from minitf.datasets.file_kinds import HEAD, other_kind
from minitf.errors import CheckpointError

Result = TypeVar("Result")

# Deflate expands one byte to at most 1,032: a file that claims to be larger was not written by a compressor.
LARGEST_RATIO = 1032
LARGEST_LIST = 1 << 20  # bytes of a zip's list of files; the list of a checkpoint has a few hundred
_CHUNK = 1 << 20
LARGE = 1 << 20  # bytes of a tensor
# What zipfile raises for a damaged archive, a password, an unknown compression, an impossible number or name.
_DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, EOFError, RuntimeError),
    *(NotImplementedError, ValueError, OverflowError, struct.error),
)


def find_prefix(path: Path) -> Path | None:
    """Return the prefix that `path` means: a prefix, its `.index` file, or the folder of either; else None.

    If a folder has several, it is `bert_model.ckpt`, Google's name; without it, CheckpointError lists them.
    """
    if not os.path.isdir(path):
        index = path if path.suffix == ".index" else Path(f"{path}.index")
        return index.with_suffix("") if os.path.isfile(index) else None
    prefixes = sorted(index.with_suffix("") for index in path.glob("*.index") if os.path.isfile(index))
    if path / "bert_model.ckpt" in prefixes:
        return path / "bert_model.ckpt"
    if len(prefixes) > 1:
        some = ", ".join(prefix.name for prefix in prefixes[:8]) + (" …" if len(prefixes) > 8 else "")
        raise CheckpointError(f"{path}: has several checkpoints ({some}); choose one, for example {prefixes[-1]}")
    return prefixes[0] if prefixes else None


class FileBytes(Protocol):
    """The bytes of one file."""

    size: int

    def read(self, offset: int, size: int) -> np.ndarray:
        """Return `size` bytes from `offset`, which must be inside the file. Writing to them changes no file."""


class Storage(Protocol):
    """Several files by name. Raises CheckpointError that names the file that cannot be read."""

    def names(self) -> set[str]:
        """Return the names of all files."""

    def describe(self, name: str) -> str:
        """Return the name of a file for messages; "" stands for the storage itself."""

    def read_small(self, name: str, limit: int) -> bytes:
        """Read a whole file of at most `limit` bytes."""

    def open(self, name: str) -> FileBytes:
        """Open a large file, to read parts of it."""


class FolderStorage:
    """A folder on disk."""

    def __init__(self, path: Path):
        self.path = path

    def names(self) -> set[str]:
        return {path.name for path in self.path.iterdir() if path.is_file()}

    def describe(self, name: str) -> str:
        return str(self.path / name)

    def read_small(self, name: str, limit: int) -> bytes:
        try:
            with (self.path / name).open("rb") as file:
                return _check_size(file.read(limit + 1), limit, self.describe(name))
        except OSError as error:
            raise CheckpointError(f"{self.describe(name)}: cannot be read ({error.strerror})") from error

    def open(self, name: str) -> FileBytes:
        return _MappedFile(self.path / name)


class _MappedFile:
    def __init__(self, path: Path):
        try:
            self.size = path.stat().st_size
            # NumPy cannot map an empty file, and a shard may be empty.
            self._bytes = np.memmap(path, np.uint8, mode="c") if self.size else np.empty(0, np.uint8)
        except OSError as error:
            raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from error

    def read(self, offset: int, size: int) -> np.ndarray:
        return self._bytes[offset : offset + size]


class Archive(zipfile.ZipFile):
    """A zip with a limited list of files: zipfile reads the whole list and needs ten times its size in memory."""

    def __init__(self, path: Path):
        self._file = _LimitedFile(io.FileIO(path))
        try:
            super().__init__(self._file)
        except BaseException:
            self._file.close()
            raise
        self._file.limit = None

    def close(self) -> None:
        super().close()
        self._file.close()


class _LimitedFile(io.BufferedReader):
    """A file that refuses to read more than `limit` bytes at once."""

    limit: int | None = LARGEST_LIST

    def read(self, size: int | None = -1, /) -> bytes:
        if self.limit is not None and size is not None and size > self.limit:
            raise zipfile.BadZipFile("its list of files is too long for a checkpoint")
        return super().read(size)


class ZipStorage:
    """One folder of a zip file: the one with a file ending in `ending`, the index of a checkpoint.

    Raises CheckpointError if the file is not a zip, or if not exactly one of its folders has such a file.
    """

    def __init__(self, path: Path, ending: str = ".index"):
        self.path = path
        if kind := other_kind(_checked(str(path), lambda: _beginning(path))):
            raise CheckpointError(f"{path}: {kind}")
        self._archive = _checked(str(path), lambda: Archive(path))
        files = [info for info in self._archive.infolist() if not _is_ignored(info.filename)]
        folders = sorted({posixpath.dirname(info.filename) for info in files if info.filename.endswith(ending)})
        if len(folders) != 1:
            other_layout = any(posixpath.basename(info.filename) == "config.json" for info in files)
            none = "none, but a config.json: unpack it and give the folder" if other_layout else "none"
            found = f"{len(folders)} of them" if folders else none
            raise CheckpointError(f"{path}: must hold one TensorFlow checkpoint ({ending}); it holds {found}")
        self._files = {posixpath.basename(i.filename): i for i in files if posixpath.dirname(i.filename) == folders[0]}

    def names(self) -> set[str]:
        return set(self._files)

    def describe(self, name: str) -> str:
        return f"{self.path}: {name}" if name else str(self.path)

    def read_small(self, name: str, limit: int) -> bytes:
        with self._open_stream(name) as file:
            content = _checked(self.describe(name), lambda: file.read(limit + 1))
            return _check_size(content, limit, self.describe(name))

    def open(self, name: str) -> FileBytes:
        info = self._files[name]
        packed = min(info.compress_size, self.path.stat().st_size)
        if info.file_size > LARGEST_RATIO * packed + 64:
            raise CheckpointError(f"{self.describe(name)}: claims {info.file_size} bytes, more than it can hold")
        return _ZippedFile(self.describe(name), info.file_size, self._open_stream(name))

    def _open_stream(self, name: str) -> IO[bytes]:
        info = self._files[name]
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            # The other methods expand a few bytes to any amount, and zipfile decompresses it all at once.
            raise CheckpointError(f"{self.describe(name)}: neither stored nor deflated; zip it with one of these")
        return _checked(self.describe(name), lambda: self._archive.open(info))


def _beginning(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD)


def _is_ignored(name: str) -> bool:
    """Whether a name in a zip is a folder, or a file that macOS adds."""
    return name.endswith("/") or name.startswith("__MACOSX/") or posixpath.basename(name).startswith("._")


def allocate(size: int) -> np.ndarray:
    """Allocate bytes; the memory of a large tensor returns to the system as soon as it is freed.

    Ordinary memory that one thread allocates and another frees may stay with the process, which then needs memory for
    a second copy of the model.
    """
    if size < LARGE or not hasattr(mmap, "MAP_PRIVATE"):  # Windows
        return np.empty(size, np.uint8)
    return np.frombuffer(mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS), np.uint8)


class _ZippedFile:
    """A file in a zip. Read in the order of its bytes, it is decompressed only once."""

    def __init__(self, description: str, size: int, file: IO[bytes]):
        self._description, self.size, self._file = description, size, file

    def read(self, offset: int, size: int) -> np.ndarray:
        return _checked(self._description, lambda: self._read(offset, size))

    def _read(self, offset: int, size: int) -> np.ndarray:
        self._file.seek(offset)
        content = allocate(size)
        done = 0
        while done < size:
            chunk = self._file.read(min(_CHUNK, size - done))
            if not chunk:
                raise EOFError("it ends early")
            content[done : done + len(chunk)] = np.frombuffer(chunk, np.uint8)
            done += len(chunk)
        return content


def _checked(description: str, call: Callable[[], Result]) -> Result:
    """Return the result of `call`; turn what zipfile raises into a CheckpointError."""
    try:
        return call()
    except OSError as error:
        raise CheckpointError(f"{description}: cannot be read ({error.strerror or error})") from error
    except _DAMAGE as error:
        raise CheckpointError(f"{description}: truncated or corrupt ({error}); fetch it again") from error


def _check_size(content: bytes, limit: int, description: str) -> bytes:
    if len(content) > limit:
        raise CheckpointError(f"{description}: more than {limit} bytes, too large for an official file of this kind")
    return content
