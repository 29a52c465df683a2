"""Convert an official checkpoint, in any layout that minitf reads, to a folder that `transformers` opens."""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from safetensors import SafetensorError

from minitf.checkpoints.kinds import kind_of_config
from minitf.checkpoints.load import STORED_HEAD, load_with_report
from minitf.checkpoints.metadata import FILE as METADATA
from minitf.checkpoints.safetensors_files import open_safetensors
from minitf.checkpoints.save import WRITTEN, save
from minitf.checkpoints.stated import sentence_files, stated_length
from minitf.errors import InputError

# The files that a conversion writes, and the only ones that `overwrite` may replace.
REPLACED = WRITTEN - {METADATA}
NOTE = {"converted_by": "minitf"}  # in the header of the weights: `overwrite` replaces only such a checkpoint


def convert(
    source: str | Path,
    folder: Path,
    *,
    overwrite: bool = False,
    offline: bool = False,
    verify: bool = True,
    hidden_act: str | None = None,
    revision: str | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> None:
    """Write the checkpoint `source` to `folder`, completely or not at all; `say` gets each line of the report.

    `hidden_act` replaces the activation function in config.json. Raises CheckpointError for a source that cannot be
    read, and InputError for a folder that cannot be written.
    """
    check_folder(folder, overwrite)
    model, report = load_with_report(
        source, STORED_HEAD, offline=offline, say=say, hidden_act=hidden_act, verify=verify, revision=revision
    )
    say(str(report))
    if folder.exists() and os.path.samefile(report.source.folder, folder):
        raise InputError(f"{folder}: is the checkpoint itself; choose another folder")
    tokenizer = None if report.tokenizer is None else report.checked_tokenizer()
    stated = report.source.folder
    save(model, tokenizer, folder, max_length=stated_length(stated), files=sentence_files(stated), note=NOTE)
    name = kind_of_config(model.config).class_name(model.config, model.head_name)
    say(f"\nwritten to {folder}: transformers.{name}.from_pretrained({str(folder)!r}) opens it")
    if tokenizer is None:
        say("no tokenizer files beside the weights, so none are written: to read text, add a vocab.txt")


def check_folder(folder: Path, overwrite: bool) -> None:
    """Raise InputError if `folder` exists and contains anything that `overwrite` may not replace."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise InputError(f"{folder}: is a file; choose a folder")
    names = {path.name for path in folder.iterdir()}
    if others := sorted(names - REPLACED):
        raise InputError(f"{folder}: has {others[0]}, which is not part of a checkpoint; choose another folder")
    if names and not _is_conversion(folder):
        raise InputError(f"{folder}: has a checkpoint that convert did not write; choose another folder")
    if names and not overwrite:
        raise InputError(f"{folder}: already contains a conversion; choose another folder, or use `overwrite`")


def _is_conversion(folder: Path) -> bool:
    """Whether the weights in `folder` are those of an earlier conversion."""
    with contextlib.suppress(OSError, SafetensorError), open_safetensors(folder / "model.safetensors", "np") as file:
        return NOTE.items() <= (file.metadata() or {}).items()
    return False
