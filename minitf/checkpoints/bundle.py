"""What a TensorFlow checkpoint's `.index` says: its tensors by name, their types, shapes and places.

The index is a table (`sstable`). Under the empty key it has a BundleHeaderProto, under each variable's name a
BundleEntryProto (tensorflow/core/protobuf/tensor_bundle.proto): protocol buffers small enough to read by hand. What
only TensorFlow can make sense of is refused by name: object graphs, partitioned variables, big-endian files.
"""

import itertools
import math
from dataclasses import dataclass

import torch

from minitf.checkpoints.sstable import CorruptError, read_table, varint

# tensorflow/core/framework/types.proto, by number; those that PyTorch has bear its names.
_TYPES = (
    *("invalid", "float32", "float64", "int32", "uint8", "int16", "int8", "string", "complex64", "int64", "bool"),
    *("qint8", "quint8", "qint32", "bfloat16", "qint16", "quint16", "uint16", "complex128", "float16", "resource"),
    *("variant", "uint32", "uint64"),
)
READABLE = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (
        *(torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.bool),
        *(torch.int8, torch.int16, torch.int32, torch.int64),
        *(torch.uint8, torch.uint16, torch.uint32, torch.uint64),
    )
}
_LONGEST_MESSAGE = 1 << 16  # an entry has some fifty bytes; a field costs Python a hundred times what it does a file
_MOST_AXES = 64
_MOST_BYTES = 2**63  # of a tensor, and so of any axis: what PyTorch counts in 64 bits

_Fields = dict[int, list[int | bytes]]


@dataclass(frozen=True)
class Entry:
    """What the index says of one tensor."""

    name: str
    dtype: str  # "float32", "bfloat16", …; "string" and others can be listed, not read
    shape: tuple[int, ...]
    shard: int
    offset: int  # in the shard, in bytes, as is the size
    size: int
    crc32c: int  # masked, as it is stored


class LeftOutError(Exception):
    """A sound checkpoint of a kind that is not read: which, and what to do."""


def read_bundle(index: bytes, verify: bool = True) -> tuple[dict[str, Entry], int]:
    """The entries of an index by name, and the number of shards. Raises CorruptError, LeftOutError."""
    table = read_table(index, verify)
    shards = _header(*next(table, (b"", b"")))
    entries = {entry.name: entry for entry in (_entry(key, value, shards) for key, value in table)}
    _check_apart(entries)
    return entries, shards


def _header(key: bytes, value: bytes) -> int:
    """The number of shards, from a BundleHeaderProto: num_shards 1, endianness 2, version 3 (min_consumer 2)."""
    fields = _fields(value)
    count = _number(fields, 1)
    if key or not 1 <= count < 2**31:
        raise CorruptError("it has no header")
    if _number(fields, 2):
        raise LeftOutError("written on a big-endian machine, which minitf does not read; save it again on a usual one")
    if _number(_fields(_message(fields, 3)), 2) > 1:
        raise LeftOutError("written for a later version of the format than there was; save it with an older TensorFlow")
    return count


def _entry(key: bytes, value: bytes, shards: int) -> Entry:
    """A BundleEntryProto: dtype 1, shape 2, shard_id 3, offset 4, size 5, crc32c 6, slices 7."""
    # A slice of a partitioned variable stands under a key of its own: zero, the variable's name, zero, the extent.
    name = _name(key.split(b"\0")[1] if key.startswith(b"\0") else key)
    fields = _fields(value)
    if key.startswith(b"\0") or 7 in fields:
        raise LeftOutError(
            f"{name[:100]!r} is a partitioned variable, saved in slices, as several servers held it; minitf reads"
            " whole ones: save it without a partitioner"
        )
    if name == "_CHECKPOINTABLE_OBJECT_GRAPH" or "/.ATTRIBUTES/" in name:
        raise LeftOutError(
            "an object-graph checkpoint of TensorFlow 2, whose tensors are named for the Python attributes that held"
            " them, not for the layers of BERT; save it with tf.compat.v1.train.Saver, or fetch the TensorFlow 1 files"
        )
    number = _number(fields, 1)
    entry = Entry(
        name=name,
        dtype=_TYPES[number] if number < len(_TYPES) else f"number {number}",
        shape=_shape(_fields(_message(fields, 2)), name),
        shard=_number(fields, 3),
        offset=_number(fields, 4),
        size=_number(fields, 5),
        crc32c=_number(fields, 6),
    )
    if entry.shard >= shards:
        raise CorruptError(f"{name[:100]!r} lies in shard {entry.shard} of {shards}")
    if entry.dtype in READABLE and entry.size != math.prod(entry.shape) * READABLE[entry.dtype].itemsize:
        raise CorruptError(
            f"{name[:100]!r} has {entry.size} bytes, which {entry.dtype} {list(entry.shape)} does not fill"
        )
    return entry


def _name(key: bytes) -> str:
    try:
        return key.decode("utf-8")
    except UnicodeDecodeError:
        raise CorruptError(f"the name {key[:100]!r} is no text") from None


def _shape(fields: _Fields, name: str) -> tuple[int, ...]:
    """A TensorShapeProto: dim 2 (size 1), unknown_rank 3."""
    axes = fields.get(2, [])
    if _number(fields, 3) or len(axes) > _MOST_AXES:
        raise CorruptError(f"{name[:100]!r} has no shape")
    shape = tuple(_number(_fields(axis), 1) for axis in axes if isinstance(axis, bytes))
    # An axis of 0 leaves no elements, but the others must still be numbers that PyTorch can count in.
    if len(shape) != len(axes) or math.prod(max(size, 1) for size in shape) * 8 >= _MOST_BYTES:
        raise CorruptError(f"{name[:100]!r} has an impossible shape")
    return shape


def _check_apart(entries: dict[str, Entry]) -> None:
    """Corrupt if two tensors share bytes: none that was saved does, and many could ask for one shard many times."""
    places = sorted((entry.shard, entry.offset, entry.size, entry.name) for entry in entries.values() if entry.size)
    for (shard, offset, size, name), (next_shard, next_offset, _, next_name) in itertools.pairwise(places):
        if shard == next_shard and offset + size > next_offset:
            raise CorruptError(f"{name[:100]!r} and {next_name[:100]!r} overlap")


def _fields(message: bytes) -> _Fields:
    """A protocol buffer's fields by number: varints and fixed numbers as int, the rest as bytes."""
    fields: _Fields = {}
    at, end = 0, len(message)
    if end > _LONGEST_MESSAGE:
        raise CorruptError("an entry in it is too long")
    while at < end:
        tag, at = varint(message, at, end)
        kind = tag & 7
        value: int | bytes
        if kind == 0:
            value, at = varint(message, at, end)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
            value = int.from_bytes(message[at : at + size], "little")
            at += size
        elif kind == 2:
            size, at = varint(message, at, end)
            value = message[at : at + size]
            at += size
        if kind not in (0, 1, 2, 5) or at > end:
            raise CorruptError("a field in it does not fit")
        fields.setdefault(tag >> 3, []).append(value)
    return fields


def _number(fields: _Fields, number: int) -> int:
    """A number, 0 if it is left out."""
    value = fields.get(number, [0])[-1]
    if isinstance(value, bytes):
        raise CorruptError("a field in it is of the wrong kind")
    return value


def _message(fields: _Fields, number: int) -> bytes:
    """A message, empty if it is left out; its parts, if it comes in several, mean what they mean in one."""
    parts = [part for part in fields.get(number, []) if isinstance(part, bytes)]
    if len(parts) != len(fields.get(number, [])):
        raise CorruptError("a field in it is of the wrong kind")
    return b"".join(parts)
