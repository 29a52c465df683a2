"""Sentences in CoNLL columns: one word per line, its tag in the last column, a blank line between sentences.

Columns are separated by TABs or by spaces, the same in the whole file. `-DOCSTART-` lines and comments are skipped. The
file is read twice, line by line: first to detect the layout, then for the words. So a file of any length fits in
memory. Only the standard library.
"""

import dataclasses
import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

from minitf.datasets.reading import open_file, open_text
from minitf.datasets.table_writer import NOT_TEXT
from minitf.errors import DataError, InputError

ENDINGS = (".conll", ".txt", ".bio", ".iob", ".iob1", ".iob2", ".bioes", ".ner", ".conll2003", ".conll03")
OTHER_FORMATS = (".csv", ".json", ".jsonl", ".ndjson", ".parquet", ".xlsx")  # a file with another ending is tried
DOCUMENT = "-DOCSTART-"
COMMENTS = ("# ", "#begin ", "#end ")  # before a sentence
_SPACES = re.compile("[ \t]+")


@dataclasses.dataclass(frozen=True)
class Sentence:
    """Words and their tags (None in a file without tags). `rows` are the lines of the words."""

    words: tuple[str, ...]
    tags: tuple[str, ...] | None
    rows: tuple[int, ...]

    @property
    def row(self) -> int:
        """The line of the first word."""
        return self.rows[0]

    @property
    def text(self) -> str:
        return " ".join(self.words)


@dataclasses.dataclass(frozen=True)
class TaggedTable:
    """A file, or a part of one. `path` is for messages, `digest` the SHA-256 of the whole file."""

    path: str
    examples: tuple[Sentence, ...]
    digest: str
    comments: tuple[tuple[int, str], ...] = ()  # (row, line) of the lines that were skipped as comments
    text_column: ClassVar[str] = "word"
    pair_column: ClassVar[None] = None
    label_column: ClassVar[str] = "tag"

    @property
    def texts(self) -> list[str]:
        return [sentence.text for sentence in self.examples]


@dataclasses.dataclass(frozen=True)
class ConllLayout:
    """How a file separates its columns, their number, and the file's digest."""

    by_tab: bool
    columns: int
    digest: str

    def cells(self, line: str) -> list[str]:
        """Split a line; [] for a blank one."""
        if self.by_tab and line.strip(" \t"):
            return line.split("\t")
        return [cell for cell in _SPACES.split(line) if cell]


def read_tagged(path: str | os.PathLike[str], **columns: str | None) -> TaggedTable:
    """Read all sentences, with the tags in the last column. Raises DataError, with the row."""
    given = [name for name, column in columns.items() if column]
    if given:
        raise InputError(f"`{given[0]}` names a column of a table; in {path} the first is the word, the last the tag")
    layout = read_layout(path)
    if layout.columns < 2:
        raise DataError(f"{path}: has one column; each line needs a word and its tag, separated by a TAB or a space")
    comments: list[tuple[int, str]] = []
    examples = tuple(sentences(path, layout, comments))
    if layout.columns > 3 and all(_is_numbered(sentence) for sentence in examples):
        raise DataError(f"{path}: its first column counts the words (CoNLL-U); keep only the columns of word and tag")
    return TaggedTable(os.fspath(path), examples, layout.digest, tuple(comments))


def read_layout(path: str | os.PathLike[str]) -> ConllLayout:
    """Detect the layout of most lines of a file. Raises DataError for a file that cannot be read."""
    if Path(path).suffix.lower() in OTHER_FORMATS:
        raise DataError(
            f"{path}: words with tags are read from CoNLL columns, one word per line ({', '.join(ENDINGS)})"
        )
    with open_file(Path(path)) as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    by_tab, by_space = ConllLayout(True, 0, ""), ConllLayout(False, 0, "")
    counts: dict[bool, Counter[int]] = {True: Counter(), False: Counter()}
    with_tab = n = 0
    for _, line in lines(path):
        cells = by_space.cells(line)
        if cells and cells[0] != DOCUMENT and not line.startswith(COMMENTS):
            n, with_tab = n + 1, with_tab + ("\t" in line)
            counts[False][len(cells)] += 1
            counts[True][len(by_tab.cells(line))] += 1
    if not n:
        raise DataError(
            f"{path}: has no words: write a word and its tag per line, and a blank line after each sentence"
        )
    tabs = 2 * with_tab >= n
    return ConllLayout(tabs, counts[tabs].most_common(1)[0][0], digest)


def sentences(
    path: str | os.PathLike[str], layout: ConllLayout, comments: list[tuple[int, str]] | None = None
) -> Iterator[Sentence]:
    """Yield the sentences of a file; add skipped comments to `comments`.

    Raises DataError for a line with more or fewer columns than the others, or with an empty word or tag.
    """
    words: list[tuple[int, list[str]]] = []  # of the current sentence: row and cells
    for row, line in lines(path):
        cells = layout.cells(line)
        if not cells or cells[0] == DOCUMENT:
            if words:
                yield _sentence(words)
            words = []
        # The word may also be "#": such a line has as many columns as the others.
        elif not words and line.startswith(COMMENTS) and len(cells) != layout.columns:
            if comments is not None:
                comments.append((row, line))
        elif len(cells) != layout.columns:
            separators = "TABs" if layout.by_tab else "spaces"
            raise DataError(
                f"{path}:{row}: has {len(cells)} column{'s' * (len(cells) > 1)}, most lines have {layout.columns}:"
                f" write the same number, separated by {separators}"
            )
        else:
            for name, cell in (("word", cells[0]), ("tag", cells[-1])):
                if not cell.strip(" "):
                    raise DataError(f"{path}:{row}: has no {name}: write one, or delete the line")
            words.append((row, cells))
    if words:
        yield _sentence(words)


def cell(text: str, by_tab: bool = True) -> str:
    """Return a tag as a cell: CoNLL has no quoting, so white space becomes "_", and what is not text U+FFFD."""
    return NOT_TEXT.sub("\ufffd", re.sub("[\t\r\n]" if by_tab else "[\t\r\n ]", "_", text))


def _sentence(lines: list[tuple[int, list[str]]]) -> Sentence:
    words, tags = (tuple(cells[column].strip(" ") for _, cells in lines) for column in (0, -1))
    return Sentence(words, tags if len(lines[0][1]) > 1 else None, tuple(row for row, _ in lines))


def _is_numbered(sentence: Sentence) -> bool:
    return sentence.words == tuple(str(i) for i in range(1, len(sentence.words) + 1))


def lines(path: str | os.PathLike[str]) -> Iterator[tuple[int, str]]:
    """Yield (number, text) of every line, numbered as in an editor. Raises DataError."""
    with open_text(Path(path)) as file:
        for row, line in enumerate(file, start=1):
            yield row, line.rstrip("\r\n")
