"""Read the files that `transformers` writes: safetensors and PyTorch's own format, whole or in shards.

Nothing in a file is executed: safetensors contains no code, and PyTorch's pickles are not unpickled (`pickles`).
"""

import os
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from minitf.checkpoints.download import CONFIGS
from minitf.checkpoints.pickles import UnsupportedError, read_pickle
from minitf.checkpoints.safetensors_files import open_safetensors
from minitf.checkpoints.storage import FolderStorage
from minitf.datasets.file_kinds import HEAD, IRREGULAR, other_kind, parse_json_object
from minitf.errors import CheckpointError

LARGEST_JSON = 2 << 20  # bytes; a config has a few thousand, the index of the shards of a large model some 50,000

_VERSION_KEYS = ("_from_model_config", "transformers_version")  # in generation_config.json

# In this order: the first that a folder has is read.
WEIGHT_FILES = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)


def config_path(folder: Path) -> Path:
    """Return the path of the config: config.json, or bert_config.json if only that exists."""
    return next((folder / name for name in CONFIGS if (folder / name).is_file()), folder / CONFIGS[0])


def read_config(folder: Path) -> dict[str, Any]:
    """Parse the config. Raises CheckpointError if it is missing or not a JSON object."""
    return _json(config_path(folder))


def read_generation(folder: Path) -> dict[str, Any] | None:
    """Parse generation_config.json; None if there is none. Raises CheckpointError if it is not a JSON object."""
    path = folder / "generation_config.json"
    if not os.path.lexists(path):
        return None
    return {key: value for key, value in _json(path).items() if key not in _VERSION_KEYS}


def read_tensors(folder: Path) -> dict[str, Tensor]:
    """Read every tensor in the folder by its official name. Raises CheckpointError that names the file."""
    tensors: dict[str, Tensor] = {}
    for file in _weight_files(folder):
        part = _read(file)
        if duplicates := sorted(set(part) & set(tensors)):
            raise CheckpointError(f"{file}: {duplicates[0]} is in another shard too")
        tensors |= part
    return tensors


def read_names(folder: Path) -> list[str]:
    """Read the official names of the tensors in the folder. Raises CheckpointError as `read_tensors`."""
    return [name for file in _weight_files(folder) for name in _read(file, names_only=True)]


def _weight_files(folder: Path) -> list[Path]:
    for name in WEIGHT_FILES:
        path = folder / name
        if path.is_file():
            return _shards(path) if name.endswith(".json") else [path]
    raise CheckpointError(f"{folder}: no weights; expected one of {', '.join(WEIGHT_FILES)}")


def _shards(index: Path) -> list[Path]:
    """Return the files that an index names; each must be beside it."""
    weight_map = _json(index).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise CheckpointError(f"{index}: has no weight_map, so it is not an index of shards")
    names = sorted({str(name) for name in weight_map.values()})
    for name in names:
        if Path(name).name != name or "\\" in name or name in ("", ".", ".."):
            raise CheckpointError(f"{index}: names the shard {name!r}, which is not a file beside it")
    missing = [name[:100] for name in names if not os.path.isfile(index.parent / name)]
    if missing:
        some = ", ".join(missing[:8]) + (" …" if len(missing) > 8 else "")
        raise CheckpointError(f"{index.parent}: shards are missing: {some}; fetch them as well")
    return [index.parent / name for name in names]


def _read(file: Path, names_only: bool = False) -> dict[str, Tensor]:
    """Read the tensors of one file; with `names_only`, a safetensors file gives empty tensors.

    The format is detected from the content, because a file may have the wrong suffix.
    """
    try:
        with file.open("rb") as opened:
            head = opened.read(HEAD)
    except OSError as error:
        raise CheckpointError(f"{file}: cannot be read ({error.strerror})") from error
    is_safetensors = head[8:9] == b"{"  # after 8 bytes for the size of the header
    if not is_safetensors and (kind := other_kind(head)):
        raise CheckpointError(f"{file}: {kind}")
    is_safetensors |= file.suffix == ".safetensors" and not head.startswith((b"PK\3\4", b"\x80"))
    try:
        tensors: Any = _safetensors(file, names_only) if is_safetensors else read_pickle(file)
    except MemoryError:
        raise
    except UnsupportedError as error:
        raise CheckpointError(f"{file}: cannot be loaded: {str(error)[:300]}") from error
    except Exception as error:  # a truncated, corrupt or hostile file can raise anything
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        raise CheckpointError(f"{file}: truncated or corrupt ({reason[:200]}); fetch it again") from error
    if not isinstance(tensors, dict) or not all(isinstance(t, Tensor) for t in tensors.values()):
        raise CheckpointError(f"{file}: is not a dict of tensors, so it is not a model checkpoint{_part_of(tensors)}")
    return tensors


def _part_of(content: Any) -> str:
    """Return a hint that names the part of a training checkpoint that contains the tensors."""
    if isinstance(content, dict):
        for name in ("state_dict", "model_state_dict", "model"):
            if isinstance(content.get(name), dict):
                return f"; save its {name!r} alone"
    return ""


def _safetensors(file: Path, names_only: bool) -> dict[str, Tensor]:
    with file.open("rb") as opened:
        size = int.from_bytes(opened.read(8), "little")
    if size > LARGEST_JSON:
        raise ValueError(f"a header of {size} bytes")  # safetensors needs ten times as much memory for it
    with open_safetensors(file, "pt") as opened:
        read = (lambda name: torch.empty(0)) if names_only else opened.get_tensor
        return {name: read(name) for name in opened.keys()}  # noqa: SIM118 (not a mapping)


def _json(path: Path) -> dict[str, Any]:
    if not os.path.lexists(path):
        raise CheckpointError(f"{path.parent}: {path.name} is missing")
    if not path.is_file():
        raise CheckpointError(f"{path}: {IRREGULAR}")
    return parse_json_object(FolderStorage(path.parent).read_small(path.name, LARGEST_JSON), str(path))
