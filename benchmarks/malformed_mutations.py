"""Mutations of a table in any format: bytes, lines, cells, JSON values; and the test cases made with them."""

import dataclasses
import gzip
import json
import re
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from benchmarks.malformed_tables import FORMATS, TABLES, Format, other_format, rows

Mutation = Callable[[Random, bytes], bytes]
STRANGE = (
    *("\0", "\ud800", "\u2028", "\x85", "\x0b", "\x0c", "\x1c", "\ufeff", "\u202e", "\u00a0", "\u200b", "e\u0301"),
    *("\t", "\r", "\n", " ", "|", "||", "a|b", '"', '""', "'", "\\", "\\ud800", "{", "[", "]", "{}", "%s", "🏳️‍🌈"),
    *("null", "true", "NaN", "Infinity", "1e999", "-0", "1_000", "١٢", "0x10", "9" * 400, "x" * 3000, "=1+1"),
    *("[MASK]", "[SEP]", "<script>", "../x"),
)
LINE_ENDS = (b"\r\n", b"\r", b"\n\r", b"\n\n", b" ")
BLANKS = (b"\n", b"  \n", b"\r\n", b"\t\n", b",\n")
EMPTY = (b"", b"\n", b" ", b"\xef\xbb\xbf", b"\0", b"{}", b"[]", b'""', b"null\n")
ENCODINGS = ("utf-16", "utf-16-le", "utf-16-be", "utf-8-sig", "latin-1", "utf-32", "cp1252")
DELIMITERS = (b";", b"|", b"\t", b", ", b" ,", b",")
MARKS = ((b'"', b'"'), (b"'", b"'"), ("“".encode(), "”".encode()))
MAGIC = (
    b"PK\x03\x04",
    b"BZh9",
    b"\xfd7zXZ\0",
    b"\x1f\x8b\x08",
    b"PAR1",
    b"\xd0\xcf\x11\xe0",
    b"%PDF-",
    b"sep=;\r\n",
    b"#\n",
)
# Cells of labels: vectors, lists as text, other separators, and other spellings of good and bad.
LABEL_CELLS = (
    *("[1, 0, 1]", "1 0 0", "1;0", "['good', 'bad']", "['good' 'bad']", "('good',)", "[]", "good,bad", "good; bad"),
    *(
        "Good",
        "good\u200b",
        "\uff47ood",
        "go\u006fd\u0301",
        "'good'",
        "\u00a0good",
        "1.0",
        "01",
        "good|good",
        "B-THING ",
    ),
)
VALUES: tuple[object, ...] = (
    *(None, True, 0, -1.5, 1e308, 10**400, "", " "),
    *([], {}, ["a"], [None], [["a"]], {"a": 1}),
)


def _lines(content: bytes) -> list[bytes]:
    return content.splitlines(keepends=True)


def _of_a_line(change: Callable[[Random, list[bytes], int], Sequence[bytes]]) -> Mutation:
    """A mutation of one line; `change` returns the lines that replace it."""

    def mutate(draw: Random, content: bytes) -> bytes:
        lines = _lines(content)
        if not lines:
            return content
        i = draw.randrange(len(lines))
        return b"".join([*lines[:i], *change(draw, lines, i), *lines[i + 1 :]])

    return mutate


def _strange_text(draw: Random, lines: list[bytes], i: int) -> Sequence[bytes]:
    """Insert a strange text, or replace a cell by one."""
    strange = draw.choice(STRANGE).encode("utf-8", errors="surrogatepass")
    line = lines[i]
    if draw.random() < 0.5:
        at = draw.randrange(len(line) + 1)
        return [line[:at] + strange + line[at:]]
    separator = draw.choice((b",", b"\t", b'"', b" ", b":"))
    cells = line.rstrip(b"\r\n").split(separator)
    cells[draw.randrange(len(cells))] = draw.choice((b"", strange))
    return [separator.join(cells) + b"\n"]


def _bytes(draw: Random, content: bytes) -> bytes:
    """Change, delete, double or insert a few bytes."""
    data = bytearray(content)
    for _ in range(draw.choice((1, 1, 2, 8))):
        at, n = draw.randrange(len(data) + 1), draw.choice((1, 1, 2, 7))
        new = draw.choice((b"", draw.randbytes(n), bytes(data[at : at + 4 * n]) * 2))
        data[at : at + draw.choice((0, n))] = new
    return bytes(data)


def _header(draw: Random, content: bytes) -> bytes:
    """Change or delete the column names."""
    first, *rest = _lines(content) or [b""]
    change = draw.choice((b"", b"label", b"text", b"x", b"text,text", b"TEXT", b"\xef\xbb\xbftext", b" text "))
    new = draw.choice((b"", change + b"\n", first.replace(b"text", change), first.replace(b"label", change)))
    return new + b"".join(rest)


def _json(draw: Random, lines: list[bytes], i: int) -> Sequence[bytes]:
    """Change a JSON object somewhere; a line that is not an object does not change."""
    try:
        record = json.loads(lines[i])
        node = _some_object(draw, record)
        key = draw.choice(list(node))
    except (ValueError, TypeError, IndexError, AttributeError, RecursionError):  # no object, or an empty one
        return [lines[i]]
    deep = "[" * 3000 + "]" * 3000
    match draw.randrange(5):
        case 0:
            node[key] = draw.choice(VALUES)
        case 1:
            del node[key]
        case 2:
            node[draw.choice(("new", key.upper(), ""))] = node.pop(key)
        case 3:
            return [lines[i].rstrip()[:-1] + b', "' + key.encode() + b'": 1}\n']
        case 4:
            more = draw.choice((deep, "NaN", "1e999", '"\\ud800"')).encode()
            return [lines[i].rstrip()[:-1] + b', "more": ' + more + b"}\n"]
    return [json.dumps(record, ensure_ascii=draw.random() < 0.5).encode("utf-8", errors="surrogatepass") + b"\n"]


def _some_object(draw: Random, record: dict[str, Any]) -> dict[str, Any]:
    """The object itself, or one inside it."""
    inside = [value for value in record.values() if isinstance(value, list) and value and isinstance(value[0], dict)]
    return _some_object(draw, draw.choice(draw.choice(inside))) if inside and draw.random() < 0.8 else record


def _split_line(draw: Random, lines: list[bytes], i: int) -> Sequence[bytes]:
    half = len(lines[i]) // 2
    return [lines[i][:half], b"\n", lines[i][half:]]


def _one_text(draw: Random, content: bytes) -> bytes:
    lines = _lines(content)
    return b"".join([*lines[:1], *(lines[1:2] * draw.randrange(1, 30))])


def _dialect(draw: Random, content: bytes) -> bytes:
    """Write a CSV or TSV with another delimiter, with a mark around each cell, or with Excel's first line."""
    delimiter, (left, right) = draw.choice(DELIMITERS), draw.choice(((b"", b""), *MARKS))
    lines = []
    for line in _lines(content):
        cells = re.split(rb"[,\t]", line.rstrip(b"\r\n"))
        lines.append(delimiter.join(left + cell + right for cell in cells) + b"\n")
    return draw.choice((b"", b"", b"sep=" + delimiter + b"\n")) + b"".join(lines)


def _gzip(draw: Random, content: bytes) -> bytes:
    """Compress a file, sometimes damaged."""
    packed = gzip.compress(content, mtime=0)
    return draw.choice((packed, packed, packed[: draw.randrange(len(packed))], _bytes(draw, packed)))


def _label_cells(draw: Random, content: bytes) -> bytes:
    """Replace labels in one or in every row."""
    new = draw.choice(LABEL_CELLS).encode()
    return content.replace(draw.choice((b"good", b"bad", b"B-THING", b"O\n")), new, draw.choice((1, 3, -1)))


def _comments(draw: Random, content: bytes) -> bytes:
    """Put a comment before each sentence or row."""
    comment = draw.choice((b"# id 3f2a\tdomain=en\n", b"# id\n", b"#\n", b"# text = it was\n", b"-DOCSTART- -X- O\n"))
    return comment + content.replace(b"\n\n", b"\n\n" + comment)


def _separators(draw: Random, content: bytes) -> bytes:
    return content.replace(draw.choice((b",", b"\t", b":")), draw.choice((b";", b"\t", b", ")))


MUTATIONS: dict[str, Mutation] = {
    "nothing": lambda draw, content: content,
    "bytes": _bytes,
    "in a line": _of_a_line(_strange_text),
    "in an object": _of_a_line(_json),
    "header": _header,
    "line deleted": _of_a_line(lambda draw, lines, i: []),
    "line doubled": _of_a_line(lambda draw, lines, i: [lines[i], lines[i]]),
    "line replaced": _of_a_line(lambda draw, lines, i: [draw.choice(lines)]),
    "line split": _of_a_line(_split_line),
    "blank lines": _of_a_line(lambda draw, lines, i: [lines[i], draw.choice(BLANKS)]),
    "truncated": lambda draw, content: content[: draw.randrange(len(content) + 1)],
    "line ends": lambda draw, content: content.replace(b"\n", draw.choice(LINE_ENDS)),
    "separators": _separators,
    "encoding": lambda draw, content: content.decode("utf-8", "replace").encode(draw.choice(ENCODINGS), "replace"),
    "dialect": _dialect,
    "gzip": _gzip,
    "labels": _label_cells,
    "comments": _comments,
    "beginning of another format": lambda draw, content: draw.choice(MAGIC) + content,
    "few rows": lambda draw, content: b"".join(_lines(content)[: draw.randrange(5)]),
    "one text": _one_text,
    "empty": lambda draw, content: draw.choice(EMPTY),
    "other format": lambda draw, content: other_format(draw),
}


@dataclasses.dataclass(frozen=True)
class Case:
    """Files by name, one of them mutated, and the flags that name them."""

    kind: str  # format and task
    how: tuple[str, ...]  # the mutations
    files: dict[str, bytes]
    mutated: str
    flags: tuple[str, ...]
    format: Format


def case(seed: str, number: int) -> Case:
    """The case of this seed and number, always the same."""
    draw = Random(f"malformed/{seed}/{number}")
    name = draw.choice(list(FORMATS))
    form = FORMATS[name]
    task = draw.choice(form.tasks)
    parts = draw.choice((("train",), ("train", "valid"), ("train", "valid", "test")))
    files = {f"{part}{form.ending}": form.write(rows(draw, task, 24 if part == "train" else 9)) for part in parts}
    mutated = draw.choice(list(files))
    how = tuple(draw.choice(list(MUTATIONS)) for _ in range(draw.choice((1, 1, 1, 2, 3))))
    content = files[mutated]
    for mutation in how:
        content = MUTATIONS[mutation](draw, content)
    files[mutated] = content
    named = "classification" if task == "pairs" else task
    columns = form.tasks == TABLES
    flags = [x for part in parts for x in (f"--{part}", f"{part}{form.ending}")]
    flags += ["--task", draw.choice(("auto", named))]
    if draw.random() < 0.3 and columns and task != "pairs":
        flags += ["--text", "text", "--label", "label"]
    if draw.random() < 0.2 and columns and task != "pairs":
        flags += ["--long-text", draw.choice(("windows", "head-tail"))]
    if draw.random() < 0.2 and columns:
        flags += ["--augment", "delete=0.2,swap=0.2"]
    return Case(f"{name}, {task}", how, files, mutated, tuple(flags), form)
