"""Resume a run: what is saved with its state, and the configuration with which it continues."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minitf.errors import InputError
from minitf.fine_tuning.built_in_recipe import with_recipe
from minitf.fine_tuning.config import RECORDS, FineTuneConfig, field_of
from minitf.fine_tuning.folder import states
from minitf.fine_tuning.provenance import versions
from minitf.fine_tuning.settings import checked
from minitf.fine_tuning.terminal import Say

if TYPE_CHECKING:
    from minitf.fine_tuning.setup import TrainingSetup

# Settings that change no result of a run, and may differ when it is resumed.
FREE = ("resume", "output", "overwrite", "dry_run", "offline", "save_every", "verbose", "by")


def saved_with(setup: "TrainingSetup", offset: int) -> dict[str, object]:
    """Return the data that is saved with the state of a run, to resume it with the same configuration and data."""
    return {
        "settings": setup.settings(),
        "digests": {name: table.digest for name, table in setup.splits.items()},
        "model": setup.digest,
        "command": setup.command,
        "versions": versions(),
        "journal": offset,
    }


def journal_offset(setup: "TrainingSetup", last: Path) -> int:
    """Return the size of metrics.jsonl, in bytes, when the state in `last` was saved.

    Raises InputError if the data or the checkpoint have changed since the run started.
    The state does not contain frozen weights.
    """
    saved = _saved(last)
    for name, digest in saved["digests"].items():
        if setup.splits[name].digest != digest:
            path = setup.splits[name].path
            raise InputError(f"{path}: has changed since the run started; restore it, or start a new run")
    if saved["model"] != setup.digest:
        model = setup.config.model.model
        raise InputError(f"`model` {model}: has changed since the run started; restore it, or start a new run")
    return int(saved["journal"])


def resumed(given: Mapping[str, Any], say: Say) -> tuple[FineTuneConfig, str]:
    """Return the configuration and the command with which the run in `output` was started.

    The settings that are `given` must be the same, except those in `FREE`. A run that was stopped before it saved
    anything starts again, with the given settings. Raises InputError.
    """
    given = {name: checked(field_of(name), value) for name, value in given.items()}
    if given.get("output") is None:
        raise InputError("`resume` needs `output`, the folder of the run")
    folder = Path(given["output"])
    if not (saved := states(folder)):
        return _started_again(given, folder, say), ""
    last = saved[0].parent
    extra = _saved(last)
    settings = extra["settings"]
    if last.parent != folder:  # a run with several seeds: the lowest is the `seed` that was given
        settings["seed"] = min(int(path.parent.parent.name.removeprefix("seed-")) for path in saved)
    elif settings["seeds"] != 1:
        raise InputError(f"`resume`: {folder} is one of {settings['seeds']} seeds; give `output` {folder.parent}")
    _check_same(given, settings)
    if extra["versions"] != versions():
        say(
            f"warning: started with {extra['versions']}, resumed with {versions()}: weights may differ in the last bits"
        )
    return FineTuneConfig.of(**settings | given), extra["command"]


def _check_same(given: Mapping[str, Any], settings: Mapping[str, Any]) -> None:
    """Raise InputError for a setting that differs from that of the run, and for records that are missing."""
    for name, value in given.items():
        before = settings.get(name, field_of(name).default)
        free = name in FREE or isinstance(value, tuple)  # records are compared by their digest
        if not free and value != before:
            raise InputError(f"`{name}` {value}: the run was started with {before}; leave it out, or start a new run")
    for name in ("train", "valid", "test"):
        if name not in given and str(settings[name]).endswith(RECORDS):
            raise InputError(f"`{name}`: the run was started with {settings[name]} from Python; give them again")


def _started_again(given: Mapping[str, Any], folder: Path, say: Say) -> FineTuneConfig:
    """Return the configuration of a run that has saved nothing."""
    if not folder.is_dir():
        raise InputError(f"`resume`: {folder} is not the folder of a run; give the one to continue")
    if not set(given) - set(FREE):
        raise InputError(f"`resume`: nothing is saved in {folder} yet; give the other settings to start again")
    say(f"nothing is saved in {folder} yet: the run starts again")
    return FineTuneConfig.of(**with_recipe({**given, "resume": False}))


def _saved(last: Path) -> dict[str, Any]:
    """Return what `saved_with` returned for the state in `last`. Raises InputError."""
    from minitf.training.state import read_extra

    return read_extra(last)
