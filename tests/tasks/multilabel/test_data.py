"""Sets of labels: what a cell can contain, how a table of them is split and checked."""

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minitf.datasets.dataset import Dataset, Example, read_table
from minitf.errors import DataError
from minitf.tasks.multilabel.data import check_multilabel, labels_in, set_names, several_labels, split_sets

PROPERTY = settings(deadline=None, derandomize=True, database=None, max_examples=200)


def cell(value: object) -> str:
    return several_labels("t.jsonl:3", {"labels": value}, "labels", True)


def dataset(*labels: str, texts: list[str] | None = None, name: str = "t.csv") -> Dataset:
    texts = texts or [f"text {i}" for i in range(len(labels))]
    examples = tuple(Example(t, None, label, row) for row, (t, label) in enumerate(zip(texts, labels, strict=True), 2))
    return Dataset(name, examples, "text", None, "labels", "0" * 64)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("sad|funny", "funny|sad"),
        (" sad | funny ", "funny|sad"),
        ("sad|sad", "sad"),
        ("", ""),
        ("  ", ""),
        (None, ""),
        ([], ""),
        (["sad", "funny"], "funny|sad"),
        ([2, 1.0, True], "1|2|true"),
        (7, "7"),
    ],
)
def test_a_cell_of_labels(value: object, expected: str) -> None:
    assert cell(value) == expected
    assert labels_in(expected) == tuple(expected.split("|") if expected else ())


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("a||b", "one of its 3 labels is empty"),
        ("a|", "one of its 2 labels is empty"),
        ("|", "is empty"),
        (["a", ""], "one of its 2 labels is empty"),
        (["a", None], "is empty"),
        (["a|b"], "contains |"),
        ([["a"]], "write a string or a number"),
        ({"a": 1}, "write the label, or several labels as a|b"),
    ],
)
def test_a_cell_that_is_not_a_set(value: object, message: str) -> None:
    with pytest.raises(DataError) as caught:
        cell(value)
    assert str(caught.value).startswith("t.jsonl:3: ")
    assert "'labels'" in str(caught.value)
    assert message in str(caught.value)


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl"])
def test_the_same_sets_in_three_formats(tmp_path: Path, ending: str) -> None:
    rows = [("one", ["a", "b"]), ("two", []), ("three", ["c"])]
    if ending == "jsonl":
        lines = [json.dumps({"text": t, "labels": names}) for t, names in rows]
    else:
        lines = [{"csv": ",", "tsv": "\t"}[ending].join(line) for line in
                 (("text", "labels"), *((t, "|".join(names)) for t, names in rows))]  # fmt: skip
    path = tmp_path / f"t.{ending}"
    path.write_text("\n".join(lines) + "\n")
    table = read_table(path, read_label=several_labels)
    assert table.labels == ["a|b", "", "c"]
    assert set_names(table) == ("a", "b", "c")


# Splitting ------------------------------------------------------------------------------------------------------------

ROWS = st.lists(st.frozensets(st.sampled_from("abcde")).map(lambda s: "|".join(sorted(s))), min_size=25, max_size=60)


@PROPERTY
@given(ROWS, st.integers(0, 99), st.integers(1, 8))
def test_a_split_of_sets(labels: list[str], seed: int, repeat: int) -> None:
    """No row is lost, the order is kept, copies stay together, and every label keeps a training row."""
    texts = [f"text {i // repeat}" for i in range(len(labels))]
    table = dataset(*labels, texts=texts)
    try:
        kept, held_out = split_sets(table, seed)
    except DataError:
        return  # too few rows; the next test sees that this is not always so
    assert sorted(e.row for e in (*kept.examples, *held_out.examples)) == [e.row for e in table.examples]
    for part in (kept, held_out):
        assert [e.row for e in part.examples] == sorted(e.row for e in part.examples)
        assert set(part.examples) <= set(table.examples)
    assert held_out.examples
    assert not {e.text for e in kept.examples} & {e.text for e in held_out.examples}
    assert set_names(kept) == set_names(table)
    assert split_sets(table, seed) == (kept, held_out)


def test_a_split_keeps_the_share_of_a_rare_label() -> None:
    table = dataset(*["a|b"] * 20, *["a"] * 100, *[""] * 80)
    _, held_out = split_sets(table)
    labels = [e.label for e in held_out.examples]
    assert [labels.count(which) for which in ("a|b", "a", "")] == [2, 10, 8]


# Checks ---------------------------------------------------------------------------------------------------------------


def messages(findings) -> dict[str, list[str]]:
    return {level: [f.message for f in findings if f.level == level] for level in ("error", "warning")}


def sets(n: int = 24) -> list[str]:
    return [("a|b", "b", "", "a")[i % 4] for i in range(n)]


def test_a_good_table() -> None:
    assert check_multilabel(dataset(*sets()), dataset("a", "b", texts=["x", "y"])) == []


@pytest.mark.parametrize(
    ("labels", "level", "message"),
    [
        (["a|b"] * 5, "error", "every row has the labels a, b"),
        ([""] * 5, "error", "every row has no label"),
        (["a"], "error", "too few examples to train on (1)"),
        ([*sets(), "c"], "warning", "'c' (1)"),
        (["a", "b"] * 12, "warning", "every row has one label"),
        (["a", "a|b"] * 12, "warning", "every row has 'a', so"),
        ([*sets(), *["A"] * 6], "warning", "'a' (12 rows) and 'A' (6 rows) look like one label in 2 spellings"),
        ([f"l{i}|m{i}" for i in range(9)], "warning", "18 different labels in 9 rows"),
    ],
)
def test_findings(labels: list[str], level: str, message: str) -> None:
    found = messages(check_multilabel(dataset(*labels)))
    assert any(message in each for each in found[level]), found
    assert all(each.startswith("t.csv") for each in found[level])


def test_a_label_unseen_in_training() -> None:
    valid = dataset("a", "b|tired", "tired", texts=["x", "y", "z"], name="v.csv")
    (message,) = messages(check_multilabel(dataset(*sets()), valid))["error"]
    assert message.startswith("v.csv:3: no training row has the label 'tired'")
    assert "2 rows in all: 3, 4" in message


def test_an_empty_text_is_an_error_and_an_empty_label_is_not() -> None:
    table = dataset(*sets(), texts=[" ", *[f"t {i}" for i in range(23)]])
    (message,) = messages(check_multilabel(table))["error"]
    assert message.startswith("t.csv:2: column 'text' is empty")


def test_repetition_contradiction_and_leakage() -> None:
    texts = ["same", "same", "other", "other", *[f"t {i}" for i in range(20)]]
    labels = ["a|b", "a|b", "a", "b", *sets(20)]
    valid = dataset("a", texts=["same"], name="v.csv")
    warnings = messages(check_multilabel(dataset(*labels, texts=texts), valid))["warning"]
    for beginning in (
        "t.csv:3: repeats an earlier row",
        "t.csv:5: the same text is 'b' here",
        "v.csv:2: the same text is in",
    ):
        assert any(message.startswith(beginning) for message in warnings), warnings
