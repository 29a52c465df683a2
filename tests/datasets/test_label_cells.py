"""Several labels in a cell, in every encoding that people use: read as what is meant, or refused."""

import json

import pytest

from minitf.datasets.dataset import read_table
from minitf.errors import DataError
from minitf.tasks import registry
from minitf.tasks.multilabel.data import labels_in, read_sets

NAMES = {"text": None, "pair": None, "label": None}


@pytest.fixture
def written(tmp_path):
    def write(cells, *, as_json=False):
        if as_json:
            content = "".join(json.dumps({"text": f"text {i}", "labels": cell}) + "\n" for i, cell in enumerate(cells))
        else:
            quoted = (str(cell).replace('"', '""') for cell in cells)
            content = "text,labels\n" + "".join(f'text {i},"{cell}"\n' for i, cell in enumerate(quoted))
        path = tmp_path / ("t.jsonl" if as_json else "t.csv")
        path.write_text(content)
        return str(path)

    return write


@pytest.mark.parametrize(
    ("cell", "labels"),
    [
        ("a|b", ("a", "b")),
        ("['b', 'a']", ("a", "b")),
        ('["a", "b c"]', ("a", "b c")),
        ("('a', 'b')", ("a", "b")),
        ("{'a', 'b'}", ("a", "b")),
        ("['a' 'b']", ("a", "b")),  # as NumPy prints an array
        ("['a'\n 'b']", ("a", "b")),
        (r"['it\'s', 'b']", ("b", "it's")),
        ("['a']", ("a",)),
        ("[]", ()),
        ("[3, 12]", ("12", "3")),
        ("[OTHER]", ("[OTHER]",)),
        ("(1)", ("(1)",)),
        ("a, b", ("a, b",)),
        ("[" + " " * 20_000 + "x]", ("[" + " " * 20_000 + "x]",)),
    ],
)
def test_lists_as_text(written, cell, labels):
    first = read_sets(written([cell, "x|y"])).examples[0]
    assert labels_in(first.label) == tuple(label.strip() for label in labels)


@pytest.mark.parametrize(
    ("cells", "as_json"),
    [
        ([[1, 0, 0], [0, 1, 1]], True),
        ([[1.0, 0.0], [1, 1]], True),
        ([[True, False, True]], True),
        ([["1", "0", "1"]], True),
        (["[1, 0, 1]"], True),
        (["[1, 0, 1]"], False),
        (["[1. 0. 1.]"], False),
        (["1,0,0"], False),
        (["1 0 1"], False),
        (["0|1|1"], False),
        (["[0, 1]", "[1, 1]"], False),
    ],
)
@pytest.mark.parametrize("task", ["auto", "classification", "multilabel"])
def test_vectors_of_0_and_1_are_refused(written, cells, as_json, task):
    path = written(cells * 3, as_json=as_json)
    read = registry.recognize if task == "auto" else lambda path, columns: registry.SPECS[task].read(path, **columns)
    with pytest.raises(DataError) as caught:
        read(path, NAMES)
    assert "vector of 0 and 1" in str(caught.value) or "set `task` to multilabel" in str(caught.value)


def test_a_list_is_no_class(written):
    with pytest.raises(DataError, match=r"has several labels, .*: write one, or set `task` to multilabel"):
        read_table(written(["['a']", "['b']"]))
    assert registry.recognize(written(["['a', 'b']", "['b']"]), NAMES)[0].name == "multilabel"


def test_one_column_per_label(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("id,text,toxic,rude,threat\n7,a,1,0,0\n8,b,0,0,0\n9,c,1.0,TRUE,no\n")
    columns = {"text": None, "pair": None, "label": "toxic, rude,threat"}
    spec, why = registry.recognize(str(path), columns)
    assert (spec.name, why) == ("multilabel", "`label` names 3 columns")
    assert spec.read(str(path), **columns).labels == ["toxic", "", "rude|toxic"]
    with pytest.raises(DataError, match="set `task` to multilabel"):
        read_table(path, label="toxic,rude")
    with pytest.raises(DataError, match=r"no column 'rudest' \(did you mean 'rude'\?\)"):
        read_sets(path, label="toxic,rudest")
    with pytest.raises(DataError, match=r"several columns of 0 and 1 with commas"):
        read_sets(path)
    path.write_text("text,toxic,rude\na,1,-1\n")
    with pytest.raises(DataError, match="column 'rude' has '-1', not 0 or 1"):
        read_sets(path, label="toxic,rude")


@pytest.mark.parametrize("task", ["classification", "multilabel"])
def test_other_separators_are_warned_of(written, task):
    spec = registry.SPECS[task]

    def warnings(cells):
        return [f.message for f in spec.check(spec.read(written(cells))) if "several labels: if it is" in f.message]

    assert "'a,b' looks like several labels: if it is, write 'a|b'" in warnings(["a,b", "a", "b"] * 6)[0]
    assert "'a; b' looks like" in warnings(["a; b", "b; c", "a; c", "b; a"] * 6)[0]
    assert warnings(["New York, NY", "Boston, MA", "other"] * 6) == []
