"""The record of a run: what is saved with its state, to resume it with the same configuration and the same inputs."""

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minitf.errors import InputError
from minitf.files import STATE
from minitf.fine_tuning.digests import is_unchanged
from minitf.fine_tuning.provenance import environment
from minitf.fine_tuning.terminal import Say

if TYPE_CHECKING:
    from minitf.fine_tuning.setup import TrainingSetup

_MODEL = {"weights": "its weights", "config": "its config.json", "tokenizer": "its tokenizer"}


@dataclasses.dataclass(frozen=True)
class RunRecord:
    """Saved as JSON in the state of a run."""

    arguments: dict[str, Any]  # the settings
    command: str  # that started the run
    inputs: dict[str, str]  # digests by name
    environment: dict[str, str]
    model_is_path: bool  # False: the model was found by its name
    journal: dict[str, Any]  # `Journal.mark` when the state was saved
    best: dict[str, str]  # digests of the files in best/, {} before the first epoch
    previous_best: dict[str, str]  # the same before the epoch at whose end the state was saved

    @classmethod
    def read(cls, last: Path) -> "RunRecord":
        """Read the record from the state in the folder `last`. Raises InputError."""
        from minitf.training.state import read_extra

        return cls.from_dict(read_extra(last), f"{last / STATE}: has other content than minitf writes")

    @classmethod
    def from_dict(cls, content: Any, problem: str) -> "RunRecord":
        """Make a record from its JSON. Raises InputError with `problem` if anything is missing."""
        try:
            record = cls(**content)
        except TypeError:
            raise InputError(f"{problem}; start again with `overwrite`") from None
        dicts = (record.arguments, record.inputs, record.environment, record.journal, record.best, record.previous_best)
        if not all(isinstance(part, dict) for part in dicts) or not isinstance(record.command, str):
            raise InputError(f"{problem}; start again with `overwrite`")
        return record

    @classmethod
    def of(
        cls, setup: "TrainingSetup", journal: dict[str, Any], best: dict[str, str], previous_best: dict[str, str]
    ) -> "RunRecord":
        """Make the record of a run."""
        return cls(
            arguments=setup.settings(),
            command=setup.command,
            inputs=setup.inputs,
            environment=environment(setup.device),
            model_is_path=Path(setup.config.model.model).exists(),
            journal=journal,
            best=best,
            previous_best=previous_best,
        )


def check_start(record: RunRecord, setup: "TrainingSetup", say: Say) -> None:
    """Raise InputError if an input of the run has changed since it started; print a warning for another environment.

    A file with the same content at another path is the same input.
    """
    check_inputs(record.inputs, record.arguments, setup)
    now, before = environment(setup.device), record.environment
    if different := [name for name in now if before.get(name) != now[name]]:
        started, resumed = (", ".join(f"{name} {e.get(name)}" for name in different) for e in (before, now))
        say(f"warning: started with {started}; resumed with {resumed}: weights may differ in the last bits")


def check_inputs(before: Mapping[str, str], arguments: Mapping[str, Any], setup: "TrainingSetup") -> None:
    """Raise InputError if an input of the run differs from `before`, when it was started with `arguments`."""
    settings = setup.settings()
    for name, digest in before.items():
        if setup.inputs.get(name) == digest:
            continue
        setting, part = ("model", f" ({_MODEL[name]})") if name in _MODEL else (name, "")
        now, started = settings.get(setting), arguments.get(setting)
        if now == started:
            path = setup.splits[name].path if now is None else now
            raise InputError(
                f"`{setting}` {path}: has changed since the run started{part}; restore it, or start a new run"
            )
        raise InputError(
            f"`{setting}` {now}: the run was started with {started}, which has other content{part}; give the same, or"
            " start a new run"
        )


def check_best(best: Path, record: RunRecord, rewritable: bool) -> bool:
    """Whether the model in `best` is the one that the run saved; False if it has to be saved again from the state.

    Only `rewritable` states have the weights of the best epoch. Raises InputError if a file is missing or has changed.
    """
    if is_unchanged(best, record.best):
        return True
    changed = next(name for name in record.best if not is_unchanged(best, {name: record.best[name]}))
    missing = not any(os.path.lexists(best / name) for name in record.best)
    # The process can have been killed after the state was saved and before best/ was replaced.
    if rewritable and (missing or (record.previous_best and is_unchanged(best, record.previous_best))):
        return False
    remedy = f"restore it, {f'delete {best} to save it again, ' if rewritable else ''}or start again with `overwrite`"
    if missing:
        raise InputError(f"{best}: the model of the best epoch is missing; {remedy}")
    raise InputError(f"{best / changed}: is missing or has changed since the run saved it; {remedy}")
