"""The folder of a run: choose and check it, remove an earlier run from it, lock it against other processes."""

import contextlib
import errno
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from minitf.checkpoints.metadata import SAVED
from minitf.datasets.built_in import built_in_name
from minitf.errors import InputError
from minitf.files import MANIFEST, STATE, leftovers, make_folder, remove_leftovers, writing
from minitf.fine_tuning.config import FineTuneConfig
from minitf.fine_tuning.manifest import Manifest
from minitf.tasks.spec import Table

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

WEIGHTS = (f"last/{STATE}", *(f"best/{name}" for name in SAVED))
# The names of all files of a run. They are in its manifest before the first one is created.
FILES = ("metrics.jsonl", *WEIGHTS, "curves.png", "report.json", "report.html")


def choose_folder(config: FineTuneConfig, train: Table) -> Path:
    """Return the folder of the run; nothing in it is changed yet. Raises InputError if it has other content."""
    if config.output.output is None:
        name = built_in_name(config.data.train) or Path(train.path).stem
        n = 1
        while (folder := Path("runs") / f"{name}-{n}").exists():
            n += 1
        return folder
    folder = Path(config.output.output)
    check_free(folder, config)
    return folder


def check_free(folder: Path, config: FineTuneConfig) -> None:
    """Raise InputError if a run that is not resumed may not start in `folder`."""
    model, output = config.model.model, config.output
    if output.resume:
        return
    with writing(folder):
        if os.path.exists(model) and Path(os.path.realpath(folder)) in Path(os.path.realpath(model)).parents:
            raise InputError(f"`output` {folder}: contains `model` {model}; choose another folder")
        os.lstat(there := next(path for path in (folder, *folder.absolute().parents) if os.path.lexists(path)))
        if there != folder and not there.is_dir():
            raise InputError(f"`output` {folder}: cannot be written ({there} is a file); choose another folder")
        if folder.exists() and not folder.is_dir():
            raise InputError(f"`output` {folder}: is a file; choose a folder")
        check_manifest(folder)
        if not output.overwrite and _has_results(folder):
            raise InputError(
                f"`output` {folder}: has an earlier run; `resume` it, `overwrite` it, or choose another folder"
            )


def check_manifest(folder: Path, command: str = "finetune") -> None:
    """Raise InputError if `folder` has files and `command` did not create any of them.

    A run that was killed at its start can leave a folder without files.
    """
    manifest = Manifest(folder, command)
    if not manifest.exists() and (files := _files(folder)):
        some = ", ".join(files[:3]) + (", …" if len(files) > 3 else "")
        raise InputError(
            f"`output` {folder}: exists and is not a minitf run (it has {some}, but no {MANIFEST}); choose another"
            " folder, or delete these files yourself"
        )
    if manifest.command != command:
        raise InputError(
            f"`output` {folder}: has the results of another command ({manifest.command}); choose another folder"
        )


def is_saved(folder: Path) -> bool:
    """Whether `folder`, of one run or of several seeds, has a saved state to resume from."""
    return bool(states(folder))


def states(folder: Path) -> list[Path]:
    """Return the state files in `folder`: its own, or those of its seeds."""
    seeds = (path for path in sorted(folder.glob(f"seed-*/last/{STATE}")) if path.parts[-3][5:].isdecimal())
    return [path for path in (folder / "last" / STATE, *seeds) if path.is_file()]


def remove_all_leftovers(folder: Path) -> None:
    """Remove the leftovers of an interrupted save in the folder of a run."""
    remove_leftovers(folder)
    remove_leftovers(folder / "last")


def make_fresh(folder: Path, files: Sequence[str] = FILES) -> None:
    """Delete an earlier run from `folder`, and start a manifest of `files` in it.

    Called after all other checks, directly before training. Raises InputError if one of `files` exists and is not from
    minitf.
    """
    manifest = Manifest(folder)
    manifest.check(files)
    manifest.remove_files()
    manifest.add(*files)


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Lock `folder` inside the block. Raises InputError if another process has locked it.

    The system releases the lock when the process ends, even if it is killed. On Windows nothing is locked.
    """
    with writing(folder):
        make_folder(folder)
    if fcntl is None:
        yield
        return
    with writing(folder):
        handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EACCES):  # a file system without locks
                yield
                return
            raise InputError(
                f"`output` {folder}: another process is using it; wait, or choose another folder"
            ) from None
        yield
    finally:
        os.close(handle)


def _files(folder: Path) -> list[str]:
    """Return what is in `folder` by name, without empty folders and the leftovers of interrupted writes."""
    ignored = leftovers(folder)
    return sorted(
        path.name
        for path in (folder.iterdir() if folder.is_dir() else ())
        if path not in ignored and (not path.is_dir() or any(not inner.is_dir() for inner in path.rglob("*")))
    )


def _has_results(folder: Path) -> bool:
    """Whether the run has a model or at least one step of training."""
    if any((part / "best").exists() for part in (folder, *folder.glob("seed-*"))):
        return True
    if not is_saved(folder):
        return False
    from minitf.training.state import saved_steps

    return any(saved_steps(path.parent) for path in states(folder))
