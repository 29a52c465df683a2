"""A short run of malformed tables has no findings, and planted defects of every kind are found."""

import csv
import dataclasses
import io
import json
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import malformed
from benchmarks.malformed_mutations import MUTATIONS, case
from benchmarks.malformed_tables import FORMATS, read_csv
from minitf.datasets import dataset
from minitf.errors import DataError
from minitf.fine_tuning import setup
from minitf.tasks import registry


def findings(cases: int = 40) -> list[str]:
    return [result["finding"] for result in malformed.run("planted", range(cases)) if result["outcome"] == "finding"]


def test_a_short_run_has_no_findings() -> None:
    results = list(malformed.run("test", range(200)))
    assert [result for result in results if result["outcome"] == "finding"] == []
    assert {result["kind"].partition(",")[0] for result in results} == set(FORMATS)
    assert {how for result in results for how in result["how"]} == set(MUTATIONS)
    summary = malformed.summarize(results, "test", 1.0)
    assert summary["cases"] == sum(summary["outcomes"].values()) == 200
    assert min(summary["outcomes"]["ran"], summary["outcomes"]["refused"]) > 50
    assert summary["different_refusals"] > 20


def test_a_case_is_the_same_again() -> None:
    assert [case("s", i) for i in range(20)] == [case("s", i) for i in range(20)]
    assert case("s", 0) != case("t", 0)


def test_valid_tables_are_read() -> None:
    """Tables that are not mutated are not refused."""
    valid = [i for i in range(600) if set(case("test", i).how) == {"nothing"}]
    assert len(valid) > 8
    results = list(malformed.run("test", valid))
    assert [result for result in results if result["outcome"] != "ran"] == []


# Planted defects ------------------------------------------------------------------------------------------------------


def test_a_traceback_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def planted(*arguments: object) -> None:
        raise KeyError("planted")

    monkeypatch.setattr(dataset, "find_columns", planted)
    found = findings()
    assert len(found) > 10
    assert all("KeyError: 'planted'" in finding for finding in found)


@pytest.mark.parametrize(
    ("message", "expected"),
    [("{}: wrong\nin two lines\n", ""), ("somewhere something is wrong", "the refusal names no file")],
)
def test_a_bad_refusal_is_found(monkeypatch: pytest.MonkeyPatch, message: str, expected: str) -> None:
    """The console joins two lines, so they are no finding; a message without a name is one."""

    def planted(path: str, *arguments: object) -> None:
        raise DataError(message.format(path))

    monkeypatch.setattr(dataset, "find_columns", planted)
    found = findings()
    assert (len(found) > 10) is bool(expected)
    assert all(expected in finding for finding in found)


@pytest.mark.parametrize(
    "change",
    [
        lambda table: dataclasses.replace(table, examples=table.examples[:-1]),
        lambda table: dataclasses.replace(
            table, examples=tuple(dataclasses.replace(e, text=e.text.replace('"', "")) for e in table.examples)
        ),
        lambda table: dataclasses.replace(
            table, examples=(dataclasses.replace(table.examples[0], pair="another"), *table.examples[1:])
        ),
    ],
    ids=["a row lost", "a text changed", "a pair changed"],
)
def test_lost_rows_are_found(monkeypatch: pytest.MonkeyPatch, change: Callable) -> None:
    for name, spec in registry.SPECS.items():
        if name not in ("tagging", "qa"):
            changed = dataclasses.replace(spec, read=lambda *a, _read=spec.read, **k: change(_read(*a, **k)))
            monkeypatch.setitem(registry.SPECS, name, changed)
    for name in ("CLASSIFICATION", "MULTILABEL", "REGRESSION"):
        monkeypatch.setattr(registry, name, registry.SPECS[getattr(registry, name).name])
    found = findings(80)
    assert len(found) > 5
    assert all("or their texts differ" in finding for finding in found)


def test_a_changed_file_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def planted(folder: Path) -> None:
        (folder / "metrics.jsonl").write_text("lost")

    prepare = setup.prepare

    def careless(config, *more):
        planted(Path(config.output.output))
        return prepare(config, *more)

    monkeypatch.setattr(setup, "prepare", careless)
    found = findings()
    assert found  # only the first: afterwards the file has this content already
    assert "files created, deleted or changed: ['earlier/metrics.jsonl']" in found[0]


def test_a_slow_case_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(malformed, "SLOW", 0.05)
    monkeypatch.setattr(dataset, "find_columns", lambda *a: time.sleep(0.1))
    assert any(finding.startswith("took ") for finding in findings(10))


# The independent reader -----------------------------------------------------------------------------------------------

CELLS = st.text(st.sampled_from('ab ,"\n\ré|\t'), max_size=6)


@settings(deadline=None, derandomize=True, database=None, max_examples=300)
@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=5))
def test_the_csv_reader_reads_written_tables(pairs) -> None:
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL).writerows([("text", "pair"), *pairs])
    not_blank = [pair for pair in pairs if any(cell.strip() for cell in pair)]  # minitf skips the others
    assert read_csv(out.getvalue().encode(), "text", "pair") == not_blank


def test_the_other_readers_read_written_tables() -> None:
    rows = [{"text": "a, b", "pair": 'c "d"'}, {"text": "é", "pair": "1"}]
    for form in (FORMATS[name] for name in ("csv", "tsv", "jsonl")):
        assert form.read(form.write(rows), "text", "pair") == [(row["text"], row["pair"]) for row in rows]
    for n in (2, 3):  # separated by spaces, by tabs
        sentences = FORMATS["conll"].write([{"a": "O", "b,": "B-X"}] * n)
        assert FORMATS["conll"].read(b"-DOCSTART- O\n\n# no word\n" + sentences, "word", None) == [("a b,", None)] * n
    questions = FORMATS["squad"].write([{"context": "a b", "question": "q", "from": 0, "to": 1}])
    assert FORMATS["squad"].read(questions, "question", "context") == [("q a", "a b"), ("q b", "a b")]
    assert FORMATS["squad"].read(b'{"text": "a"}\n{"text": "b"}', "text", None) == [("a", None), ("b", None)]
    assert FORMATS["jsonl"].read(json.dumps({"text": 1.0}).encode(), "text", None) == [("1", None)]
