"""Resuming a run: what is saved with its state, and the configuration it continues with."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minitf.errors import InputError
from minitf.fine_tuning.config import FineTuneConfig, declared
from minitf.fine_tuning.folder import states
from minitf.fine_tuning.provenance import versions

if TYPE_CHECKING:
    from minitf.fine_tuning.setup import TrainingSetup

# Settings that change no number of a run, and may differ when it is resumed.
FREE = ("resume", "output", "overwrite", "dry_run", "offline", "save_every")


def saved_with(setup: "TrainingSetup", offset: int) -> dict[str, object]:
    """What is saved beside the state of a run, so that it can be resumed with the same configuration."""
    return {
        "settings": setup.settings(),
        "digests": {name: table.digest for name, table in setup.splits.items()},
        "model": setup.digest,
        "command": setup.command,
        "versions": versions(),
        "journal": offset,
    }


def journal_offset(setup: "TrainingSetup", last: Path) -> int:
    """The bytes of metrics.jsonl that the state in `last` includes.

    Raises InputError if data or weights have changed since the run started: of frozen weights nothing is saved.
    """
    from minitf.training.state import read_extra

    saved = read_extra(last)
    for name, digest in saved["digests"].items():
        if setup.splits[name].digest != digest:
            path = setup.splits[name].path
            raise InputError(f"{path}: has changed since the run started; restore it, or start a new run")
    if saved["model"] != setup.digest:
        model = setup.config.model.model
        raise InputError(f"`model` {model}: has changed since the run started; restore it, or start a new run")
    return int(saved["journal"])


def resumed(given: Mapping[str, Any], say: Callable[[str], None]) -> tuple[FineTuneConfig, str]:
    """The configuration and the command that the run in `output` was started with; settings `given` must agree.

    A run that was stopped before it saved anything starts again, with the settings given. Raises InputError.
    """
    if given.get("output") is None:
        raise InputError("`resume` needs `output`, the folder of the run")
    folder = Path(given["output"])
    if not (saved := states(folder)):
        return _started_again(given, folder, say), ""
    from minitf.training.state import read_extra

    place = saved[0].parent
    extra = read_extra(place)
    settings = extra["settings"]
    if place.parent != folder:  # one of several: the first has the seed that was given
        settings["seed"] = min(int(path.parent.parent.name.removeprefix("seed-")) for path in saved)
    elif settings["seeds"] != 1:
        raise InputError(f"`resume`: {folder} is one of {settings['seeds']} seeds; give `output` {folder.parent}")
    for name, value in given.items():
        if name in FREE or _are_records(value):  # the digest of records is compared
            settings[name] = value
        elif value != settings.get(name):
            raise InputError(
                f"`{name}` {value}: the run was started with {settings.get(name)}; leave it out, or start a new run"
            )
    if extra["versions"] != versions():
        say(
            f"warning: started with {extra['versions']}, resumed with {versions()}: weights may differ in the last bits"
        )
    known = {field.name for _, field in declared()}
    return FineTuneConfig.of(**{name: value for name, value in settings.items() if name in known}), extra["command"]


def _started_again(given: Mapping[str, Any], folder: Path, say: Callable[[str], None]) -> FineTuneConfig:
    if not folder.is_dir():
        raise InputError(f"`resume`: {folder} is not the folder of a run; give the one to continue")
    if not set(given) - set(FREE):
        raise InputError(f"`resume`: nothing is saved in {folder} yet; give the other settings to start again")
    say(f"nothing is saved in {folder} yet: the run starts again")
    return FineTuneConfig.of(**{**given, "resume": False})


def _are_records(value: object) -> bool:
    return isinstance(value, list | tuple)
