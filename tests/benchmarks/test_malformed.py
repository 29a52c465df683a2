"""The run of malformed tables, short: no findings; and whatever it looks for, planted, is found."""

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
from benchmarks.malformed_spoils import SPOILS, case
from benchmarks.malformed_tables import FORMATS, read_csv
from minitf.datasets import dataset
from minitf.errors import DataError
from minitf.fine_tuning import setup
from minitf.tasks import registry


def findings(cases: int = 40) -> list[str]:
    return [result["said"] for result in malformed.run("planted", range(cases)) if result["outcome"] == "finding"]


def test_a_short_run_has_no_findings() -> None:
    results = list(malformed.run("test", range(200)))
    assert [result for result in results if result["outcome"] == "finding"] == []
    assert {result["kind"].partition(",")[0] for result in results} == set(FORMATS)
    assert {how for result in results for how in result["how"]} == set(SPOILS)
    summary = malformed.summarised(results, "test", 1.0)
    assert summary["cases"] == sum(summary["outcomes"].values()) == 200
    assert min(summary["outcomes"]["ran"], summary["outcomes"]["refused"]) > 50
    assert summary["different_refusals"] > 20


def test_a_case_is_the_same_again() -> None:
    assert [case("s", i) for i in range(20)] == [case("s", i) for i in range(20)]
    assert case("s", 0) != case("t", 0)


def test_sound_tables_run() -> None:
    """What is not spoiled is not refused: not everything can be."""
    sound = [i for i in range(400) if set(case("test", i).how) == {"nothing"}]
    assert len(sound) > 8
    results = list(malformed.run("test", sound))
    assert [result for result in results if result["outcome"] != "ran"] == []


# Planted defects ------------------------------------------------------------------------------------------------------


def test_a_traceback_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def planted(*arguments: object) -> None:
        raise KeyError("planted")

    monkeypatch.setattr(dataset, "find_columns", planted)
    found = findings()
    assert len(found) > 10
    assert all("KeyError: 'planted'" in said for said in found)


@pytest.mark.parametrize(
    ("message", "said"),
    [("{}: wrong\nin two lines\n", ""), ("somewhere something is wrong", "the refusal names no file")],
)
def test_a_bad_refusal_is_found(monkeypatch: pytest.MonkeyPatch, message: str, said: str) -> None:
    """Two lines are joined by the console, so they are none; a message that names nothing is one."""

    def planted(path: str, *arguments: object) -> None:
        raise DataError(message.format(path))

    monkeypatch.setattr(dataset, "find_columns", planted)
    found = findings()
    assert (len(found) > 10) is bool(said)
    assert all(said in one for one in found)


@pytest.mark.parametrize(
    "spoil",
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
def test_what_is_lost_is_found(monkeypatch: pytest.MonkeyPatch, spoil: Callable) -> None:
    tables_of_rows = {name: kind for name, kind in registry.KINDS.items() if name not in ("tagging", "qa")}
    spoiled = {name: dataclasses.replace(k, read=_spoiled(k.read, spoil)) for name, k in tables_of_rows.items()}
    monkeypatch.setattr(kinds, "KINDS", registry.KINDS | spoiled)
    found = findings(80)
    assert len(found) > 5
    assert all("or their texts differ" in said for said in found)


def _spoiled(read: Callable, spoil: Callable) -> Callable:
    return lambda *a, **k: spoil(read(*a, **k))


def test_a_changed_file_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    def planted(folder: Path) -> None:
        (folder / "metrics.jsonl").write_text("lost")

    prepare = setup.prepare

    def careless(arguments, *more):
        planted(Path(arguments.output))
        return prepare(arguments, *more)

    monkeypatch.setattr(preparing, "prepare", careless)
    found = findings()
    assert found  # once it is changed it stays as it is
    assert "files made, lost or changed: ['earlier/metrics.jsonl']" in found[0]


def test_a_slow_case_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(malformed, "SLOW", 0.05)
    monkeypatch.setattr(dataset, "find_columns", lambda *a: time.sleep(0.1))
    assert any(said.startswith("took ") for said in findings(10))


# The independent reader -----------------------------------------------------------------------------------------------

CELLS = st.text(st.sampled_from('ab ,"\n\ré|\t'), max_size=6)


@settings(deadline=None, derandomize=True, database=None, max_examples=300)
@given(st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=5))
def test_the_reader_of_csv_reads_what_is_written(pairs) -> None:
    out = io.StringIO()
    csv.writer(out, quoting=csv.QUOTE_ALL).writerows([("text", "pair"), *pairs])
    assert read_csv(out.getvalue().encode(), "text", "pair") == pairs


def test_the_other_readers_read_what_is_written() -> None:
    rows = [{"text": "a, b", "pair": 'c "d"'}, {"text": "é", "pair": "1"}]
    for form in (FORMATS[name] for name in ("csv", "tsv", "jsonl")):
        assert form.read(form.write(rows), "text", "pair") == [(row["text"], row["pair"]) for row in rows]
    for n in (2, 3):  # parted by blanks, by TABs
        sentences = FORMATS["conll"].write([{"a": "O", "b,": "B-X"}] * n)
        assert FORMATS["conll"].read(b"-DOCSTART- O\n\n# no word\n" + sentences, "word", None) == [("a b,", None)] * n
    asked = FORMATS["squad"].write([{"context": "a b", "question": "q", "from": 0, "to": 1}])
    assert FORMATS["squad"].read(asked, "question", "context") == [("q a", "a b"), ("q b", "a b")]
    assert FORMATS["squad"].read(b'{"text": "a"}\n{"text": "b"}', "text", None) == [("a", None), ("b", None)]
    assert FORMATS["jsonl"].read(json.dumps({"text": 1.0}).encode(), "text", None) == [("1", None)]
