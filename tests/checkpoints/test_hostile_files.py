"""Hostile files: whatever is in them, a load ends in a CheckpointError that names the file, or in a sound model.

Spoiled checkpoints of every kind by the hundred, and the worst that anyone could think of one by one, among them what
the long run (`python -m benchmarks.fuzz`) found.
"""

import io
import json
import os
import pickletools
import shutil
import struct
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from random import Random

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks import fuzz_case, fuzz_files, fuzz_hostile, fuzz_pickles
from benchmarks.fuzz_files import MARKER, SHARD, WORDS
from benchmarks.fuzz_hostile import KINDS
from minitf.checkpoints import sources
from minitf.checkpoints.load import STORED_HEAD, load, load_tokenizer, load_with_report
from minitf.checkpoints.pickles import LARGEST, read_pickle
from minitf.errors import CheckpointError
from minitf.text.tokenizer_files import LARGEST_VOCABULARY

ROOT = Path(__file__).parents[2]
PROPERTY = settings(
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.fixture(scope="module")
def bases(tmp_path_factory):
    """Two sound checkpoints of each layout, as files in memory."""
    folder = tmp_path_factory.mktemp("bases")
    fuzz_files.write_bases(folder / "all")
    return fuzz_files.read_bases(folder / "all")


@pytest.fixture
def put(bases, tmp_path):
    """A function that writes the sound checkpoint of a layout, some of its files changed, and gives its folder."""

    def write(layout, changed=None, name="case"):
        fuzz_files.put(tmp_path / name, bases[0][layout] | (changed or {}))
        return tmp_path / name

    return write


@pytest.fixture
def pickled(put):
    """A function that writes a checkpoint whose weights are a pickle of what it is given, in either format."""

    def write(content, later=True, name="case"):
        return put("bin", {"pytorch_model.bin": saved(content, later)}, name)

    return write


@pytest.fixture
def tensors(bases):
    return torch.load(io.BytesIO(bases[0]["bin"]["pytorch_model.bin"]), weights_only=True)


def refused(source, said="", call=load):
    """The message of the CheckpointError that `call` raises: it names what it was given."""
    with pytest.raises(CheckpointError, match=said) as caught:
        call(source)
    assert str(source) in str(caught.value)
    return str(caught.value)


def listing(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def saved(content, later=True):
    out = io.BytesIO()
    torch.save(content, out, _use_new_zipfile_serialization=later)
    return out.getvalue()


def with_pickle(content, pickle):
    """A later `.bin` with another pickle in it."""
    return fuzz_files.zipped(fuzz_files.unzipped(content) | {"data.pkl": pickle}, "archive/", zipfile.ZIP_STORED)


# --- mutated in any way


@pytest.mark.parametrize("kind", KINDS)
def test_the_sound_ones_load(put, kind):
    """Else all that follows could be refused for one reason."""
    assert fuzz_case.examine(put(KINDS[kind].layout), kind)[0] == "loaded"


@pytest.mark.parametrize("kind", KINDS)
@PROPERTY
@given(seed=st.integers(0, 2**32))
def test_a_mutated_checkpoint(bases, tmp_path, kind, seed):
    """As in the long fuzzing run, but without its limit of memory, which needs a process of its own."""
    made = fuzz_hostile.draw_case(kind, Random(seed), bases)
    examined(tmp_path / "case", kind, made.files, made.head)


@pytest.mark.parametrize("kind", KINDS)
@PROPERTY
@given(edits=st.lists(st.tuples(st.integers(0, 20_000), st.integers(0, 4), st.binary(max_size=4)), max_size=5))
def test_any_bytes_in_any_place(bases, tmp_path, kind, edits):
    k = KINDS[kind]
    content = bases[0][k.layout][k.file]
    for at, size, written in edits:
        at %= len(content) + 1
        content = content[:at] + written + content[at + size :]
    examined(tmp_path / "case", kind, bases[0][k.layout] | {k.file: content})


def examined(folder, kind, files, head=STORED_HEAD):
    """Raises Finding."""
    try:
        fuzz_files.put(folder, files)
        fuzz_case.examine(folder, kind, head)
        assert listing(folder.parent) == {f"case/{name}": content for name, content in files.items()}
    finally:
        shutil.rmtree(folder)


# --- memory: 64 MiB and twice what is declared, whatever a file claims

MEASURED = """
import sys
from pathlib import Path
import torch
from benchmarks import fuzz_case
torch.set_num_threads(1)

def grown(call):
    Path("/proc/self/clear_refs").write_text("5")
    before = fuzz_case.memory("VmRSS")
    return call(), fuzz_case.memory("VmHWM") - before

print("control", 0, grown(lambda: len(bytearray(100 << 20)))[1])
for path in map(Path, sys.argv[1:]):
    (outcome, declared), growth = grown(lambda: fuzz_case.examine(path, path.name.partition("-")[0]))
    print(outcome, declared, growth, flush=True)
"""


def greedy(bases, tensors):
    """Name, which begins with the kind -> the files that differ from the sound ones."""
    bomb, google, content = bytes(80 << 20), bases[0]["google"], bases[0]["bin"]["pytorch_model.bin"]
    packed = [(zipfile.ZIP_DEFLATED, name) for name in google]
    packed += [(zipfile.ZIP_BZIP2, "vocab.txt"), (zipfile.ZIP_BZIP2, SHARD), (zipfile.ZIP_LZMA, "bert_config.json")]
    for method, name in packed:
        yield f"zip-{name} {method}", {"google.zip": fuzz_files.zipped(google | {name: bomb}, "uncased/", method)}
    listed = struct.pack("<4s6H3I5H2I", b"PK\1\2", 20, 20, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0) + b"a"
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 2**16 - 1, 2**16 - 1, 300_000 * len(listed), 0, 0)
    yield "zip-a long list", {"google.zip": listed * 300_000 + end}

    records = fuzz_files.unzipped(content) | {"data/0": bomb}
    yield "bin-deflated", {"pytorch_model.bin": fuzz_files.zipped(records, "archive/")}
    for kind, later in (("bin", True), ("bin, legacy", False)):
        large = tensors | {"x": fuzz_pickles.Call(bytearray, 2**30)}
        yield f"{kind}-bytearray", {"pytorch_model.bin": saved(large, later)}
        wide = {name: torch.zeros(1).expand(2**14, 2**14) for name in tensors}
        yield f"{kind}-strides of 0", {"pytorch_model.bin": saved(wide, later)}
    for sign in (b"]", b"}", b"(", b")\x85"):
        program = b"\x80\x02" + sign * (8 << 20) + b"."
        yield f"bin-{sign.hex()}", {"pytorch_model.bin": with_pickle(content, program)}
    # A tuple in two hundred thousand others as a name: its hash takes a step down the machine's stack for each.
    deep = b"\x80\x02}(" + b")" + b"\x85" * 200_000 + b"Nu."
    yield "bin-deep", {"pytorch_model.bin": with_pickle(content, deep)}
    pax = tarfile.TarInfo("x")
    pax.type, pax.size = tarfile.XHDTYPE, 2**61
    yield "bin, legacy-tar", {"pytorch_model.bin": pax.tobuf(tarfile.GNU_FORMAT) + bytes(2048)}

    config = json.loads(bases[0]["plain"]["config.json"])
    sizes = {"num_hidden_layers": 1000, "hidden_size": 2**24, "intermediate_size": 2**24, "vocab_size": 2**24}
    for name, change in {"sizes": sizes, "labels": {"id2label": None, "num_labels": 10**6}}.items():
        yield f"config.json-{name}", {"config.json": json.dumps(config | change).encode()}
    padded = b'{"a": [' + b'{"":0},' * 290_000 + b"0]}"
    yield "config.json-empty objects", {"config.json": padded}
    yield "index of shards-empty objects", {"model.safetensors.index.json": padded}
    row = {"dtype": "F32", "shape": [], "data_offsets": [0, 0]}
    header = json.dumps({str(i): row for i in range(150_000)}).encode()
    yield "safetensors-header", {"model.safetensors": struct.pack("<Q", len(header)) + header}

    letters = "abcdefghijklmnopqrstuvwxyz0123456789"
    words = "".join(f"{a}{b}{c}{d}\n" for a in letters for b in letters for c in letters for d in letters)
    special = "".join(f"{word}\n" for word in WORDS)
    yield "vocab.txt-words", {"vocab.txt": (special + words).encode()[:LARGEST_VOCABULARY]}
    yield "vocab.txt-lines", {"vocab.txt": special.encode() + b"\n" * (7 << 20)}
    yield "vocab.txt-one line", {"vocab.txt": special.encode() + b"x" * (80 << 20)}
    tokenizer = json.loads(bases[0]["whole"]["tokenizer.json"])
    tokenizer["model"]["vocab"]["z"] = 2**32 - 1
    yield "tokenizer.json-number", {"tokenizer.json": json.dumps(tokenizer).encode()}
    yield "tokenizer.json-commas", {"tokenizer.json": b"[" + b"1," * (8 << 20) + b"1]"}
    yield "tokenizer_config.json-long", {"tokenizer_config.json": b'{"a": [' + b"[]," * (8 << 20) + b"0]}"}


def test_memory_is_bounded_by_what_is_there(bases, tensors, tmp_path):
    """One after the other in one process, which none of them ends."""
    folders = []
    for name, changed in greedy(bases, tensors):
        folders.append(tmp_path / name)
        fuzz_files.put(tmp_path / name, bases[0][KINDS[name.partition("-")[0]].layout] | changed)
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *map(str, folders)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    control, *measured = [line.split() for line in done.stdout.splitlines()]
    assert int(control[2]) > 95 << 20  # the measure sees what is taken
    assert len(measured) == len(folders) > 25
    found = {
        folder.name: f"{outcome}, {int(growth) >> 20} MiB for {declared} bytes"
        for folder, (outcome, declared, growth) in zip(folders, measured, strict=True)
        if outcome != "refused" or int(growth) > (64 << 20) + 2 * int(declared)
    }
    assert found == {}


# --- PyTorch's pickles

CODE = [call for group in fuzz_pickles.payloads()[:2] for call in group]
RUNS = CODE[:6]  # leave the marker where they are run; the others fail there, or print


@pytest.mark.parametrize("later", [True, False])
@pytest.mark.parametrize("payload", range(len(CODE)))
def test_code_does_not_run(pickled, tensors, tmp_path, monkeypatch, payload, later):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    folder = pickled(tensors | {"bert.pooler.dense.bias": CODE[payload]}, later)
    refused(folder, "it calls .*, which is not a tensor")
    assert list((tmp_path / "here").iterdir()) == []
    if CODE[payload] in RUNS:
        torch.load(folder / "pytorch_model.bin", weights_only=False)  # a trusting reader runs it
        assert (tmp_path / "here" / MARKER).exists()


ODD = {
    "sparse": (lambda: torch.eye(8).to_sparse(), "_rebuild_sparse_tensor|_get_layout"),
    "meta": (lambda: torch.ones(8, device="meta"), "_rebuild_meta_tensor_no_storage"),
    "a byte to a number": (lambda: torch.ones(8).to(torch.float8_e5m2), "refers to a storage in a way"),
    "strides of 0": (lambda: torch.zeros(1).expand(2**30), "claim more numbers than the file has"),
    "overlapping": (lambda: torch.zeros(9).as_strided((4, 4), (1, 1)), "claim more numbers than the file has"),
    "a module": (lambda: torch.nn.Linear(2, 2), "cannot be loaded"),
    "a set": (lambda: {"a"}, "builtin.* set"),
    "a number": (lambda: 3, "not a dict of tensors"),
    "a table": (lambda: {"a": torch.ones(8)}, "not a dict of tensors"),
}


@pytest.mark.parametrize("later", [True, False])
@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize("odd", ODD)
def test_what_is_no_tensor_of_numbers(pickled, tensors, odd, alone, later):
    make, said = ODD[odd]
    if alone:
        refused(pickled(make(), later), None if odd == "a table" else "not a dict|cannot be loaded|claim more numbers")
    else:
        refused(pickled(tensors | {"bert.pooler.dense.bias": make()}, later), said)


def test_a_name_that_is_no_text(pickled, tensors):
    refused(pickled(tensors | {1: torch.ones(8)}), "a key of the dict is not text")


def test_a_compressed_bin(bases, put):
    files = fuzz_files.unzipped(bases[0]["bin"]["pytorch_model.bin"])
    content = fuzz_files.zipped(files, "archive/", zipfile.ZIP_DEFLATED)
    refused(put("bin", {"pytorch_model.bin": content}), "nothing compressed")


@pytest.mark.parametrize("later", [True, False])
def test_many_tensors_of_one_storage(pickled, later):
    """A model from nothing; two, as a tied decoder and its table, are none."""
    numbers = torch.ones(64, 64)
    refused(pickled({str(i): numbers for i in range(3)}, later), "claim more numbers than the file has")
    refused(pickled({str(i): numbers for i in range(2)}, later, "tied"), "none of the 2 tensors has a name of bert")


def test_records_of_one_place(put):
    """Storages whose records begin at one byte of the zip: of a file of 20 kB they would make any amount."""
    content = bytearray(saved({str(i): torch.full((4096,), float(i)) for i in range(4)}))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        first, *others = (archive.getinfo(f"archive/data/{i}").header_offset for i in range(4))
        listed = archive.start_dir
    for place in others:
        at = content.index(struct.pack("<I", place), listed)
        content[at : at + 4] = struct.pack("<I", first)
    folder = put("bin", {"pytorch_model.bin": bytes(content)})
    assert all(numbers.eq(0.0).all() for numbers in read_pickle(folder / "pytorch_model.bin").values())
    del content[others[0] : listed]  # where the others' numbers were
    ends = {b"PK\5\6": (16, "<I", others[0]), b"PK\6\6": (48, "<Q", others[0])}
    ends[b"PK\6\7"] = (8, "<Q", content.rindex(b"PK\6\6"))
    for sign, (place, form, value) in ends.items():
        struct.pack_into(form, content, content.rindex(sign) + place, value)
    refused(put("bin", {"pytorch_model.bin": bytes(content)}, "cut"), "claim more numbers than the file has")


def test_a_storage_that_nobody_wrote(bases, put):
    """The older format says last which storages follow: PyTorch leaves in the others what memory happens to hold."""
    content = bases[0]["legacy"]["pytorch_model.bin"]
    stream = io.BytesIO(content)
    for _ in range(4):
        list(pickletools.genops(stream))
    keys = stream.tell()
    list(pickletools.genops(stream))
    for name, listed in {"none": b"", "another": b"X\1\0\0\0xa", "a tuple": b")" + b"\x85" * 50_000 + b"a"}.items():
        changed = content[:keys] + b"\x80\x02]" + listed + b"." + content[stream.tell() :]
        refused(put("legacy", {"pytorch_model.bin": changed}, name), "a storage does not have the size|does not name")


def test_a_pickle_longer_than_any(bases, put):
    content = bases[0]["bin"]["pytorch_model.bin"]
    program = fuzz_files.unzipped(content)["data.pkl"]
    for times, said in ((1, ""), (LARGEST, "truncated or corrupt")):
        padded = program[:2] + b"N" * times + program[2:]
        folder = put("bin", {"pytorch_model.bin": with_pickle(content, padded)}, str(times))
        refused(folder, said) if said else load(folder)


@pytest.mark.parametrize("later", [True, False])
def test_what_pytorch_writes_is_what_pytorch_reads(tmp_path, later):
    """Every type of number, views of one storage, strides, and what hangs on a module's state."""
    types = [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.complex64, torch.bool]
    types += [torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64]
    whole = torch.arange(24.0).reshape(4, 6)
    content = torch.nn.Sequential(torch.nn.Linear(3, 5), torch.nn.BatchNorm1d(5)).state_dict()
    content |= {str(dtype): torch.arange(-3, 4).to(dtype) for dtype in types}
    content |= {"whole": whole, "part": whole[1:3, 2:5], "turned": whole.T, "scalar": torch.tensor(2.5)}
    content |= {"empty": torch.zeros(0, 3), "trained": torch.nn.Parameter(torch.ones(2)), "é": torch.ones(1)}
    (tmp_path / "x.bin").write_bytes(saved(content, later))
    theirs, ours = torch.load(tmp_path / "x.bin", weights_only=True), read_pickle(tmp_path / "x.bin")
    assert ours.keys() == theirs.keys() == content.keys()
    for name, tensor in theirs.items():
        assert ours[name].dtype == tensor.dtype and ours[name].equal(tensor), name
        assert ours[name].stride() == tensor.stride() and ours[name].storage_offset() == tensor.storage_offset(), name
    assert len({ours[name].untyped_storage().data_ptr() for name in ("whole", "part", "turned")}) == 1


# --- zips


@pytest.mark.parametrize("name", ["../executed", "/executed", "a/../../executed", "..\\executed", "//", "uncased/../x"])
def test_a_zip_that_leads_out_writes_nothing(bases, put, tmp_path, name):
    """Names that would lead out of a folder are names in a list, and no more."""
    content = fuzz_files.zipped([*((f"uncased/{n}", c) for n, c in bases[0]["google"].items()), (name, b"x")], "")
    folder = put("zip", {"google.zip": content})
    before = listing(tmp_path)
    load(folder / "google.zip", "pretraining")
    assert load_tokenizer(folder / "google.zip").encode(["film"])
    assert listing(tmp_path) == before


def test_a_size_that_no_file_has(bases, put):
    """Both sizes of a member can be invented; NumPy would be asked for them."""
    content = bytearray(bases[0]["zip"]["google.zip"])
    at = content.index(b"uncased/" + SHARD.encode(), content.index(b"PK\1\2")) - 46
    content[at + 20 : at + 28] = struct.pack("<II", 2**32 - 2, 2**32 - 2)
    refused(put("zip", {"google.zip": bytes(content)}) / "google.zip", "claims 4294967294 bytes")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_zip_in_an_unusual_way(bases, put, method):
    content = fuzz_files.zipped(bases[0]["google"], "uncased/", method)
    refused(put("zip", {"google.zip": content}) / "google.zip", "neither stored nor deflated")


def test_a_zip_of_many_parts_among_the_weights(tmp_path, monkeypatch):
    """The library raises where it is asked whether a file is a zip."""
    monkeypatch.setenv("MINITF_WEIGHTS", str(tmp_path))
    locator = struct.pack("<4sIQI", b"PK\6\7", 1, 0, 5)
    end = struct.pack("<4s4H2IH", b"PK\5\6", 0, 0, 0, 0, 0, 0, 0)
    (tmp_path / "bert-tiny.zip").write_bytes(bytes(60) + locator + end)
    with pytest.raises(CheckpointError, match=r"bert-tiny\.zip: truncated or corrupt"):
        sources.find("bert-tiny", offline=True)


# --- JSON


@pytest.mark.parametrize("depth", [*range(700, 1000, 25), 100_000])
@pytest.mark.parametrize(
    ("layout", "file", "field"),
    [
        ("plain", "config.json", "hidden_size"),
        ("plain", "config.json", "id2label"),
        ("google", "bert_config.json", "pruned_heads"),
        ("sharded", "model.safetensors.index.json", "weight_map"),
        ("whole", "tokenizer.json", "model"),
        ("whole", "tokenizer_config.json", "do_lower_case"),
    ],
)
def test_deep_json(bases, put, layout, file, field, depth):
    """Deeper than Python's stack, and about as deep as it, where what can be read perhaps cannot be said."""
    content = json.dumps(json.loads(bases[0][layout][file]) | {field: "~"}).replace('"~"', "[" * depth + "]" * depth)
    folder = put(layout, {file: content.encode()})
    refused(folder, file.partition(".")[0], load_tokenizer if "tokenizer" in file else load)


@pytest.mark.parametrize("text", ['{"vocab_size": 1e999}', " " * (3 << 20), "\ufeff{}", '{"vocab_size": NaN}', "[]"])
def test_configs_that_are_none(put, text):
    for layout, file in (("plain", "config.json"), ("google", "bert_config.json")):
        refused(put(layout, {file: text.encode()}, layout), file)


@pytest.mark.parametrize(
    ("shard", "said"),
    [
        *((name, "which is not a file beside it") for name in ("../model.safetensors", "/etc/passwd", "a/b", "..")),
        *(
            (name, "shards are missing")
            for name in ("x" * 300, "x" * 70_000, "a\0b", "\ud800", "é" * 200, 3, None, ["a"])
        ),
    ],
)
def test_a_shard_that_cannot_be(put, shard, said):
    index = json.dumps({"weight_map": {"a": shard}}).encode()
    assert len(refused(put("sharded", {"model.safetensors.index.json": index}), said)) < 1000


@pytest.mark.parametrize("change", [{"initializer_range": 10**400}, {"layer_norm_eps": 10**400}, {"num_labels": 2**20}])
def test_a_number_beyond_any(bases, put, change):
    config = json.loads(bases[0]["plain"]["config.json"]) | {"id2label": None}
    for layout, file in (("plain", "config.json"), ("google", "bert_config.json")):
        folder = put(layout, {file: json.dumps(config | change).encode()}, layout)
        assert file in refused(folder, "config: ")
    assert file in refused(folder, "config: ", load_tokenizer)  # which looks at Google's too


def test_a_name_that_nothing_can_print(bases, put):
    config = json.loads(bases[0]["plain"]["config.json"]) | {"half \ud800": 1}
    _, report = load_with_report(put("plain", {"config.json": json.dumps(config).encode()}), STORED_HEAD)
    assert "half \\ud800" in str(report)


# --- safetensors


@pytest.mark.parametrize("size", [2**21 + 1, 10**8, 2**40, 2**63, 2**64 - 1])
def test_a_header_that_claims_much(bases, put, size):
    content = struct.pack("<Q", size) + bases[0]["plain"]["model.safetensors"][8:]
    refused(put("plain", {"model.safetensors": content}), f"a header of {size} bytes")


@pytest.mark.parametrize("dtype", ["F8_E4M3", "F8_E5M2", "I32", "U8", "BOOL"])
def test_numbers_that_need_a_scale_or_are_none(bases, put, dtype):
    """Of the shape that the model has."""
    content = bases[0]["plain"]["model.safetensors"]
    size = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + size])
    width, at = 4 if dtype == "I32" else 1, 0
    for name in sorted(set(header) - {"__metadata__"}):
        end = at + torch.Size(header[name]["shape"]).numel() * width
        header[name], at = header[name] | {"dtype": dtype, "data_offsets": [at, end]}, end
    text = json.dumps(header).encode()
    changed = struct.pack("<Q", len(text)) + text + bytes(at)
    refused(put("plain", {"model.safetensors": changed}), r"wrong type: pooler\.W\.weight is torch\.")


# --- words

MERGED = {"type": "BPE", "vocab": {"[UNK]": 0, "a": 1, "é": 2, "aé": 3}, "merges": ["a é"], "unk_token": "[UNK]"}
TOKENIZERS = {
    "no words": lambda t: t["model"].update(vocab={}),
    "a number beyond any": lambda t: t["model"]["vocab"].update(z=2**32 - 1),
    "no word for the unknown": lambda t: t["model"].update(unk_token="none"),
    "letters cut short": lambda t: t.update(normalizer={"type": "Precompiled", "precompiled_charsmap": "AAAAAA=="}),
    "merges that do not fit": lambda t: t.update(model=MERGED | {"continuing_subword_prefix": "ééé"}),
    "a second text of one": lambda t: t.update(
        post_processor={"type": "TemplateProcessing", "single": [{"Sequence": {"id": "B", "type_id": 0}}], "pair": []}
        | {"special_tokens": {}}
    ),
    "another model": lambda t: t.update(model={"type": "WordLevel", "vocab": {"[UNK]": 0}, "unk_token": "none"}),
}


@pytest.mark.parametrize("what", TOKENIZERS)
def test_a_tokenizer_that_the_library_believes(bases, put, what):
    """It reads them, and fails later: with an error of its own, a panic, or a list of four thousand million lines."""
    changed = json.loads(bases[0]["whole"]["tokenizer.json"])
    TOKENIZERS[what](changed)
    folder = put("whole", {"tokenizer.json": json.dumps(changed).encode()})
    refused(folder, r"tokenizer\.json", load_tokenizer)
    _, report = load_with_report(folder)
    assert "vocabulary: no tokenizer files" in str(report)


@pytest.mark.parametrize("layout", ["plain", "whole"])
@pytest.mark.parametrize("switch", ["do_lower_case", "strip_accents", "tokenize_chinese_chars"])
def test_a_switch_that_says_nothing(put, layout, switch):
    folder = put(layout, {"tokenizer_config.json": json.dumps({switch: None}).encode()})
    if switch == "strip_accents":
        assert load_tokenizer(folder).encode(["film"])
    else:
        refused(folder, f"{switch} must be true or false", load_tokenizer)


# --- what is unusual and sound


def test_links_are_followed(put, tmp_path):
    """A snapshot in the hub's cache is a folder of links."""
    folder = put("sharded", name="blobs")
    (tmp_path / "snapshot").mkdir()
    for file in folder.iterdir():
        (tmp_path / "snapshot" / file.name).symlink_to(Path("..") / "blobs" / file.name)
    linked, whole = load(tmp_path / "snapshot", "classification"), load(folder, "classification")
    assert all(p.equal(q) for p, q in zip(linked.parameters(), whole.parameters(), strict=True))
    assert load_tokenizer(tmp_path / "snapshot", model=linked).encode(["film"])
