"""Read from a folder the maximum text length in tokens, and the pooling of sentence vectors.

The files are those of `transformers` (tokenizer_config.json) and of sentence-transformers (modules.json,
sentence_bert_config.json, 1_Pooling/config.json). Imports no torch.
"""

import os
from pathlib import Path
from typing import Any, Literal

from minitf.datasets.file_kinds import parse_json, read_json_object, read_small
from minitf.errors import CheckpointError

SENTENCE_FILES = ("modules.json", "sentence_bert_config.json", "1_Pooling/config.json")
Pooling = Literal["mean", "cls"]

LARGEST = 2 << 20  # bytes
MOST = 1_000_000  # tokens; `transformers` writes 1e30 if the length is unknown
_PREFIX = "pooling_mode_"
# A mode of 1_Pooling/config.json -> its name in minitf; the others are not supported.
_MODES: dict[str, Pooling] = {"mean_tokens": "mean", "mean": "mean", "cls_token": "cls", "cls": "cls"}


def stated_length(folder: Path, *, for_vectors: bool = False) -> int | None:
    """Return the maximum number of tokens that the folder states; None if it states none. Raises CheckpointError.

    `for_vectors`: also read the separate maximum length of sentence-transformers, which takes precedence.
    """
    places = [("tokenizer_config.json", "model_max_length")]
    if for_vectors:
        places.insert(0, ("sentence_bert_config.json", "max_seq_length"))
    for name, key in places:
        value = _read(folder / name).get(key)
        if type(value) is int and 1 <= value <= MOST:
            return value
    return None


def stated_pooling(folder: Path) -> Pooling:
    """Return the pooling of sentence vectors: "mean", unless the folder specifies another.

    Raises CheckpointError for a pooling or an additional layer that minitf does not support: the vectors would differ.
    """
    modules = folder / "modules.json"
    if os.path.lexists(modules):
        listed = _read_list(modules)
        for kind in (str(module.get("type", "")).rpartition(".")[2] for module in listed):
            if kind not in ("Transformer", "Pooling", "Normalize"):
                raise CheckpointError(f"{modules}: has the module {kind:.80}, which minitf does not have")
        if listed and not any(str(module.get("type", "")).endswith("Pooling") for module in listed):
            return "mean"
    path = folder / "1_Pooling" / "config.json"
    config = _read(path)
    modes = [key.removeprefix(_PREFIX) for key, value in config.items() if key.startswith(_PREFIX) and value is True]
    if isinstance(config.get("pooling_mode"), str):
        modes = [config["pooling_mode"]]
    if not modes:
        return "mean"
    if len(modes) > 1 or modes[0] not in _MODES:
        raise CheckpointError(f"{path}: the pooling {' and '.join(modes):.80} is not supported, only mean and [CLS]")
    return _MODES[modes[0]]


def sentence_files(folder: Path) -> dict[str, bytes]:
    """Return the files of sentence-transformers in the folder, by name: what `stated_pooling` reads."""
    return {name: read_small(folder / name, LARGEST) for name in SENTENCE_FILES if os.path.lexists(folder / name)}


def _read(path: Path) -> dict[str, Any]:
    return read_json_object(path, LARGEST) if os.path.lexists(path) else {}


def _read_list(path: Path) -> list[dict[str, Any]]:
    listed = parse_json(read_small(path, LARGEST), str(path))
    if not isinstance(listed, list) or not all(isinstance(module, dict) for module in listed):
        raise CheckpointError(f"{path}: must be a JSON list of objects")
    return listed
