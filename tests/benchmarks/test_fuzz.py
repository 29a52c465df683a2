"""The fuzzing, run short: no findings; and whatever it looks for, planted, is found."""

import json
import sys

import pytest

from benchmarks import fuzz, fuzz_case, fuzz_files, record
from benchmarks.fuzz_case import Finding, examine
from benchmarks.fuzz_hostile import KINDS
from minitf.checkpoints import official, tensorflow
from minitf.checkpoints.load import load_tokenizer, load_with_report
from minitf.errors import CheckpointError, InputError

# A worker whose reader has each kind of defect, for one kind of file, once it is warm.
PLANTED = """
import os, sys, time
from pathlib import Path
from benchmarks import fuzz_case
run, sound = fuzz_case.run, fuzz_case.load_with_report

def planted(made, folder, model):
    def load_with_report(source, head):
        match made.kind:
            case "config.json":
                raise KeyError("planted")
            case "safetensors":
                os.abort()
            case "shard":
                time.sleep(60)
            case "bin":
                Path("executed").touch()
            case "bin, legacy":
                (folder / "config.json").write_text("{}")
            case "vocab.txt":
                bytearray(200 << 20)
            case "zip":
                os._exit(0)
        return sound(source, head)

    fuzz_case.load_with_report = load_with_report
    return run(made, folder, model)

fuzz_case.run = planted
fuzz_case.main(sys.argv[1:])
"""
SAID = {
    "config.json": "KeyError: 'planted'",
    "safetensors": "the worker ended with status -6",
    "shard": "no answer in time",
    "bin": "files made or changed: ['{around}/work', '{around}/work/executed']",
    "bin, legacy": "files made or changed: ['{around}/case/config.json']",
    "vocab.txt": "MiB of memory for",
    "zip": "the worker ended with status 0",
}


@pytest.fixture
def sound(tmp_path):
    """A function that writes the sound checkpoint of a kind."""
    fuzz_files.write_bases(tmp_path / "bases")
    bases = fuzz_files.read_bases(tmp_path / "bases")[0]

    def put(kind, **changed):
        fuzz_files.put(tmp_path / "case", bases[KINDS[kind].layout] | changed)
        return tmp_path / "case"

    return put


def test_a_short_run_has_no_findings(tmp_path):
    summary = fuzz.fuzz(tmp_path / "run", "test", 260, 2, tmp_path / "kept")
    assert summary["findings"] == [] and not (tmp_path / "kept").exists()
    assert summary["cases"] == 260
    assert {kind: sum(counted.values()) for kind, counted in summary["kinds"].items()} == dict.fromkeys(KINDS, 20)
    assert summary["outcomes"]["refused"] > 100 and summary["outcomes"]["loaded"] > 10
    assert sum(summary["spoils"].values()) == 260 and len(summary["spoils"]) > 25


def test_every_kind_of_defect_is_found(tmp_path, monkeypatch):
    """By a worker that is started again after each that it does not survive."""
    monkeypatch.setattr(fuzz, "CHILD", ("-c", PLANTED))
    monkeypatch.setattr(fuzz, "PATIENCE", 3.0)
    summary = fuzz.fuzz(tmp_path / "run", "test", len(KINDS), 1, tmp_path / "kept")
    assert summary["cases"] == len(KINDS)
    found = {finding["kind"]: finding["said"] for finding in summary["findings"]}
    assert found.keys() == SAID.keys()
    for kind, said in SAID.items():
        assert said.format(around=tmp_path / "run" / "worker-0") in found[kind]
    for finding in summary["findings"]:  # its files are kept, and are what it was
        assert (tmp_path / "kept" / str(finding["case"])).is_dir()
    kept = tmp_path / "kept" / str(next(f["case"] for f in summary["findings"] if f["kind"] == "safetensors"))
    assert {file.name for file in kept.iterdir()} == {"config.json", "model.safetensors", "vocab.txt"}


def test_a_worker_that_does_not_start_is_no_finding(tmp_path, monkeypatch):
    monkeypatch.setattr(fuzz, "CHILD", ("-c", "raise SystemExit('out of order')"))
    with pytest.raises(RuntimeError, match="does not start: out of order"):
        fuzz.fuzz(tmp_path / "run", "test", 4, 2, tmp_path / "kept")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (KeyError("planted"), "KeyError: 'planted'"),
        (SystemExit(3), "SystemExit: 3"),
        (MemoryError(), "MemoryError"),
        (CheckpointError("something is wrong"), "does not name the file: something"),
    ],
)
@pytest.mark.parametrize("where", ["load_with_report", "load_tokenizer"])
def test_another_error_is_a_finding(sound, monkeypatch, where, error, said):
    def planted(*arguments, **named):
        raise error

    monkeypatch.setattr(fuzz_case, where, planted)
    with pytest.raises(Finding, match=said):
        examine(sound("config.json"), "config.json")


def test_a_reader_that_accepts_what_is_damaged_is_a_finding(sound, monkeypatch):
    folder = sound("TensorFlow data")
    model, _ = load_with_report(folder, "pretraining")
    assert examine(folder, "TensorFlow data", sound=model)[0] == "loaded"
    shard = folder / fuzz_files.SHARD
    content = bytearray(shard.read_bytes())
    content[100] ^= 1
    shard.unlink()
    shard.write_bytes(content)
    assert examine(folder, "TensorFlow data", sound=model)[0] == "refused"
    whole = tensorflow.read_tensors
    monkeypatch.setattr(
        official.tensorflow, "read_tensors", lambda prefix, names, verify, place: whole(prefix, names, False, place)
    )
    with pytest.raises(Finding, match="not what the file has, which nothing changed or a checksum seals"):
        examine(folder, "TensorFlow data", sound=model)


def test_a_model_that_is_not_what_the_config_says_is_a_finding(sound, monkeypatch):
    def planted(source, head):
        model, report = load_with_report(source, head)
        model.embeddings.word.weight.data = model.embeddings.word.weight.data[:-1]
        return model, report

    monkeypatch.setattr(fuzz_case, "load_with_report", planted)
    with pytest.raises(Finding, match="not the shapes of the config"):
        examine(sound("config.json"), "config.json")


def test_what_is_declared(sound):
    folder = sound("safetensors")
    model, _ = load_with_report(folder, "classification")
    words = load_tokenizer(folder).vocabulary_size
    size = sum(file.stat().st_size for file in folder.iterdir()) + 4 * sum(p.numel() for p in model.parameters())
    assert examine(folder, "safetensors") == ("loaded", size + 256 * words)


def test_the_record(tmp_path, monkeypatch, capsys):
    """Its status says whether there are findings; `--case` runs one of them again."""
    summary = {"findings": [], "cases": 3}
    monkeypatch.setattr(fuzz, "fuzz", lambda *_: summary)
    monkeypatch.setattr(record.write, "__defaults__", (tmp_path,))
    monkeypatch.setattr(sys, "argv", ["fuzz", "--cases", "3", "--name", "trial"])
    assert fuzz.main() == 0
    written = json.loads((tmp_path / "trial.json").read_text())
    assert written["cases"] == 3 and {"commit", "command", "torch", "cpu"} <= written.keys()
    summary["findings"].append({"case": 1})
    assert fuzz.main() == 1
    monkeypatch.setattr(sys, "argv", ["fuzz", "--case", "4", "--keep", str(tmp_path / "kept")])
    assert fuzz.main() == 0
    said = capsys.readouterr().out
    assert "'kind': 'index of shards'" in said and said.splitlines()[-1].startswith(("('refused', ", "('loaded', "))
    assert (tmp_path / "kept" / "4" / "model.safetensors.index.json").is_file()
    assert not issubclass(Finding, InputError)
