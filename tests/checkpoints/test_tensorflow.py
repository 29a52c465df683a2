"""TensorFlow's checkpoints, written here by hand and by TensorFlow itself, are read to the last bit.

Whatever else a file holds ends in one line that names it.
"""

import json
import struct
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from minitf.checkpoints.storage import find_prefix
from minitf.checkpoints.tensorflow import read_index, read_tensors
from minitf.errors import CheckpointError
from tests.support.tensor_bundles import TYPES, Raw, entry, field, header, masked, pairs_and_shards, table_of, write

SHARED = Path(__file__).parents[3] / "shared" / "checkpoints"

SMALL = {
    "a/odd": Raw("int8", (3,), b"\1\2\3"),
    "b/kernel": Raw("float32", (2, 3), np.arange(6, dtype="<f4").tobytes()),
    "b/kernel/adam_m": Raw("float32", (2,), struct.pack("<2f", 1.5, -2.0), 1),
    "half": Raw("bfloat16", (2,), bytes.fromhex("c03f00c0"), 1),
    "nothing": Raw("float32", (0, 5), b""),
    "step": Raw("int64", (), struct.pack("<q", -7)),
}


def same(found, wanted):
    assert list(found) == sorted(wanted, key=str.encode)
    for name, (dtype, shape, content, _) in wanted.items():
        tensor = found[name]
        assert (str(tensor.dtype), tuple(tensor.shape)) == (f"torch.{dtype}", shape)
        assert bytes(tensor.reshape(-1).view(torch.uint8).tolist()) == content, name


def refused(prefix, *parts, verify=True, read=read_tensors):
    """Reading raises a CheckpointError of one line that holds all `parts`."""
    with pytest.raises(CheckpointError) as caught:
        read(prefix, verify=verify)
    check_line(caught.value, *parts)


def check_line(error, *parts):
    message = str(error)
    assert "\n" not in message
    assert len(message) < 600
    for part in parts:
        assert str(part) in message


# Read back: small checkpoints, every type


@pytest.mark.parametrize(
    ("dtype", "content", "values"),
    [
        ("float32", "0000c03f000000c0", [1.5, -2.0]),
        ("float64", "000000000000f83f00000000000000c0", [1.5, -2.0]),
        ("float16", "003e00c0", [1.5, -2.0]),
        ("bfloat16", "c03f00c0", [1.5, -2.0]),
        ("int8", "01fe", [1, -2]),
        ("int16", "0100feff", [1, -2]),
        ("int32", "01000000feffffff", [1, -2]),
        ("int64", "0100000000000000feffffffffffffff", [1, -2]),
        ("uint8", "01fe", [1, 254]),
        ("uint16", "0100feff", [1, 2**16 - 2]),
        ("uint32", "01000000feffffff", [1, 2**32 - 2]),
        ("uint64", "0100000000000000feffffffffffffff", [1, 2**64 - 2]),
        ("bool", "0001", [False, True]),
    ],
)
def test_every_type(tmp_path, dtype, content, values):
    prefix = write(tmp_path / "x", {"t": Raw(dtype, (2,), bytes.fromhex(content))})
    (tensor,) = read_tensors(prefix).values()
    assert tensor.dtype == getattr(torch, dtype)
    assert tensor.tolist() == values
    assert read_index(prefix)["t"].dtype == dtype


# Names of any kind but that of an object graph, which is refused (hypothesis knows the package's own strings).
NAMES = st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1, max_size=20).filter(
    lambda name: "/.ATTRIBUTES/" not in name and name != "_CHECKPOINTABLE_OBJECT_GRAPH"
)
READABLE = [dtype for dtype in TYPES if dtype not in ("string", "bool")]


@st.composite
def checkpoints(draw):
    """Tensors of any type, name and shape, spread over a few shards."""
    shards = draw(st.integers(1, 3))
    tensors = {}
    for name in draw(st.lists(NAMES, max_size=12, unique=True)):
        dtype = draw(st.sampled_from(READABLE))
        shape = tuple(draw(st.lists(st.integers(0, 4), max_size=3)))
        size = int(np.prod(shape)) * TYPES[dtype][1]
        content = draw(st.binary(min_size=size, max_size=size))
        tensors[name] = Raw(dtype, shape, content, draw(st.integers(0, shards - 1)))
    return tensors, shards


@given(checkpoints(), st.integers(1, 5), st.booleans(), st.integers(1, 5), st.booleans())
@settings(deadline=5000)
def test_round_trip(tmp_path_factory, checkpoint, per_block, snappy, interval, verify):
    tensors, shards = checkpoint
    folder = tmp_path_factory.mktemp("bundle")
    prefix = write(folder / "model.ckpt-7", tensors, shards, per_block=per_block, snappy=snappy, interval=interval)
    same(read_tensors(prefix, verify=verify), tensors)
    listed = read_index(prefix)
    assert {name: (e.dtype, e.shape, e.shard, e.size, e.crc32c) for name, e in listed.items()} == {
        name: (t.dtype, t.shape, t.shard, len(t.content), masked(t.content)) for name, t in tensors.items()
    }


def test_some_names_need_only_their_shards(tmp_path):
    prefix = write(tmp_path / "x", SMALL, shards=2)
    (tmp_path / "x.data-00001-of-00002").unlink()
    some = ["step", "b/kernel", "step"]
    found = read_tensors(prefix, some)
    assert list(found) == ["step", "b/kernel"]
    same(dict(sorted(found.items())), {name: SMALL[name] for name in some})
    assert read_tensors(prefix, []) == {}
    refused(prefix, tmp_path, "x.data-00001-of-00002 is missing beside x.index")
    with pytest.raises(CheckpointError, match=r"x\.index: has no tensor 'c'"):
        read_tensors(prefix, ["step", "c"])


def test_nothing_is_copied_that_is_aligned(tmp_path):
    tensors = {name: Raw("float32", (1000,), bytes(4000)) for name in ("a", "b")}
    prefix = write(tmp_path / "x", tensors)
    found = read_tensors(prefix)
    assert found["b"].data_ptr() - found["a"].data_ptr() == 4000
    found["a"] += 1  # a private page of memory
    assert (tmp_path / "x.data-00000-of-00001").read_bytes() == bytes(8000)
    same(read_tensors(prefix), tensors)


def test_a_tensor_that_is_not_aligned(tmp_path):
    prefix = write(tmp_path / "x", SMALL, shards=2)
    assert read_index(prefix)["b/kernel"].offset == 3
    kernel = read_tensors(prefix)["b/kernel"]
    assert kernel.data_ptr() % 4 == 0
    assert kernel.tolist() == [[0, 1, 2], [3, 4, 5]]


# Where it lies


def test_find_prefix(tmp_path):
    assert find_prefix(tmp_path) is None
    assert find_prefix(tmp_path / "none") is None
    assert find_prefix(tmp_path / "none.index") is None
    prefix = write(tmp_path / "model.ckpt-100", SMALL, shards=2)
    (tmp_path / "other.safetensors.index.json").write_text("{}")
    assert find_prefix(tmp_path) == prefix
    assert find_prefix(prefix) == prefix
    assert find_prefix(tmp_path / "model.ckpt-100.index") == prefix
    write(tmp_path / "model.ckpt-200", SMALL, shards=2)
    with pytest.raises(CheckpointError, match=r"several checkpoints \(model.ckpt-100, model.ckpt-200\); choose one"):
        find_prefix(tmp_path)
    assert find_prefix(prefix) == prefix
    google = write(tmp_path / "bert_model.ckpt", SMALL, shards=2)
    assert find_prefix(tmp_path) == google


@pytest.mark.parametrize("path", ["x" * 5000, "a\0b", "", "/", "..", "."])
def test_find_prefix_of_odd_paths(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert find_prefix(Path(path)) is None


def test_no_index(tmp_path):
    refused(tmp_path / "x", tmp_path, "x.index is missing")
    (tmp_path / "x.index").mkdir()
    refused(tmp_path / "x", tmp_path, "x.index is missing")


def test_every_missing_shard_is_named(tmp_path):
    prefix = write(tmp_path / "x", SMALL, shards=2)
    for shard in tmp_path.glob("x.data*"):
        shard.unlink()
    assert list(read_index(prefix)) == list(SMALL)
    refused(prefix, f"{tmp_path}: x.data-00000-of-00002, x.data-00001-of-00002 is missing beside x.index; fetch it")


# What is damaged, or was never sound


@pytest.mark.parametrize("content", [b"", b"\0" * 48, b"PK\3\4" * 20])
def test_no_table(tmp_path, content):
    (tmp_path / "x.index").write_bytes(content)
    refused(tmp_path / "x", tmp_path / "x.index", "truncated or corrupt", "fetch it again", read=read_index)


def test_a_damaged_shard(tmp_path):
    prefix = write(tmp_path / "x", SMALL, shards=2)
    shard = tmp_path / "x.data-00000-of-00002"
    good = shard.read_bytes()
    for place in range(len(good)):
        bad = bytearray(good)
        bad[place] ^= 0x10
        shard.write_bytes(bad)
        refused(prefix, f"{shard}: corrupt", "has the wrong checksum")
        assert len(read_tensors(prefix, verify=False)) == len(SMALL)
    for length in range(len(good)):
        shard.write_bytes(good[:length])
        refused(prefix, f"{shard}: truncated")
        refused(prefix, f"{shard}: truncated", verify=False)
    shard.write_bytes(good + b"more")
    same(read_tensors(prefix), SMALL)


def test_a_bool_of_another_byte(tmp_path):
    prefix = write(tmp_path / "x", {"t": Raw("bool", (3,), b"\0\1\x80")})
    found = read_tensors(prefix)["t"]
    assert found.view(torch.uint8).tolist() == [0, 1, 1]


HEAD = (b"", header())


def indexed(folder, *pairs, head=HEAD):
    """An index of these pairs, and a shard of 1,000 zeros."""
    (folder / "x.index").write_bytes(table_of(sorted([head, *pairs])))
    (folder / "x.data-00000-of-00001").write_bytes(bytes(1000))
    return folder / "x"


CRC = masked(bytes(8))
GOOD = entry(1, (2,), 0, 8, CRC)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (entry(1, (3,), 0, 8), "'w' has 8 bytes, but float32 [3] needs another number"),
        (entry(1, (2,), 0, 0), "'w' has 0 bytes"),
        (entry(1, (0,), 0, 8), "'w' has 8 bytes"),
        (entry(1, (2**64 - 1,), 0, 8), "'w' has an impossible shape"),
        (entry(1, (2**62,), 0, 2**64), "does not end"),
        (entry(1, (2**62,), 0, 2**63), "'w' has an impossible shape"),
        (entry(1, (0, 2**62, 2**62), 0, 0), "'w' has an impossible shape"),
        (entry(1, (1,) * 65, 0, 4), "'w' has no shape"),
        (field(1, 1) + field(2, field(3, 1)) + field(5, 8), "'w' has no shape"),
        (field(1, 1) + field(2, field(2, 4)), "'w' has an impossible shape"),
        (field(1, 1) + field(2, 4), "has the wrong type"),
        (field(1, b"1"), "has the wrong type"),
        (entry(1, (2,), 0, 8, shard=1), "'w' is in shard 1, but the index has 1"),
        (entry(1, (2,), 0, 8, shard=2**64 - 1), "'w' is in shard"),
        (GOOD[:-1], "a field is cut off or of an unknown type"),
        (GOOD + b"\x0b", "a field is cut off or of an unknown type"),  # a group, which the format no longer has
        (GOOD + b"\x0a\x7f", "a field is cut off or of an unknown type"),
        (GOOD + b"\x80", "does not end"),
    ],
)
def test_an_entry_that_does_not_hold_together(tmp_path, value, reason):
    prefix = indexed(tmp_path, (b"w", value))
    refused(prefix, f"{prefix}.index: truncated or corrupt (", reason, read=read_index)


def test_fields_that_come_twice(tmp_path):
    """As protocol buffers have it: the last number counts, a message goes on."""
    twice = field(5, 4) + field(2, field(2, field(1, 1))) + GOOD
    (found,) = read_tensors(indexed(tmp_path, (b"w", twice))).values()
    assert found.tolist() == [[0, 0]]


@pytest.mark.parametrize("offset", [993, 10**12, 2**63, 2**64 - 1])
def test_a_place_outside_the_shard(tmp_path, offset):
    prefix = indexed(tmp_path, (b"w", entry(1, (2,), offset, 8, CRC)), (b"x", entry(1, (0,), offset, 0)))
    for verify in (True, False):
        refused(prefix, "x.data-00000-of-00001: truncated: 'w' ends at byte", "of 1000", verify=verify)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (entry(4, (2**58,), 0, 2**58), "of 1000"),
        (b"".join(field(i, 0) for i in range(16, 60_000)), "too long"),
        (field(2, b"\x12\0" * 30_000), "'w' has no shape"),
    ],
)
def test_a_few_bytes_that_ask_for_much_memory(tmp_path, value, reason):
    prefix = indexed(tmp_path, (b"w", value))
    tracemalloc.start()
    try:
        refused(prefix, reason, verify=False)
        assert tracemalloc.get_traced_memory()[1] < 12 << 20
    finally:
        tracemalloc.stop()


def test_tensors_that_overlap(tmp_path):
    prefix = indexed(tmp_path, (b"v", entry(1, (2,), 4, 8, CRC)), (b"w", GOOD), (b"z", entry(1, (0,), 4, 0)))
    refused(prefix, "x.index", "'w' and 'v' overlap", read=read_index)
    beside = indexed(tmp_path, (b"v", entry(1, (2,), 8, 8, CRC)), (b"w", GOOD))
    assert len(read_index(beside)) == 2


@pytest.mark.parametrize(
    "head", [(b"a", header()), (b"", b""), (b"", header(0)), (b"", header(2**31)), (b"", GOOD[:3])]
)
def test_no_header(tmp_path, head):
    refused(indexed(tmp_path, (b"w", GOOD), head=head), "x.index: truncated or corrupt", read=read_index)


def test_an_index_of_nothing(tmp_path):
    (tmp_path / "x.index").write_bytes(table_of([(b"", header())]))
    assert read_tensors(tmp_path / "x") == {}


def test_a_name_that_is_no_text(tmp_path):
    refused(indexed(tmp_path, (b"\xff\xfe", GOOD)), "x.index", r"b'\xff\xfe' is not UTF-8", read=read_index)


def test_long_names_make_no_long_messages(tmp_path):
    refused(indexed(tmp_path, (b"line\n" * 800, entry(1, (3,), 0, 8))), r"line\nline", read=read_index)
    refused(indexed(tmp_path, (b"line\n" * 800, entry(7, (3,), 0, 8))), r"line\nline")
    refused(indexed(tmp_path, (b"line\n" * 800, entry(1, (3,), 999, 12))), r"line\nline")


# What is sound, but left out on purpose


def test_big_endian(tmp_path):
    prefix = indexed(tmp_path, (b"w", GOOD), head=(b"", header(endianness=1)))
    refused(prefix, f"{prefix}.index: written on a big-endian machine", read=read_index)


def test_a_later_version(tmp_path):
    prefix = indexed(tmp_path, (b"w", GOOD), head=(b"", header(min_consumer=2)))
    refused(prefix, f"{prefix}.index: written in a later version", read=read_index)
    assert len(read_index(indexed(tmp_path, (b"w", GOOD), head=(b"", header(min_consumer=1))))) == 1


@pytest.mark.parametrize(("number", "name"), [(7, "string"), (8, "complex64"), (20, "resource"), (99, "number 99")])
def test_unsupported_types_are_listed_but_not_read(tmp_path, number, name):
    prefix = indexed(tmp_path, (b"v", entry(number, (3,), 100, 17)), (b"w", GOOD))
    assert read_index(prefix)["v"].dtype == name
    refused(prefix, f"{prefix}.index: 'v' is of type {name}, which minitf does not read; it reads float32")
    assert read_tensors(prefix, ["w"])["w"].tolist() == [0, 0]


def test_partitioned_variables(tmp_path):
    """As TensorFlow writes one: its slices under ordered keys, the whole with their extents and no place."""
    extent = field(1, b"") + field(1, field(1, 1) + field(2, 1))
    whole = field(1, 1) + field(2, field(2, field(1, 2))) + field(7, extent)
    refused(indexed(tmp_path, (b"word/embeddings", whole)), "'word/embeddings' is a partitioned variable", "in slices")
    piece = b"\0word/embeddings\0\1" + bytes.fromhex("0101fe810001")
    prefix = indexed(tmp_path, (piece, GOOD), (b"word/embeddings", whole))
    refused(prefix, f"{prefix}.index: 'word/embeddings' is a partitioned variable, saved in slices", read=read_index)


@pytest.mark.parametrize("name", [b"_CHECKPOINTABLE_OBJECT_GRAPH", b"model/layer-0/kernel/.ATTRIBUTES/VARIABLE_VALUE"])
def test_object_graphs(tmp_path, name):
    prefix = indexed(tmp_path, (name, entry(7, (), 0, 8)), (b"w", GOOD))
    refused(prefix, f"{prefix}.index: an object-graph checkpoint of TensorFlow 2", "tf.compat.v1", read=read_index)


# Files changed at random


PAIRS, DATA = pairs_and_shards(SMALL, 2)
INDEX = table_of(PAIRS, per_block=3, snappy=True, interval=2)

# At a place between 0 and 1 of the file's length, so many bytes are taken out and others put in.
CHANGES = st.lists(st.tuples(st.floats(0, 1), st.integers(0, 9), st.binary(max_size=9)), min_size=1, max_size=4)


def changed(content, changes):
    for where, out, put in changes:
        at = round(where * len(content))
        content = content[:at] + put + content[at + out :]
    return content


def put_down(folder, index, data):
    (folder / "x.index").write_bytes(index)
    for i, content in enumerate(data):
        (folder / f"x.data-{i:05d}-of-{len(data):05d}").write_bytes(content)
    return folder / "x"


@given(CHANGES, st.sampled_from(["index", "data", "cut"]), st.booleans())
@settings(deadline=5000, max_examples=400)
def test_changed_files(tmp_path_factory, changes, which, verify):
    """Checksums find every change that counts; without them, what is read may be wrong, but nothing else happens."""
    index, data = INDEX, DATA
    if which == "index":
        index = changed(INDEX, changes)
    elif which == "data":
        data = [changed(DATA[0], changes), DATA[1]]
    else:
        index = INDEX[: round(changes[0][0] * len(INDEX))]
    prefix = put_down(tmp_path_factory.getbasetemp(), index, data)
    try:
        found = read_tensors(prefix, verify=verify)
    except CheckpointError as error:
        check_line(error, prefix)
        return
    if verify:
        same(found, SMALL)


@given(st.integers(0, len(PAIRS) - 1), CHANGES, st.booleans())
@settings(deadline=5000, max_examples=400)
def test_changed_entries_under_right_checksums(tmp_path_factory, which, changes, key_too):
    """A table that is sound, of messages that are not."""
    pairs = dict(PAIRS)
    key, value = PAIRS[which]
    del pairs[key]
    pairs[changed(key, changes) if key_too else key] = value if key_too else changed(value, changes)
    prefix = put_down(tmp_path_factory.getbasetemp(), table_of(sorted(pairs.items())), DATA)
    for verify in (True, False):
        try:
            found = read_tensors(prefix, verify=verify)
        except CheckpointError as error:
            check_line(error, prefix.parent)
        else:
            assert len(found) <= len(PAIRS) - 1


# What TensorFlow wrote


def google_shapes(config):
    """Every weight of Google's `modeling.py` and `run_pretraining.py`, by name, for a model of these sizes."""
    D, F, N = config["hidden_size"], config["intermediate_size"], config["vocab_size"]

    def norm(scope):
        return {f"{scope}/LayerNorm/{part}": (D,) for part in ("beta", "gamma")}

    def dense(scope, wide, narrow):
        return {f"{scope}/kernel": (wide, narrow), f"{scope}/bias": (narrow,)}

    shapes = norm("bert/embeddings") | dense("bert/pooler/dense", D, D)
    for table, rows in (
        ("word", N),
        ("position", config["max_position_embeddings"]),
        ("token_type", config["type_vocab_size"]),
    ):
        shapes[f"bert/embeddings/{table}_embeddings"] = (rows, D)
    for layer in range(config["num_hidden_layers"]):
        scope = f"bert/encoder/layer_{layer}"
        for part in ("query", "key", "value"):
            shapes |= dense(f"{scope}/attention/self/{part}", D, D)
        shapes |= dense(f"{scope}/attention/output/dense", D, D) | norm(f"{scope}/attention/output")
        shapes |= dense(f"{scope}/intermediate/dense", D, F) | dense(f"{scope}/output/dense", F, D)
        shapes |= norm(f"{scope}/output")
    shapes |= dense("cls/predictions/transform/dense", D, D) | norm("cls/predictions/transform")
    return shapes | {
        "cls/predictions/output_bias": (N,),
        "cls/seq_relationship/output_bias": (2,),
        "cls/seq_relationship/output_weights": (2, D),
    }


def with_adam(shapes):
    slots = {f"{name}/adam_{slot}": shape for name, shape in shapes.items() for slot in "mv"}
    return shapes | slots | {"global_step": ()}


def config_in(path):
    return json.loads(path.read_text(encoding="utf-8"))


@pytest.mark.shared
@pytest.mark.parametrize("name", ["tf1-l3-h48", "tf1-l2-h4"])
def test_googles_layout(name):
    folder = SHARED / name
    prefix = find_prefix(folder)
    assert prefix == folder / "bert_model.ckpt"
    found = read_tensors(prefix)
    assert {key: tuple(tensor.shape) for key, tensor in found.items()} == with_adam(
        google_shapes(config_in(folder / "bert_config.json"))
    )
    assert found.pop("global_step").dtype == torch.int64
    for key, tensor in found.items():
        assert tensor.dtype == torch.float32, key
        assert tensor.isfinite().all(), key
    data = Path(f"{prefix}.data-00000-of-00001")
    assert sum(tensor.nbytes for tensor in found.values()) + 8 == data.stat().st_size


@pytest.mark.shared
def test_the_index_of_bert_tiny():
    prefix = SHARED / "index-only" / "bert-tiny.ckpt"
    entries = read_index(prefix)
    shapes = google_shapes(config_in(prefix.with_name("bert-tiny.bert_config.json")))
    assert {name: e.shape for name, e in entries.items()} == shapes
    assert len(entries) == 46
    assert sum(e.size for e in entries.values()) == 17_733_872
    assert {(e.dtype, e.shard) for e in entries.values()} == {("float32", 0)}
    refused(prefix, prefix.parent, "bert-tiny.ckpt.data-00000-of-00001 is missing beside bert-tiny.ckpt.index")


@pytest.mark.shared
def test_an_index_that_tensorflow_compressed():
    prefix = SHARED / "index-only" / "covbert-snappy.ckpt"
    base = {
        "hidden_size": 768,
        "intermediate_size": 3072,
        "vocab_size": 30522,
        "max_position_embeddings": 512,
        "type_vocab_size": 2,
        "num_hidden_layers": 12,
    }
    entries = read_index(prefix)
    assert {name: e.shape for name, e in entries.items()} == with_adam(google_shapes(base))
    assert entries.pop("global_step").dtype == "int64"
    assert {e.dtype for e in entries.values()} == {"float32"}
    refused(prefix, prefix.parent, "covbert-snappy.ckpt.data-00000-of-00001 is missing")


@pytest.mark.shared
@pytest.mark.parametrize(
    "name", ["index-only/bert-tiny.ckpt", "index-only/covbert-snappy.ckpt", "tf1-l2-h4/bert_model.ckpt"]
)
@given(CHANGES)
@settings(deadline=5000)
def test_changed_real_indices(tmp_path_factory, name, changes):
    real = Path(f"{SHARED / name}.index").read_bytes()
    prefix = put_down(tmp_path_factory.getbasetemp(), changed(real, changes), [])
    try:
        found = read_index(prefix)
    except CheckpointError as error:
        check_line(error, prefix)
    else:
        assert found == read_index(SHARED / name)
