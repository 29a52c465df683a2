"""Columns of a source and a target, and what the checks find."""

from pathlib import Path

import pytest

from minitf.errors import DataError
from minitf.tasks import registry
from minitf.tasks.seq2seq.data import check_pairs, describe, read_pairs
from minitf.tasks.seq2seq.spec import SEQ2SEQ

ROWS = [{"source": " one|two ", "target": "[1]"}, {"source": "b", "target": "2, 3"}]


def write(path: Path, *lines: str) -> str:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return str(path)


def test_texts_are_not_changed() -> None:
    """A target is a text, not a label: white space stays, and lists have no meaning."""
    table = read_pairs(ROWS)
    assert (table.texts, table.labels, table.pairs) == ([" one|two ", "b"], ["[1]", "2, 3"], None)
    assert (table.text_column, table.label_column) == ("source", "target")
    assert describe(table) == "source to target, median 9 to 4 characters"


@pytest.mark.parametrize(
    ("header", "columns", "found"),
    [
        ("source,target", {}, ("source", "target")),
        ("id,Article,Highlights", {}, ("Article", "Highlights")),
        ("en,de", {"text": "en", "label": "de"}, ("en", "de")),
        ("en,translation,source", {}, ("source", "translation")),
        ("question,reply,score", {}, ("question", "reply")),
        ("en,target", {"text": "en"}, ("en", "target")),
        ("source,de", {"label": "de"}, ("source", "de")),
    ],
)
def test_columns(tmp_path: Path, header: str, columns: dict[str, str], found: tuple[str, str]) -> None:
    table = read_pairs(write(tmp_path / "a.csv", header, ",".join("abc"[: header.count(",") + 1])), **columns)
    assert (table.text_column, table.label_column) == found


@pytest.mark.parametrize(
    ("header", "columns", "message"),
    [
        ("en,de", {}, "no two columns are a known source and target: name them with `text` and `label`"),
        ("source,target,translation", {}, "'source', 'target' and 'source', 'translation' could each be"),
        ("source,target", {"label": "targte"}, "no column 'targte' (did you mean 'target'?)"),
        ("source,target", {"text": "source", "label": "source"}, "must be different columns"),
        ("source,other", {"text": "source"}, "no two columns are a known source and target"),
    ],
)
def test_unclear_columns(tmp_path: Path, header: str, columns: dict[str, str], message: str) -> None:
    path = write(tmp_path / "a.csv", header, ",".join("abc"[: header.count(",") + 1]))
    with pytest.raises(DataError) as error:
        read_pairs(path, **columns)
    assert message in str(error.value).replace("+", ", ")


@pytest.mark.parametrize(
    ("header", "task"),
    [("source,target", "seq2seq"), ("text,label", "classification"), ("text,summary,label", "classification")],
)
def test_recognized(tmp_path: Path, header: str, task: str) -> None:
    """Only where no other column is a label."""
    rows = ["a,b,x", "c,d,y", "e,f,x"]
    path = write(tmp_path / "a.csv", header, *(row[: 2 * header.count(",") + 1] for row in rows))
    spec, why = registry.recognize(path, {"text": None, "pair": None, "label": None})
    assert spec.name == task
    if task == "seq2seq":
        assert why == "it has the columns 'source' and 'target'"


def test_findings() -> None:
    rows = [*ROWS, {"source": "b", "target": "2, 3"}, {"source": "b", "target": "another"}]
    train = read_pairs(rows)
    found = check_pairs(train, read_pairs([{"source": "b", "target": "x"}]))
    assert [finding.level for finding in found] == ["warning", "warning"]
    assert "records:3: repeats an earlier row" in found[0].message  # row 4 is another translation of the same source
    assert "the same text is in records" in found[1].message
    empty = check_pairs(read_pairs([{"source": "a", "target": ""}, {"source": " ", "target": "b"}]))
    assert [finding.level for finding in empty] == ["error", "error"]
    assert "too few examples" in check_pairs(read_pairs(ROWS[:1]))[0].message


@pytest.mark.parametrize("setting", ["pair", "augment", "hidden_act", "long_text", "class_weights"])
def test_settings_without_a_meaning(setting: str) -> None:
    settings = dict.fromkeys(SEQ2SEQ.unused) | {"stride": None, "metric": None, "long_text": "truncate"}
    assert SEQ2SEQ.problem(settings) is None
    assert "has no meaning" in str(SEQ2SEQ.problem(settings | {setting: "x"}))
