"""A writer of TensorFlow's checkpoints, from the description of the format alone: it shares no line with the reader."""

import functools
import struct
from pathlib import Path
from typing import NamedTuple

import cramjam

# Number in types.proto, bytes of an element.
TYPES = {
    "float32": (1, 4),
    "float64": (2, 8),
    "int32": (3, 4),
    "uint8": (4, 1),
    "int16": (5, 2),
    "int8": (6, 1),
    "string": (7, 1),
    "int64": (9, 8),
    "bool": (10, 1),
    "bfloat16": (14, 2),
    "uint16": (17, 2),
    "float16": (19, 2),
    "uint32": (22, 4),
    "uint64": (23, 8),
}


class Raw(NamedTuple):
    """A tensor as it lies in a file."""

    dtype: str
    shape: tuple[int, ...]
    content: bytes
    shard: int = 0


def crc32c(data: bytes) -> int:
    """Byte by byte, as Castagnoli's polynomial is divided."""
    crc = 0xFFFFFFFF
    for byte in data:
        crc = crc >> 8 ^ _remainder(crc & 0xFF ^ byte)
    return crc ^ 0xFFFFFFFF


@functools.cache
def _remainder(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
    return byte


def masked(data: bytes) -> int:
    crc = crc32c(data)
    return ((crc >> 15 | crc << 17 & 0xFFFFFFFF) + 0xA282EAD8) % 2**32


def varint(number: int) -> bytes:
    out = b""
    while number > 127:
        out += bytes([number % 128 + 128])
        number //= 128
    return out + bytes([number])


def contents(pairs: list[tuple[bytes, bytes]], interval: int = 16) -> bytes:
    """Entries with their keys' common beginnings left out, but at every `interval`th."""
    out, restarts, before = b"", [], b""
    for i, (key, value) in enumerate(pairs):
        shared = 0
        if i % interval == 0:
            restarts.append(len(out))
        else:
            while shared < min(len(key), len(before)) and key[shared] == before[shared]:
                shared += 1
        out += varint(shared) + varint(len(key) - shared) + varint(len(value)) + key[shared:] + value
        before = key
    restarts = restarts or [0]
    return out + struct.pack(f"<{len(restarts) + 1}I", *restarts, len(restarts))


def table(blocks: list[bytes], bounds: list[bytes], snappy: bool = False, interval: int = 16) -> bytes:
    """A table of blocks with these contents; the keys of a block are at most its bound."""
    out = b""

    def put(content: bytes, compress: bool = False) -> bytes:
        nonlocal out
        body = bytes(cramjam.snappy.compress_raw(content)) if compress else content
        handle = varint(len(out)) + varint(len(body))
        body += b"\1" if compress else b"\0"
        out += body + struct.pack("<I", masked(body))
        return handle

    # One block as it is, the next compressed: a writer compresses only what gets smaller.
    handles = [put(content, snappy and i % 2 == 0) for i, content in enumerate(blocks)]
    metaindex = put(contents([]))
    index = put(contents(list(zip(bounds, handles, strict=True)), interval))
    return out + (metaindex + index).ljust(40, b"\0") + struct.pack("<Q", 0xDB4775248B80FB57)


def table_of(
    pairs: list[tuple[bytes, bytes]], per_block: int = 10**9, snappy: bool = False, interval: int = 16
) -> bytes:
    cut = [pairs[i : i + per_block] for i in range(0, len(pairs), per_block)]
    # Between the last key of a block and the first of the next, any bound will do; TensorFlow takes a short one.
    bounds = [part[-1][0] + b"\0" * (i % 2) for i, part in enumerate(cut[:-1])] + [cut[-1][-1][0] + b"\xff"]
    return table([contents(part, interval) for part in cut], bounds, snappy, interval)


def field(number: int, value: int | bytes) -> bytes:
    """One field of a protocol buffer: a varint or bytes."""
    if isinstance(value, int):
        return varint(number * 8) + varint(value)
    return varint(number * 8 + 2) + varint(len(value)) + value


def header(shards: int = 1, endianness: int = 0, min_consumer: int = 0) -> bytes:
    version = field(1, 1) + (field(2, min_consumer) if min_consumer else b"")
    return field(1, shards) + (field(2, endianness) if endianness else b"") + field(3, version)


def entry(dtype: int, shape: tuple[int, ...], offset: int, size: int, crc: int = 0, shard: int = 0) -> bytes:
    """As protocol buffers are written: what is 0 is left out."""
    axes = b"".join(field(2, field(1, axis) if axis else b"") for axis in shape)
    numbers = b"".join(field(i, n) for i, n in ((3, shard), (4, offset), (5, size)) if n)
    return field(1, dtype) + field(2, axes) + numbers + varint(6 * 8 + 5) + struct.pack("<I", crc)


def pairs_and_shards(tensors: dict[str, Raw], shards: int) -> tuple[list[tuple[bytes, bytes]], list[bytes]]:
    data = [bytearray() for _ in range(shards)]
    pairs = [(b"", header(shards))]
    for name, t in sorted(tensors.items(), key=lambda item: item[0].encode()):
        number, _ = TYPES[t.dtype]
        place = len(data[t.shard])
        pairs.append((name.encode(), entry(number, t.shape, place, len(t.content), masked(t.content), t.shard)))
        data[t.shard] += t.content
    return pairs, [bytes(shard) for shard in data]


def write(prefix: Path, tensors: dict[str, Raw], shards: int = 1, **layout) -> Path:
    pairs, data = pairs_and_shards(tensors, shards)
    Path(f"{prefix}.index").write_bytes(table_of(pairs, **layout))
    for i, content in enumerate(data):
        Path(f"{prefix}.data-{i:05d}-of-{shards:05d}").write_bytes(content)
    return prefix
