"""`minitf.json`: what `finetune` saves beside a model for the commands that use it later. Imports no torch."""

import os
from pathlib import Path
from typing import Any

from minitf.datasets.file_kinds import read_json_object
from minitf.errors import CheckpointError, InputError
from minitf.files import MANIFEST, to_json

FILE = "minitf.json"
# The names of the files that `checkpoints.save` writes.
SAVED = (
    *("config.json", "model.safetensors", "generation_config.json"),
    *("tokenizer.json", "tokenizer_config.json", "vocab.txt", FILE),
    *("source.spm", "target.spm", "vocab.json"),  # of Marian
)
LARGEST = 2 << 20  # bytes; a run writes a few hundred
MOST = 1_000_000  # tokens


def write_metadata(folder: Path, metadata: dict[str, Any]) -> None:
    """Write `minitf.json` into a folder that is not yet in place."""
    (folder / FILE).write_text(to_json(metadata), encoding="utf-8", newline="\n")


def model_folder(folder: Path) -> Path:
    """Return the folder of the model: `best/` for the folder of a run, else `folder`.

    Raises InputError for a run that has not saved a model yet, and for a run with several seeds, which has several.
    """
    run = folder.parent if folder.name == "best" else folder
    try:
        if (folder / "config.json").exists() or not (folder.is_dir() or run.is_dir()):
            return folder
        if (folder / "best" / "config.json").is_file():
            return folder / "best"
        seeds = sorted(folder.glob("seed-*/best/config.json"))
        unsaved = not seeds and _will_save(run)
    except OSError as error:  # no permission, a name that is too long, a disk that fails
        raise CheckpointError(f"{folder}: cannot be read ({error.strerror})") from None
    if seeds:
        raise InputError(f"{folder}: has the models of several seeds; give one, such as {seeds[0].parent}")
    if unsaved:
        raise InputError(
            f"{run}: the run has not saved a model yet; wait for the end of its first epoch or, if it was stopped,"
            " resume it with finetune"
        )
    return folder


def _will_save(run: Path) -> bool:
    """Whether `run` is the folder of a run, of one or several seeds, that is not finished. Raises OSError."""
    if (run / "report.json").exists():
        return False
    manifests = (path for path in (run / MANIFEST, *run.glob(f"seed-*/{MANIFEST}")) if path.is_file())
    return any('"best/config.json"' in path.read_text(encoding="utf-8", errors="replace") for path in manifests)


def is_model(folder: Path) -> bool:
    """Whether a folder has a model, is a run, or has the models of several runs."""
    return any(next(folder.glob(name), None) for name in ("config.json", "*/config.json", "*/best/config.json"))


def model_files(source: str | Path) -> list[Path]:
    """Return the files of the model in `source`: a folder, a run (its best/) or a file. They may not exist."""
    folder = model_folder(Path(source))
    if folder.is_file():
        return [folder]
    others = ("pytorch_model.bin", "merges.txt", "spiece.model", "added_tokens.json", "bert_config.json")
    return [*(folder / name for name in (*SAVED, *others)), *folder.glob("*.safetensors"), *folder.glob("*.bin")]


def read_metadata(folder: Path) -> dict[str, Any]:
    """Return task, columns and lengths of a model, or of a run's best/; empty without the file. Raises InputError."""
    path = model_folder(folder) / FILE
    if not os.path.lexists(path):
        return {}
    metadata = read_json_object(path, LARGEST)
    if (
        not all(isinstance(metadata.get(name), str | None) for name in ("task", "text", "pair", "label"))
        or not all(_is_count(metadata.get(name), minimum) for name, minimum in (("max_length", 1), ("stride", 0)))
        or metadata.get("long_text", "truncate") not in ("truncate", "head-tail", "windows")
    ):
        raise InputError(f"{path}: does not have the content that finetune writes; delete it or fine-tune again")
    return metadata


def _is_count(value: object, minimum: int) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool) and minimum <= value <= MOST)
