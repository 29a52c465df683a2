"""Read TensorFlow checkpoints without TensorFlow: `PREFIX.index` and its shards `PREFIX.data-00000-of-00001`, ….

The index lists the tensors (`bundle`); a shard has only their numbers, row by row.
"""

from collections.abc import Iterable
from pathlib import Path

from torch import Tensor

from minitf.checkpoints.bundle import READABLE, TensorEntry, UnsupportedError, read_bundle
from minitf.checkpoints.sstable import LARGEST, CorruptError, masked_crc32c
from minitf.checkpoints.storage import FileBytes, FolderStorage, Storage
from minitf.checkpoints.tensor_bytes import as_tensor
from minitf.datasets.file_kinds import HEAD, other_kind
from minitf.errors import CheckpointError


def read_index(prefix: Path, verify: bool = True, storage: Storage | None = None) -> dict[str, TensorEntry]:
    """Return the entries of `PREFIX.index` by the names of the tensors; needs no shard.

    `storage` has the files if they are not in the prefix's folder. `verify` checks the checksums of the index. Raises
    CheckpointError if it is missing, damaged, or of an unsupported kind.
    """
    return _read_index(prefix, verify, storage or FolderStorage(prefix.parent))[0]


def read_tensors(
    prefix: Path, names: Iterable[str] | None = None, verify: bool = True, storage: Storage | None = None
) -> dict[str, Tensor]:
    """Return the tensors called `names`, or all, by name; mapped into memory, not copied, if they are aligned.

    Writing to one changes no file. `storage` has the files if they are not in the prefix's folder. `verify` checks
    every checksum, and so reads every byte. Raises CheckpointError that names the file: as `read_index`, or if a shard
    is missing, too short or damaged.
    """
    storage = storage or FolderStorage(prefix.parent)
    entries, count = _read_index(prefix, verify, storage)
    index = storage.describe(f"{prefix.name}.index")
    wanted = list(entries if names is None else names)
    if unknown := [name for name in wanted if name not in entries]:
        raise CheckpointError(f"{index}: has no tensor {unknown[0][:100]!r}")
    if unsupported := [entries[name] for name in wanted if entries[name].dtype not in READABLE]:
        raise CheckpointError(
            f"{index}: {unsupported[0].name[:100]!r} is of type {unsupported[0].dtype}, which minitf does not read;"
            f" it reads {', '.join(READABLE)}"
        )
    files = {
        shard: f"{prefix.name}.data-{shard:05d}-of-{count:05d}" for shard in sorted({entries[n].shard for n in wanted})
    }
    if missing := sorted(set(files.values()) - storage.names()):
        some = ", ".join(missing[:8]) + (" …" if len(missing) > 8 else "")
        raise CheckpointError(f"{storage.describe('')}: {some} is missing beside {prefix.name}.index; fetch it as well")
    shards = {shard: storage.open(file) for shard, file in files.items()}
    # In the order of their bytes, so that a zip is decompressed only once.
    tensors = {
        e.name: _tensor(e, shards[e.shard], storage.describe(files[e.shard]), verify)
        for e in sorted((entries[name] for name in wanted), key=lambda e: (e.shard, e.offset))
    }
    return {name: tensors[name] for name in wanted}


def _read_index(prefix: Path, verify: bool, storage: Storage) -> tuple[dict[str, TensorEntry], int]:
    """Return the entries by name, and the number of shards."""
    name = f"{prefix.name}.index"
    if name not in storage.names():
        raise CheckpointError(f"{storage.describe('')}: {name} is missing")
    content = storage.read_small(name, LARGEST)
    try:
        return read_bundle(content, verify)
    except CorruptError as reason:
        if kind := other_kind(content):
            raise CheckpointError(f"{storage.describe(name)}: {kind}") from None
        raise CheckpointError(f"{storage.describe(name)}: truncated or corrupt ({reason}); fetch it again") from None
    except UnsupportedError as reason:
        raise CheckpointError(f"{storage.describe(name)}: {reason}") from None


def _tensor(entry: TensorEntry, shard: FileBytes, file: str, verify: bool) -> Tensor:
    end = entry.offset + entry.size
    if end > shard.size:
        _check_kind(shard, file)
        raise CheckpointError(
            f"{file}: truncated: {entry.name[:100]!r} ends at byte {end} of {shard.size}; fetch it again"
        )
    content = shard.read(entry.offset, entry.size)
    if verify and masked_crc32c(content) != entry.crc32c:
        _check_kind(shard, file)
        raise CheckpointError(f"{file}: corrupt: {entry.name[:100]!r} has the wrong checksum; fetch it again")
    return as_tensor(content, entry.offset, READABLE[entry.dtype]).reshape(entry.shape)


def _check_kind(shard: FileBytes, file: str) -> None:
    """Raise CheckpointError if the file has another format, instead of being a damaged shard."""
    if kind := other_kind(shard.read(0, min(HEAD, shard.size)).tobytes()):
        raise CheckpointError(f"{file}: {kind}")
