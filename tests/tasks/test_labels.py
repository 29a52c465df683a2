"""Labels that are no class: what a cell may hold, which task it speaks for, how rows of sets are split and checked."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minitf.datasets.dataset import Dataset, Example, read_table
from minitf.errors import DataError
from minitf.tasks.multilabel import data
from minitf.tasks.multilabel.data import check_multilabel, labels_in, several_labels, split_sets
from minitf.tasks.registry import likely_task
from minitf.tasks.regression.data import check_regression, finite_number, mean_and_deviation, range_of

PROPERTY = settings(deadline=None, derandomize=True, database=None, max_examples=200)


def cell(reader: Callable[..., str], value: object) -> str:
    return reader("t.jsonl:3", {"labels": value}, "labels", True)


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
    assert cell(several_labels, value) == expected
    assert labels_in(expected) == tuple(expected.split("|") if expected else ())


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("a||b", "one of its 3 labels is empty"),
        ("a|", "one of its 2 labels is empty"),
        ("|", "is empty"),
        (["a", ""], "one of its 2 labels is empty"),
        (["a", None], "is empty"),
        (["a|b"], "holds a |"),
        ([["a"]], "write a string or a number"),
        ({"a": 1}, "write a string or a number"),
    ],
)
def test_a_cell_that_is_no_set(value: object, said: str) -> None:
    with pytest.raises(DataError) as caught:
        cell(several_labels, value)
    assert str(caught.value).startswith("t.jsonl:3: ")
    assert "'labels'" in str(caught.value)
    assert said in str(caught.value)


@pytest.mark.parametrize("value", ["1", "-2.5", "1e-3", ".5", "+7", 3, 2.5, "0"])
def test_a_cell_that_is_a_number(value: object) -> None:
    assert float(cell(finite_number, value)) == float(value)


@pytest.mark.parametrize("value", ["nan", "inf", "-Infinity", "1e999", "1_000", "two", "1,5", "1 2", True, "0x10"])
def test_a_cell_that_is_none(value: object) -> None:
    with pytest.raises(DataError, match=r"t.jsonl:3: column 'labels' holds .*no finite number") as caught:
        cell(finite_number, value)
    assert ("with a point" in str(caught.value)) == (value == "1,5")


def test_an_empty_cell_is_no_number() -> None:
    with pytest.raises(DataError, match="is empty"):
        cell(finite_number, " ")


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
    assert data.set_names(table) == ("a", "b", "c")


@pytest.mark.parametrize(
    ("labels", "task", "why"),
    [
        (["a", "b|c", ""], "multilabel", "several labels in a cell (row 3: 'b|c')"),
        (["0.5", "1", "2"], "regression", "3 different numbers, not all of them whole"),
        ([str(n) for n in range(21)], "regression", "21 different whole numbers"),
        ([str(n) for n in range(20)], "classification", "20 different labels"),
        (["1", "5", "1"], "classification", "2 different labels"),
        (["1.0", "2.0"], "classification", "2 different labels"),
        (["0.5", "nan"], "classification", "2 different labels"),
        (["a", "b", ""], "classification", "2 different labels"),
        (["a"], "classification", "1 different label"),
        (["", ""], "classification", "0 different labels"),
    ],
)
def test_what_the_labels_speak_for(labels: list[str], task: str, why: str) -> None:
    told, reason = likely_task(dataset(*labels))
    assert told == task
    assert reason.startswith("column 'labels' ")
    assert why in reason


# Splitting ------------------------------------------------------------------------------------------------------------

ROWS = st.lists(st.frozensets(st.sampled_from("abcde")).map(lambda s: "|".join(sorted(s))), min_size=25, max_size=60)


@PROPERTY
@given(ROWS, st.integers(0, 99), st.integers(1, 8))
def test_a_split_of_sets(labels: list[str], seed: int, repeat: int) -> None:
    """Nothing lost, order kept, copies together, and training knows every label."""
    texts = [f"text {i // repeat}" for i in range(len(labels))]
    table = dataset(*labels, texts=texts)
    try:
        left, aside = split_sets(table, seed)
    except DataError:
        return  # too few; that it is not always so, the next test sees
    assert sorted(e.row for e in (*left.examples, *aside.examples)) == [e.row for e in table.examples]
    for part in (left, aside):
        assert [e.row for e in part.examples] == sorted(e.row for e in part.examples)
        assert set(part.examples) <= set(table.examples)
    assert aside.examples
    assert not {e.text for e in left.examples} & {e.text for e in aside.examples}
    assert data.set_names(left) == data.set_names(table)
    assert split_sets(table, seed) == (left, aside)


def test_a_split_keeps_the_share_of_a_rare_label() -> None:
    table = dataset(*["a|b"] * 20, *["a"] * 100, *[""] * 80)
    _, aside = split_sets(table)
    labels = [e.label for e in aside.examples]
    assert [labels.count(which) for which in ("a|b", "a", "")] == [2, 10, 8]


# Checks ---------------------------------------------------------------------------------------------------------------


def told(findings) -> dict[str, list[str]]:
    return {level: [f.message for f in findings if f.level == level] for level in ("error", "warning")}


def sets(n: int = 24) -> list[str]:
    return [("a|b", "b", "", "a")[i % 4] for i in range(n)]


def test_sets_that_are_fine() -> None:
    assert check_multilabel(dataset(*sets()), dataset("a", "b", texts=["x", "y"])) == []


@pytest.mark.parametrize(
    ("labels", "level", "said"),
    [
        (["a|b"] * 5, "error", "every row has the labels a, b"),
        ([""] * 5, "error", "every row has no label"),
        (["a"], "error", "too few examples to train on (1)"),
        ([*sets(), "c"], "warning", "'c' (1)"),
        (["a", "b"] * 12, "warning", "every row has one label"),
        (["a", "a|b"] * 12, "warning", "every row bears 'a'"),
        ([*sets(), *["A"] * 6], "warning", "differ only in capitals: 'A', 'a'"),
        ([f"l{i}|m{i}" for i in range(9)], "warning", "18 different labels in 9 rows"),
    ],
)
def test_odd_sets(labels: list[str], level: str, said: str) -> None:
    found = told(check_multilabel(dataset(*labels)))
    assert any(said in message for message in found[level]), found
    assert all(message.startswith("t.csv") for message in found[level])


def test_a_label_that_training_has_not() -> None:
    valid = dataset("a", "b|tired", "tired", texts=["x", "y", "z"], name="v.csv")
    (message,) = told(check_multilabel(dataset(*sets()), valid))["error"]
    assert message.startswith("v.csv:3: no training row has the label 'tired'")
    assert "2 rows in all: 3, 4" in message


def test_an_empty_text_is_an_error_and_an_empty_label_is_none() -> None:
    table = dataset(*sets(), texts=[" ", *[f"t {i}" for i in range(23)]])
    for check in (check_multilabel, check_regression):
        numbers = dataset(*[str(i / 2) for i in range(24)], texts=[e.text for e in table.examples])
        (message,) = told(check(table if check is check_multilabel else numbers))["error"]
        assert message.startswith("t.csv:2: column 'text' is empty")


def test_numbers_that_are_fine() -> None:
    assert check_regression(dataset(*[str(i / 2) for i in range(24)]), dataset("3", "7.5", texts=["x", "y"])) == []


@pytest.mark.parametrize(
    ("labels", "level", "said"),
    [
        (["2"] * 9, "error", "every row has the number 2"),
        (["2"], "error", "too few examples"),
        (["0", "1"] * 9, "warning", "only 2 different numbers"),
        ([str(100 * i) for i in range(9)], "warning", "divide the column by 100"),
        (
            [*[str(i % 7 / 2) for i in range(300)], "49"],
            "warning",
            "t.csv:302: 49 lies more than 10 standard deviations",
        ),
        (["1e308", "-1e308", "5"], "warning", "numbers as large as 1e+308"),
    ],
)
def test_odd_numbers(labels: list[str], level: str, said: str) -> None:
    found = told(check_regression(dataset(*labels)))
    assert any(said in message for message in found[level]), found


def test_numbers_beyond_those_of_training() -> None:
    valid = dataset("3", "40", texts=["x", "y"], name="v.csv")
    (message,) = told(check_regression(dataset(*[str(i / 2) for i in range(24)]), valid))["warning"]
    assert message.startswith("v.csv:3: 40 lies outside of what the training rows have, 0 to 11.5")


def test_doubts_about_rows_are_those_of_classes() -> None:
    """Repetition, contradiction, leakage."""
    texts = ["same", "same", "other", "other", *[f"t {i}" for i in range(20)]]
    labels = ["a|b", "a|b", "a", "b", *sets(20)]
    valid = dataset("a", texts=["same"], name="v.csv")
    warnings = told(check_multilabel(dataset(*labels, texts=texts), valid))["warning"]
    for said in (
        "t.csv:3: repeats an earlier row",
        "t.csv:5: the same text is 'b' here",
        "v.csv:2: the same text is in",
    ):
        assert any(message.startswith(said) for message in warnings), warnings


@pytest.mark.parametrize("numbers", [[1.0, 2.0, 4.5], [1e308, 1.5e308, -1e308], [5e-324, 0.0], [0.0, 0.0]])
def test_mean_and_deviation(numbers: list[float]) -> None:
    import numpy as np

    mean, deviation = mean_and_deviation(numbers)
    exact = np.array(numbers, dtype=np.longdouble)
    assert mean == pytest.approx(float(exact.mean()), rel=1e-12)
    assert deviation == pytest.approx(float(exact.std()), rel=1e-12)
    assert range_of(numbers).startswith(f"{min(numbers):g} to {max(numbers):g}, mean ")
