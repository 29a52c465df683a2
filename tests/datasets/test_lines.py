"""Places in tables whose cells have line breaks: the line of the file, and the row of a spreadsheet if it differs."""

import copy
import json
import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest

from minitf.datasets.checks import duplicates, empty_cells
from minitf.datasets.dataset import Dataset, read_table
from minitf.datasets.lines import Line, few_rows, line_of, named
from minitf.datasets.near_duplicates import warnings
from minitf.errors import DataError
from minitf.fine_tuning.pages.mistakes import mistake_cards
from minitf.tasks.base import Mistake

HEADER = "text,label\n"
TWO_LINES = '"first\nsecond",pos\n'


def table_of(tmp_path: Path, rows: str) -> Dataset:
    path = tmp_path / "t.csv"
    path.write_text(HEADER + TWO_LINES + rows)
    return read_table(path, need_label=False)


def only(messages: Iterator[str]) -> str:
    (message,) = messages
    return message.rpartition("/")[2]


def test_a_row_has_its_line_and_the_row_of_a_spreadsheet_if_they_differ(tmp_path: Path) -> None:
    rows = [example.row for example in table_of(tmp_path, "\nplain,neg\n").examples]
    assert rows == [2, 5] and type(rows[0]) is int  # 2 is the same in both
    assert named(rows[0]) == "row 2" and named(rows[1]) == "line 5 (row 4 in a spreadsheet)"


@pytest.mark.parametrize("again", [copy.deepcopy, lambda line: pickle.loads(pickle.dumps(line))])
def test_a_line_can_be_copied(again: object) -> None:
    line = again(Line(12, 9))  # type: ignore[operator]
    assert line == 12 and str(line) == "12 (row 9 in a spreadsheet)" and f"{line:,}" == "12"
    assert json.dumps(line) == "12" and few_rows([2, line]) == "lines 2, 12" and line_of(3, 3) == 3


def test_errors_name_both_numbers(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    for rows, message in (
        ("a,b,c\n", r"t\.csv:4 \(row 3 in a spreadsheet\): the header names 2 columns, this row has 3"),
        ('"a"b,c\n', r"t\.csv:4 \(row 3 in a spreadsheet\): .*quot"),
        ("a,\nb,x\nc,\n", r"t\.csv:4 \(row 3 in a spreadsheet\): .*\(and 1 more row: line 6\)$"),
    ):
        path.write_text(HEADER + TWO_LINES + rows)
        with pytest.raises(DataError, match=message):
            read_table(path)


def test_checks_name_both_numbers(tmp_path: Path) -> None:
    assert only(empty_cells(table_of(tmp_path, ",pos\n,neg\n"))) == (
        "t.csv:4 (row 3 in a spreadsheet): column 'text' is empty: fill it in, or delete the row"
        " (2 rows in all: lines 4, 5)"
    )
    contradiction = only(duplicates(table_of(tmp_path, "a,pos\na,neg\n")))
    assert "'pos' in line 4 (row 3 in a spreadsheet): keep one" in contradiction
    assert "differs from line 4 (row 3 in a spreadsheet) only in case" in only(
        warnings([table_of(tmp_path, "a,pos\nA,pos\n")])
    )


def test_a_report_has_both_numbers() -> None:
    content = [Mistake(row, "text", None, "a", "b", 1.0).to_dict() for row in (12, Line(12, 9))]
    assert [m["row"] for m in content] == [12, 12]
    assert "spreadsheet_row" not in content[0] and content[1]["spreadsheet_row"] == 9
    shown = mistake_cards(content, 2, "classification")
    assert ">row 12, loss" in shown and ">line 12 (row 9 in a spreadsheet), loss" in shown
