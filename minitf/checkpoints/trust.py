"""Whose file it is: the one digest that the catalogue pins for a model, held against what was found."""

import hashlib
from pathlib import Path

from minitf.checkpoints import catalogue
from minitf.errors import CheckpointError


def pinned(name: str) -> catalogue.Entry | None:
    """The row of this name if it is pinned whatever the source: that of a model with a wheel."""
    entry = catalogue.look_up(name)
    return entry if entry and entry.wheel else None


def with_safetensors(folder: Path, entry: catalogue.Entry | None) -> catalogue.Entry | None:
    """The row, unless a cache holds the model in a layout that has no digest there."""
    return entry if entry and (entry.wheel or (folder / "model.safetensors").exists()) else None


def trust(folder: Path, entry: catalogue.Entry | None, remedy: str) -> None:
    """CheckpointError unless model.safetensors has the digest that the catalogue pins, if it pins one."""
    if entry is None or not entry.sha256:
        return
    file = folder / "model.safetensors"
    try:
        with file.open("rb") as opened:
            found = hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise CheckpointError(f"{file}: cannot be checked against its digest ({error.strerror}); {remedy}") from error
    if found != entry.sha256:
        raise CheckpointError(
            f"{file}: damaged, or not the official file: its SHA-256 is {found}, expected {entry.sha256}; {remedy}"
        )


def to_delete(folder: Path) -> Path:
    """The folder to delete for a fresh start: in the hub's cache, where a snapshot is links, the repository's."""
    return next((parent for parent in folder.parents if parent.name.startswith("models--")), folder)
