"""Text files and columns of texts."""

from pathlib import Path

import pytest

from minitf.errors import DataError
from minitf.tasks.language_model.data import check_texts, read_texts


@pytest.mark.parametrize(
    ("content", "texts", "rows"),
    [
        ("one\ntwo\nthree\n", ["one", "two", "three"], [1, 2, 3]),
        ("one\ntwo\n\n\nthree\n", ["one\ntwo", "three"], [1, 5]),
        ("\none\r\ntwo\r\n\r\nthree", ["one\ntwo", "three"], [2, 5]),
        ("  indented\n \nlast", ["  indented", "last"], [1, 3]),
    ],
)
def test_a_text_file(tmp_path: Path, content: str, texts: list[str], rows: list[int]) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(content.encode())
    table = read_texts(path)
    assert table.texts == texts
    assert [example.row for example in table.examples] == rows
    assert (table.text_column, table.pairs, table.labels) == ("text", None, None)
    assert check_texts(table) == []


def test_a_column() -> None:
    """A label or a second text beside it is not read."""
    table = read_texts([{"text": "a", "label": "x", "n": 1}, {"text": "b", "label": "", "n": None}])
    assert (table.texts, table.labels, table.pairs, table.all_labels) == (["a", "b"], None, None, frozenset())
    assert read_texts([{"story": "a", "n": 1}], text="story").texts == ["a"]


def test_findings(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text(" \n\n")
    with pytest.raises(DataError, match="is empty: it has no text"):
        read_texts(path)
    path.write_text("one\n")
    assert "too few texts" in check_texts(read_texts(path))[0].message
    with pytest.raises(DataError, match="`delimiter` is for"):
        read_texts(path, delimiter=";")
    empty, other = read_texts([{"text": "a"}, {"text": " "}]), read_texts([{"text": "a"}])
    assert [(f.level, "column 'text'" in f.message) for f in check_texts(empty)] == [("error", True)]
    found = check_texts(read_texts([{"text": "a"}, {"text": "b"}]), other)
    assert "the same text is in records" in found[0].message
