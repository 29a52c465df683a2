"""Hostile files: whatever is in them, a load ends in a CheckpointError that names its place, or in a model.

The worst that can be done, one by one, and spoiled files by the hundred; the long run is `python -m benchmarks.fuzz`.
"""

import json
import os
import pickle
import zipfile
from pathlib import Path
from random import Random

import google_layout
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks import fuzz_files
from minitf.checkpoints.load import HELD, load, load_with_report
from minitf.errors import CheckpointError

PROPERTY = settings(
    deadline=None,
    derandomize=True,
    database=None,
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture
def pickled(write_member, tmp_path):
    """A function that writes a checkpoint whose weights are a pickle of what it is given."""

    def write(content, **how) -> Path:
        folder, _ = write_member("bert", None)
        (folder / "model.safetensors").unlink()
        torch.save(content, folder / "pytorch_model.bin", **how)
        return folder

    return write


def refused(source: Path, said: str | None = None) -> None:
    with pytest.raises(CheckpointError, match=said) as caught:
        load(source)
    assert str(source) in str(caught.value)


class Payload:
    """What runs a command where a pickle is unpickled."""

    def __init__(self, marker: Path):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch {self.marker}",)


@pytest.mark.parametrize("new", [True, False])
def test_a_payload_is_not_run(pickled, tmp_path, new):
    marker = tmp_path / "marker"
    refused(pickled({"x": Payload(marker)}, _use_new_zipfile_serialization=new), "system")
    assert not marker.exists()
    pickle.loads(pickle.dumps(Payload(marker)))
    assert marker.exists()  # it would have


@pytest.mark.parametrize("new", [True, False])
def test_tensors_that_claim_more_than_they_hold(pickled, new):
    for tensor in (torch.zeros(1).expand(2**30), torch.zeros(9).as_strided((4, 4), (1, 1))):
        refused(pickled({"pooler.dense.weight": tensor}, _use_new_zipfile_serialization=new), "claim more numbers")


def test_a_compressed_bin(pickled):
    folder = pickled({"pooler.dense.weight": torch.zeros(1 << 20)})
    with zipfile.ZipFile(folder / "pytorch_model.bin") as archive:
        records = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(folder / "pytorch_model.bin", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in records.items():
            archive.writestr(name, content)
    refused(folder, "nothing compressed")


@pytest.mark.parametrize("what", [torch.zeros(2).to_sparse(), torch.nn.Linear(2, 2), [1, 2], None, {"a": {"b": 1}}])
def test_pickles_of_other_things(pickled, what):
    refused(pickled(what))


def test_a_safetensors_header_without_end(write_member):
    folder, _ = write_member("bert", None)
    (folder / "model.safetensors").write_bytes((1 << 40).to_bytes(8, "little") + b"{}")
    refused(folder, "a header of 1099511627776 bytes")


@pytest.mark.parametrize(
    "text", ["[" * 100_000, '{"a":' * 50_000, '{"vocab_size": 1e999}', " " * (3 << 20), "\ufeff{}"]
)
def test_configs_that_are_none(write_member, text):
    folder, _ = write_member("bert", None)
    (folder / "config.json").write_text(text, encoding="utf-8")
    refused(folder, r"config")


@pytest.mark.parametrize("name", ["../model.safetensors", "/etc/passwd", "a/b", ".."])
def test_a_shard_outside_of_the_folder(write_member, name):
    folder, _ = write_member("bert", None)
    (folder / "model.safetensors").unlink()
    index = {"weight_map": {"pooler.dense.weight": name}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    refused(folder, "which is not a file beside it")


def test_a_zip_writes_nothing(write_member, tmp_path):
    """Names that would lead out of a folder are names in a list, and no more."""
    _, model = write_member("bert", None)
    folder = google_layout.write(tmp_path / "google", model)
    (tmp_path / "place").mkdir()
    path = google_layout.zipped(folder, tmp_path / "place" / "x.zip")
    with zipfile.ZipFile(path, "a") as archive:
        for name in ("../out.txt", "/out.txt", "a/../../out.txt", "//", "uncased_L-3_H-32_A-4/../out.txt"):
            archive.writestr(name, "out")
    before = set(tmp_path.rglob("*"))
    load(path)
    assert set(tmp_path.rglob("*")) == before


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Sound checkpoints of every layout, as the fuzzing has them."""
    folder = tmp_path_factory.mktemp("bases")
    fuzz_files.write_bases(folder / "all")
    return fuzz_files.read_bases(folder / "all")[0]


@PROPERTY
@given(st.integers(0, 2**32), st.data())
def test_spoiled_files_of_every_layout(files, tmp_path_factory, seed, data):
    layout = data.draw(st.sampled_from(sorted(files)))
    name = data.draw(st.sampled_from(sorted(files[layout])))
    draw = Random(seed)
    content = bytearray(files[layout][name])
    for _ in range(draw.randint(1, 4)):
        at = draw.randrange(len(content) + 1)
        match draw.randrange(3):
            case 0:
                content[at : at + draw.randint(1, 8)] = draw.randbytes(draw.randint(0, 8))
            case 1:
                del content[at:]
            case 2:
                content[at:at] = bytes(draw.randint(1, 40))
    folder = tmp_path_factory.mktemp("case")
    fuzz_files.put(folder / "model", files[layout] | {name: bytes(content)})
    try:
        model, report = load_with_report(folder / "model", HELD)
    except CheckpointError as error:
        said = str(error)
    else:
        assert str(report) and report.parameters == sum(p.numel() for p in model.parameters())
        return
    assert str(folder) in said
