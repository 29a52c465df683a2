"""Read the `.index` of a TensorFlow checkpoint: its tensors by name, with type, shape and position.

The index is a table (`sstable`). Under the empty key it has a BundleHeaderProto, under each variable's name a
BundleEntryProto (tensorflow/core/protobuf/tensor_bundle.proto): protocol buffers simple enough to
read by hand. Object graphs, partitioned variables and big-endian files raise UnsupportedError.
"""

import itertools
import math
from dataclasses import dataclass

import torch

from minitf.checkpoints.sstable import CorruptError, read_table, varint

# tensorflow/core/framework/types.proto, by number; types that PyTorch has are given its names.
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
_MAX_MESSAGE = (
    1 << 16
)  # an entry has about fifty bytes; a field takes a hundred times more memory in Python than in the file
_MAX_AXES = 64
_MAX_BYTES = 2**63  # of a tensor, and so of any axis: PyTorch counts them in 64 bits

_Fields = dict[int, list[int | bytes]]


@dataclass(frozen=True)
class TensorEntry:
    """The entry of one tensor in the index."""

    name: str
    dtype: str  # "float32", "bfloat16", …; "string" and others are listed, but not read
    shape: tuple[int, ...]
    shard: int
    offset: int  # in the shard, in bytes
    size: int  # in bytes
    crc32c: int  # masked, as stored


class UnsupportedError(Exception):
    """The checkpoint is valid, but of a kind that minitf does not read."""


def read_bundle(index: bytes, verify: bool = True) -> tuple[dict[str, TensorEntry], int]:
    """Return the entries of an index by name, and the number of shards. Raises CorruptError, UnsupportedError."""
    table = read_table(index, verify)
    shards = _header(*next(table, (b"", b"")))
    entries = {entry.name: entry for entry in (_entry(key, value, shards) for key, value in table)}
    _check_no_overlap(entries)
    return entries, shards


def _header(key: bytes, value: bytes) -> int:
    """Read the number of shards from a BundleHeaderProto: num_shards 1, endianness 2, version 3 (min_consumer 2)."""
    fields = _fields(value)
    count = _number(fields, 1)
    if key or not 1 <= count < 2**31:
        raise CorruptError("it has no header")
    if _number(fields, 2):
        raise UnsupportedError(
            "written on a big-endian machine, which minitf does not read; save it again on a little-endian one"
        )
    if _number(_fields(_message(fields, 3)), 2) > 1:
        raise UnsupportedError(
            "written in a later version of the format than minitf reads; save it with an older TensorFlow"
        )
    return count


def _entry(key: bytes, value: bytes, shards: int) -> TensorEntry:
    """Read a BundleEntryProto: dtype 1, shape 2, shard_id 3, offset 4, size 5, crc32c 6, slices 7."""
    # A slice of a partitioned variable has its own key: zero, the variable's name, zero, the extent.
    name = _name(key.split(b"\0")[1] if key.startswith(b"\0") else key)
    fields = _fields(value)
    if key.startswith(b"\0") or 7 in fields:
        raise UnsupportedError(
            f"{name[:100]!r} is a partitioned variable, saved in slices; minitf reads only whole variables:"
            " save it without a partitioner"
        )
    if name == "_CHECKPOINTABLE_OBJECT_GRAPH" or "/.ATTRIBUTES/" in name:
        raise UnsupportedError(
            "an object-graph checkpoint of TensorFlow 2, whose tensors are named after Python attributes, not after"
            " the layers of BERT; save it with tf.compat.v1.train.Saver, or fetch the TensorFlow 1 files"
        )
    number = _number(fields, 1)
    entry = TensorEntry(
        name=name,
        dtype=_TYPES[number] if number < len(_TYPES) else f"number {number}",
        shape=_shape(_fields(_message(fields, 2)), name),
        shard=_number(fields, 3),
        offset=_number(fields, 4),
        size=_number(fields, 5),
        crc32c=_number(fields, 6),
    )
    if entry.shard >= shards:
        raise CorruptError(f"{name[:100]!r} is in shard {entry.shard}, but the index has {shards}")
    if entry.dtype in READABLE and entry.size != math.prod(entry.shape) * READABLE[entry.dtype].itemsize:
        raise CorruptError(
            f"{name[:100]!r} has {entry.size} bytes, but {entry.dtype} {list(entry.shape)} needs another number"
        )
    return entry


def _name(key: bytes) -> str:
    try:
        return key.decode("utf-8")
    except UnicodeDecodeError:
        raise CorruptError(f"the name {key[:100]!r} is not UTF-8") from None


def _shape(fields: _Fields, name: str) -> tuple[int, ...]:
    """Read a TensorShapeProto: dim 2 (size 1), unknown_rank 3."""
    axes = fields.get(2, [])
    if _number(fields, 3) or len(axes) > _MAX_AXES:
        raise CorruptError(f"{name[:100]!r} has no shape")
    shape = tuple(_number(_fields(axis), 1) for axis in axes if isinstance(axis, bytes))
    # With an axis of 0 there are no elements, but the other axes must still be numbers that PyTorch can represent.
    if len(shape) != len(axes) or math.prod(max(size, 1) for size in shape) * 8 >= _MAX_BYTES:
        raise CorruptError(f"{name[:100]!r} has an impossible shape")
    return shape


def _check_no_overlap(entries: dict[str, TensorEntry]) -> None:
    """Raise CorruptError if two tensors share bytes: many of them could read one shard many times."""
    extents = sorted((entry.shard, entry.offset, entry.size, entry.name) for entry in entries.values() if entry.size)
    for (shard, offset, size, name), (next_shard, next_offset, _, next_name) in itertools.pairwise(extents):
        if shard == next_shard and offset + size > next_offset:
            raise CorruptError(f"{name[:100]!r} and {next_name[:100]!r} overlap")


def _fields(message: bytes) -> _Fields:
    """Parse the fields of a protocol buffer by number: varints and fixed numbers as int, the rest as bytes."""
    fields: _Fields = {}
    at, end = 0, len(message)
    if end > _MAX_MESSAGE:
        raise CorruptError("an entry is too long")
    while at < end:
        tag, at = varint(message, at, end)
        wire_type = tag & 7
        value: int | bytes
        if wire_type == 0:
            value, at = varint(message, at, end)
        elif wire_type in (1, 5):
            size = 8 if wire_type == 1 else 4
            value = int.from_bytes(message[at : at + size], "little")
            at += size
        elif wire_type == 2:
            size, at = varint(message, at, end)
            value = message[at : at + size]
            at += size
        if wire_type not in (0, 1, 2, 5) or at > end:
            raise CorruptError("a field is cut off or of an unknown type")
        fields.setdefault(tag >> 3, []).append(value)
    return fields


def _number(fields: _Fields, number: int) -> int:
    """Return a number field, 0 if it is absent."""
    value = fields.get(number, [0])[-1]
    if isinstance(value, bytes):
        raise CorruptError("a field has the wrong type")
    return value


def _message(fields: _Fields, number: int) -> bytes:
    """Return a message field, empty if it is absent; several parts are joined, as protocol buffers define."""
    parts = [part for part in fields.get(number, []) if isinstance(part, bytes)]
    if len(parts) != len(fields.get(number, [])):
        raise CorruptError("a field has the wrong type")
    return b"".join(parts)
