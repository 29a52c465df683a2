"""Each finding, with its message, on the smallest table that has it; and no finding on a good table."""

import pytest

from minitf.datasets.dataset import Dataset, Example
from minitf.datasets.findings import Finding, refuse
from minitf.errors import DataError
from minitf.tasks.classification.data import check_classification, label_names


def table(*examples: tuple[str, str | None] | tuple[str, str | None, str], path: str = "train.csv") -> Dataset:
    """Rows of (text, label) or (text, label, pair), from line 2 on."""
    paired = len(examples[0]) == 3 if examples else False
    rows = tuple(
        Example(text, pair[0] if pair else None, label, row) for row, (text, label, *pair) in enumerate(examples, 2)
    )
    return Dataset(path, rows, "text", "pair" if paired else None, "label", "0" * 64)


def good(path: str = "train.csv", n: int = 12, mark: str = "") -> Dataset:
    return table(*((f"{mark}text {i}", ("neg", "pos")[i % 2]) for i in range(n)), path=path)


def plus(base: Dataset, *more: tuple[str, str | None]) -> Dataset:
    """`base` with rows added below."""
    return table(*((e.text, e.label) for e in base.examples), *more, path=base.path)


def errors(*tables: Dataset | None) -> list[str]:
    return [finding.message for finding in check_classification(*tables) if finding.level == "error"]


def warnings(*tables: Dataset | None) -> list[str]:
    return [finding.message for finding in check_classification(*tables) if finding.level == "warning"]


def test_a_good_table() -> None:
    assert check_classification(good()) == []
    assert check_classification(good(), good("valid.csv", mark="v"), good("test.csv", mark="t")) == []
    assert check_classification(good(), None, good("test.csv", mark="t")) == []
    pairs = [("same", ("neg", "pos")[i % 2], f"other {i}") for i in range(12)]
    assert check_classification(table(*pairs)) == []


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        (["pos", "neg", "pos"], ("neg", "pos")),
        (["10", "9", "1", "0"], ("0", "1", "9", "10")),
        (["2.5", "-1", "10"], ("-1", "2.5", "10")),
        (["1", "1.0", "0"], ("0", "1", "1.0")),
        (["10", "9", "many"], ("10", "9", "many")),
        (["nan", "10", "9"], ("10", "9", "nan")),
    ],
)
def test_label_names(labels: list[str], names: tuple[str, ...]) -> None:
    assert label_names(table(*((f"text {i}", label) for i, label in enumerate(labels)))) == names
    assert label_names(table(*((f"text {i}", label) for i, label in enumerate(reversed(labels))))) == names


@pytest.mark.parametrize("empty", ["", " ", "\n\t", "\u3000"])
def test_empty_text(empty: str) -> None:
    train = plus(good(), (empty, "pos"))
    assert errors(train) == ["train.csv:14: column 'text' is empty: fill it in, or delete the row"]
    three = plus(good("test.csv", mark="t"), (empty, "pos"), ("fine", "neg"), (empty, "neg"), (empty, "pos"))
    assert errors(train, None, three)[1:] == [
        "test.csv:14: column 'text' is empty: fill it in, or delete the row (3 rows in all: 14, 16, 17)"
    ]


def test_only_the_first_rows_are_listed() -> None:
    train = plus(good(n=50), *((" ", "pos") for _ in range(20)))
    assert errors(train)[0].endswith("(20 rows in all: 52, 53, 54, 55, 56, 57, 58, 59, …)")


def test_empty_pair_and_label() -> None:
    pairs = [(f"text {i}", ("neg", "pos")[i % 2], f"other {i}") for i in range(12)]
    assert errors(table(*pairs, ("text", "pos", ""))) == [
        "train.csv:14: column 'pair' is empty: fill it in, or delete the row"
    ]
    # read_table(need_label=False) leaves "" where a label is missing; that is not a class
    train = plus(good(), ("text", ""))
    assert errors(train) == ["train.csv:14: column 'label' is empty: fill it in, or delete the row"]
    assert label_names(train) == ("neg", "pos")
    assert errors(good(), plus(good("valid.csv", mark="v"), ("text", ""))) == [
        "valid.csv:14: column 'label' is empty: fill it in, or delete the row"
    ]


def test_no_labels() -> None:
    bare = Dataset("bare.csv", (Example("a", None, None, 2), Example("b", None, None, 3)), "text", None, None, "")
    expected = "bare.csv: no column is known to be the label: name it with `label`"
    assert errors(bare) == errors(good(), bare) == [expected]


def test_one_class() -> None:
    assert check_classification(table(*((f"text {i}", "pos") for i in range(6)))) == [
        Finding(
            "error",
            "train.csv: every row has the label 'pos', so there is nothing to learn: add rows of another class, or"
            " name the right column with `label` if it is not 'label'",
        )
    ]


@pytest.mark.parametrize("examples", [[], [("a", "pos")]])
def test_too_few_examples(examples: list[tuple[str, str]]) -> None:
    expected = f"train.csv: too few examples to train on ({len(examples)}): add rows"
    assert errors(table(*examples)) == [expected]


def test_a_label_unseen_in_training() -> None:
    valid = plus(good("valid.csv", mark="v"), ("x", "Poss"), ("y", "neutral"), ("z", "pos"))
    assert errors(good(), valid) == [
        (
            "valid.csv:14: no training row has the label 'Poss' (did you mean 'pos'?), they have neg, pos: correct it,"
            " or add training rows of that class (2 rows in all: 14, 15)"
        )
    ]
    numbers = table(*((f"text {i}", ("0", "3.67")[i % 2]) for i in range(12)))
    assert (
        "did you mean" not in errors(numbers, table(("x", "3.867"), path="valid.csv"))[0]
    )  # a number is not a misspelt one
    test = plus(good("test.csv", mark="t"), ("x", "neutral"))
    assert [message[:11] for message in errors(good(), valid, test)] == ["valid.csv:1", "test.csv:14"]
    assert errors(good("a.csv"), good("b.csv", mark="b")) == []


def test_repetitions() -> None:
    train = plus(good(), ("text 3", "pos"), ("new", "neg"), ("text 3", "pos"))
    assert check_classification(train) == [
        Finding(
            "warning",
            "train.csv:14: repeats an earlier row, so it counts twice: delete it (2 rows in all: 14, 16)",
        )
    ]


def test_contradictions() -> None:
    train = plus(good(), ("text 3", "neg"))
    assert check_classification(train) == [
        Finding("warning", "train.csv:14: the same text is 'neg' here and 'pos' in row 5: keep one label")
    ]
    both = plus(good(), ("text 3", "neg"), ("text 3", "neg"), ("text 4", "pos"))
    assert [message.split(":")[1] for message in warnings(both)] == ["15", "14"]
    assert warnings(both)[1].endswith("(2 rows in all: 14, 16)")


@pytest.mark.parametrize("place", ["valid", "test"])
def test_leakage(place: str) -> None:
    other = plus(good(f"{place}.csv", mark="o"), ("text 3", "pos"), ("text 4", "pos"))
    tables = (good(), other, None) if place == "valid" else (good(), None, other)
    assert check_classification(*tables) == [
        Finding(
            "warning",
            f"{place}.csv:14: the same text is in train.csv, which makes the score too high: delete it from"
            " one of them (2 rows in all: 14, 15)",
        )
    ]


def test_leakage_of_pairs_is_of_both_texts() -> None:
    train = table(*((f"text {i}", ("neg", "pos")[i % 2], f"pair {i}") for i in range(12)))
    valid = table(("text 0", "neg", "pair 1"), ("text 0", "neg", "pair 0"), path="valid.csv")
    assert [message.split(":")[:2] for message in warnings(train, valid)] == [["valid.csv", "3"]]


def test_leakage_between_valid_and_test() -> None:
    found = warnings(good(), good("valid.csv", mark="v"), good("test.csv", mark="v"))
    assert [message.split(",")[0] for message in found] == ["test.csv:2: the same text is in valid.csv"]


def test_a_class_of_few_rows() -> None:
    found = warnings(plus(good(), *((f"new {i}", "odd") for i in range(4)), ("x", "lone")))
    assert found == [
        (
            "train.csv, column 'label': labels with fewer than 5 rows are hard to learn: 'lone' (1), 'odd' (4):"
            " add rows, or merge labels"
        )
    ]
    assert warnings(plus(good(), *((f"new {i}", "odd") for i in range(5)))) == []


def test_unequal_classes() -> None:
    found = warnings(plus(good(), *((f"new {i}", "pos") for i in range(18))))
    assert found == [
        (
            "train.csv, column 'label': 80.0% of the rows are 'pos', so accuracy says little: look at the F1 of each"
            " class, and try `class_weights`"
        )
    ]
    assert warnings(plus(good(), *((f"new {i}", "pos") for i in range(17)))) == []


def test_suspiciously_many_labels() -> None:
    scores = table(*((f"text {i}", str(i / 8)) for i in range(12)))
    assert warnings(scores)[0] == (
        "train.csv, column 'label': 12 different labels in 12 rows: is this a number to predict and not a class?"
    )
    names = table(*((f"text {i}", f"name {i % 51}") for i in range(51 * 5)))
    assert warnings(names) == ["train.csv, column 'label': 51 different labels in 255 rows: is this the wrong column?"]
    assert warnings(table(*((f"text {i}", f"name {i % 50}") for i in range(250)))) == []


def test_labels_that_differ_in_case() -> None:
    found = warnings(plus(good(), *((f"new {i}", "Pos") for i in range(5))))
    assert found == [
        (
            "train.csv, column 'label': 'pos' (6 rows) and 'Pos' (5 rows) look like one label in 2 spellings: write"
            " them the same if they mean the same"
        )
    ]


def test_all_findings_are_listed_errors_first() -> None:
    train = plus(good(), ("text 3", "pos"), ("", "neg"))
    valid = plus(good("valid.csv", mark="v"), ("x", "neutral"))
    findings = check_classification(train, valid)
    assert [finding.level for finding in findings] == ["error", "error", "warning"]
    assert all("\n" not in finding.message for finding in findings)


def test_refuse() -> None:
    refuse([])
    refuse([Finding("warning", "odd")])
    with pytest.raises(DataError, match=r"^first$"):
        refuse([Finding("warning", "odd"), Finding("error", "first")])
    with pytest.raises(DataError, match=r"^first \(and 2 more\)$"):
        refuse([*(Finding("error", message) for message in ("first", "second", "third")), Finding("warning", "odd")])
