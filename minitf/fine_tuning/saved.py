"""Open a saved model: used by evaluation, prediction and pruning."""

import dataclasses
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from minitf.errors import CheckpointError, InputError
from minitf.fine_tuning.terminal import Say
from minitf.tasks import registry
from minitf.tasks.spec import TaskSpec
from minitf.text.windows import choose_max_length

if TYPE_CHECKING:
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
    source: str,
    head: str | None,
    options: ModelOptions,
    say: Say,
    math: "Mathematics | None" = None,
    kind: str | None = "bert",
) -> "tuple[Any, LoadReport]":
    """Load the model, a Bert with the head called `head`; `math` replaces that of the options.

    `kind` is that of `TaskSpec.model`, None for any. Raises InputError.
    """
    from minitf.fine_tuning.models import load_kind

    settings = loading(options, say)
    return load_kind(kind, source, head=head, **(settings if math is None else settings | {"math": math}))


def loading(options: ModelOptions, say: Say) -> dict[str, Any]:
    """Return the arguments of `load_with_report` for these options."""
    from minitf.bert.device import choose_device

    return {
        "math": options.math,
        "device": choose_device(options.device),
        "offline": options.offline,
        "say": say,
        "hidden_act": options.hidden_act,
        "verify": not options.no_verify,
        "revision": options.revision,
    }


def length_for(spec: TaskSpec | None, options: ModelOptions, metadata: Mapping[str, Any], report: "LoadReport") -> int:
    """Return the maximum number of tokens of a text: the requested one, else that of the training, else the folder's.

    A task that reads long texts in windows has its own. `spec` is None for sentence vectors and masked words. Raises
    InputError if the requested length exceeds the model's positions.
    """
    from minitf.checkpoints.stated import stated_length
    from minitf.fine_tuning.models import NO_LIMIT

    longest = report.config.longest or NO_LIMIT
    usual = stated_length(report.source.folder, for_vectors=spec is None) or longest
    if spec is not None and (not spec.truncates or metadata.get("task")):
        usual = spec.max_length
    return choose_max_length(options.max_length or metadata.get("max_length"), usual, longest)


def spec_by_name(name: str) -> TaskSpec:
    """Return the task of this name. Raises InputError."""
    if name not in registry.SPECS:
        raise InputError(f"`task` {name}: there is no such task; choose one of {', '.join(sorted(registry.SPECS))}")
    return registry.SPECS[name]


def stored_spec(source: str, options: ModelOptions, say: Say) -> TaskSpec | None:
    """Return the task for the head that the files of a checkpoint have, None if no task has it.

    Errors in the files are left to the loader.
    """
    from minitf.checkpoints import sources
    from minitf.checkpoints.official import OfficialFiles
    from minitf.fine_tuning.models import CLASSES

    with suppress(CheckpointError):
        found = sources.find(source, offline=options.offline, say=say, revision=options.revision)
        files = OfficialFiles(found)
        kind = next(name for name, model in CLASSES.items() if model is files.kind.model)
        return registry.by_head(files.stored_head(), kind)
    return None
