"""Write tables as CSV or TSV, so that minitf and other programs read the same rows again. Torch-free.

A CSV cell with a comma, a quotation mark or any line break (also a lone \\r, which many readers take for the end of a
row) is in quotation marks. A TSV has no quoting, as in the GLUE files: a tab or a line break in a cell becomes a space,
and a quotation mark at its beginning gets a space before it, because other readers would take it for quoting. Neither
format can hold NUL or half of a UTF-16 pair: they become U+FFFD.
"""

import dataclasses
import re
from collections.abc import Callable, Sequence
from typing import TextIO

from minitf.datasets.strings import is_number

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # OWASP, CSV injection
NOT_TEXT = re.compile("[\0\ud800-\udfff]")
_QUOTED = re.compile('[,"\r\n]')
_SEPARATING = re.compile("[\t\r\n]")


@dataclasses.dataclass(frozen=True)
class TableFormat:
    """The format of a table by the ending of its file: `.tsv`, JSON lines, or CSV for every other ending.

    With `spreadsheet_safe`, a text that a spreadsheet would read as a formula gets an apostrophe before it, and every
    cell of a CSV is in quotation marks: some spreadsheets also split cells at a semicolon or a tab.
    """

    ending: str = ".csv"
    spreadsheet_safe: bool = False

    @property
    def json_lines(self) -> bool:
        """Whether each row is a JSON object on a line."""
        return self.ending in (".json", ".jsonl", ".ndjson")

    def writer(self, out: TextIO) -> Callable[[Sequence[str]], None]:
        """Return a function that writes a row of cells to `out`."""
        is_tsv, safe = self.ending == ".tsv", self.spreadsheet_safe

        def format_cell(cell: str) -> str:
            text = NOT_TEXT.sub("\ufffd", spreadsheet_text(cell) if safe else cell)
            return _tsv_cell(text) if is_tsv else _csv_cell(text, quoted=safe)

        def write_row(cells: Sequence[str]) -> None:
            out.write(("\t" if is_tsv else ",").join(map(format_cell, cells)) + "\n")

        return write_row


def spreadsheet_text(cell: str) -> str:
    """Return `cell` with an apostrophe before it if a spreadsheet would read it as a formula; a number stays."""
    return f"'{cell}" if cell.startswith(FORMULA) and not is_number(cell) else cell


def _csv_cell(cell: str, *, quoted: bool) -> str:
    return '"' + cell.replace('"', '""') + '"' if quoted or _QUOTED.search(cell) else cell


def _tsv_cell(cell: str) -> str:
    cell = _SEPARATING.sub(" ", cell)
    return f" {cell}" if cell.startswith('"') else cell
