"""A short run of the fuzzer has no findings, and planted defects of every kind are found."""

import json
import sys

import pytest

from benchmarks import fuzz, fuzz_case, fuzz_files, record
from benchmarks.fuzz_case import Finding, examine
from benchmarks.fuzz_hostile import KINDS
from minitf.checkpoints import official, tensorflow
from minitf.checkpoints.load import load_tokenizer, load_with_report
from minitf.errors import CheckpointError, InputError

# A worker whose reader has one kind of defect for each kind of file, after its warm-up.
PLANTED = """
import os, sys, time
from pathlib import Path
from benchmarks import fuzz_case
run, correct = fuzz_case.run, fuzz_case.load_with_report

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
        return correct(source, head)

    fuzz_case.load_with_report = load_with_report
    return run(made, folder, model)

fuzz_case.run = planted
fuzz_case.main(sys.argv[1:])
"""
FINDINGS = {
    "config.json": "KeyError: 'planted'",
    "safetensors": "the worker ended with status -6",
    "shard": "no answer in time",
    "bin": "files created or changed: ['{around}/work', '{around}/work/executed']",
    "bin, legacy": "files created or changed: ['{around}/case/config.json']",
    "vocab.txt": "MiB of memory for",
    "zip": "the worker ended with status 0",
}


@pytest.fixture
def valid(tmp_path):
    """A function that writes the valid checkpoint of a kind."""
    fuzz_files.write_bases(tmp_path / "bases")
    bases = fuzz_files.read_bases(tmp_path / "bases")[0]

    def put(kind, **changed):
        fuzz_files.put(tmp_path / "case", bases[KINDS[kind].layout] | changed)
        return tmp_path / "case"

    return put


def test_a_short_run_has_no_findings(tmp_path):
    summary = fuzz.fuzz(tmp_path / "run", "test", 20 * len(KINDS), 2, tmp_path / "kept")
    assert summary["findings"] == [] and not (tmp_path / "kept").exists()
    assert summary["cases"] == 20 * len(KINDS)
    assert {kind: sum(counts.values()) for kind, counts in summary["kinds"].items()} == dict.fromkeys(KINDS, 20)
    assert summary["outcomes"]["refused"] > 100 and summary["outcomes"]["loaded"] > 10
    assert sum(summary["mutations"].values()) == 20 * len(KINDS) and len(summary["mutations"]) > 25


def test_every_kind_of_defect_is_found(tmp_path, monkeypatch):
    """The worker is restarted after each defect that kills it."""
    monkeypatch.setattr(fuzz, "CHILD", ("-c", PLANTED))
    monkeypatch.setattr(fuzz, "TIMEOUT", 3.0)
    summary = fuzz.fuzz(tmp_path / "run", "test", len(KINDS), 1, tmp_path / "kept")
    assert summary["cases"] == len(KINDS)
    found = {finding["kind"]: finding["finding"] for finding in summary["findings"]}
    assert found.keys() == FINDINGS.keys()
    for kind, expected in FINDINGS.items():
        assert expected.format(around=tmp_path / "run" / "worker-0") in found[kind]
    for finding in summary["findings"]:  # its files are kept
        assert (tmp_path / "kept" / str(finding["case"])).is_dir()
    kept = tmp_path / "kept" / str(next(f["case"] for f in summary["findings"] if f["kind"] == "safetensors"))
    assert {file.name for file in kept.iterdir()} == {"config.json", "model.safetensors", "vocab.txt"}


def test_a_worker_that_does_not_start_is_no_finding(tmp_path, monkeypatch):
    monkeypatch.setattr(fuzz, "CHILD", ("-c", "raise SystemExit('out of order')"))
    with pytest.raises(RuntimeError, match="does not start: out of order"):
        fuzz.fuzz(tmp_path / "run", "test", 4, 2, tmp_path / "kept")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (KeyError("planted"), "KeyError: 'planted'"),
        (SystemExit(3), "SystemExit: 3"),
        (MemoryError(), "MemoryError"),
        (CheckpointError("something is wrong"), "does not name the file: something"),
    ],
)
@pytest.mark.parametrize("where", ["load_with_report", "load_tokenizer"])
def test_another_error_is_a_finding(valid, monkeypatch, where, error, expected):
    def planted(*arguments, **named):
        raise error

    monkeypatch.setattr(fuzz_case, where, planted)
    with pytest.raises(Finding, match=expected):
        examine(valid("config.json"), "config.json")


def test_a_reader_that_accepts_damaged_weights_is_a_finding(valid, monkeypatch):
    folder = valid("TensorFlow data")
    model, _ = load_with_report(folder, "pretraining")
    assert examine(folder, "TensorFlow data", original=model)[0] == "loaded"
    shard = folder / fuzz_files.SHARD
    content = bytearray(shard.read_bytes())
    content[100] ^= 1
    shard.unlink()
    shard.write_bytes(content)
    assert examine(folder, "TensorFlow data", original=model)[0] == "refused"
    read = tensorflow.read_tensors
    monkeypatch.setattr(
        official.tensorflow, "read_tensors", lambda prefix, names, verify, place: read(prefix, names, False, place)
    )
    with pytest.raises(Finding, match="differs from the file, although it was not mutated or has a checksum"):
        examine(folder, "TensorFlow data", original=model)


def test_a_model_that_does_not_match_its_config_is_a_finding(valid, monkeypatch):
    def planted(source, head):
        model, report = load_with_report(source, head)
        model.embeddings.word.weight.data = model.embeddings.word.weight.data[:-1]
        return model, report

    monkeypatch.setattr(fuzz_case, "load_with_report", planted)
    with pytest.raises(Finding, match="do not have the shapes of the config"):
        examine(valid("config.json"), "config.json")


def test_the_declared_size(valid):
    folder = valid("safetensors")
    model, _ = load_with_report(folder, "classification")
    tokens = load_tokenizer(folder).vocabulary_size
    size = sum(file.stat().st_size for file in folder.iterdir()) + 4 * sum(p.numel() for p in model.parameters())
    assert examine(folder, "safetensors") == ("loaded", size + 256 * tokens)


def test_the_record(tmp_path, monkeypatch, capsys):
    """The exit status shows whether there are findings; `--case` runs one case again."""
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
    out = capsys.readouterr().out
    assert "'kind': 'index of shards'" in out and out.splitlines()[-1].startswith(("('refused', ", "('loaded', "))
    assert (tmp_path / "kept" / "4" / "model.safetensors.index.json").is_file()
    assert not issubclass(Finding, InputError)
