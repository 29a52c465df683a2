"""A fault injector: the n-th operation on the files of one folder fails, is cut short, or is the last of the process.

The operations are those that Python reports to audit hooks (open, rename, mkdir, unlink, rmdir, truncate), and fsync,
`write` and `close` of files that are open for writing, and safetensors' `save_file`.
"""

import builtins
import errno
import io
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from minitf.checkpoints import save
from minitf.training import state

KILLED = 9  # the exit status of a process that `kill` ends
AUDITED = ("open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.truncate")


def error(number: int) -> Callable[[], None]:
    """Make a fault that raises the system's error of this number."""

    def fail() -> None:
        raise OSError(number, os.strerror(number))

    return fail


def kill() -> None:
    os._exit(KILLED)


FAULTS = {"EIO": error(errno.EIO), "ENOSPC": error(errno.ENOSPC), "EINTR": error(errno.EINTR), "kill": kill}


class Injector:
    """Counts the operations in `root`; the n-th one has the fault. `operations` are the names of all of them."""

    def __init__(self, root: Path, n: int | None = None, fault: Callable[[], None] = kill):
        self.root, self.n, self.fault = root, n, fault
        self.operations: list[str] = []
        self.resting = False

    def operation(self, name: str, path: object = None, half: Callable[[], object] | None = None) -> None:
        """Record an operation. `half` does a part of it before the fault, as a short write does."""
        if self.resting or not self._inside(path):
            return
        self.operations.append(name)
        if len(self.operations) - 1 == self.n:
            self.resting = True
            try:
                if half is not None:
                    half()
                self.fault()
            finally:
                self.resting = False

    def _inside(self, path: object) -> bool:
        if path is None:
            return True
        if not isinstance(path, str | bytes | os.PathLike):
            return False
        name = Path(os.fsdecode(path))
        return not name.is_absolute() or name.is_relative_to(self.root)


_injectors: list[Injector] = []  # at most one


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    if _injectors and event in AUDITED:
        _injectors[-1].operation(event, arguments[0])


sys.addaudithook(_hook)  # for the life of the process


@contextmanager
def injected(root: Path, n: int | None = None, fault: Callable[[], None] = kill) -> Iterator[Injector]:
    """Let the n-th operation inside `root` fail in the block; without `n`, only count them."""
    injector = Injector(root, n, fault)
    true_open, true_save = io.open, state.save_file

    def opened(path: Any, mode: str = "r", *more: Any, **others: Any) -> Any:
        file = true_open(path, mode, *more, **others)
        if set(mode) & set("wax+") and injector._inside(path):
            write, close = file.write, file.close

            def write_half(content: Any) -> int:
                injector.operation("write", half=lambda: (write(content[: len(content) // 2]), file.flush()))
                return write(content)

            def close_and_fail() -> None:
                close()
                injector.operation("close")

            file.write, file.close = write_half, close_and_fail
        return file

    def fsync(handle: int) -> None:
        injector.operation("fsync")  # and nothing else: the tests cut no power, and a real one is slow

    def save_file(tensors: Any, path: Path, *more: Any, **others: Any) -> None:
        injector.operation("save_file", path, lambda: Path(path).with_name(".tmpA1b2C3").write_bytes(b"half"))
        true_save(tensors, path, *more, **others)

    with (
        mock.patch.object(io, "open", opened),
        mock.patch.object(builtins, "open", opened),
        mock.patch.object(os, "fsync", fsync),
        mock.patch.object(state, "save_file", save_file),
        mock.patch.object(save, "save_file", save_file),
    ):
        _injectors.append(injector)
        try:
            yield injector
        finally:
            _injectors.pop()
