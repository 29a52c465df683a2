"""Where a row is in its file. In a CSV whose cells have line breaks, an editor and a spreadsheet count differently."""

from collections.abc import Sequence

from minitf.datasets.strings import first_few


class Line(int):
    """The line of a file on which a row starts, if a spreadsheet gives the row another number.

    As text it has both numbers, so that every message has: `12 (row 9 in a spreadsheet)`.
    """

    spreadsheet_row: int

    def __new__(cls, line: int, spreadsheet_row: int) -> "Line":
        new = super().__new__(cls, line)
        new.spreadsheet_row = spreadsheet_row
        return new

    def __getnewargs__(self) -> tuple[int, int]:  # type: ignore[override]
        return int(self), self.spreadsheet_row

    def __str__(self) -> str:
        return f"{int(self)} (row {self.spreadsheet_row} in a spreadsheet)"


def line_of(line: int, spreadsheet_row: int) -> int:
    """Return the line of a row, with the row of a spreadsheet if that is another number."""
    return line if line == spreadsheet_row else Line(line, spreadsheet_row)


def named(row: int) -> str:
    """Name a row inside a sentence: `row 12`, or `line 12 (row 9 in a spreadsheet)`."""
    return f"{'line' if isinstance(row, Line) else 'row'} {row}"


def few_rows(rows: Sequence[int], most: int = 8) -> str:
    """Return the first of the rows: `2, 3, 4`, or `lines 2, 5, 7` if the rows of a spreadsheet differ."""
    differ = any(isinstance(row, Line) for row in rows)
    unit = f"line{'s' * (len(rows) > 1)} " if differ else ""
    return unit + first_few([str(int(row)) for row in rows], most)


def more_rows(rows: Sequence[int]) -> str:
    """Return ` (and 2 more rows: 220, 221)` for the other rows with an error; "" for none."""
    if not rows:
        return ""
    return f" (and {len(rows):,} more row{'s' * (len(rows) > 1)}: {few_rows(rows, 9)})"
