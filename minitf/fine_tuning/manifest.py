"""`minitf-run.json`: the list of files that minitf created in a folder, so that no other files are deleted.

A name is written to the manifest before its file is created. A new run or `overwrite` deletes only the files that the
manifest lists; a folder without a manifest is never cleaned. Runs inside a folder (`seed-0`, `run-3`) have their own
manifests.
"""

import json
import os
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path, PurePosixPath

from minitf import __version__
from minitf.errors import InputError
from minitf.files import MANIFEST, leftovers, make_folder, remove, write_json, writing

VERSION = 1


class Manifest:
    """The manifest of `folder`, which may not exist yet. `command` is the command that writes it. Raises InputError."""

    def __init__(self, folder: Path, command: str = "finetune"):
        self.folder, self.command = folder, command
        self.path = folder / MANIFEST
        self.names: list[str] = []
        self.runs: list[str] = []
        if self.exists():
            self._read()

    def exists(self) -> bool:
        return self.path.is_file()

    def check(self, names: Iterable[str]) -> None:
        """Raise InputError if a file of one of these names exists and minitf did not create it."""
        for name in names:
            path = self.folder / name
            if name not in self.names and os.path.lexists(path):
                raise InputError(f"{path}: exists and is not from minitf; move it, or choose another folder")

    def add(self, *names: str) -> None:
        """Record files, by their path in the folder, before they are created."""
        self.check(names)
        self._add(self.names, names)

    def add_run(self, name: str) -> None:
        """Record a subfolder before a run starts in it. Raises InputError as `check_run` does."""
        if name not in self.runs:
            self.check_run(name)
        self._add(self.runs, [name])

    def check_run(self, name: str) -> None:
        """Raise InputError if a new run may not start in a subfolder: a link, or a run that is not listed."""
        path = self.folder / name
        if path.is_symlink() or (name not in self.runs and os.path.lexists(path / MANIFEST)):
            raise InputError(f"{path}: is another run, not one of {self.folder}; move it, or choose another folder")

    def foreign(self) -> list[Path]:
        """Return the files and folders in `folder` that minitf did not create, without the contents of such folders."""
        return sorted(self._foreign(self.folder)) if self.folder.is_dir() else []

    def remove_files(self, only: Collection[str] | None = None) -> None:
        """Delete the listed files, then the folders that are now empty, then the manifest.

        With `only`, delete only the files of these names; the manifest stays.
        """
        with writing(self.folder):
            if only is not None:
                self._remove([name for name in self.names if name in only])
                return
            for name in self.runs:
                if not self._through_link(self.folder / name / MANIFEST):
                    Manifest(self.folder / name).remove_files()
                    _remove_if_empty(self.folder / name)
            self._remove(self.names)
            self._remove_leftovers(self.folder)
            self.path.unlink(missing_ok=True)
        self.names, self.runs = [], []

    def _remove(self, names: Sequence[str]) -> None:
        """Delete these files, and the folders that are now empty."""
        # The saved state first, so that a partly deleted run cannot be resumed.
        for name in sorted(names, key=lambda name: (not name.startswith("last/"), name)):
            path = self.folder / name
            if not self._through_link(path) and (path.is_symlink() or not path.is_dir()):
                path.unlink(missing_ok=True)
        inner = {parent for name in names for parent in PurePosixPath(name).parents[:-1]}
        for parent in sorted(inner, key=lambda parent: -len(parent.parts)):
            if not self._through_link(self.folder / parent / MANIFEST):
                self._remove_leftovers(self.folder / parent)
                _remove_if_empty(self.folder / parent)

    def _through_link(self, path: Path) -> bool:
        """Whether a folder between this one and `path` is a link, which can point to files of other programs."""
        between = list(path.relative_to(self.folder).parents)[:-1]
        return any((self.folder / parent).is_symlink() for parent in between)

    def _remove_leftovers(self, folder: Path) -> None:
        """Delete the temporary files that interrupted writes of listed files left in `folder`."""
        ours = {PurePosixPath(name).parts[0] for name in self.names} | {PurePosixPath(name).name for name in self.names}
        for path in leftovers(folder) if folder.is_dir() else ():
            if path.name.removesuffix("-old").rpartition("-")[0].removeprefix(".") in ours | {MANIFEST}:
                remove(path)

    def _foreign(self, folder: Path) -> Iterable[Path]:
        known = {self.folder / name for name in (*self.names, *self.runs, MANIFEST)}
        folders = {parent for path in known for parent in path.parents}
        for path in folder.iterdir():
            if path in known or path in leftovers(folder):
                continue
            if path in folders and path.is_dir() and not path.is_symlink():
                yield from self._foreign(path)
            else:
                yield path

    def _add(self, known: list[str], names: Iterable[str]) -> None:
        new = [name for name in names if name not in known]
        if not new and self.exists():
            return
        known += new
        make_folder(self.folder)
        content = {"version": VERSION, "minitf": __version__, "command": self.command}
        write_json(self.path, content | {"files": self.names, "runs": self.runs})

    def _read(self) -> None:
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
            names, runs, command = content["files"], content["runs"], content["command"]
            if content["version"] != VERSION or not isinstance(command, str):
                raise ValueError(f"version {content['version']!r}")
            if not (isinstance(names, list) and isinstance(runs, list)):
                raise ValueError("files and runs must be lists")
            if not all(_is_inside(name) for name in (*names, *runs)):
                raise ValueError("a name is outside the folder")
        except OSError as error:
            raise InputError(f"{self.path}: cannot be read ({error.strerror}); correct this") from None
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise InputError(
                f"{self.path}: is not a manifest that minitf wrote ({error}); delete the files of the run yourself, or"
                " choose another folder"
            ) from None
        self.names, self.runs, self.command = list(names), list(runs), command


def _is_inside(name: object) -> bool:
    """Whether `name` is a relative path of something in its folder."""
    if not isinstance(name, str) or not name.isascii() or "\\" in name or "\0" in name:
        return False  # minitf's own names are ASCII
    path = PurePosixPath(name)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts


def _remove_if_empty(folder: Path) -> None:
    if folder.is_dir() and not folder.is_symlink() and not any(folder.iterdir()):
        folder.rmdir()
