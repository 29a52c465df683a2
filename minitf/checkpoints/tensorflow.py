"""TensorFlow's checkpoints, read without TensorFlow: `PREFIX.index` and its shards `PREFIX.data-00000-of-00001`, ….

The index says what there is (`bundle`); a shard is nothing but the tensors' numbers, row by row.
"""

import os
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from minitf.checkpoints.bundle import READABLE, Entry, LeftOutError, read_bundle
from minitf.checkpoints.sstable import LARGEST, CorruptError, masked_crc32c
from minitf.errors import CheckpointError


def find_prefix(path: Path) -> Path | None:
    """The prefix that `path` means: a prefix, its `.index` file, or the folder of either; None if there is none.

    Of several in a folder it is `bert_model.ckpt`, Google's name; else CheckpointError lists them.
    """
    if not os.path.isdir(path):
        index = path if path.suffix == ".index" else _index_file(path)
        return index.with_suffix("") if os.path.isfile(index) else None
    prefixes = sorted(index.with_suffix("") for index in path.glob("*.index") if os.path.isfile(index))
    if path / "bert_model.ckpt" in prefixes:
        return path / "bert_model.ckpt"
    if len(prefixes) > 1:
        some = ", ".join(prefix.name for prefix in prefixes[:8]) + (" …" if len(prefixes) > 8 else "")
        raise CheckpointError(f"{path}: holds several checkpoints ({some}); give one of them, as {prefixes[-1]}")
    return prefixes[0] if prefixes else None


def read_index(prefix: Path, verify: bool = True) -> dict[str, Entry]:
    """What `PREFIX.index` says of every tensor, by name; no shard is needed.

    `verify` checks its checksums. Raises CheckpointError if it is missing, damaged, or of a kind left out.
    """
    return _read_index(prefix, verify)[0]


def read_tensors(prefix: Path, names: Iterable[str] | None = None, verify: bool = True) -> dict[str, Tensor]:
    """The tensors called `names`, or all, by name; mapped into memory, not copied, where their alignment allows.

    Writing to one changes no file. `verify` checks every checksum, and so reads every byte. Raises CheckpointError
    naming the file at fault: as `read_index`, or if a shard is missing, too short or damaged.
    """
    entries, count = _read_index(prefix, verify)
    wanted = list(entries if names is None else names)
    if unknown := [name for name in wanted if name not in entries]:
        raise CheckpointError(f"{_index_file(prefix)}: has no tensor {unknown[0][:100]!r}")
    if unread := [entries[name] for name in wanted if entries[name].dtype not in READABLE]:
        raise CheckpointError(
            f"{_index_file(prefix)}: {unread[0].name[:100]!r} is of type {unread[0].dtype}, which minitf does not read;"
            f" it reads {', '.join(READABLE)}"
        )
    files = {shard: _shard_file(prefix, shard, count) for shard in sorted({entries[name].shard for name in wanted})}
    if missing := [file.name for file in files.values() if not os.path.isfile(file)]:
        some = ", ".join(missing[:8]) + (" …" if len(missing) > 8 else "")
        raise CheckpointError(f"{prefix.parent}: {some} is missing beside {_index_file(prefix).name}; fetch it as well")
    shards = {shard: _map(file) for shard, file in files.items()}
    return {
        name: _tensor(entries[name], shards[e.shard], files[e.shard], verify) for name in wanted if (e := entries[name])
    }


def _index_file(prefix: Path) -> Path:
    return Path(f"{prefix}.index")


def _shard_file(prefix: Path, shard: int, count: int) -> Path:
    return Path(f"{prefix}.data-{shard:05d}-of-{count:05d}")


def _read_index(prefix: Path, verify: bool) -> tuple[dict[str, Entry], int]:
    """The entries by name, and the number of shards."""
    file = _index_file(prefix)
    if not os.path.isfile(file):
        raise CheckpointError(f"{file.parent}: {file.name} is missing")
    try:
        with file.open("rb") as opened:
            return read_bundle(opened.read(LARGEST + 1), verify)
    except OSError as error:
        raise CheckpointError(f"{file}: cannot be read ({error.strerror})") from error
    except CorruptError as reason:
        raise CheckpointError(f"{file}: truncated or corrupt ({reason}); fetch it again") from None
    except LeftOutError as reason:
        raise CheckpointError(f"{file}: {reason}") from None


def _map(file: Path) -> np.ndarray:
    """The file's bytes, read from disk as they are needed; what is written to them stays in memory."""
    try:
        # NumPy maps no empty file, and a shard may be one.
        return np.memmap(file, np.uint8, mode="c") if file.stat().st_size else np.empty(0, np.uint8)
    except OSError as error:
        raise CheckpointError(f"{file}: cannot be read ({error.strerror})") from error


def _tensor(entry: Entry, shard: np.ndarray, file: Path, verify: bool) -> Tensor:
    end = entry.offset + entry.size
    if end > shard.nbytes:
        raise CheckpointError(
            f"{file}: truncated: {entry.name[:100]!r} ends at byte {end} of {shard.nbytes}; fetch it again"
        )
    content = shard[entry.offset : end]
    if verify and masked_crc32c(content) != entry.crc32c:
        raise CheckpointError(f"{file}: corrupt: {entry.name[:100]!r} does not have its checksum; fetch it again")
    dtype = READABLE[entry.dtype]
    if not entry.size:
        return torch.empty(entry.shape, dtype=dtype)  # no bytes cannot be seen as another type
    if entry.offset % dtype.itemsize:
        content = content.copy()
    raw = torch.from_numpy(content)
    # Any byte but 0 and 1 would make a bool that is neither.
    return (raw != 0 if dtype == torch.bool else raw.view(dtype)).reshape(entry.shape)
