"""What TensorFlow itself writes is read to the last bit, and TensorFlow's own reader says the same of it.

TensorFlow is imported by the fixture alone, so that this file can be collected without it. No index here is compressed:
TensorFlow's writer reads compressed ones, but compresses none and has no option for it; see test_tensorflow.py.
"""

import importlib
import itertools
import random
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from minitf.checkpoints.bundle import READABLE, TensorEntry
from minitf.checkpoints.load import load_with_report
from minitf.checkpoints.renaming import PYTORCH
from minitf.checkpoints.sstable import read_table
from minitf.checkpoints.storage import find_prefix
from minitf.checkpoints.tensorflow import read_index, read_tensors
from minitf.errors import CheckpointError
from tests.support import google_layout
from tests.support.tensor_bundles import TYPES, Raw

pytestmark = pytest.mark.tensorflow


@pytest.fixture(scope="module")
def tf():
    return importlib.import_module("tensorflow")


def of(tf, t):
    """A tensor of TensorFlow's, of these bits."""
    return tf.constant(np.ndarray(t.shape, tf.as_dtype(t.dtype).as_numpy_dtype, t.content))


def save(tf, prefix, tensors):
    """One shard, by the operation under every Saver."""
    tf.raw_ops.SaveV2(
        prefix=str(prefix),
        tensor_names=list(tensors),
        shape_and_slices=[""] * len(tensors),
        tensors=list(tensors.values()),
    )
    return prefix


def save_shards(tf, prefix, raws):
    """As many shards as there are in use, numbered without gaps; merged as a Saver does it."""
    parts = []
    for number in sorted({t.shard for t in raws.values()}):
        part = {name: of(tf, t) for name, t in raws.items() if t.shard == number}
        parts.append(str(save(tf, Path(f"{prefix}-parts") / f"part-{number}", part)))
    tf.raw_ops.MergeV2Checkpoints(checkpoint_prefixes=parts, destination_prefix=str(prefix))
    return prefix


def bits(tensor):
    return tensor.reshape(-1).view(torch.uint8).numpy().tobytes()


def refused(prefix, *parts, read=read_tensors):
    """Reading raises a CheckpointError of one line that holds all `parts`."""
    with pytest.raises(CheckpointError) as caught:
        read(prefix)
    message = str(caught.value)
    assert "\n" not in message
    for part in parts:
        assert str(part) in message


def check_index(tf, prefix):
    """The index says to us what it says to TensorFlow's reader, and to its protocol buffers, of every tensor."""
    entries = read_index(prefix)
    reader = tf.train.load_checkpoint(str(prefix))
    assert {name: e.dtype for name, e in entries.items()} == {
        name: dtype.name for name, dtype in reader.get_variable_to_dtype_map().items()
    }
    assert [(name, list(e.shape)) for name, e in sorted(entries.items())] == tf.train.list_variables(str(prefix))
    bundle = importlib.import_module("tensorflow.core.protobuf.tensor_bundle_pb2")
    (_, head), *pairs = read_table(Path(f"{prefix}.index").read_bytes())
    for (key, value), entry in zip(pairs, entries.values(), strict=True):
        said = bundle.BundleEntryProto.FromString(value)
        assert entry == TensorEntry(
            name=key.decode(),
            dtype=tf.as_dtype(said.dtype).name,
            shape=tuple(axis.size for axis in said.shape.dim),
            shard=said.shard_id,
            offset=said.offset,
            size=said.size,
            crc32c=said.crc32c,
        )
    shards = bundle.BundleHeaderProto.FromString(head).num_shards
    assert {path.name for path in prefix.parent.glob(f"{prefix.name}.data-*")} == {
        f"{prefix.name}.data-{i:05d}-of-{shards:05d}" for i in range(shards)
    }
    return reader


def check(tf, prefix, raws):
    """All is read as it was written, by us and by TensorFlow."""
    reader = check_index(tf, prefix)
    for verify in (True, False):
        found = read_tensors(prefix, verify=verify)
        assert list(found) == sorted(raws, key=str.encode)
        for name, (dtype, shape, content, _) in raws.items():
            tensor = found[name]
            assert (tensor.dtype, tuple(tensor.shape)) == (READABLE[dtype], shape)
            assert bits(tensor) == content == np.asarray(reader.get_tensor(name)).tobytes(), name


# Any names, types, shapes, shards

# Of paths like Google's, and of what sorts oddly: 1, 10, 2; é beside its bytes' neighbours; the last of two planes.
PIECES = st.sampled_from(
    [
        *("bert", "encoder", "layer_1", "layer_10", "layer_2", "kernel", "LayerNorm", ".", "..", "a", "B", "-", "~"),
        *("", " ", "\n", "a\0b", "\x7f", "\x80", "é", "ß", "中文", "\uffff", "\U00010000", "\U0010ffff", "same" * 60),
    ]
)
PATHS = st.lists(PIECES, min_size=1, max_size=7).map("/".join)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)  # Hypothesis puts in strings that it finds in the reader
# None at all is the header's; with a zero in front, a slice's; the others are an object graph's.
NAMES = (PATHS | TEXTS).filter(
    lambda name: name and name[0] != "\0" and "/.ATTRIBUTES/" not in name and name != "_CHECKPOINTABLE_OBJECT_GRAPH"
)
SHAPES = st.lists(st.integers(0, 4), max_size=4) | st.lists(st.just(1), min_size=5, max_size=64)


@st.composite
def raw_tensors(draw):
    dtype = draw(st.sampled_from(sorted(READABLE)))
    shape = tuple(draw(SHAPES))
    size = int(np.prod(shape, dtype=int)) * TYPES[dtype][1]
    content = draw(st.binary(min_size=size, max_size=size))
    if dtype == "bool":
        content = bytes(byte & 1 for byte in content)
    return Raw(dtype, shape, content, draw(st.integers(0, 4)))


@given(st.dictionaries(NAMES, raw_tensors(), min_size=1, max_size=12), st.booleans())
@settings(deadline=None, max_examples=300)
def test_any_checkpoint(tf, tmp_path_factory, raws, sharded):
    prefix = tmp_path_factory.mktemp("real") / "model.ckpt-7"
    if sharded:
        save_shards(tf, prefix, raws)
    else:
        save(tf, prefix, {name: of(tf, t) for name, t in raws.items()})
    check(tf, prefix, raws)


def drawn(seed, name, shard=0):
    """A few floats of any bits."""
    rng = random.Random(f"{seed} {name}")
    shape = tuple(rng.choices(range(4), k=rng.randrange(4)))
    return Raw("float32", shape, rng.randbytes(4 * int(np.prod(shape, dtype=int))), shard)


def test_a_hundred_shards(tf, tmp_path):
    raws = {f"layer_{i * 7 % 250}/kernel": drawn(0, i, shard=i % 100) for i in range(250)}
    check(tf, save_shards(tf, tmp_path / "x", raws), raws)
    assert (tmp_path / "x.data-00099-of-00100").is_file()


def unlike_names():
    rng = random.Random(0)
    return ["".join(rng.choices("aé/_.19", k=rng.randint(9, 1_000))) for _ in range(3_000)]


def numbered_names():
    """Written as a few bytes each, and too close to be divided by anything shorter than themselves."""
    return [f"{'bert/encoder/layer_11/attention/' * 4}{i:05d}" for i in range(12_000)]


@pytest.mark.parametrize(("names", "blocks"), [(unlike_names, 5), (numbered_names, 2)])
def test_an_index_of_many_blocks(tf, tmp_path, names, blocks):
    raws = {name: drawn(1, name) for name in names()}
    prefix = save(tf, tmp_path / "x", {name: of(tf, t) for name, t in raws.items()})
    # TensorFlow ends a block at the first entry beyond 256 KiB, and no entry here has 4 KiB.
    assert (tmp_path / "x.index").stat().st_size > (blocks - 1) * 260 * 1024
    check(tf, prefix, raws)


# Every type


@pytest.mark.parametrize("dtype", READABLE)
def test_every_type(tf, tmp_path, dtype):
    """The same numbers, not only the same bits, in both libraries; the smallest and largest among them."""
    kind = tf.as_dtype(dtype)
    numbers = [False, True] if dtype == "bool" else [kind.min, 0, 1, 100, kind.max]
    values = tf.constant(np.array(numbers, kind.as_numpy_dtype))
    prefix = save(tf, tmp_path / "x", {"a/odd": tf.constant([1], tf.int8), "t": values})
    check_index(tf, prefix)
    found = read_tensors(prefix)["t"]
    assert found.dtype == READABLE[dtype]
    assert found.tolist() == values.numpy().tolist()


UNREADABLE = ["string", "complex64", "complex128", "qint8", "quint8", "qint16", "quint16", "qint32", "float8_e5m2"]


def unreadable(tf, dtype):
    if dtype == "string":
        return tf.constant([b"", b"a", b"\xff" * 300])
    if dtype.startswith("q"):
        return tf.bitcast(tf.constant([1, 2, 3], dtype[1:]), tf.as_dtype(dtype))
    return tf.cast([1.0, 2.0, 3.0], tf.as_dtype(dtype))


@pytest.mark.parametrize("dtype", UNREADABLE)
def test_other_types_are_listed_and_their_neighbours_read(tf, tmp_path, dtype):
    around = {name: drawn(2, name) for name in "acd"}
    tensors = {name: of(tf, t) for name, t in around.items()} | {"b": unreadable(tf, dtype)}
    prefix = save(tf, tmp_path / "x", tensors)
    if dtype == "float8_e5m2":
        # Younger than the reader's list of types, and so known by its number alone.
        listed = f"number {tf.as_dtype(dtype).as_datatype_enum}"
        assert (read_index(prefix)["b"].dtype, read_index(prefix)["b"].shape) == (listed, (3,))
    else:
        listed = dtype
        check_index(tf, prefix)
    refused(prefix, f"{prefix}.index: 'b' is of type {listed}, which minitf does not read; it reads float32, ")
    found = read_tensors(prefix, around)
    assert {name: bits(tensor) for name, tensor in found.items()} == {name: t.content for name, t in around.items()}


def test_no_type_is_forgotten(tf):
    """Of TensorFlow 1's types, every one is read or refused above, but for two that it cannot save."""
    kinds = [kind for kind in vars(tf.dtypes).values() if isinstance(kind, tf.DType)]
    assert {kind.name for kind in kinds} - {"resource", "variant"} == {*READABLE, *UNREADABLE} - {"float8_e5m2"}


# By a Saver, in graph mode


@pytest.mark.parametrize("use_resource", [False, True])
@pytest.mark.parametrize("shards", [1, 3])
def test_saver(tf, tmp_path, shards, use_resource):
    v1 = tf.compat.v1
    raws = {f"bert/layer_{i}/kernel": drawn(3, i, shard=i % shards) for i in range(11)}
    # A sharded Saver makes a shard of each device's variables.
    with tf.Graph().as_default(), v1.Session(config=v1.ConfigProto(device_count={"CPU": shards})) as session:
        for name, t in raws.items():
            with tf.device(f"/cpu:{t.shard}"):
                v1.get_variable(name, initializer=of(tf, t), use_resource=use_resource)
        with tf.device("/cpu:0"):
            step = v1.train.get_or_create_global_step()
        session.run(v1.global_variables_initializer())
        session.run(step.assign(1234))
        v1.train.Saver(sharded=shards > 1).save(session, str(tmp_path / "model.ckpt"), global_step=step)
    prefix = find_prefix(tmp_path)
    assert prefix == tmp_path / "model.ckpt-1234"  # beside TensorFlow's `checkpoint` and the graph
    check(tf, prefix, raws | {"global_step": Raw("int64", (), (1234).to_bytes(8, "little"))})
    assert {e.shard for e in read_index(prefix).values()} == set(range(shards))


def save_partitioned(tf, prefix, pieces, **saver):
    """`embeddings [6, 4]` in so many pieces, each on a device of its own, and `bias` whole."""
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session(config=v1.ConfigProto(device_count={"CPU": pieces})) as session:
        places = itertools.cycle(f"/cpu:{i}" for i in range(pieces))
        with v1.device(lambda _: next(places)):
            v1.get_variable(
                "embeddings",
                [6, 4],
                initializer=v1.random_normal_initializer(),
                partitioner=v1.fixed_size_partitioner(pieces),
            )
        v1.get_variable("bias", [2])
        session.run(v1.global_variables_initializer())
        v1.train.Saver(**saver).save(session, str(prefix))


@pytest.mark.parametrize("sharded", [False, True])
def test_a_partitioned_variable(tf, tmp_path, sharded):
    prefix = tmp_path / "x"
    save_partitioned(tf, prefix, 3, sharded=sharded)
    assert dict(tf.train.list_variables(str(prefix)))["embeddings"] == [6, 4]
    for read in (read_index, read_tensors):
        refused(prefix, f"{prefix}.index: 'embeddings' is a partitioned variable, saved in slices", read=read)


def test_a_variable_in_one_partition(tf, tmp_path):
    """Which TensorFlow saves as a whole."""
    save_partitioned(tf, tmp_path / "x", 1)
    wanted = tf.train.load_checkpoint(str(tmp_path / "x")).get_tensor("embeddings")
    assert np.count_nonzero(wanted) == 24
    assert bits(read_tensors(tmp_path / "x")["embeddings"]) == wanted.tobytes()


def test_an_object_graph(tf, tmp_path):
    saved = tf.train.Checkpoint(layer=tf.Module(), bias=tf.Variable([1.0])).save(str(tmp_path / "x"))
    assert "bias/.ATTRIBUTES/VARIABLE_VALUE" in dict(tf.train.list_variables(saved))
    for read in (read_index, read_tensors):
        refused(Path(saved), f"{saved}.index: an object-graph checkpoint of TensorFlow 2", "tf.compat.v1", read=read)


# Damage

SMALL = {
    "a": Raw("int8", (3,), b"\1\2\3"),
    "b/kernel": Raw("float32", (2, 3), np.arange(6, dtype="<f4").tobytes()),
    "b/kernel/adam_m": Raw("float32", (2,), np.array([1.5, -2.0], "<f4").tobytes(), 1),
    "nothing": Raw("float32", (0, 5), b""),
    "step": Raw("int64", (), (1234).to_bytes(8, "little"), 1),
}


def flipped(content, place):
    """With one bit of one byte turned."""
    return content[:place] + bytes([content[place] ^ 1 << place % 8]) + content[place + 1 :]


def read_by_tensorflow(tf, prefix):
    """Every tensor's bits, or None if TensorFlow's reader refuses the file."""
    try:
        reader = tf.train.load_checkpoint(str(prefix))
        return {name: np.asarray(reader.get_tensor(name)).tobytes() for name in reader.get_variable_to_dtype_map()}
    except (tf.errors.OpError, IndexError):
        return None


def read_by_us(prefix):
    try:
        return {name: bits(tensor) for name, tensor in read_tensors(prefix).items()}
    except CheckpointError:
        return None


def test_damaged_data(tf, tmp_path):
    """Of either shard, each byte changed in turn, and each length too short."""
    prefix = save_shards(tf, tmp_path / "x", SMALL)
    for shard in sorted(tmp_path.glob("x.data*")):
        good = shard.read_bytes()
        for place in range(len(good)):
            shard.write_bytes(flipped(good, place))
            assert read_by_tensorflow(tf, prefix) is None
            refused(prefix, f"{shard}: corrupt: ", "has the wrong checksum; fetch it again")
        for length in range(len(good)):
            shard.write_bytes(good[:length])
            assert read_by_tensorflow(tf, prefix) is None
            refused(prefix, f"{shard}: truncated: ", f" of {length}; fetch it again")
        shard.write_bytes(good)
        check(tf, prefix, SMALL)


def test_damaged_index(tf, tmp_path):
    """Each byte changed in turn, and each length too short: what TensorFlow refuses, we do; what we read is right."""
    prefix = save_shards(tf, tmp_path / "x", SMALL)
    index = tmp_path / "x.index"
    good = index.read_bytes()
    changed = [flipped(good, place) for place in range(len(good))] + [good[:length] for length in range(len(good))]
    refusals = 0
    for content in changed:
        index.write_bytes(content)
        found = read_by_us(prefix)
        if found is None:
            refusals += 1
            refused(prefix, f"{index}: truncated or corrupt (")
        else:
            assert found == {name: t.content for name, t in SMALL.items()} == read_by_tensorflow(tf, prefix)
    # A few bytes at the end are padding, and have no checksum.
    assert len(changed) - 40 < refusals < len(changed)


# A whole BERT


def save_as_google(tf, prefix, tensors, step):
    """These variables, and an optimizer's beside them, as `run_pretraining.py` saves them. Returns them all."""
    generator = torch.Generator().manual_seed(4)
    slots = {
        f"{name}/adam_{slot}": torch.randn(tensor.shape, generator=generator)
        for name, tensor in tensors.items()
        for slot in "mv"
    }
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session() as session:
        for name, tensor in (tensors | slots).items():
            v1.get_variable(name, initializer=tensor.numpy())
        counter = v1.train.get_or_create_global_step()
        session.run(v1.global_variables_initializer())
        session.run(counter.assign(step))
        v1.train.Saver().save(session, str(prefix))
    return tensors | slots | {"global_step": torch.tensor(step)}


def test_a_whole_bert(tf, tmp_path, write_bert):
    _, model = write_bert(transformers.BertForPreTraining)
    weights = {name: torch.from_numpy(t) for name, t in google_layout.google_tensors(model).items()}
    assert len(weights) == 5 + 3 * 16 + 2 + 7  # embeddings, layers, pooler, both heads
    assert "bert/encoder/layer_2/attention/self/query/kernel" in weights
    assert weights["bert/encoder/layer_0/intermediate/dense/kernel"].shape == (32, 48)
    wanted = save_as_google(tf, tmp_path / "google" / "bert_model.ckpt", weights, step=20)
    prefix = find_prefix(tmp_path / "google")
    assert prefix == tmp_path / "google" / "bert_model.ckpt"
    check_index(tf, prefix)
    found = read_tensors(prefix)
    assert list(found) == sorted(wanted)
    assert len(found) == 3 * len(weights) + 1
    for name, tensor in wanted.items():
        assert (found[name].dtype, found[name].shape) == (tensor.dtype, tensor.shape), name
        assert bits(found[name]) == bits(tensor), name

    google_layout.write_config(tmp_path / "google", model)
    loaded, report = load_with_report(tmp_path / "google", "pretraining")
    assert (len(report.loaded), report.new) == (len(weights), ())
    official = {PYTORCH["bert"].official_name(name, "pretraining"): p for name, p in loaded.named_parameters()}
    assert all(torch.equal(official[name], p) for name, p in model.named_parameters())
