"""Valid tables of every format and task, and an independent reader for each format.

A new format is a row of FORMATS.
"""

import csv
import dataclasses
import io
import json
import re
from collections.abc import Callable
from random import Random

THINGS = ("the film", "the food", "a hotel room", "the book", "café 中国", "it")
OPINIONS = {
    "good": ("was great", "was so good !", "we loved", "is not bad"),
    "bad": ("was awful", "is not good", "never again"),
}
FILLERS = ("", " , so very very", " - was it ?", ' "very"', " and a , b", " . the stars", " of 5", " é")

TABLES = ("classification", "pairs", "multilabel", "regression")

NO_WORD = ("# ", "#begin ", "#end ", "-DOCSTART-")  # beginnings of CoNLL lines without a word

Row = dict[str, object]  # column -> cell; a list is a set of labels
Rows = list[Row]
Read = list[tuple[str, str | None]]  # the text and second text of each row


@dataclasses.dataclass(frozen=True)
class Format:
    """How rows are written, and read without minitf; `read` is only for files that minitf accepted."""

    ending: str
    write: Callable[[Rows], bytes]
    read: Callable[[bytes, str, str | None], Read]
    tasks: tuple[str, ...] = TABLES


def rows(draw: Random, task: str, n: int) -> Rows:
    """Make `n` rows; each label occurs at least twice."""
    made: Rows = []
    for i in range(n):
        opinion = ("good", "bad")[i % 2]
        text = f"{draw.choice(THINGS)} {draw.choice(OPINIONS[opinion])}{draw.choice(FILLERS)} {i}"
        row: Row = {"text": text}
        if task == "qa":
            at = draw.randrange(len(text) - 3)
            made.append({"context": text, "question": f"{draw.choice(THINGS)} ?", "from": at, "to": at + 3})
            continue
        if task == "tagging":
            made.append({word: "BI"[n > 1] + "-THING" if n < 3 else "O" for n, word in enumerate(text.split())})
            continue
        if task == "pairs":
            row = {"sentence1": text, "sentence2": f"{draw.choice(THINGS)} was {draw.choice(('good', 'bad'))}"}
        if task == "multilabel":
            row["label"] = [[opinion], ["good", "bad"], [], [opinion, "odd"]][i // 2 % 4]
        elif task == "regression":
            row["label"] = round(draw.uniform(-1, 5), 2) if i % 5 else i % 3
        else:
            row["label"] = opinion
        made.append(row)
    return made


def _cell(value: object) -> str:
    return "|".join(map(str, value)) if isinstance(value, list) else str(value)


def write_csv(rows: Rows) -> bytes:
    out = io.StringIO()
    csv.writer(out).writerows([list(rows[0]), *([_cell(value) for value in row.values()] for row in rows)])
    return out.getvalue().encode()


def write_tsv(rows: Rows) -> bytes:
    lines = [list(rows[0]), *([_cell(value) for value in row.values()] for row in rows)]
    return "".join("\t".join(line) + "\n" for line in lines).encode()


def write_jsonl(rows: Rows) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def write_conll(rows: Rows) -> bytes:
    """Write each row as a sentence: its words and their tags."""
    separator = "\t" if len(rows) % 2 else " "
    return "\n".join("".join(f"{word}{separator}{tag}\n" for word, tag in row.items()) for row in rows).encode()


def write_squad(rows: Rows) -> bytes:
    """Write each row as a paragraph with two questions that have the same answer."""
    paragraphs = []
    for i, row in enumerate(rows):
        context, start, end = str(row["context"]), int(str(row["from"])), int(str(row["to"]))
        answer = {"text": context[start:end], "answer_start": start}
        questions = [{"id": f"{i}{n}", "question": f"{row['question']} {n}", "answers": [answer]} for n in "ab"]
        paragraphs.append({"context": context, "qas": questions})
    articles = [{"title": "", "paragraphs": paragraphs[i : i + 4]} for i in range(0, len(paragraphs), 4)]
    return json.dumps({"version": "1.1", "data": articles}, ensure_ascii=False).encode() + b"\n"


def read_csv(content: bytes, text: str, pair: str | None) -> Read:
    """Read RFC 4180 character by character, with another delimiter if the header has no comma."""
    records: list[list[str]] = []
    cells, cell, quoted, fresh, i = [], "", False, True, 0
    data, delimiter = _delimiter(content, ",")
    while i <= len(data):
        c = data[i] if i < len(data) else ""
        if quoted:
            if c == '"' and data[i + 1 : i + 2] == '"':
                cell, i = cell + c, i + 1
            elif c in ('"', ""):
                quoted = False
            else:
                cell += c
        elif c == '"' and fresh:
            quoted, fresh = True, False
        elif c == delimiter:
            cells, cell, fresh = [*cells, cell], "", True
        elif c in ("\r", "\n", ""):
            if cells or cell or not fresh:
                records.append([*cells, cell])
            cells, cell, fresh = [], "", True
            i += c == "\r" and data[i + 1 : i + 2] == "\n"
        else:
            cell, fresh = cell + c, False
        i += 1
    return _columns(records, text, pair)


def read_tsv(content: bytes, text: str, pair: str | None) -> Read:
    data, delimiter = _delimiter(content, "\t")
    if delimiter != "\t":
        return read_csv(content, text, pair)
    data = data.replace("\r\n", "\n").replace("\r", "\n")
    return _columns([line.split("\t") for line in data.split("\n") if line], text, pair)


def _delimiter(content: bytes, usual: str) -> tuple[str, str]:
    """Return the text without Excel's first line, and the delimiter that this line or the header has."""
    data = content.decode("utf-8").removeprefix("\ufeff")
    if named := re.match(r"sep=([^\r\n])(\r\n|\r|\n)", data):
        return data[named.end() :], named[1]
    header = re.split(r"[\r\n]", data.lstrip("\r\n"), maxsplit=1)[0]
    best = max(",;\t|", key=header.count)
    return data, best if usual not in header and best in header else usual


def _columns(records: list[list[str]], text: str, pair: str | None) -> Read:
    names = [name.strip() for name in records[0]]
    second = None if pair is None else names.index(pair)
    rows = [cells for cells in records[1:] if len(cells) == 1 or any(cell.strip() for cell in cells)]
    return [(cells[names.index(text)], None if second is None else cells[second]) for cells in rows]


def read_jsonl(content: bytes, text: str, pair: str | None) -> Read:
    data = content.decode("utf-8").removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    found = [json.loads(line) for line in data.split("\n") if line.strip()]
    return [(_to_text(record.get(text)), None if pair is None else _to_text(record.get(pair))) for record in found]


def read_conll(content: bytes, text: str, pair: str | None) -> Read:
    """Read words between blank lines, without the beginnings of documents and comments before a sentence."""
    data = content.decode("utf-8").removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    lines = data.split("\n")
    words = [line for line in lines if line.strip(" \t") and not line.startswith(NO_WORD)]
    tabs = 2 * sum("\t" in line for line in words) >= len(words)
    sentences: list[list[str]] = [[]]
    for line in lines:
        cells = line.split("\t") if tabs else line.replace("\t", " ").split(" ")
        cells = cells if tabs else [cell for cell in cells if cell]
        if not line.strip(" \t") or cells[0] == "-DOCSTART-":
            sentences.append([])
        elif len(cells) > 1 and not (not sentences[-1] and line.startswith("#") and line not in words):
            sentences[-1].append(cells[0].strip(" "))
    return [(" ".join(sentence), None) for sentence in sentences if sentence]


def read_squad(content: bytes, text: str, pair: str | None) -> Read:
    """Read SQuAD's JSON, or JSON lines, which may have the same ending."""
    try:
        articles = json.loads(content.decode("utf-8-sig"))["data"]
    except (json.JSONDecodeError, KeyError, TypeError):
        return read_jsonl(content, text, pair)
    paragraphs = [paragraph for article in articles for paragraph in article["paragraphs"]]
    return [(entry["question"], paragraph["context"]) for paragraph in paragraphs for entry in paragraph["qas"]]


def _to_text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value).removesuffix(".0")


FORMATS = {
    "csv": Format(".csv", write_csv, read_csv),
    "tsv": Format(".tsv", write_tsv, read_tsv),
    "jsonl": Format(".jsonl", write_jsonl, read_jsonl),
    "conll": Format(".conll", write_conll, read_conll, ("tagging",)),
    "squad": Format(".json", write_squad, read_squad, ("qa",)),
}


def other_format(draw: Random) -> bytes:
    """The content of a table of some format."""
    form = draw.choice(list(FORMATS.values()))
    return form.write(rows(draw, draw.choice(form.tasks), 9))
