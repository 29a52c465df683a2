"""Open a saved model: used by evaluation, prediction and pruning."""

import dataclasses
from contextlib import suppress
from typing import TYPE_CHECKING

from minitf.errors import CheckpointError, InputError
from minitf.fine_tuning.terminal import Say
from minitf.tasks import registry
from minitf.tasks.spec import TaskSpec

if TYPE_CHECKING:
    from minitf.bert import Bert
    from minitf.checkpoints.report import LoadReport
    from minitf.mathematics import Mathematics


@dataclasses.dataclass(frozen=True)
class ModelOptions:
    """The options for opening a model, the same for every command that runs a model."""

    max_length: int | None = None
    math: str = "kernels"
    device: str = "auto"
    hidden_act: str | None = None
    no_verify: bool = False
    offline: bool = False
    revision: str | None = None


def open_model(
    source: str, head: str | None, options: ModelOptions, say: Say, math: "Mathematics | None" = None
) -> "tuple[Bert, LoadReport]":
    """Load the model with the head called `head`; `math` replaces that of the options. Raises InputError."""
    from minitf.bert.device import choose_device
    from minitf.checkpoints.load import load_with_report

    return load_with_report(
        source,
        head=head,
        math=math or options.math,
        device=choose_device(options.device),
        offline=options.offline,
        say=say,
        hidden_act=options.hidden_act,
        verify=not options.no_verify,
        revision=options.revision,
    )


def spec_by_name(name: str) -> TaskSpec:
    """Return the task of this name. Raises InputError."""
    if name not in registry.SPECS:
        raise InputError(f"`task` {name}: there is no such task; choose one of {', '.join(sorted(registry.SPECS))}")
    return registry.SPECS[name]


def stored_head(source: str, options: ModelOptions, say: Say) -> str | None:
    """Return the head that the files of a checkpoint have, or None. Errors in the files are left to the loader."""
    from minitf.checkpoints import sources
    from minitf.checkpoints.official import OfficialFiles

    with suppress(CheckpointError):
        found = sources.find(source, offline=options.offline, say=say, revision=options.revision)
        return OfficialFiles(found).stored_head()
    return None
