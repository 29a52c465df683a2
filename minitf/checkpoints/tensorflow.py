"""TensorFlow's checkpoints, read without TensorFlow: `PREFIX.index` and its shards `PREFIX.data-00000-of-00001`, ….

The index says what there is (`bundle`); a shard is nothing but the tensors' numbers, row by row.
"""

from collections.abc import Iterable
from pathlib import Path

from torch import Tensor

from minitf.checkpoints import raw
from minitf.checkpoints.bundle import READABLE, Entry, LeftOutError, read_bundle
from minitf.checkpoints.places import Folder, Numbers, Place
from minitf.checkpoints.sstable import LARGEST, CorruptError, masked_crc32c
from minitf.errors import CheckpointError


def read_index(prefix: Path, verify: bool = True, place: Place | None = None) -> dict[str, Entry]:
    """What `PREFIX.index` says of every tensor, by name; no shard is needed.

    `place` is where it lies if not in its folder. `verify` checks its checksums. Raises CheckpointError if it is
    missing, damaged, or of a kind left out.
    """
    return _read_index(prefix, verify, place or Folder(prefix.parent))[0]


def read_tensors(
    prefix: Path, names: Iterable[str] | None = None, verify: bool = True, place: Place | None = None
) -> dict[str, Tensor]:
    """The tensors called `names`, or all, by name; mapped into memory, not copied, where their alignment allows.

    Writing to one changes no file. `place` is where they lie if not in the prefix's folder. `verify` checks every
    checksum, and so reads every byte. Raises CheckpointError naming the file at fault: as `read_index`, or if a shard
    is missing, too short or damaged.
    """
    place = place or Folder(prefix.parent)
    entries, count = _read_index(prefix, verify, place)
    index = place.where(f"{prefix.name}.index")
    wanted = list(entries if names is None else names)
    if unknown := [name for name in wanted if name not in entries]:
        raise CheckpointError(f"{index}: has no tensor {unknown[0][:100]!r}")
    if unread := [entries[name] for name in wanted if entries[name].dtype not in READABLE]:
        raise CheckpointError(
            f"{index}: {unread[0].name[:100]!r} is of type {unread[0].dtype}, which minitf does not read;"
            f" it reads {', '.join(READABLE)}"
        )
    files = {
        shard: f"{prefix.name}.data-{shard:05d}-of-{count:05d}" for shard in sorted({entries[n].shard for n in wanted})
    }
    if missing := sorted(set(files.values()) - place.names()):
        some = ", ".join(missing[:8]) + (" …" if len(missing) > 8 else "")
        raise CheckpointError(f"{place.where('')}: {some} is missing beside {prefix.name}.index; fetch it as well")
    shards = {shard: place.numbers(file) for shard, file in files.items()}
    # In the order of their bytes: a zip is uncompressed once, from its beginning to its end.
    read = {
        e.name: _tensor(e, shards[e.shard], place.where(files[e.shard]), verify)
        for e in sorted((entries[name] for name in wanted), key=lambda e: (e.shard, e.offset))
    }
    return {name: read[name] for name in wanted}


def _read_index(prefix: Path, verify: bool, place: Place) -> tuple[dict[str, Entry], int]:
    """The entries by name, and the number of shards."""
    name = f"{prefix.name}.index"
    if name not in place.names():
        raise CheckpointError(f"{place.where('')}: {name} is missing")
    try:
        return read_bundle(place.text(name, LARGEST), verify)
    except CorruptError as reason:
        raise CheckpointError(f"{place.where(name)}: truncated or corrupt ({reason}); fetch it again") from None
    except LeftOutError as reason:
        raise CheckpointError(f"{place.where(name)}: {reason}") from None


def _tensor(entry: Entry, shard: Numbers, file: str, verify: bool) -> Tensor:
    end = entry.offset + entry.size
    if end > shard.size:
        raise CheckpointError(
            f"{file}: truncated: {entry.name[:100]!r} ends at byte {end} of {shard.size}; fetch it again"
        )
    content = shard.at(entry.offset, entry.size)
    if verify and masked_crc32c(content) != entry.crc32c:
        raise CheckpointError(f"{file}: corrupt: {entry.name[:100]!r} does not have its checksum; fetch it again")
    return raw.tensor(content, entry.offset, READABLE[entry.dtype]).reshape(entry.shape)
