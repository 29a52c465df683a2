"""Tables are written so that minitf and other programs read the same rows again."""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from minitf.datasets import tables
from minitf.datasets.strings import is_number
from minitf.datasets.table_writer import FORMULA, TableFormat, spreadsheet_text

ODD = "\r\n\t\",'\\ ;|=+-@ab1\x0b\x1c\x85\u2028\u2029\ufeff\u202e\x1b\x00"
CELL = st.text(st.one_of(st.sampled_from(ODD), st.characters()))
ROWS = st.lists(st.tuples(CELL, CELL, CELL), min_size=1, max_size=6)
COLUMNS = ["text", "label", "p_a"]
many = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=100)


def written(table: TableFormat, rows: list[tuple[str, ...]]) -> str:
    out = io.StringIO(newline="")
    write_row = table.writer(out)
    for row in [COLUMNS, *rows]:
        write_row(row)
    return out.getvalue()


def as_unicode(cell: str) -> str:
    return "".join("\ufffd" if c == "\0" or "\ud800" <= c <= "\udfff" else c for c in cell)


def not_blank(rows: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Return the rows that minitf reads: a row in which each cell is empty is skipped."""
    return [row for row in rows if any(cell.strip() for cell in row)]


def read(path: Path, content: str) -> list[tuple[str, ...]]:
    path.write_text(content, encoding="utf-8", newline="")
    expected = [tuple(record[column] for column in COLUMNS) for _, record in tables.stream(path)]
    assert expected == [tuple(r[c] for c in COLUMNS) for _, r in tables.records(str(path), path.read_bytes())]
    return expected


@many
@given(ROWS)
def test_a_csv_is_read_again_to_the_same_cells(tmp_path: Path, rows: list[tuple[str, ...]]) -> None:
    """By minitf and the standard library; a lone \\r in a cell does not end its row."""
    content = written(TableFormat(), rows)
    expected = [tuple(map(as_unicode, row)) for row in rows]
    if not_blank(rows):
        assert read(tmp_path / "a.csv", content) == not_blank(expected)
    assert [tuple(row) for row in csv.reader(io.StringIO(content, newline=""), strict=True)][1:] == expected


@many
@given(ROWS)
def test_a_tsv_is_read_again(tmp_path: Path, rows: list[tuple[str, ...]]) -> None:
    """Without quoting: tabs and line breaks become spaces. Readers with and without quoting find the same cells."""
    content = written(TableFormat(".tsv"), rows)
    expected = []
    for row in rows:
        cells = [as_unicode(cell).translate(dict.fromkeys(map(ord, "\t\r\n"), " ")) for cell in row]
        expected.append(tuple(f" {cell}" if cell.startswith('"') else cell for cell in cells))
    if not_blank(rows):
        assert read(tmp_path / "a.tsv", content) == not_blank(expected)
    for quoting in (csv.QUOTE_MINIMAL, csv.QUOTE_NONE):
        reader = csv.reader(io.StringIO(content, newline=""), delimiter="\t", quoting=quoting)
        assert [tuple(row) for row in reader][1:] == expected
    assert written(TableFormat(".tsv"), expected) == content


def test_an_ordinary_table_is_that_of_the_standard_library() -> None:
    rows = [("a, b", "x", "0.5"), ('He said "no"', "y\nz", "0.25"), (" ", "", "é")]
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n").writerows([COLUMNS, *rows])
    assert written(TableFormat(), rows) == out.getvalue()


@given(CELL)
def test_spreadsheet_safe_cells(cell: str) -> None:
    """No cell is a formula; a cell that needs no apostrophe and a number are unchanged."""
    safe = spreadsheet_text(cell)
    assert safe in (cell, f"'{cell}")
    assert is_number(safe) or not safe.startswith(FORMULA)


@pytest.mark.parametrize("cell", ["=1+1", "+A1", "-cmd|' /C calc'!A0", "@SUM(A1)", "\t=1", "\r=1", "＝1", "-", "+-1"])
@pytest.mark.parametrize("ending", [".csv", ".tsv"])
def test_formulas_as_text(cell: str, ending: str) -> None:
    """Only on request: otherwise the table has what was read."""
    unsafe = written(TableFormat(ending), [(cell, "x", "-1.5")]).split("\n", 1)[1]
    safe = written(TableFormat(ending, spreadsheet_safe=True), [(cell, "x", "-1.5")]).split("\n", 1)[1]
    assert not unsafe.lstrip('"').startswith("'")
    assert safe.lstrip('"').startswith("'")
    assert safe.endswith("-1.5\n" if ending == ".tsv" else '"-1.5"\n')
