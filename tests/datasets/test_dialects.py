"""The dialects of tables: every table is read as it was written, or refused with one line that says what to do."""

import csv
import gzip
import io
import json
import re
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from minitf.datasets import packed, tables
from minitf.datasets.dataset import Dataset, read_table
from minitf.datasets.dialect import parse_delimiter
from minitf.errors import DataError, InputError
from minitf.fine_tuning.config import FineTuneConfig
from minitf.tasks.whole_text.inputs import open_table

PROPERTY = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)
CELL = st.text(st.sampled_from("\n\"',;|\t ab é中"), max_size=8)
ROWS = st.lists(st.tuples(CELL, st.sampled_from(["pos", "neg", "x y"])), min_size=2, max_size=6)
PLAIN = [("the film was good", "pos"), ("the food, was bad", "neg"), ("a book", "pos")]


def write(folder: Path, content: str | bytes, name: str = "t.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def rows(table: Dataset) -> list[tuple[str, str | None]]:
    return [(example.text, example.label) for example in table.examples]


def refusal(path: Path, **options: str) -> str:
    """The one line with which the table is refused, for training and for predictions alike."""
    with pytest.raises(DataError) as caught:
        read_table(path, **options)
    (line,) = str(caught.value).splitlines()
    assert line.startswith(str(path))
    return line.removeprefix(str(path))


def as_csv(content: list[tuple[str, str]], **dialect: object) -> str:
    out = io.StringIO(newline="")
    csv.writer(out, **dialect).writerows([("text", "label"), *content])
    return out.getvalue()


@PROPERTY
@given(
    content=ROWS,
    delimiter=st.sampled_from([",", ";", "|", "\t"]),
    quoting=st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
    space=st.booleans(),
    first=st.sampled_from(["", "sep=", "\ufeff"]),
    encoding=st.sampled_from(["utf-8", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]),
    packed=st.booleans(),
    named=st.booleans(),
)
def test_a_table_in_any_dialect_is_read_as_written_or_refused(
    tmp_path, content, delimiter, quoting, space, first, encoding, packed, named
):
    text = as_csv(content, delimiter=delimiter, quoting=quoting)
    if space and quoting == csv.QUOTE_ALL:
        text = re.sub(f'(?<="){re.escape(delimiter)}(?=")', f"{delimiter} ", text)
    text = (f"sep={delimiter}\r\n" if first == "sep=" else first) + text
    data = text.encode(encoding)
    path = write(tmp_path, gzip.compress(data) if packed else data, "t.csv.gz" if packed else "t.csv")
    options = {"delimiter": delimiter} if named else {}
    if encoding != "utf-8":
        assert "UTF-8" in refusal(path, **options)
        return
    if space and quoting == csv.QUOTE_ALL:
        assert "space before a quotation mark" in refusal(path, **options)
        return
    problem, found = "", None
    try:
        found = rows(read_table(path, **options))
    except DataError as error:
        problem = str(error)
    assert found == content or (not named and "set `delimiter` to" in problem), problem


@pytest.mark.parametrize("delimiter", [";", "|", "\t"])
def test_another_delimiter_is_recognized_by_the_header_and_all_first_rows(tmp_path, delimiter):
    assert rows(read_table(write(tmp_path, as_csv(PLAIN, delimiter=delimiter)))) == PLAIN
    table = open_table(write(tmp_path, as_csv(PLAIN, delimiter=delimiter)))
    assert [text for part in table.parts(2) for text in part[0]] == [text for text, _ in PLAIN]
    assert rows(read_table(write(tmp_path, as_csv(PLAIN), "t.tsv"))) == PLAIN  # commas in a .tsv


def test_a_delimiter_that_is_not_certain_is_not_guessed(tmp_path):
    path = write(tmp_path, "text;label\na;b;pos\nc;neg\n")
    assert "seem to be separated by ';', not by ',': set `delimiter` to semicolon, or to comma" in refusal(path)
    one = write(tmp_path, "text\nfine; but\na|b\n")
    assert [text for part in open_table(one).parts(9) for text in part[0]] == ["fine; but", "a|b"]
    assert rows(read_table(write(tmp_path, "text,label\na;b,x\nc|d|e,y\n"))) == [("a;b", "x"), ("c|d|e", "y")]


def test_a_delimiter_that_is_set(tmp_path):
    path = write(tmp_path, 'text:label\n"a:b":pos\n')
    assert rows(read_table(path, delimiter=":")) == [("a:b", "pos")]
    assert list(open_table(path, delimiter=":").parts(9)) == [(["a:b"], None)]
    quoted = write(tmp_path, '"text"\t"label"\n"a\tb"\t"pos"\n', "t.tsv")
    assert "set `delimiter` to tab" in refusal(quoted)
    assert rows(read_table(quoted, delimiter="tab")) == [("a\tb", "pos")]
    lines = write(tmp_path, '{"text": "a", "label": "b"}', "t.jsonl")
    assert "`delimiter` is for .csv and .tsv files" in refusal(lines, delimiter=";")
    assert [parse_delimiter(name) for name in (";", "Semicolon", r"\t", "tab", "bar", "§")] == [*";;\t\t|§"]
    for wrong in ("", '"', "ab", "a", "\n"):
        with pytest.raises(InputError, match="`delimiter` must be one character"):
            FineTuneConfig.of(train="t.csv", delimiter=wrong)
        for read in (read_table, open_table):
            with pytest.raises(InputError, match="`delimiter` must be one character"):
                read(path, delimiter=wrong)


def test_a_space_beside_a_quotation_mark(tmp_path):
    assert ":1: has a space before a quotation mark" in refusal(write(tmp_path, '"text", "label"\na,b\n'))
    assert ":3: has a space before" in refusal(write(tmp_path, 'text,label\na,b\nc, "d"\n'))
    assert ":2: has a space before" in refusal(write(tmp_path, 'id,text,label\n1, "c, d", "d"\n'))
    assert ":2: has a space after" in refusal(write(tmp_path, 'text,label\n"a" ,b\n'))
    kept = [(' "hi" he said, "', "x"), ("a, b", "y")]
    assert rows(read_table(write(tmp_path, as_csv(kept)))) == kept


@pytest.mark.parametrize("marks", ["''", "“”", "‘’", "«»"])
def test_other_quotation_marks(tmp_path, marks):
    left, right = marks
    quoted = "".join(f"{left}{text}{right},{left}{label}{right}\n" for text, label in (("a", "x"), ("b", "y")))
    assert "which are no quotation marks in a CSV" in refusal(write(tmp_path, "text,label\n" + quoted))
    quotations = [(f"{left}{text}{right}", label) for text, label in PLAIN]  # only the texts: they are kept
    assert rows(read_table(write(tmp_path, as_csv(quotations)))) == quotations


@pytest.mark.parametrize("name", ["t.csv", "t.csv.gz", "T.CSV.GZ"])
def test_gzip_by_content(tmp_path, name):
    content = as_csv(PLAIN).encode()
    for data in (content, gzip.compress(content), gzip.compress(content[:20]) + gzip.compress(content[20:])):
        table = read_table(write(tmp_path, data, name))
        assert rows(table) == PLAIN
        assert table.digest == read_table(write(tmp_path, content, "plain.csv")).digest
    lines = "".join(json.dumps({"text": text, "label": label}) + "\n" for text, label in PLAIN)
    assert rows(read_table(write(tmp_path, gzip.compress(lines.encode()), "t.jsonl.gz"))) == PLAIN


def test_a_damaged_or_huge_gzip_file(tmp_path, monkeypatch):
    whole = gzip.compress(as_csv(PLAIN).encode())
    for damaged in (whole[:-9], whole[:30], whole[:20] + b"xxx" + whole[23:], whole + b"more"):
        assert "gzip data are truncated or corrupt" in refusal(write(tmp_path, damaged, "t.csv.gz"))
    monkeypatch.setattr(packed, "ALWAYS_ALLOWED", 1 << 20)
    bomb = write(tmp_path, gzip.compress(b"text,label\n" + b"a" * (64 << 20)), "t.csv.gz")
    tracemalloc.start()
    assert "which is no table" in refusal(bomb)
    with pytest.raises(DataError, match="which is no table"):
        next(tables.stream(bomb))
    assert tracemalloc.get_traced_memory()[1] < 48 << 20
    tracemalloc.stop()


@pytest.mark.parametrize(
    ("head", "advice"),
    [
        (b"BZh91AY", "bunzip2"),
        (b"\xfd7zXZ\0\0", "unxz"),
        (b"\x28\xb5\x2f\xfd", "unzstd"),
        (b"PK\x03\x04\x14\0\0\0train.csv", "unzip"),
        (b"PK\x03\x04\x14\0\0\0[Content_Types].xml", "save its sheet as CSV"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "save its sheet as CSV"),
        (b"PAR1\x15\x04", "write the table as CSV"),
        (b"SQLite format 3\0", "write the table as CSV"),
        (b"\x80\x04\x95", "write the table as CSV"),
        (b"<!DOCTYPE html>", "is a web page"),
        (b"version https://git-lfs.github.com/spec/v1", "git lfs pull"),
        (b"\xff\xfet\0e\0x\0", "iconv -f UTF-16 -t UTF-8"),
        (b"t\0e\0x\0t\0,\0", "iconv -f UTF-16LE -t UTF-8"),
        (b"\0t\0e\0x\0t\0,", "iconv -f UTF-16BE -t UTF-8"),
        (b'{"text": "a", "label": "b"}\n', ".jsonl"),
    ],
)
@pytest.mark.parametrize("name", ["t.csv", "t.xlsx", "t.csv.gz"])
def test_other_formats_by_content(tmp_path, head, advice, name):
    is_text = head.startswith((b"{", b"t", b"\0"))
    name = "t.csv" if head.startswith(b"{") and name == "t.xlsx" else name
    line = refusal(write(tmp_path, head if is_text else head + b"\xff" * 40, name))
    assert advice in line
    assert "rename it to one of" not in line


def test_a_json_array(tmp_path):
    content = json.dumps([{"text": "a", "label": "b"}], indent=1)
    assert ":1: begins a JSON array; write one object per line" in refusal(write(tmp_path, content, "t.json"))
