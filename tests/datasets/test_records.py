"""Records from Python: the same table, and the same errors, as the same records in a JSON lines file."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from minitf.datasets.dataset import Dataset, Example, read_table
from minitf.errors import DataError
from minitf.tasks.multilabel.data import read_sets
from minitf.tasks.registry import by_labels
from minitf.tasks.regression.spec import REGRESSION

PROPERTY = settings(
    deadline=None, derandomize=True, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
VALUES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()) | st.lists(st.text())
RECORDS = st.lists(st.dictionaries(st.sampled_from(["text", "label", "pair", "other"]), VALUES), min_size=1, max_size=5)


def outcome(read: Callable[[], Dataset], path: str) -> Any:
    """Return the examples, the columns and the digest, or the error with another path."""
    try:
        table = read()
    except DataError as error:
        return str(error).replace(path, "t", 1)
    columns = (table.text_column, table.pair_column, table.label_column)
    return table.path == path, table.examples, columns, table.digest


def test_records() -> None:
    records = [
        {"text": "good", "label": 1},
        {"text": "bad\nfilm", "label": "0", "more": [1]},
        {"label": 1, "text": None},
    ]
    table = read_table(records)
    assert table.examples == (
        Example("good", None, "1", 1),
        Example("bad\nfilm", None, "0", 2),
        Example("", None, "1", 3),
    )
    assert (table.path, table.text_column, table.pair_column, table.label_column) == ("records", "text", None, "label")
    lines = "".join(json.dumps(record) + "\n" for record in records)
    assert table.digest == hashlib.sha256(lines.encode()).hexdigest()
    assert read_table(tuple(records)) == table


@PROPERTY
@given(RECORDS, st.booleans())
def test_as_in_a_file(tmp_path: Path, records: list[dict[str, Any]], need_label: bool) -> None:
    """Values of all kinds, sound or not: the file and the list give the same examples, or the same error."""
    path = tmp_path / "t.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
    from_file = outcome(lambda: read_table(path, "text", None, "label", need_label), str(path))
    assert outcome(lambda: read_table(records, "text", None, "label", need_label), "records") == from_file


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([], "records: the list is empty: give at least one record"),
        ((), "records: the list is empty: give at least one record"),
        (["good"], "records:1: a row must be one object"),
        ([{"text": "a", "label": 1}, ["b", 2]], "records:2: a row must be one object"),
        ([{"text": "a", "label": 1}, {"text": "b"}], "records:2: no 'label', but the first row has it"),
        ([{"text": "a", "label": 1}, {"text": "b", "label": {1}}], "records:2: has a value of type set"),
        ([{"text": b"a", "label": 1}], "records:1: has a value of type bytes"),
        ([{"text": "a", "label": float("nan")}], "records:1: column 'label' has the value nan"),
        ([{"text": "a\ud83d", "label": 1}], "records:1: column 'text' has half of a"),
        ([{"text": "a", "label": ""}], "records:1: column 'label' is empty"),
        (
            [{"words": "a", "label": 1}],
            "records: no column is a known text: name it with `text`; the columns are 'words'",
        ),
        ([{1: "a", "1": "b"}], "records:1: invalid JSON: two values for '1' in one object"),
    ],
)
def test_refused_records(records: Any, message: str) -> None:
    with pytest.raises(DataError) as caught:
        read_table(records)
    (line,) = str(caught.value).splitlines()
    assert line.startswith(message)


def test_a_record_that_contains_itself() -> None:
    record: dict[str, Any] = {"text": "a"}
    record["label"] = record
    with pytest.raises(DataError, match=r"^records:1: Circular reference"):
        read_table([record])


def test_several_labels() -> None:
    table = read_sets(
        [{"text": "a", "label": ["sad", "funny"]}, {"text": "b", "label": []}, {"text": "c", "label": "x|y"}]
    )
    assert table.labels == ["funny|sad", "", "x|y"]
    assert by_labels(table)[0].name == "multilabel"
    with pytest.raises(DataError, match=r"^records:1: column 'label': one of its 2 labels is empty"):
        read_sets([{"text": "a", "label": ["x", ""]}])


def test_numbers() -> None:
    table = REGRESSION.read([{"text": "a", "score": 1.5}, {"text": "b", "score": "-2"}], label="score")
    assert table.labels == ["1.5", "-2"]
    with pytest.raises(DataError, match=r"^records:2: column 'score' has 'x'"):
        REGRESSION.read([{"text": "a", "score": 1.5}, {"text": "b", "score": "x"}], label="score")
