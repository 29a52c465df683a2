"""Where the files of a TensorFlow checkpoint lie side by side: in a folder, or in a zip as Google published them.

A zip is looked into, never unpacked: so nothing is ever written, and a text in it is read up to a bound whatever it
claims. Numbers come as arrays of bytes: from a folder mapped into memory, from a zip uncompressed piece by piece.
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

from minitf.errors import CheckpointError

Answer = TypeVar("Answer")

# Deflate makes at most 1,032 bytes out of one: what claims to be larger was not written by a compressor.
MOST_OUT_OF_ONE = 1032
LARGEST_LIST = 1 << 20  # bytes of a zip's list of files; that of a checkpoint has a few hundred
_CHUNK = 1 << 20
LARGE = 1 << 20  # bytes of a tensor
# What the library raises for a damaged archive, a password, an unknown compression, a number or a name that cannot be.
_DAMAGE = (
    *(zipfile.BadZipFile, zlib.error, EOFError, RuntimeError),
    *(NotImplementedError, ValueError, OverflowError, struct.error),
)


def find_prefix(path: Path) -> Path | None:
    """The prefix that `path` means: a prefix, its `.index` file, or the folder of either; None if there is none.

    Of several in a folder it is `bert_model.ckpt`, Google's name; else CheckpointError lists them.
    """
    if not os.path.isdir(path):
        index = path if path.suffix == ".index" else Path(f"{path}.index")
        return index.with_suffix("") if os.path.isfile(index) else None
    prefixes = sorted(index.with_suffix("") for index in path.glob("*.index") if os.path.isfile(index))
    if path / "bert_model.ckpt" in prefixes:
        return path / "bert_model.ckpt"
    if len(prefixes) > 1:
        some = ", ".join(prefix.name for prefix in prefixes[:8]) + (" …" if len(prefixes) > 8 else "")
        raise CheckpointError(f"{path}: holds several checkpoints ({some}); give one of them, as {prefixes[-1]}")
    return prefixes[0] if prefixes else None


class Numbers(Protocol):
    """The bytes of one file."""

    size: int

    def at(self, offset: int, size: int) -> np.ndarray:
        """`size` bytes from `offset`, which the caller knows to lie in the file; writing to them changes no file."""


class Place(Protocol):
    """Files side by side, by their names. What cannot be read raises CheckpointError naming the file."""

    def names(self) -> set[str]:
        """Of all files."""

    def where(self, name: str) -> str:
        """What an error calls the file, "" for the place itself."""

    def text(self, name: str, most: int) -> bytes:
        """A small file, whole; more than `most` bytes are refused."""

    def numbers(self, name: str) -> Numbers:
        """A large file, to be read in parts."""


class Folder:
    """A folder on the disk."""

    def __init__(self, path: Path):
        self.path = path

    def names(self) -> set[str]:
        return {path.name for path in self.path.iterdir() if path.is_file()}

    def where(self, name: str) -> str:
        return str(self.path / name)

    def text(self, name: str, most: int) -> bytes:
        try:
            with (self.path / name).open("rb") as file:
                return _at_most(file.read(most + 1), most, self.where(name))
        except OSError as error:
            raise CheckpointError(f"{self.where(name)}: cannot be read ({error.strerror})") from error

    def numbers(self, name: str) -> Numbers:
        return _Mapped(self.path / name)


class _Mapped:
    def __init__(self, path: Path):
        try:
            self.size = path.stat().st_size
            # NumPy maps no empty file, and a shard may be one.
            self._bytes = np.memmap(path, np.uint8, mode="c") if self.size else np.empty(0, np.uint8)
        except OSError as error:
            raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from error

    def at(self, offset: int, size: int) -> np.ndarray:
        return self._bytes[offset : offset + size]


class Archive(zipfile.ZipFile):
    """A zip whose list of files is of a bounded size: the library reads it whole, and makes ten times as much of it."""

    def __init__(self, path: Path):
        self._file = _AtMost(io.FileIO(path))
        try:
            super().__init__(self._file)
        except BaseException:
            self._file.close()
            raise
        self._file.most = None

    def close(self) -> None:
        super().close()
        self._file.close()


class _AtMost(io.BufferedReader):
    """A file that does not give more at once."""

    most: int | None = LARGEST_LIST

    def read(self, size: int | None = -1, /) -> bytes:
        if self.most is not None and size is not None and size > self.most:
            raise zipfile.BadZipFile("its list of files is too long for a checkpoint")
        return super().read(size)


class Zip:
    """One folder of a zip file: the one with `ending` in it, which is where a checkpoint's index lies.

    Raises CheckpointError if the file is no zip, or if not exactly one of its folders has such files.
    """

    def __init__(self, path: Path, ending: str = ".index"):
        self.path = path
        self._archive = _guarded(str(path), lambda: Archive(path))
        files = [info for info in self._archive.infolist() if not _is_beside(info.filename)]
        folders = sorted({posixpath.dirname(info.filename) for info in files if info.filename.endswith(ending)})
        if len(folders) != 1:
            hubs = any(posixpath.basename(info.filename) == "config.json" for info in files)
            none = "none, but a config.json: unpack it and give the folder" if hubs else "none"
            found = f"{len(folders)} of them" if folders else none
            raise CheckpointError(f"{path}: must hold one TensorFlow checkpoint ({ending}); it holds {found}")
        self._files = {posixpath.basename(i.filename): i for i in files if posixpath.dirname(i.filename) == folders[0]}

    def names(self) -> set[str]:
        return set(self._files)

    def where(self, name: str) -> str:
        return f"{self.path}: {name}" if name else str(self.path)

    def text(self, name: str, most: int) -> bytes:
        with self._opened(name) as file:
            return _at_most(_guarded(self.where(name), lambda: file.read(most + 1)), most, self.where(name))

    def numbers(self, name: str) -> Numbers:
        info = self._files[name]
        packed = min(info.compress_size, self.path.stat().st_size)
        if info.file_size > MOST_OUT_OF_ONE * packed + 64:
            raise CheckpointError(f"{self.where(name)}: claims {info.file_size} bytes, more than it can hold")
        return _Packed(self.where(name), info.file_size, self._opened(name))

    def _opened(self, name: str) -> IO[bytes]:
        info = self._files[name]
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            # The others make any amount of a few bytes, and the library takes it all at once.
            raise CheckpointError(f"{self.where(name)}: neither stored nor deflated; zip it in the usual way")
        return _guarded(self.where(name), lambda: self._archive.open(info))


def _is_beside(name: str) -> bool:
    """Whether a name in a zip is a folder's, or one that macOS adds to what it packs."""
    return name.endswith("/") or name.startswith("__MACOSX/") or posixpath.basename(name).startswith("._")


def _room(size: int) -> np.ndarray:
    """Bytes to be filled. Those of a large tensor go back to the system as soon as they are let go.

    Ordinary memory that was taken in one thread and is let go in another may stay with the process, and a second copy
    of the model beside it.
    """
    if size < LARGE or not hasattr(mmap, "MAP_PRIVATE"):  # Windows
        return np.empty(size, np.uint8)
    return np.frombuffer(mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS), np.uint8)


class _Packed:
    """A file in a zip; read in the order of its bytes it is uncompressed once."""

    def __init__(self, where: str, size: int, file: IO[bytes]):
        self._where, self.size, self._file = where, size, file

    def at(self, offset: int, size: int) -> np.ndarray:
        return _guarded(self._where, lambda: self._read(offset, size))

    def _read(self, offset: int, size: int) -> np.ndarray:
        self._file.seek(offset)
        out = _room(size)
        done = 0
        while done < size:
            part = self._file.read(min(_CHUNK, size - done))
            if not part:
                raise EOFError("it ends early")
            out[done : done + len(part)] = np.frombuffer(part, np.uint8)
            done += len(part)
        return out


def _guarded(where: str, call: Callable[[], Answer]) -> Answer:
    """What `call` gives; what the library of zips raises becomes a CheckpointError."""
    try:
        return call()
    except OSError as error:
        raise CheckpointError(f"{where}: cannot be read ({error.strerror or error})") from error
    except _DAMAGE as error:
        raise CheckpointError(f"{where}: truncated or corrupt ({error}); fetch it again") from error


def _at_most(content: bytes, most: int, where: str) -> bytes:
    if len(content) > most:
        raise CheckpointError(f"{where}: more than {most} bytes, which no official file of its kind has")
    return content
