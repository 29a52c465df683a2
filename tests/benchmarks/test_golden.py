"""The golden runs: what they cover, and that a comparison finds every change."""

import copy
import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import golden
from benchmarks.golden import ENTRIES, Entry, compare

ANSWERS = ("weights", "metrics", "reports", "answers", "printed", "evaluations", "scores")
RECORDED = json.loads(golden.RECORD.read_text(encoding="utf-8"))


def entry(name: str) -> dict[str, Any]:
    return copy.deepcopy(RECORDED["entries"][name])


def test_all_tasks_and_starts_are_covered() -> None:
    tables = {entry.table for entry in ENTRIES}
    assert tables == {None, "classes", "label-sets", "pairs", "tags", "questions", "long"}
    assert {entry.start for entry in ENTRIES} == set(golden.STARTS)
    flags = " ".join(entry.flags for entry in ENTRIES)
    for flag in (
        "--unfreeze",
        "--augment",
        "--accumulate",
        "--seeds",
        "--long-text windows",
        "replace=",
        "--l1",
        "--l2",
    ):
        assert flag in flags
    assert len({entry.name for entry in ENTRIES}) == len(ENTRIES)


def test_all_entries_are_recorded() -> None:
    assert list(RECORDED["entries"]) == [entry.name for entry in ENTRIES]
    assert RECORDED["dirty"] is False
    for recorded in RECORDED["entries"].values():
        assert {"commit", "command", "start", "files", *ANSWERS} == set(recorded)
        assert all(recorded[name] for name in ANSWERS)
    assert set(entry("two-seeds")["weights"]) == {"seed-1", "seed-2"}


@pytest.mark.parametrize("name", ["killed", "interrupted"])
def test_a_resumed_run_is_recorded_as_one_that_was_not_stopped(name: str) -> None:
    for what in ("files", *ANSWERS):
        assert entry(name)[what] == entry("gradual-unfreezing")[what]


def test_equal_records_are_the_same() -> None:
    assert compare(entry("classes"), entry("classes")) == golden.Comparison((), ())


@pytest.mark.parametrize("what", ANSWERS)
def test_a_change_is_found(what: str) -> None:
    for name in RECORDED["entries"]:
        found = entry(name)
        run = next(iter(found[what]))
        found[what][run] = "0" * 64
        (line,) = compare(entry(name), found).different
        assert line.startswith(f"{what} of {run}: ")


def test_a_run_of_a_seed_that_is_missing_is_found() -> None:
    found = entry("two-seeds")
    del found["weights"]["seed-2"]
    assert len(compare(entry("two-seeds"), found).different) == 1


def test_a_missing_file_is_a_difference_and_a_new_one_is_not() -> None:
    found = entry("classes")
    found["files"] = sorted({*found["files"], "notes.txt"} - {"curves.png"})
    comparison = compare(entry("classes"), found)
    assert comparison == golden.Comparison(("files: missing curves.png",), ("notes.txt",))


def test_a_missing_or_failed_entry_is_different() -> None:
    assert compare({}, entry("classes")).different == ("not recorded",)
    assert compare(entry("classes"), {"failed": "status 1"}).different == ("status 1",)


def test_times_are_ignored_and_numbers_are_not() -> None:
    record = {"epochs": [{"seconds": 1.0, "loss": 0.5}]}
    later = {"epochs": [{"loss": 0.5, "seconds": 2.0}]}
    assert golden.digest_of_numbers(record) == golden.digest_of_numbers(later)
    later["epochs"][0]["loss"] = 0.5 + 1e-16 * 2
    assert golden.digest_of_numbers(record) != golden.digest_of_numbers(later)


def test_the_inputs_are_the_same_again(tmp_path: Path) -> None:
    for name in ("a", "b"):
        golden.write_tables(tmp_path / name / "tables")
        golden.write_models(tmp_path / name / "models")
    assert golden.digest_of_inputs(tmp_path / "a") == golden.digest_of_inputs(tmp_path / "b")
    assert len(list((tmp_path / "a/tables").iterdir())) == 3 * len(golden.ARGUMENTS)


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """The command with `results` instead of runs."""
    monkeypatch.setattr(golden, "write_models", lambda folder: None)

    def call(results: dict[str, Any], *flags: object) -> tuple[int, str]:
        monkeypatch.setattr(golden, "run_entry", lambda entry, folder: results[entry.name])
        status = golden.main([str(flag) for flag in flags])
        return status, capsys.readouterr().out

    return call


def test_the_command(command, tmp_path: Path) -> None:
    """Record, compare, change, and record one entry again."""
    path, results = tmp_path / "golden.json", {name: entry(name) for name in RECORDED["entries"]}
    status, out = command(results, "--record", path)
    assert status == 0 and out.endswith("written: golden.json\n")
    status, out = command(results, "--against", path)
    assert status == 0 and out.count(": same\n") == len(ENTRIES)

    results["tagging"]["weights"]["."] = "f" * 64
    status, out = command(results, "--against", path)
    assert status == 1 and out.count(": same\n") == len(ENTRIES) - 1
    assert "tagging: DIFFERENT\n  weights of .: " in out and "ffffffffffff" in out
    assert f"1 of {len(ENTRIES)} entries differ" in out
    assert command(results, "--against", path, "--only", "classes", "killed")[0] == 0

    assert command(results, "--record", path, "--only", "tagging")[0] == 0
    assert command(results, "--against", path)[0] == 0


def test_a_record_of_another_machine_is_not_compared(command, tmp_path: Path) -> None:
    path, results = tmp_path / "golden.json", {name: entry(name) for name in RECORDED["entries"]}
    command(results, "--record", path)
    path.write_text(json.dumps(json.loads(path.read_text()) | {"cpu": "another"}))
    for flags in (("--against", path), ("--record", path, "--only", "classes")):
        status, out = command(results, *flags)
        assert status == 2 and "cpu: 'another' recorded" in out


def test_a_failed_run_is_not_recorded(command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    results = {name: entry(name) for name in RECORDED["entries"]} | {"killed": {"failed": "status 1: no"}}
    status, out = command(results, "--record", tmp_path / "golden.json")
    assert status == 1 and "killed: status 1: no" in out
    assert not (tmp_path / "golden.json").exists()


def test_a_run(tmp_path: Path) -> None:
    """One step, its predictions and its evaluation, through the commands."""
    golden.write_tables(tmp_path / "tables")
    golden.write_models(tmp_path / "models")
    short = Entry("short", "classes", "--epochs 1 --batch-size 60 --max-length 8")
    results = golden.run_entry(short, tmp_path)
    assert {"best/model.safetensors", "metrics.jsonl", "report.json"} <= set(results["files"])
    assert [len(results[name]["."]) for name in ("weights", "metrics", "answers")] == [64, 64, 64]
    assert len(results["printed"]["."]) == len(golden.ARGUMENTS["classes"])
    failing = golden.try_entry(dataclasses.replace(short, flags="--epochs x"), tmp_path)
    assert "status 2" in failing["failed"]
