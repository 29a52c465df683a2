"""Tables as other programs write them: what would be read as other data is refused, or a warning names the row."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from minitf.datasets.dataset import read_table
from minitf.datasets.split import split
from minitf.errors import DataError
from minitf.fine_tuning.evaluation import score
from minitf.fine_tuning.run import fine_tune
from minitf.tasks import registry

NAMES = {"text": None, "pair": None, "label": None}


def table(tmp_path: Path, labels: list[object], name: str = "t.jsonl") -> str:
    path = tmp_path / name
    if name.endswith(".jsonl"):
        lines = [json.dumps({"text": f"text {i}", "label": label}) for i, label in enumerate(labels)]
    else:
        lines = ["text;label", *(f"text {i};{label}" for i, label in enumerate(labels))]
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def recognized(path: str) -> str:
    return registry.recognize(path, NAMES)[0].name


def warnings(path: str) -> str:
    spec, _ = registry.recognize(path, NAMES)
    findings = spec.check(spec.read(path, **NAMES), None, None)
    return "\n".join(finding.message for finding in findings if finding.level == "warning")


@pytest.mark.parametrize("odd", ["NA", "nan", "?", "12 €", "1_000", "inf", "TRUE"])
def test_a_column_of_numbers_stays_one_if_some_cells_are_no_numbers(tmp_path, odd):
    path = table(tmp_path, [2.5, 1.25, odd, 3.75, 2.5])
    spec, _ = registry.recognize(path, NAMES)
    assert spec.name == "regression"
    with pytest.raises(DataError, match=rf"t\.jsonl:3: column 'label' has '{odd}'.*: write one, delete the row"):
        spec.read(path, **NAMES)


@pytest.mark.parametrize("labels", [["0,5", "2,5", "3"], ["1,25", "1,5", "1,5"], ["1,500", "12,000", "0,100"]])
def test_numbers_with_a_decimal_comma_are_no_classes(tmp_path, labels):
    path = table(tmp_path, labels * 5, "t.csv")
    assert recognized(path) == "regression"
    with pytest.raises(DataError, match="write one with a decimal point"):
        registry.SPECS["regression"].read(path, **NAMES)


def test_a_decimal_comma_that_looks_like_a_vector(tmp_path):
    with pytest.raises(DataError, match=r"vector of 0 and 1, '0,0', .*, or, if it is a number, a decimal point"):
        registry.recognize(table(tmp_path, ["0,0", "3,5"], "t.csv"), NAMES)


def test_labels_that_are_no_numbers(tmp_path):
    assert recognized(table(tmp_path, ["1,2", "1", "2", "2,1", *map(str, range(30))], "t.csv")) == "classification"
    assert recognized(table(tmp_path, ["a", "b", "2.5", "a"])) == "classification"
    assert recognized(table(tmp_path, [1, 2, 5, "NA"])) == "classification"


@pytest.mark.parametrize("mark", ["NA", "nan", "None", "#N/A", "\\N", "-"])
def test_a_missing_label_is_no_class(tmp_path, mark):
    path = table(tmp_path, ["a", "b", mark, "a", mark])
    assert f"t.jsonl:3: column 'label' has {mark!r}, probably a missing value: if it is one, delete the row" in (
        warnings(path)
    )
    assert "(2 rows in all: 3, 5)" in warnings(path)


def test_a_label_of_minus_1_beside_classes_that_count_from_0(tmp_path):
    assert "has '-1', probably a missing value" in warnings(table(tmp_path, [0, 1, 2, -1]))
    assert "missing" not in warnings(table(tmp_path, [0, 1, -1]))  # may be negative, neutral, positive
    assert "missing" not in warnings(table(tmp_path, ["none", "NONE", "no"]))  # names of classes


def test_a_missing_text(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("text,label\nfine,a\nnan,b\n-,a\n")
    assert "t.csv:3: column 'text' has 'nan', probably a missing value: if it is one, delete the row" in (
        warnings(str(path))
    )
    assert "'-'" not in warnings(str(path))


@pytest.mark.parametrize("name", ["t.csv", "t.tsv"])
def test_a_header_in_the_middle_of_a_table(tmp_path, name):
    path = tmp_path / name
    path.write_text("text,label\na,x\nb,y\ntext, label\nc,x\n".replace(",", "\t" if name == "t.tsv" else ","))
    with pytest.raises(DataError, match=r":4: repeats the header: delete this row"):
        read_table(path)
    (tmp_path / "one.csv").write_text("text\na\ntext\n")
    assert read_table(tmp_path / "one.csv", need_label=False).texts == ["a", "text"]


@pytest.mark.parametrize(
    "content",
    [
        "text\tlabel\n1\ta\tx\n2\tb\ty\n",  # R: write.table writes no name for the numbers of the rows
        "text\tlabel\na\tx\t\t\nb\ty\t\t\n",
        "# exported\ntext\tlabel\na\tx\nb\ty\n",
    ],
)
def test_a_header_with_another_number_of_columns_than_all_rows(tmp_path, content):
    for name, text in (("t.tsv", content), ("t.csv", content.replace("\t", ","))):
        (tmp_path / name).write_text(text)
        with pytest.raises(
            DataError, match=r": the header \(line 1\) has \d cells, the rows have \d: the first line must name"
        ):
            read_table(tmp_path / name)


def test_a_list_of_one_label_means_several_labels(tmp_path):
    path = table(tmp_path, [["a"], ["b"], ["a"]])
    assert registry.recognize(path, NAMES)[1] == f"column 'label' has lists of labels ({path}:1: ['a'])"
    assert "write it without a list, and set `task` to classification" in warnings(path)
    with pytest.raises(DataError, match="a class is written without a list"):
        read_table(path)


@pytest.mark.parametrize("cell", ['{"choices":["a","b"]}', '[{"start": 0, "label": "a"}]'])
@pytest.mark.parametrize("task", ["classification", "multilabel", "regression"])
def test_a_json_object_is_no_label(tmp_path, cell, task):
    for path in (table(tmp_path, [cell, "b"], "t.csv"), table(tmp_path, [json.loads(cell), "b"])):
        with pytest.raises(DataError, match=r"the object|a list of objects"):
            registry.SPECS[task].read(path, **NAMES)


@pytest.mark.parametrize("order", [("text", "label"), ("label", "text")])
def test_a_quotation_mark_that_swallows_rows(tmp_path, order):
    """The marks of rows 3 and 6 together make one long cell."""
    cells = [{"text": f"text {i}", "label": "xy"[i % 2]} for i in range(8)]
    cells[1]["text"], cells[4]["text"] = '"text 1', 'text 4"'
    lines = [",".join(order), *(",".join(row[column] for column in order) for row in cells)]
    (tmp_path / "t.csv").write_text("\n".join(lines) + "\n")
    assert "t.csv:3: column 'text' has 4 lines that look like rows of the table: correct the quotation marks" in (
        warnings(str(tmp_path / "t.csv"))
    )


def test_a_text_of_several_lines(tmp_path):
    (tmp_path / "t.csv").write_text('text,label\n"Dear x,\nyes, I know\nand y\nthanks",x\nfine,y\n')
    assert "look like rows" not in warnings(str(tmp_path / "t.csv"))


def test_a_column_of_numbers_instead_of_texts(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("text,label\n17,a\n18,b\n")
    assert "t.csv: column 'text' has only numbers: name the column of the text with `text`" in warnings(str(path))


def test_pairs_in_one_table_and_single_texts_in_another():
    single = read_table([{"text": f"a {i}", "label": "xy"[i % 2]} for i in range(4)])
    pairs = read_table([{"premise": f"b {i}", "hypothesis": "c", "label": "xy"[i % 2]} for i in range(4)])
    for train, test in ((single, pairs), (pairs, single)):
        found = registry.SPECS["classification"].check(train, train, test)
        assert found[0].level == "error"
        assert "has pairs of texts ('premise', 'hypothesis')" in found[0].message
        assert found[0].message.endswith("all tables need pairs, or none: name the columns with `text` and `pair`")


def test_columns_that_cannot_be_text_and_label(tmp_path):
    """The advice to add rows alone would not help."""
    swapped = read_table(table(tmp_path, [f"label {i}" for i in range(30)]))
    with pytest.raises(DataError, match="no label has two different texts: name the right columns with `text` and"):
        split(swapped)


def test_numbers_of_numpy_and_pytorch_in_records():
    records = [{"text": np.str_("a"), "label": np.int64(1)}, {"text": "b", "label": torch.tensor(0)}]
    assert read_table(records).labels == ["1", "0"]
    assert read_table([{"text": "b", "label": np.bool_(True)}]).labels == ["true"]
    for value in (np.array([1, 0]), np.datetime64("2020-01-01"), b"a"):
        with pytest.raises(DataError, match=r"records:1: has a value of type \w+; give strings and numbers"):
            read_table([{"text": "b", "label": value}])


@pytest.mark.parametrize("task", ["tagging", "qa"])
def test_records_for_a_task_that_reads_files(tmp_path, task):
    for call in (lambda r: fine_tune(train=r, task=task), lambda r: score(tmp_path, data=r, task=task)):
        with pytest.raises(DataError, match="records: a list of records is read as a table of whole texts"):
            call([{"text": "a", "label": "b"}, {"text": "c", "label": "d"}])


@pytest.mark.parametrize("value", [[("a", 1)], ["a"], {"text": ["a"]}, 7])
def test_what_is_neither_a_file_nor_records(value):
    with pytest.raises(ValueError, match="`train` must be a path or a list of records"):
        fine_tune(train=value)
