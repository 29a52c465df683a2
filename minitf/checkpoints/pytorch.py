"""The files that `transformers` writes: safetensors and PyTorch's own, whole or in shards.

Nothing in a file is executed: safetensors holds no code, and PyTorch's pickles are read with `weights_only=True`.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from torch import Tensor

from minitf.errors import CheckpointError

# In this order: the first that a folder holds is read.
WEIGHT_FILES = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)


def read_config(folder: Path) -> dict[str, Any]:
    """`config.json`, parsed. Raises CheckpointError if it is missing or no JSON object."""
    return _json(folder / "config.json")


def read_tensors(folder: Path) -> dict[str, Tensor]:
    """Every tensor in the folder by its official name. Raises CheckpointError naming the file at fault."""
    for name in WEIGHT_FILES:
        path = folder / name
        if path.is_file():
            files = _shards(path) if name.endswith(".json") else [path]
            tensors: dict[str, Tensor] = {}
            for file in files:
                part = _read(file)
                twice = sorted(set(part) & set(tensors))
                if twice:
                    raise CheckpointError(f"{file}: {twice[0]} is in another shard too")
                tensors |= part
            return tensors
    raise CheckpointError(f"{folder}: no weights here; expected one of {', '.join(WEIGHT_FILES)}")


def _shards(index: Path) -> list[Path]:
    """The files that an index names, each checked to lie beside it."""
    weight_map = _json(index).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise CheckpointError(f"{index}: no weight_map; fetch the checkpoint again")
    names = sorted({str(name) for name in weight_map.values()})
    for name in names:
        if Path(name).name != name or "\\" in name or name in ("", ".", ".."):
            raise CheckpointError(f"{index}: names the shard {name!r}, which is not a file beside it")
    missing = [name for name in names if not (index.parent / name).is_file()]
    if missing:
        raise CheckpointError(f"{index.parent}: shards are missing: {', '.join(missing)}; fetch them as well")
    return [index.parent / name for name in names]


def _read(file: Path) -> dict[str, Tensor]:
    read: Callable[[Path], Any] = _safetensors if file.suffix == ".safetensors" else _pickle
    try:
        tensors = read(file)
    except MemoryError:
        raise
    except Exception as error:  # whatever a truncated, corrupt or hostile file makes a reader raise
        reason = str(error).strip().split("\n")[0] or type(error).__name__
        raise CheckpointError(f"{file}: truncated or corrupt ({reason[:200]}); fetch it again") from error
    if not isinstance(tensors, dict) or not all(isinstance(t, Tensor) for t in tensors.values()):
        raise CheckpointError(f"{file}: not a table of tensors, so no checkpoint of a model")
    return tensors


def _safetensors(file: Path) -> dict[str, Tensor]:
    with safe_open(file, framework="pt") as opened:
        return {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 (no mapping, only like one)


def _pickle(file: Path) -> Any:
    return torch.load(file, map_location="cpu", weights_only=True)


def _json(path: Path) -> dict[str, Any]:
    try:
        parsed = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise CheckpointError(f"{path.parent}: {path.name} is missing") from None
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path}: cannot be read as JSON ({error}); fetch it again") from None
    if not isinstance(parsed, dict):
        raise CheckpointError(f"{path}: must hold a JSON object")
    return parsed
