"""Going on where a run stopped, and keeping two processes out of one folder."""

import argparse
import contextlib
import errno
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from minitf import flags, runs
from minitf.errors import InputError
from minitf.files import writing

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from minitf.preparing import Ready

# Flags that change nothing of what a run comes to.
FREE = ("resume", "output", "overwrite", "dry_run", "offline", "save_every")


def begun_with(ready: "Ready", offset: int) -> dict[str, object]:
    """What is saved beside a run's state, so that `resumed` can begin as it did."""
    return {
        "arguments": runs.asked_for(ready.arguments),
        "digests": {name: table.digest for name, table in ready.splits.items()},
        "model": ready.digest,
        "command": getattr(ready.arguments, "command", ""),
        "versions": runs.versions(),
        "journal": offset,
    }


def where_it_stopped(ready: "Ready", last: Path) -> int:
    """How many bytes of metrics.jsonl the state in `last` knows of. Raises InputError if the run was begun with other
    data, or with other weights: of those that are frozen nothing is saved."""
    from minitf.training import state

    saved = state.read_extra(last)
    for name, digest in saved["digests"].items():
        if ready.splits[name].digest != digest:
            path = ready.splits[name].path
            raise InputError(f"{path}: has changed since the run began; begin a new run, or restore it")
    if saved["model"] != ready.digest:
        raise InputError(f"--model {ready.arguments.model}: has changed since the run began; begin a new run")
    return int(saved["journal"])


def resumed(arguments: argparse.Namespace, description: str, argv: Sequence[str] | None) -> argparse.Namespace:
    """The arguments that the run in --output began with; what `argv` says besides must agree.

    A run that was stopped before it saved anything begins anew, with the arguments given. Raises InputError.
    """
    if arguments.output is None:
        raise InputError("--resume needs --output DIR, the folder of the run")
    folder = Path(arguments.output)
    if not (saved := runs.states(folder)):
        if not folder.is_dir():
            raise InputError(f"--resume: {folder} is no run's folder; give that of the run to go on with")
        if not set(flags.given(description, argv)) - set(FREE):
            raise InputError(f"--resume: nothing is saved in {folder} yet; give the run's other flags to begin anew")
        print(f"nothing is saved in {folder} yet: the run begins anew")
        arguments.resume = False
        return arguments
    from minitf.training import state

    place = saved[0].parent
    extra = state.read_extra(place)
    begun: dict[str, object] = {**vars(arguments), **extra["arguments"], "command": extra["command"]}
    if place.parent != folder:  # one of several: the first is of the seed that was asked for
        begun["seed"] = min(int(path.parent.parent.name.removeprefix("seed-")) for path in saved)
    elif begun["seeds"] != 1:
        raise InputError(f"--resume: {folder} is one of {begun['seeds']} seeds; give --output {folder.parent}")
    for name, value in flags.given(description, argv).items():
        if name in FREE:
            begun[name] = value
        elif value != begun.get(name):
            flag = f"--{name.replace('_', '-')}"
            raise InputError(
                f"{flag} {value}: this run was begun with {begun.get(name)}; leave it out, or begin a new run"
            )
    if extra["versions"] != runs.versions():
        print(
            f"warning: begun with {extra['versions']}, now {runs.versions()}: the weights may differ in the last bits"
        )
    return argparse.Namespace(**begun)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Inside the block no other process may run in `folder`. Raises InputError if one does.

    The system takes the lock back when a process ends, however it ends, so none is left behind. Where the system has
    no such locks (Windows), nothing is locked.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    if fcntl is None:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EACCES):  # a file system without locks
                yield
                return
            busy = f"--output {folder}: another process is at work in it; wait, or give another folder"
            raise InputError(busy) from None
        yield
    finally:
        os.close(handle)
