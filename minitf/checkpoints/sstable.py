"""Read a LevelDB table: sorted keys, each with a value. The `.index` of a TensorFlow checkpoint is one.

    table     data blocks, metaindex block, index block, footer
    footer    48 bytes: the handles of metaindex and index, zeros, MAGIC; a handle is two varints: offset, size
    block     contents, compression (1 byte: 0 none, 1 snappy), masked CRC-32C of both (4 bytes)
    contents  entries, the offsets of the restarts (4 bytes each), their number (4 bytes)
    entry     three varints: the number of bytes that its key shares with the previous key, of its other bytes, and of
              its value; then the other bytes of the key, and the value

The index is a block too: its values are the handles of the data blocks, its keys separate their keys. A restart is an
entry whose key shares nothing, where a search can begin. This reader does not search: it reads the whole table in
order, and refuses anything that a correct writer would not write.
"""

import struct
from collections.abc import Iterator

import cramjam
import google_crc32c
import numpy as np

MAGIC = bytes.fromhex("57fb808b247547db")  # 0xdb4775248b80fb57, lowest byte first
FOOTER = 48
TRAILER = 5  # of a block: compression and checksum

# Limits, because a small damaged file can claim sizes that take any amount of memory. Real indexes are much
# smaller: a BERT-base with Adam's slots has about 600 tensors, and its index has about 20 kB uncompressed.
LARGEST = 4 << 20  # bytes of a table; of a block uncompressed; of all keys and values together
LONGEST_KEY = 4096
_PER_ENTRY = 128  # added for each entry: about what Python needs to store one


class CorruptError(Exception):
    """The table is damaged, for this reason; the caller adds the name of the file."""


def read_table(table: bytes, verify: bool = True) -> Iterator[tuple[bytes, bytes]]:
    """Yield every key with its value, in order. `verify` checks the checksum of each block. Raises CorruptError."""
    if len(table) > LARGEST:
        raise CorruptError(f"more than {LARGEST} bytes, too many for an index")
    if len(table) < FOOTER or not table.endswith(MAGIC):
        raise CorruptError("it does not end as a table does")
    footer = table[-FOOTER : -len(MAGIC)]
    offset, size, at = _handle(footer)
    _contents(table, offset, size, verify)  # the metaindex, empty in TensorFlow's files
    offset, size, _ = _handle(footer, at)
    index = _contents(table, offset, size, verify)
    left, end, low = LARGEST, 0, None
    for high, value in _entries(index):
        offset, size, _ = _handle(value)
        if offset < end:
            raise CorruptError("its blocks are out of order")
        end, key = offset + size + TRAILER, None
        for key, value in _entries(_contents(table, offset, size, verify)):
            if (low is not None and key <= low) or key > high:
                raise CorruptError("its keys are out of order")
            left -= len(key) + len(value) + _PER_ENTRY
            if left < 0:
                raise CorruptError("too many entries for an index")
            yield key, value
        if key is None:
            raise CorruptError("a block is empty")
        low = high


def masked_crc32c(content: bytes | np.ndarray) -> int:
    """Compute CRC-32C as TensorFlow stores it: rotated, plus a constant, so that data may contain checksums."""
    crc: int = google_crc32c.value(content)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """Read a varint: seven bits per byte, lowest first; bit 8 is set if more follow. Return it and where it ends."""
    number = 0
    for i, byte in enumerate(data[at : min(end, at + 10)]):
        number |= (byte & 0x7F) << 7 * i
        if byte < 0x80:
            if number >> 64:
                break
            return number, at + i + 1
    raise CorruptError("a number does not end")


def _handle(data: bytes, at: int = 0) -> tuple[int, int, int]:
    """Return the offset and size of a block, and where the handle ends."""
    offset, at = varint(data, at, len(data))
    size, at = varint(data, at, len(data))
    return offset, size, at


def _contents(table: bytes, offset: int, size: int, verify: bool) -> bytes:
    """Return the contents of a block, checked and uncompressed."""
    end = offset + size
    if end + TRAILER > len(table) - FOOTER:
        raise CorruptError("a block is outside the file")
    compression, crc = struct.unpack_from("<BI", table, end)
    if verify and masked_crc32c(table[offset : end + 1]) != crc:
        raise CorruptError("a block has the wrong checksum")
    if compression > 1:
        raise CorruptError(f"a block has the unknown compression {compression}")
    return _uncompressed(table[offset:end]) if compression else table[offset:end]


def _uncompressed(block: bytes) -> bytes:
    try:
        if cramjam.snappy.decompress_raw_len(block) > LARGEST:
            raise CorruptError("a block is too large for an index")
        return bytes(cramjam.snappy.decompress_raw(block))
    except cramjam.DecompressionError:
        raise CorruptError("a block cannot be uncompressed") from None


def _entries(contents: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the keys and values of one block."""
    restarts, end = _restarts(contents)
    at, passed, key, first = 0, 0, b"", True
    while at < end:
        is_restart = passed < len(restarts) and restarts[passed] == at
        passed += is_restart
        shared, at = varint(contents, at, end)
        own, at = varint(contents, at, end)
        size, at = varint(contents, at, end)
        if shared > (0 if is_restart else len(key)) or shared + own > LONGEST_KEY or at + own + size > end:
            raise CorruptError("an entry's lengths do not fit")
        before, key = key, key[:shared] + contents[at : at + own]
        if key <= before and not first:
            raise CorruptError("its keys are out of order")
        first = False
        at += own + size
        yield key, contents[at - size : at]
    if passed < len(restarts) and end:
        raise CorruptError("a block's restarts are not at its entries")


def _restarts(contents: bytes) -> tuple[tuple[int, ...], int]:
    """Return the offsets of the restarts, the first of which is 0, and where the entries end."""
    count = int.from_bytes(contents[-4:], "little")
    end = len(contents) - 4 * count - 4
    # An entry has at least three bytes; only a block without entries has a restart without an entry.
    if end < 0 or not 1 <= count <= 1 + end // 3:
        raise CorruptError("a block's restarts do not fit")
    restarts = struct.unpack_from(f"<{count}I", contents, end)
    if restarts[0] != 0:
        raise CorruptError("a block's restarts are not at its entries")
    return restarts, end
