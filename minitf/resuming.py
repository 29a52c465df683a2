"""Going on where a run stopped, and keeping two processes out of one folder."""

import argparse
import contextlib
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
    from minitf.experiment import Ready


def begun_with(ready: "Ready", offset: int) -> dict[str, object]:
    """What is saved beside a run's state, so that `resumed` can begin as it did."""
    digests = {name: table.digest for name, table in ready.splits.items()}
    return {"arguments": vars(ready.arguments), "digests": digests, "versions": runs.versions(), "journal": offset}


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
        print(f"nothing is saved in {folder} yet: the run begins anew")
        arguments.resume = False
        return arguments
    from minitf.training import state

    place = saved[0].parent
    extra = state.read_extra(place)
    begun: dict[str, object] = {**vars(arguments), **extra["arguments"]}
    if place.parent != folder:  # one of several: the first is of the seed that was asked for
        begun["seed"] = min(int(path.parent.parent.name.removeprefix("seed-")) for path in saved)
    free = {"resume": True, "output": arguments.output, "overwrite": False, "dry_run": arguments.dry_run}
    for name, value in flags.given(description, argv).items():
        if name not in free and value != begun.get(name):
            flag = f"--{name.replace('_', '-')}"
            raise InputError(
                f"{flag} {value}: this run was begun with {begun.get(name)}; leave it out, or begin a new run"
            )
    if extra["versions"] != runs.versions():
        print(
            f"warning: begun with {extra['versions']}, now {runs.versions()}: the weights may differ in the last bits"
        )
    return argparse.Namespace(**{**begun, **free, "digests": extra["digests"]})


def check_unchanged(arguments: argparse.Namespace, splits: runs.Splits) -> None:
    """Raises InputError if a run is resumed on other data than it began with."""
    for name, digest in getattr(arguments, "digests", {}).items():
        if splits[name].digest != digest:
            raise InputError(f"{splits[name].path}: has changed since the run began; begin a new run, or restore it")


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
        except OSError:
            busy = f"--output {folder}: another process is at work in it; wait, or give another folder"
            raise InputError(busy) from None
        yield
    finally:
        os.close(handle)
