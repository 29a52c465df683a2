"""Texts for a language model: a text file, or a column of a table. Imports no torch."""

import dataclasses
import hashlib
import os
import re
from pathlib import Path

from minitf.datasets.checks import empty_cells, leakage
from minitf.datasets.dataset import Dataset, Example, Source, read_table
from minitf.datasets.findings import Finding
from minitf.datasets.reading import decode, ending, read_bytes
from minitf.errors import DataError
from minitf.tasks.whole_text.checks import given

TEXT_FILES = (".txt", ".text", ".md")
COLUMN = "text"  # the name of the only column of a text file


def read_texts(
    source: Source,
    text: str | None = None,
    pair: str | None = None,
    label: str | None = None,
    delimiter: str | None = None,
) -> Dataset:
    """Read the texts of a file, or of the column `text` of a table. Raises DataError.

    A text file has one column, `text`. An empty line is between two texts; in a file without
    empty lines each line is a text.
    """
    if isinstance(source, str | os.PathLike) and ending(source) in TEXT_FILES:
        return _read_file(os.fspath(source), delimiter)
    table = read_table(source, text, None, None, need_label=False, delimiter=delimiter)
    examples = tuple(dataclasses.replace(example, label=None, pair=None) for example in table.examples)
    return dataclasses.replace(
        table, examples=examples, pair_column=None, label_column=None, label_values=frozenset[str]()
    )


def _read_file(path: str, delimiter: str | None) -> Dataset:
    if delimiter is not None:
        raise DataError(f"{path}: `delimiter` is for .csv and .tsv files; leave it out")
    data = read_bytes(Path(path), TEXT_FILES)
    lines = re.split("\r\n|\r|\n", decode(path, data))
    paragraphs = any(not line.strip() for line in lines[:-1])
    examples: list[Example] = []
    for row, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        if paragraphs and row > 1 and lines[row - 2].strip() and examples:
            last = examples[-1]
            examples[-1] = dataclasses.replace(last, text=f"{last.text}\n{line}")
        else:
            examples.append(Example(line, None, None, row))
    if not examples:
        raise DataError(f"{path}: is empty: it has no text")
    return Dataset(path, tuple(examples), COLUMN, None, None, hashlib.sha256(data).hexdigest())


def check_texts(train: Dataset, valid: Dataset | None = None, test: Dataset | None = None) -> list[Finding]:
    """Return all findings in the tables, errors first."""
    all_tables = given(train, valid, test)
    errors = [message for table in all_tables for message in empty_cells_of(table)]
    if len(train.examples) < 2:
        errors.append(f"{train.path}: too few texts to train on ({len(train.examples)}): add some")
    pairs = [(a, b) for i, a in enumerate(all_tables) for b in all_tables[i + 1 :]]
    warnings = [message for earlier, later in pairs for message in leakage(earlier, later)]
    return [Finding("error", message) for message in errors] + [Finding("warning", message) for message in warnings]


def empty_cells_of(table: Dataset) -> list[str]:
    """Find empty texts."""
    return list(empty_cells(dataclasses.replace(table, label_column=""), label=False))


def describe(train: Dataset) -> str:
    """Return the number of characters of the training texts."""
    return f"{sum(map(len, train.texts)):,} characters"
