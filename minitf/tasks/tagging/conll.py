"""Sentences in CoNLL columns: one word per line, its tag in the last column, a blank line between sentences.

Columns are separated by TABs or by spaces, the same in the whole file. `-DOCSTART-` lines and comments are skipped. A
comment is a line that begins with `#` before a sentence and has another number of columns than the words, or ends with
a tag that no other word has (`# id 3f2a domain=en` among lines like `word _ _ O`); so the word `#` with a tag is read.
The file is read twice, line by line: first to detect the layout, then for the words. So a file of any length fits in
memory. Only the standard library.
"""

import dataclasses
import hashlib
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar

from minitf.datasets.reading import ending, file_path, open_file, open_text
from minitf.datasets.table_writer import NOT_TEXT
from minitf.errors import DataError, InputError
from minitf.tasks.tagging.tags import have_prefixes

ENDINGS = (".conll", ".txt", ".bio", ".iob", ".iob1", ".iob2", ".bioes", ".ner", ".conll2003", ".conll03", ".conllu")
OTHER_FORMATS = (".csv", ".json", ".jsonl", ".ndjson", ".parquet", ".xlsx")  # a file with another ending is tried
DOCUMENT = "-DOCSTART-"
COMMENTS = ("# ", "#\t", "#begin ", "#end ")  # before a sentence
HEADERS = (  # the names of the first and the last column, in files that have a header although CoNLL has none
    ("word", "words", "token", "tokens", "text", "form"),
    ("tag", "tags", "label", "labels", "ner", "ner_tag", "ner_tags", "pos", "upos", "entity", "iob", "bio"),
)
MOST_TAGS = 10_000  # kept in memory to distinguish comments from words
_SPACES = re.compile("[ \t]+")
_NUMBER = re.compile(r"\d+([-.]\d+)?")  # of a word in CoNLL-U: 8, 8-9 or 8.1


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
    label_values: frozenset[str] = frozenset()  # the tags of the whole file, which a part of it may lack
    text_column: ClassVar[str] = "word"
    pair_column: ClassVar[None] = None
    label_column: ClassVar[str] = "tag"

    @property
    def texts(self) -> list[str]:
        return [sentence.text for sentence in self.examples]

    @property
    def all_tags(self) -> frozenset[str]:
        """The different tags of the whole file."""
        return self.label_values | {tag for sentence in self.examples for tag in sentence.tags or ()}


@dataclasses.dataclass(frozen=True)
class ConllLayout:
    """How a file separates its columns, their number, the file's digest, and the last cells of lines without `#`."""

    by_tab: bool
    columns: int
    digest: str
    tags: frozenset[str] = frozenset()

    def cells(self, line: str) -> list[str]:
        """Split a line; [] for a blank one."""
        if self.by_tab and line.strip(" \t"):
            return line.rstrip(" \t").split("\t")
        return [cell for cell in _SPACES.split(line) if cell]

    def is_comment(self, line: str, cells: Sequence[str]) -> bool:
        """Whether a line before a sentence is a comment; the word `#` has a tag that other words have, or the tag #."""
        if not may_be_comment(line):
            return False
        if len(cells) != self.columns:
            return True
        return self.columns > 1 and cells[-1] not in self.tags and cells[-1] != "#"


def may_be_comment(line: str) -> bool:
    """Whether a line begins like a comment."""
    return line.startswith(COMMENTS) or line.strip(" \t") == "#"


def read_tagged(path: str | os.PathLike[str], **columns: str | None) -> TaggedTable:
    """Read all sentences, with the tags in the last column. Raises DataError, with the row."""
    path = file_path(path)
    given = [name for name, column in columns.items() if column]
    if "delimiter" in given:
        raise InputError(f"`delimiter` is for .csv and .tsv files, {path} has TABs or spaces; leave it out")
    if given:
        raise InputError(f"`{given[0]}` names a column of a table; in {path} the first is the word, the last the tag")
    layout = read_layout(path)
    if layout.columns < 2:
        raise DataError(f"{path}: has one column; each line needs a word and its tag, separated by a TAB or a space")
    comments: list[tuple[int, str]] = []
    examples = tuple(sentences(path, layout, comments))
    if have_prefixes(sorted({word for sentence in examples for word in sentence.words})):
        raise DataError(f"{path}: its first column has the tags; write the word first, and the tag last")
    values = frozenset(tag for sentence in examples for tag in sentence.tags or ())
    return TaggedTable(path, examples, layout.digest, tuple(comments), values)


def read_layout(path: str | os.PathLike[str]) -> ConllLayout:
    """Detect the layout of most lines of a file. Raises DataError for a file that cannot be read."""
    if ending(file_path(path)) in OTHER_FORMATS:
        raise DataError(
            f"{path}: words with tags are read from CoNLL columns, one word per line ({', '.join(ENDINGS)})"
        )
    with open_file(Path(path)) as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    by_tab, by_space = ConllLayout(True, 0, ""), ConllLayout(False, 0, "")
    counts: dict[bool, Counter[int]] = {True: Counter(), False: Counter()}
    tags: dict[bool, set[str]] = {True: set(), False: set()}
    with_tab = n = counted = 0
    before = True  # no word of the sentence has been read
    for _, line in lines(path):
        cells = by_space.cells(line)
        begins, before = before, not cells or cells[0] == DOCUMENT or (before and may_be_comment(line))
        if not cells or cells[0] == DOCUMENT or (begins and may_be_comment(line)):
            continue
        n, with_tab, counted = n + 1, with_tab + ("\t" in line), counted + (_NUMBER.fullmatch(cells[0]) is not None)
        for layout in (by_tab, by_space):
            cells = layout.cells(line)
            counts[layout.by_tab][len(cells)] += 1
            if len(tags[layout.by_tab]) < MOST_TAGS:
                tags[layout.by_tab].add(cells[-1])
    if not n:
        raise DataError(
            f"{path}: has no words: write a word and its tag per line, and a blank line after each sentence"
        )
    tabs = 2 * with_tab >= n
    columns = counts[tabs].most_common(1)[0][0]
    if columns > 3 and counted == n:
        raise DataError(f"{path}: its first column counts the words (CoNLL-U); keep only the columns of word and tag")
    return ConllLayout(tabs, columns, digest, frozenset(tags[tabs]))


def sentences(
    path: str | os.PathLike[str], layout: ConllLayout, comments: list[tuple[int, str]] | None = None
) -> Iterator[Sentence]:
    """Yield the sentences of a file; add skipped comments to `comments`.

    Raises DataError for a header, and for a line with another number of columns or with an empty word or tag.
    """
    words: list[tuple[int, list[str]]] = []  # of the current sentence: row and cells
    first = True  # no word has been read
    for row, line in lines(path):
        cells = layout.cells(line)
        if not cells or cells[0] == DOCUMENT:
            if words:
                yield _sentence(words)
            words = []
        elif not words and layout.is_comment(line, cells):
            if comments is not None:
                comments.append((row, line))
        elif len(cells) != layout.columns:
            separators = "TABs" if layout.by_tab else "spaces"
            raise DataError(
                f"{path}:{row}: has {len(cells)} column{'s' * (len(cells) > 1)}, most lines have {layout.columns}:"
                f" write the same number, separated by {separators}, and one word per line"
            )
        else:
            if first and _is_header(cells):
                raise DataError(f"{path}:{row}: is a header, and CoNLL columns have none: delete the line")
            for name, cell in (("word", cells[0]), ("tag", cells[-1])):
                if not cell.strip(" "):
                    raise DataError(f"{path}:{row}: has no {name}: write one, or delete the line")
            words.append((row, cells))
            first = False
    if words:
        yield _sentence(words)


def _is_header(cells: Sequence[str]) -> bool:
    return len(cells) > 1 and cells[0].lower() in HEADERS[0] and cells[-1].lower() in HEADERS[1]


def cell(text: str, by_tab: bool = True) -> str:
    """Return a tag as a cell: CoNLL has no quoting, so white space becomes "_", and what is not text U+FFFD."""
    return NOT_TEXT.sub("\ufffd", re.sub("[\t\r\n]" if by_tab else "[\t\r\n ]", "_", text))


def _sentence(lines: list[tuple[int, list[str]]]) -> Sentence:
    words, tags = (tuple(cells[column].strip(" ") for _, cells in lines) for column in (0, -1))
    return Sentence(words, tags if len(lines[0][1]) > 1 else None, tuple(row for row, _ in lines))


def lines(path: str | os.PathLike[str]) -> Iterator[tuple[int, str]]:
    """Yield (number, text) of every line, numbered as in an editor. Raises DataError."""
    with open_text(Path(path)) as file:
        for row, line in enumerate(file, start=1):
            yield row, line.rstrip("\r\n")
