"""Resume a run: the configuration with which it continues."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from minitf.datasets.built_in import built_in_name
from minitf.datasets.near_paths import suggest_path
from minitf.errors import InputError
from minitf.files import MANIFEST, STATE
from minitf.fine_tuning.built_in_recipe import with_recipe
from minitf.fine_tuning.config import RECORDS, FineTuneConfig, field_of
from minitf.fine_tuning.digests import CODE_FREE, digest_file
from minitf.fine_tuning.folder import check_manifest, states
from minitf.fine_tuning.manifest import Manifest
from minitf.fine_tuning.record import RunRecord
from minitf.fine_tuning.settings import checked
from minitf.fine_tuning.terminal import Say

# Settings that change no result of a run, and may differ when it is resumed.
FREE = ("resume", "output", "overwrite", "dry_run", "offline", "save_every", "verbose", "by")
TABLES = ("train", "valid", "test")


def resumed(given: Mapping[str, Any], say: Say) -> tuple[FineTuneConfig, str]:
    """Return the configuration and the command with which the run in `output` was started.

    The settings that are `given` must be the same, except those in `FREE` and the paths of files with the same content.
    A run that was stopped before it saved anything starts again, with the given settings. Raises InputError.
    """
    given = {name: checked(field_of(name), value) for name, value in given.items()}
    if given.get("output") is None:
        raise InputError("`resume` needs `output`, the folder of the run")
    folder = Path(given["output"])
    if not (saved := states(folder)):
        return _started_again(given, folder, say), ""
    last = saved[0].parent
    record = RunRecord.read(last)
    settings = dict(record.arguments)
    if last.parent != folder:  # a run with several seeds: the lowest is the `seed` that was given
        settings["seed"] = _lowest_seed(folder, saved)
    elif settings.get("seeds", 1) != 1:
        raise InputError(f"`resume`: {folder} is one of {settings['seeds']} seeds; give `output` {folder.parent}")
    _check_same(given, settings)
    _check_math(given, settings, record)
    _check_paths(given, settings, record)
    return FineTuneConfig.of(**settings | given), record.command


def _lowest_seed(folder: Path, saved: list[Path]) -> int:
    """Return the lowest seed of a run; the state of the first one can be missing."""
    names = [*Manifest(folder).runs, *(path.parent.parent.name for path in saved)]
    return min(int(name[5:]) for name in names if name.startswith("seed-") and name[5:].isdecimal())


def _check_same(given: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
    """Raise InputError for a setting that differs from that of the run, and for records that are missing."""
    for name, value in given.items():
        before = settings.get(name, field_of(name).default)
        if name in FREE or value == before or isinstance(value, tuple):  # records are compared by their digest
            continue
        if name == "math" and before not in CODE_FREE and value not in CODE_FREE:
            continue  # another file, compared by its digest
        if name in (*TABLES, "model") and _same_kind(name, value, before):
            continue  # another path, compared by its digest
        raise InputError(f"`{name}` {value}: the run was started with {before}; leave it out, or start a new run")
    for name in TABLES:
        if name not in given and _are_records(settings.get(name)):
            raise InputError(f"`{name}`: the run was started with {settings[name]} from Python; give them again")


def _same_kind(name: str, value: str, before: object) -> bool:
    """Whether both are paths that are read in the same way: the format of a table depends on the end of its name."""
    if not isinstance(before, str) or _are_records(before):
        return False
    return name == "model" or Path(value).suffix.lower() == Path(before).suffix.lower()


def _are_records(value: object) -> bool:
    return isinstance(value, str) and value.endswith(RECORDS)


def _check_math(given: Mapping[str, Any], settings: Mapping[str, Any], record: RunRecord) -> None:
    """Raise InputError unless a file with code is given again, unchanged. Code named only in a state is not run."""
    before = settings.get("math", CODE_FREE[0])
    if before in CODE_FREE:
        return
    if "math" not in given:
        raise InputError(
            f"`math`: the run was started with the Python file {before}, and code is executed only if you give it:"
            " give `math` and this file again"
        )
    path = Path(given["math"])
    if path.is_file() and digest_file(path) != record.inputs.get("math"):
        raise InputError(f"`math` {path}: has changed since the run started; restore the file, or start a new run")


def _check_paths(given: Mapping[str, Any], settings: Mapping[str, Any], record: RunRecord) -> None:
    """Raise InputError for a file of the run that does not exist, for example relative to another working folder."""
    for name in (*TABLES, *(["model"] if record.model_is_path else [])):
        path = given.get(name, settings.get(name))
        if name == "train" and built_in_name(path):
            continue
        if name not in given and isinstance(path, str) and not Path(path).exists():
            raise InputError(
                f"`{name}` {path}: does not exist in this working folder; give `{name}` with the path of the same file"
            )


def _started_again(given: Mapping[str, Any], folder: Path, say: Say) -> FineTuneConfig:
    """Return the configuration of a run that has saved nothing."""
    if not folder.is_dir():
        near = suggest_path(folder, lambda other: (other / MANIFEST).is_file())
        raise InputError(f"`resume`: {folder} is not the folder of a run{near}; give the one to continue")
    check_manifest(folder)
    journal = folder / "metrics.jsonl"
    if (folder / "best").exists() or (journal.is_file() and journal.stat().st_size):
        state = folder / "last" / STATE
        raise InputError(f"`resume`: {state} is missing; restore it, or start again with `overwrite`")
    if not set(given) - set(FREE):
        raise InputError(f"`resume`: nothing is saved in {folder} yet; give the other settings to start again")
    say(f"nothing is saved in {folder} yet: the run starts again")
    return FineTuneConfig.of(**with_recipe({**given, "resume": False}))
