"""Tables written here by hand are read to the last pair; what a sound writer would not write is refused, cheaply."""

import struct
import tracemalloc

import cramjam
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minitf.checkpoints import sstable
from minitf.checkpoints.sstable import LARGEST, CorruptError, masked_crc32c, read_table
from tests.support.tensor_bundles import contents, crc32c, masked, table, table_of, varint

PAIRS = [(b"", b"first"), (b"bert/a", b"1"), (b"bert/ab", b""), (b"bert/b", b"2" * 40), (b"cls", b"3")]

MANY_PAIRS = st.dictionaries(st.binary(max_size=12), st.binary(max_size=200), min_size=1, max_size=40)


def refused(data, reason, verify=True):
    with pytest.raises(CorruptError, match=reason):
        list(read_table(data, verify))


@given(MANY_PAIRS, st.integers(1, 41), st.booleans(), st.integers(1, 17))
@settings(deadline=5000)
def test_every_pair_is_read(pairs, per_block, snappy, interval):
    ordered = sorted(pairs.items())
    assert list(read_table(table_of(ordered, per_block, snappy, interval))) == ordered


def test_the_writer_compresses_and_shares():
    """Otherwise the round trips would show less than they seem to."""
    pairs = [(b"a" * 30 + bytes([i]), b"v" * 100) for i in range(60)]
    plain, compressed = table_of(pairs, 30), table_of(pairs, 30, snappy=True)
    assert len(plain) < sum(len(key) + len(value) for key, value in pairs)
    assert len(compressed) < len(plain)
    assert plain.count(b"a" * 30) == 2 * 2 + 1  # the restarts: two in each block, one in the index


def test_a_table_without_entries():
    assert list(read_table(table([], []))) == []


@given(st.binary(max_size=300))
@settings(deadline=5000)
def test_checksum(data):
    assert masked_crc32c(data) == masked(data)


def test_checksum_of_the_standard():
    assert crc32c(b"123456789") == 0xE3069283  # RFC 3720's polynomial; the check value every catalogue of CRCs gives


@pytest.mark.parametrize("number", [0, 127, 128, 300, 2**32, 2**63, 2**64 - 1])
def test_varint(number):
    written = b"x" + varint(number) + b"y"
    assert sstable.varint(written, 1, len(written)) == (number, len(written) - 1)


@pytest.mark.parametrize("written", [b"", b"\x80", b"\xff" * 10, b"\xff" * 9 + b"\x02", b"\x80" * 1000 + b"\0"])
def test_a_varint_that_does_not_end_or_fit(written):
    with pytest.raises(CorruptError, match="does not end"):
        sstable.varint(written, 0, len(written))


@pytest.mark.parametrize("length", [0, 1, 47, 48])
def test_too_short(length):
    refused(b"\0" * length, "does not end as a table does")


def test_wrong_magic():
    good = table_of(PAIRS)
    refused(good[:-1] + b"\xda", "does not end as a table does")
    refused(good + b"\0", "does not end as a table does")


def test_every_flipped_bit_is_found():
    good = table_of(PAIRS, 2, snappy=True)
    handles_end = len(good) - 48 + 5
    assert not any(good[handles_end:-8])  # the footer's zeros mean nothing, so nothing checks them
    for place in range(len(good)):
        for bit in range(8):
            bad = bytearray(good)
            bad[place] ^= 1 << bit
            if handles_end <= place < len(good) - 8 or (place, bit) == (handles_end - 1, 7):
                assert list(read_table(bytes(bad))) == PAIRS  # bit 7: the same number, written longer
            else:
                refused(bytes(bad), ".")


def test_every_truncation_is_found():
    good = table_of(PAIRS, 2)
    for length in range(len(good)):
        refused(good[:length], ".")


def test_unverified_checksums_are_not_read():
    bad = bytearray(table_of(PAIRS))
    bad[bad.index(b"first")] ^= 1
    refused(bytes(bad), "has the wrong checksum")
    assert list(read_table(bytes(bad), verify=False))[1:] == PAIRS[1:]


def block_of(*entries, restarts=(0,)):
    """Contents of (shared, own key, value) as told, whether they fit or not."""
    out = b"".join(varint(shared) + varint(len(own)) + varint(len(v)) + own + v for shared, own, v in entries)
    return out + struct.pack(f"<{len(restarts) + 1}I", *restarts, len(restarts))


ENTRY = 3 + 1 + 1  # bytes of an entry of one byte of key and of value


@pytest.mark.parametrize(
    ("block", "reason"),
    [
        (b"", "restarts do not fit"),
        (b"\0\0\0", "restarts do not fit"),
        (struct.pack("<I", 0), "restarts do not fit"),
        (struct.pack("<II", 0, 2**32 - 1), "restarts do not fit"),
        (block_of((0, b"a", b"x"), restarts=(0, 1, 2, 3)), "restarts do not fit"),
        (block_of((0, b"a", b"x"), restarts=(1,)), "not at its entries"),
        (block_of((0, b"a", b"x"), (0, b"b", b"x"), restarts=(0, 4)), "not at its entries"),
        (block_of((0, b"a", b"x"), (0, b"b", b"x"), restarts=(0, 0)), "not at its entries"),
        (block_of((0, b"a", b"x"), restarts=(0, 100)), "not at its entries"),
        (block_of((0, b"a", b"x"), (0, b"b", b"x"), restarts=(ENTRY,)), "not at its entries"),
        (block_of(restarts=(1,)), "not at its entries"),
        (block_of((0, b"a", b"x"), (1, b"b", b"x"), restarts=(0, ENTRY)), "lengths do not fit"),
        (block_of((1, b"a", b"x")), "lengths do not fit"),
        (block_of((0, b"a", b"x"), (2, b"b", b"x")), "lengths do not fit"),
        (block_of((0, b"a" * 4097, b"x")), "lengths do not fit"),
        (varint(0) + varint(1) + varint(9) + b"ax" + struct.pack("<II", 0, 1), "lengths do not fit"),
        (varint(0) + varint(2**63) + varint(2**63) + b"ax" + struct.pack("<II", 0, 1), "lengths do not fit"),
        (b"\x80\x80\x80" + struct.pack("<II", 0, 1), "does not end"),
        (block_of((0, b"b", b"x"), (0, b"a", b"x")), "out of order"),
        (block_of((0, b"b", b"x"), (1, b"", b"x")), "out of order"),
        (block_of(), "is empty"),
        (block_of((0, b"z\xff", b"x")), "out of order"),
    ],
)
def test_a_block_that_does_not_hold_together(block, reason):
    """Its checksum is right: somebody meant it."""
    refused(table([block], [b"z"]), reason)
    refused(table([block], [b"z"], snappy=True), reason)


def test_keys_out_of_order_between_blocks():
    one, two = contents([(b"a", b"")]), contents([(b"b", b"")])
    assert [key for key, _ in read_table(table([one, two], [b"a", b"b"]))] == [b"a", b"b"]
    refused(table([two, one], [b"b", b"c"]), "keys are out of order")
    refused(table([one, one], [b"a", b"b"]), "keys are out of order")
    refused(table([two, one], [b"b", b"a"]), "keys are out of order")


def footer_of(data, metaindex, index):
    return data[:-48] + b"".join(map(varint, (*metaindex, *index))).ljust(40, b"\0") + data[-8:]


@pytest.mark.parametrize("place", [(2**63, 8), (0, 2**63), (2**64 - 1, 2**64 - 1), (10**6, 8), (0, 10**6)])
def test_a_handle_that_leads_outside(place):
    data = table([contents([(b"a", b"x")])], [b"a"])
    refused(footer_of(data, place, (0, 8)), "outside")
    refused(footer_of(data, (13 + 5, 8), place), "outside")
    refused(footer_of(data, (0, len(data) - 48 - 4), place), "outside")  # its checksum would be the footer's beginning
    handle = varint(place[0]) + varint(place[1])
    index = contents([(b"z", handle)])
    inner = index + b"\0" + struct.pack("<I", masked(index + b"\0"))
    refused(footer_of(inner + data[-48:], (0, len(index)), (0, len(index))), "outside")


def test_a_block_used_twice():
    block = contents([(b"a", b"x")])
    data = block + b"\0" + struct.pack("<I", masked(block + b"\0"))
    handle = varint(0) + varint(len(block))
    index = contents([(b"a", handle), (b"b", handle)])
    place = len(data)
    data += index + b"\0" + struct.pack("<I", masked(index + b"\0"))
    data += (handle + varint(place) + varint(len(index))).ljust(40, b"\0") + table([], [])[-8:]
    refused(data, "blocks are out of order")


def test_unknown_compression():
    block = contents([(b"a", b"x")])
    data = bytearray(table([block], [b"a"]))
    data[len(block)] = 2
    struct.pack_into("<I", data, len(block) + 1, masked(bytes(data[: len(block) + 1])))
    refused(bytes(data), "unknown compression 2")


def compressed_as(body):
    """A table whose only block is said to be snappy's."""
    data = body + b"\1" + struct.pack("<I", masked(body + b"\1"))
    empty, place = contents([]), len(data)
    data += empty + b"\0" + struct.pack("<I", masked(empty + b"\0"))
    index, index_place = contents([(b"z", varint(0) + varint(len(body)))]), len(data)
    data += index + b"\0" + struct.pack("<I", masked(index + b"\0"))
    handles = varint(place) + varint(len(empty)) + varint(index_place) + varint(len(index))
    return data + handles.ljust(40, b"\0") + table([], [])[-8:]


@pytest.mark.parametrize("body", [b"", b"\x05\0a", b"\x80", bytes(cramjam.snappy.compress_raw(b"a" * 99))[:-1]])
def test_a_block_that_cannot_be_uncompressed(body):
    refused(compressed_as(body), "cannot be uncompressed")


def peak_of_refusing(data, reason):
    tracemalloc.start()
    try:
        refused(data, reason)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_what_would_unpack_to_far_more_is_refused():
    """A file of kilobytes that declares gigabytes: by compression, and by keys that share all but a byte."""
    assert peak_of_refusing(compressed_as(varint(2**32 - 1) + b"\0" * 20), "too large") < 1 << 20
    long_key = b"k" * 4090
    entries = [(0, long_key, b""), *((4090, i.to_bytes(2, "big"), b"") for i in range(4000))]
    assert peak_of_refusing(table([block_of(*entries)], [b"l"]), "too many entries") < 2 * LARGEST
    assert peak_of_refusing(b"\0" * (LARGEST + 1), "too many for an index") < 1 << 20


@given(st.binary(max_size=80), st.lists(st.tuples(st.integers(0, 79), st.binary(max_size=3)), max_size=3))
@settings(deadline=5000, max_examples=300)
def test_any_block_is_read_or_refused(noise, changes):
    """Right checksums around contents that are random, or sound but for a few bytes."""
    sound = bytearray(contents(PAIRS, interval=2))
    for place, change in changes:
        sound[place : place + len(change)] = change
    for block in (noise, bytes(sound)):
        try:
            pairs = list(read_table(table([block], [b"\xff" * 5])))
        except CorruptError:
            continue
        assert pairs == sorted(pairs)
        assert len({key for key, _ in pairs}) == len(pairs) > 0
