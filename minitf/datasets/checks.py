"""Checks of a table that are the same for all tasks on whole texts: empty cells, duplicates, and leakage.

Each check yields messages: what is wrong, in which row, and what to do. Nothing is corrected here.
"""

from collections.abc import Iterable, Iterator, Mapping

from minitf.datasets.dataset import Dataset, Example
from minitf.datasets.findings import list_rows, location
from minitf.datasets.lines import named
from minitf.datasets.strings import is_number, shorten


def empty_cells(table: Dataset, label: bool = True) -> Iterator[str]:
    """Find empty texts and, with `label`, empty labels."""
    if table.label_column is None:
        yield f"{table.path}: no column is known to be the label: name it with `label`"
    columns = {table.text_column: table.texts, table.pair_column: table.pairs}
    if label:
        columns[table.label_column] = table.labels
    for column, values in columns.items():
        rows = [example for example, value in zip(table.examples, values or [], strict=False) if not value.strip()]
        if rows:
            yield f"{location(table, rows)}: column {column!r} is empty: fill it in, or delete the row{list_rows(rows)}"


def empty_rows(tables: Iterable[Dataset]) -> Iterator[str]:
    """Name the rows that were skipped because all their cells are empty; parts of one table count once."""
    for path, skipped in {table.path: table.skipped for table in tables if table.skipped}.items():
        yield f"{path}:{skipped[0]}: {skipped_rows(len(skipped))}"


def skipped_rows(count: int) -> str:
    """Say that rows were skipped."""
    return f"{count:,} row{'s' * (count > 1)} without any content {'are' if count > 1 else 'is'} skipped"


# How pandas, R, Excel and databases write a missing value. In a column of labels also the marks of SNLI and others.
MISSING = frozenset(("NA", "N/A", "n/a", "<NA>", "#N/A", "#NA", "nan", "NaN", "NaT", "null", "NULL", "None", "\\N"))
DELIMITERS = (",", ";", "\t", "|")
ROWS_IN_TEXT = 2  # lines that look like rows; with fewer, they may be a text
MISSING_LABELS = MISSING | {"-", "--", "?"}


def missing_values(table: Dataset) -> Iterator[str]:
    """Find texts and labels that are probably missing values: NA, nan, null; -1 beside the classes 0, 1, 2, …."""
    columns: Mapping[str | None, list[str] | None] = {
        table.text_column: table.texts,
        table.pair_column: table.pairs,
        table.label_column: table.labels,
    }
    others = {label for label in table.all_labels if label != "-1"}
    unlabelled = {"-1"} if len(others) > 2 and others == set(map(str, range(len(others)))) else set()
    for column, values in columns.items():
        marks = MISSING_LABELS | unlabelled if column == table.label_column else MISSING
        rows = [example for example, value in zip(table.examples, values or [], strict=False) if value.strip() in marks]
        if rows:
            value = next(value for value in values or () if value.strip() in marks).strip()
            yield (
                f"{location(table, rows)}: column {column!r} has {value!r}, probably a missing value: if it is one,"
                f" delete the row{list_rows(rows)}"
            )


def numbers_as_texts(table: Dataset) -> Iterator[str]:
    """Find a column of texts that has only numbers, such as ids."""
    if len(table.texts) > 1 and all(map(is_number, table.texts)):
        yield f"{table.path}: column {table.text_column!r} has only numbers: name the column of the text with `text`"


def rows_in_texts(table: Dataset) -> Iterator[str]:
    """Find texts of many lines that are probably rows of the table, because a quotation mark is missing or too much."""
    labels = table.all_labels

    def is_row(line: str) -> bool:
        return any(cell.strip(' "') in labels for c in DELIMITERS if c in line for cell in line.split(c))

    def has_rows(text: str) -> bool:
        lines = text.splitlines()
        return len(lines) > ROWS_IN_TEXT and (all(map(is_row, lines[1:])) or all(map(is_row, lines[:-1])))

    rows = [example for example in table.examples if "\n" in example.text and has_rows(example.text)]
    if rows:
        n = len(rows[0].text.splitlines())
        yield (
            f"{location(table, rows)}: column {table.text_column!r} has {n} lines that look like rows of the table:"
            f" correct the quotation marks{list_rows(rows)}"
        )


def other_columns(train: Dataset, later: Dataset) -> Iterator[str]:
    """Find a table of single texts beside one of pairs."""
    if (train.pair_column is None) != (later.pair_column is None):
        both = [f"{table.path} has {_columns_of_text(table)}" for table in (train, later)]
        yield f"{' and '.join(both)}: all tables need pairs, or none: name the columns with `text` and `pair`"


def _columns_of_text(table: Dataset) -> str:
    if table.pair_column is None:
        return f"single texts ({table.text_column!r})"
    return f"pairs of texts ({table.text_column!r}, {table.pair_column!r})"


def duplicates(train: Dataset) -> Iterator[str]:
    """Find rows whose text (and pair) occurs in an earlier row, with the same label or with another one."""
    first: dict[tuple[str, str | None], dict[str | None, Example]] = {}
    repeated, contradicting = [], []
    for example in train.examples:
        by_label = first.setdefault((example.text, example.pair), {})
        if example.label in by_label:
            repeated.append(example)
        elif by_label:
            contradicting.append(example)
        by_label.setdefault(example.label, example)
    if repeated:
        yield f"{location(train, repeated)}: repeats an earlier row, so it counts twice: delete it{list_rows(repeated)}"
    if contradicting:
        one = contradicting[0]
        other = next(iter(first[one.text, one.pair].values()))
        yield (
            f"{location(train, contradicting)}: the same text is {shorten(one.label)} here and"
            f" {shorten(other.label)} in {named(other.row)}: keep one label{list_rows(contradicting)}"
        )


def leakage(earlier: Dataset, later: Dataset) -> Iterator[str]:
    """Find rows of `later`, a validation or test table, whose text (and pair) is also in `earlier`."""
    known = {(example.text, example.pair) for example in earlier.examples}
    rows = [example for example in later.examples if (example.text, example.pair) in known]
    if rows:
        yield (
            f"{location(later, rows)}: the same text is in {earlier.path}, which makes the score too high: delete it"
            f" from one of them{list_rows(rows)}"
        )
