"""Tables read as they were written, every mistake told by row and column, and the split a fair partition."""

import ast
import csv
import dataclasses
import hashlib
import io
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import minitf.datasets.dataset
from minitf.datasets.dataset import Dataset, Example, read_table
from minitf.datasets.held_out import divide
from minitf.datasets.split import split
from minitf.errors import DataError, InputError

# Any characters but NUL, which a table may not hold; white space and every kind of line end are likely ones.
CHARACTERS = st.characters(codec="utf-8", exclude_characters="\0")
TEXT = st.text(st.one_of(st.sampled_from("\n\r\t\",'\\ ab\x85\u2028"), CHARACTERS))


def is_label(text: str) -> bool:
    """Whether a text can be read as one label: it does not begin like a list, a JSON object or nothing."""
    return text[:1] not in ("", "[", "(", "{")


LABEL = st.text(CHARACTERS).map(str.strip).filter(is_label)
LINE = st.text(
    st.one_of(st.sampled_from("\",'\\ ab\x85\u2028"), st.characters(codec="utf-8", exclude_characters="\0\t\r\n"))
)
ROWS = st.lists(st.tuples(TEXT, TEXT, LABEL), min_size=1, max_size=8)
one_folder = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=150)


def write(tmp_path: Path, name: str, content: str | bytes) -> Path:
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def message(path: str | Path, *columns: str | None, **options: bool) -> str:
    """The one line that reading is refused with."""
    with pytest.raises(DataError) as caught:
        read_table(path, *columns, **options)
    (line,) = str(caught.value).splitlines()
    assert line.startswith(str(path))
    return line.removeprefix(str(path))


def rows(table: Dataset) -> list[tuple[str, str | None, str | None]]:
    return [(example.text, example.pair, example.label) for example in table.examples]


def dataset(*examples: tuple[str, str | None], pair: str | None = None) -> Dataset:
    filled = tuple(Example(text, pair, label, row) for row, (text, label) in enumerate(examples, start=2))
    return Dataset("t.csv", filled, "text", pair and "pair", "label", "0" * 64)


# What is read


def test_csv(tmp_path: Path) -> None:
    content = 'text,label,note\nplain,pos,x\n"two\nlines, ""quoted""", neg ,\n\n  kept  ,pos,z\n'
    path = write(tmp_path, "a.csv", content)
    table = read_table(path)
    assert table.examples == (
        Example("plain", None, "pos", 2),
        Example('two\nlines, "quoted"', None, "neg", 3),
        Example("  kept  ", None, "pos", 6),
    )
    assert (table.path, table.text_column, table.pair_column, table.label_column) == (str(path), "text", None, "label")
    assert table.digest == hashlib.sha256(content.encode()).hexdigest()
    assert table.texts == ["plain", 'two\nlines, "quoted"', "  kept  "]
    assert table.pairs is None
    assert table.labels == ["pos", "neg", "pos"]


def test_tsv_has_no_quoting(tmp_path: Path) -> None:
    path = write(tmp_path, "a.tsv", 'sentence\tlabel\n"a quote\t1\nb" c, ""d\t0\n')
    assert rows(read_table(path)) == [('"a quote', None, "1"), ('b" c, ""d', None, "0")]


def test_json_lines(tmp_path: Path) -> None:
    content = '{"text": "a\\nb", "label": 1}\n\n{"label": true, "text": null, "more": [1]}\n'
    table = read_table(write(tmp_path, "a.jsonl", content))
    assert table.examples == (Example("a\nb", None, "1", 1), Example("", None, "true", 3))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("3", "3"),
        ("-2.50", "-2.5"),
        ("1.0", "1"),
        ("1e3", "1000"),
        ("0.1", "0.1"),
        ("1e-7", "1e-07"),
        ("false", "false"),
        ('" x "', "x"),
        ("12345678901234567890", "12345678901234567890"),
    ],
)
def test_json_values_read_as_their_shortest_text(tmp_path: Path, value: str, text: str) -> None:
    assert read_table(write(tmp_path, "a.json", f'{{"text": "a", "label": {value}}}')).labels == [text]


@pytest.mark.parametrize("name", ["a.csv", "a.CSV", "a.tsv", "a.jsonl", "a.ndjson", "a.json"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("bom", ["", "\ufeff"])
def test_byte_order_mark_and_line_ends(tmp_path: Path, name: str, end: str, bom: str) -> None:
    delimiter = "\t" if name.endswith("tsv") else ","
    is_json = "j" in name
    lines = ['{"text": "é\u2028\x85", "label": "x"}'] if is_json else ["text,label", "é\u2028\x85,x"]
    content = bom + end.join([*lines, ""]).replace(",", "," if is_json else delimiter)
    table = read_table(write(tmp_path, name, content))
    assert table.examples == (Example("é\u2028\x85", None, "x", len(lines)),)


def test_texts_of_megabytes_and_the_limit_of_csv_left_as_it_was(tmp_path: Path) -> None:
    before = csv.field_size_limit()
    long = "word " * 600_000
    assert read_table(write(tmp_path, "a.csv", f"text,label\n{long},x\n")).texts == [long]
    assert read_table(write(tmp_path, "a.tsv", f"text\tlabel\n{long}\tx\n")).texts == [long]
    with pytest.raises(DataError):
        read_table(write(tmp_path, "a.csv", 'text,label\n"open,x\n'))
    assert csv.field_size_limit() == before


@one_folder
@given(ROWS, st.sampled_from(["excel", "unix"]))
def test_whatever_csv_writes_reads_back(tmp_path: Path, table: list[tuple[str, str, str]], dialect: str) -> None:
    written = io.StringIO(newline="")
    writer = csv.writer(written, dialect)
    writer.writerows([("label", "one", "other"), *((label, one, other) for one, other, label in table)])
    assert rows(read_table(write(tmp_path, "a.csv", written.getvalue()), "one", "other")) == table


@one_folder
@given(ROWS, st.booleans())
def test_whatever_json_writes_reads_back(tmp_path: Path, table: list[tuple[str, str, str]], ascii_only: bool) -> None:
    lines = [dict(zip(("one", "other", "label"), row, strict=True)) for row in table]
    content = "\n".join(json.dumps(line, ensure_ascii=ascii_only) for line in lines)
    read = read_table(write(tmp_path, "a.jsonl", content), "one", "other")
    assert rows(read) == table
    assert [example.row for example in read.examples] == list(range(1, len(table) + 1))


@one_folder
@given(st.lists(st.tuples(LINE, LINE, LINE.map(str.strip).filter(is_label)), min_size=1, max_size=8))
def test_a_tsv_is_what_its_tabs_cut(tmp_path: Path, table: list[tuple[str, str, str]]) -> None:
    content = "".join("\t".join(row) + "\n" for row in [("one", "other", "label"), *table])
    assert rows(read_table(write(tmp_path, "a.tsv", content), "one", "other")) == table


@one_folder
@given(ROWS)
def test_a_row_is_the_line_on_which_its_record_starts(tmp_path: Path, table: list[tuple[str, str, str]]) -> None:
    pieces = ["text,label\r\n"]
    for text, _, _ in table:
        written = io.StringIO(newline="")
        csv.writer(written).writerow((text, "x"))
        pieces.append(written.getvalue())
    read = read_table(write(tmp_path, "a.csv", "".join(pieces)))
    # Counted the slow way: line ends in all that was written before.
    before = ["".join(pieces[: i + 1]) for i in range(len(table))]
    starts = [
        1 + b.count("\r\n") + b.replace("\r\n", "").count("\n") + b.replace("\r\n", "").count("\r") for b in before
    ]
    assert [example.row for example in read.examples] == starts


# Which columns


@pytest.mark.parametrize(
    ("header", "columns"),
    [
        ("text,label", ("text", None, "label")),
        ("id,Review,Sentiment", ("Review", None, "Sentiment")),
        ("label, content ", ("content", None, "label")),
        ("sentence1,label", ("sentence1", None, "label")),
        ("index,sentence1,sentence2,score", ("sentence1", "sentence2", "score")),
        ("Premise,Hypothesis,gold_label", ("Premise", "Hypothesis", "gold_label")),
        ("question,sentence,label", ("question", "sentence", "label")),
        ("text_b,text_a,class", ("text_a", "text_b", "class")),
        (",text,category", ("text", None, "category")),
    ],
)
def test_columns_are_recognised(tmp_path: Path, header: str, columns: tuple[str, str | None, str]) -> None:
    names = [name.strip() for name in header.split(",")]
    path = write(tmp_path, "a.csv", f"{header}\n{','.join(f'in {name}' for name in names)}\n")
    table = read_table(path)
    assert (table.text_column, table.pair_column, table.label_column) == columns
    assert rows(table) == [tuple(column and f"in {column}" for column in columns)]


def test_named_columns(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "sentence1,sentence2,label,score\na,b,c,d\n")
    assert rows(read_table(path, label="score")) == [("a", "b", "d")]
    assert rows(read_table(path, "sentence2", None, "label")) == [("b", None, "c")]
    assert rows(read_table(path, None, "sentence2", "label")) == [("a", "b", "c")]
    assert rows(read_table(path, "score", "label", "sentence1")) == [("d", "c", "a")]
    assert rows(read_table(path, None, "score", "label")) == [("a", "d", "c")]


def test_labels_may_be_wanting_where_none_are_needed(tmp_path: Path) -> None:
    bare = read_table(write(tmp_path, "bare.csv", "text\na\n"), need_label=False)
    assert (rows(bare), bare.label_column, bare.labels) == ([("a", None, None)], None, None)
    some = read_table(write(tmp_path, "some.csv", "text,label\na,x\nb,\n"), need_label=False)
    assert some.labels == ["x", ""]
    lines = '{"text": "a", "label": "x"}\n{"text": "b"}\n{"text": "c", "label": null}'
    assert read_table(write(tmp_path, "some.jsonl", lines), need_label=False).labels == ["x", "", ""]
    two = write(tmp_path, "two.csv", "text,label,score\na,x,1\n")
    assert read_table(two, need_label=False).label_column is None
    assert "no column 'tag'" in message(two, None, None, "tag", need_label=False)


def test_columns_that_cannot_be_told(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "text,review,label,score\na,b,c,d\n")
    assert message(path) == (
        ": 'label' and 'score' could each be the label: name it with `label`;"
        " the columns are 'text', 'review', 'label', 'score'"
    )
    assert ": 'text' and 'review' could each be the text: name it with `text`;" in message(path, None, None, "label")
    both = write(tmp_path, "b.csv", "text,sentence1,sentence2,label\na,b,c,d\n")
    assert ": 'sentence1+sentence2' and 'text' could each be the text" in message(both)
    unknown = write(tmp_path, "c.csv", "words,tag\na,b\n")
    assert ": no column is a known label: name it with `label`; the columns are 'words', 'tag'" in message(unknown)
    assert ": no column is a known text: name it with `text`;" in message(unknown, None, None, "tag")
    assert "must be different columns, not words, words" in message(unknown, "words", None, "words")


def test_unknown_column(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "text,label\na,b\n")
    assert message(path, "Txt") == ": no column 'Txt' (did you mean 'text'?); the columns are 'text', 'label'"
    assert message(path, "body") == ": no column 'body'; the columns are 'text', 'label'"
    lines = write(tmp_path, "a.jsonl", '{"text": "a", "label": "b"}')
    assert ": no column 'other'; the columns are 'text', 'label'" in message(lines, "text", "other")
    wide = write(tmp_path, "w.csv", ",".join(f"c{i}" for i in range(500)) + "\n" + "," * 499 + "\n")
    assert len(message(wide)) < 400


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.tsv", "gj04\t1\t\tThe sailors rode the breeze.\ngj04\t0\t*\tThe sailors.\n"),
        ("a.csv", "I have never been served so badly,bad\nA fine place,good\n"),
        ("a.csv", "fine,-0.5\nworse,1.5\n"),
        ("a.csv", "fine,1\n"),
        ("a.csv", "1,1,fine\n0,1,bad\n"),
    ],
)
def test_no_header(tmp_path: Path, name: str, content: str) -> None:
    path = write(tmp_path, name, content)
    first = content.split("\n")[0].replace("\t", " ").replace(",", " ")
    for columns in [(), ("text", None, "label")]:
        assert (
            message(path, *columns) == f": the first line must name the columns; it is {first!r}: add a header above it"
        )


def test_a_slip_in_a_name_is_not_taken_for_a_missing_header(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "text,labels,2019\na,b,c\n")
    assert ": no column 'lables' (did you mean 'labels'?)" in message(path, None, None, "lables")
    lines = write(tmp_path, "a.jsonl", '{"0": "a", "1": "b"}')
    assert ": no column is a known label" in message(lines)


def test_a_long_first_line_is_cut_short(tmp_path: Path) -> None:
    assert len(message(write(tmp_path, "a.csv", "word " * 10_000 + ",x\na,b\n"))) < 200


# What is refused


def test_no_such_file(tmp_path: Path) -> None:
    write(tmp_path, "train.csv", "text,label\na,b\n")
    assert message(tmp_path / "trian.csv").startswith(
        f": no such file (did you mean '{tmp_path / 'train.csv'}'?); check the path"
    )
    assert message(tmp_path / "elsewhere" / "a").startswith(": no such file; check the path (the working folder is ")


def test_a_folder(tmp_path: Path) -> None:
    assert message(tmp_path) == ": is a folder; give a file in it (it has no .csv, .tsv, .jsonl, .ndjson, .json)"
    write(tmp_path, "train.csv", "")
    write(tmp_path, "notes.txt", "")
    assert message(tmp_path) == ": is a folder; give a file in it (train.csv)"


@pytest.mark.parametrize("name", ["a.txt", "a.xlsx", "a", "a.txt.gz", ".csv"])
def test_unknown_ending(tmp_path: Path, name: str) -> None:
    path = write(tmp_path, name, "text,label\na,b\n")
    ending = Path(name.removesuffix(".gz")).suffix
    advice = "save it as one of .csv, .tsv, .jsonl, .ndjson, .json, or rename it if it has that format"
    lines = "; one text per line is a .tsv with the first line text" if ending == ".txt" else ""
    assert message(path) == f": unknown file ending {ending!r}: {advice}{lines}"


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "a.csv").symlink_to(tmp_path / "a.csv")
    assert message(tmp_path / "a.csv").startswith(": cannot be read (")


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl"])
@pytest.mark.parametrize("content", ["", "\n\n", "\ufeff", " \r\n"])
def test_empty_file(tmp_path: Path, name: str, content: str) -> None:
    expected = ": is empty: the first line must name the columns, each line after it is a row"
    assert message(write(tmp_path, name, content)) == expected


@pytest.mark.parametrize("content", ["text,label", "text,label\n", "\ufefftext,label\r\n\r\n"])
def test_header_only(tmp_path: Path, content: str) -> None:
    assert message(write(tmp_path, "a.csv", content)) == ": has a header and no rows: add examples below it"


def test_two_columns_of_one_name(tmp_path: Path) -> None:
    path = write(tmp_path, "a.csv", "text,label, label\na,b,c\n")
    assert message(path) == ": two columns are called 'label': rename one"
    lines = write(tmp_path, "a.jsonl", '{"text": "a", "label": "b"}\n{"text": "a", "label": "b", "text": "c"}')
    assert message(lines) == ":2: invalid JSON: two values for 'text' in one object; write one object per line"
    unnamed = write(tmp_path, "b.csv", "text,label,,\na,b,,\n")
    assert rows(read_table(unnamed)) == [("a", None, "b")]


def test_fields_too_many_or_too_few(tmp_path: Path) -> None:
    many = write(tmp_path, "a.csv", 'text,label\n"a\nb",c\na, b,c\n')
    assert message(many) == (
        ":4 (row 3 in a spreadsheet): the header names 2 columns, this row has 3: put a text with a comma or a line"
        " break in quotation marks"
    )
    few = write(tmp_path, "b.tsv", "text\tlabel\na\tb\nc\n")
    assert message(few).startswith(":3: the header names 2 columns, this row has 1: a TSV has no quoting")


@pytest.mark.parametrize(
    ("content", "row"), [('text,label\na,b\n"c" d,e\n', 3), ('text,label\n"never closed,b\nc,d\ne,f\n', 2)]
)
def test_broken_quoting(tmp_path: Path, content: str, row: int) -> None:
    assert message(write(tmp_path, "a.csv", content)).startswith(f":{row}: invalid quoting (")


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl"])
def test_not_utf8(tmp_path: Path, name: str) -> None:
    content = b"text,label\nfine,x\ncaf" + "é,x\n".encode("latin-1")
    expected = (
        ":3: 0xe9 is not UTF-8 (byte 21 of the file); save the file as UTF-8 text (in a spreadsheet: as CSV UTF-8)"
    )
    assert message(write(tmp_path, name, content)) == expected
    assert ": is UTF-16, not UTF-8: save it as UTF-8" in message(write(tmp_path, name, "text".encode("utf-16")))


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl"])
def test_nul_bytes(tmp_path: Path, name: str) -> None:
    expected = ":2: a NUL byte, which is not text (byte 12 of the file); delete it"
    assert message(write(tmp_path, name, b"text,label\na\0,x\n")) == expected
    assert "iconv -f UTF-16LE -t UTF-8" in message(write(tmp_path, name, "text".encode("utf-16-le")))
    assert "iconv -f UTF-16BE -t UTF-8" in message(write(tmp_path, name, "text".encode("utf-16-be")))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            '{"text": "a", label: 1}',
            "invalid JSON: Expecting property name enclosed in double quotes at column 15; write one object",
        ),
        ("{", "invalid JSON: "),
        ("[" * 100_000, "invalid JSON: "),
        ('{"text": "a", "label": ' + "1" * 5000 + "}", "invalid JSON: "),
        ('["a", "b"]', 'a row must be one object, {"text": "…", "label": "…"}, not [\'a\', \'b\']'),
        ('{"text": "a"}', "no 'label', but the first row has it: give every object the same keys"),
        ('{"label": "a"}', "no 'text', but the first row has it: give every object the same keys"),
        (
            '{"text": "a", "label": ["x", "y"]}',
            "column 'label' has several labels, ['x', 'y']: write one, or set `task` to multilabel",
        ),
        ('{"text": {"a": 1}, "label": "x"}', "column 'text' has the value {'a': 1}: write a string or a number"),
        ('{"text": "a", "label": NaN}', "column 'label' has the value nan: write a string or a number"),
        ('{"text": "a", "label": 1e999}', "column 'label' has the value inf: write a string or a number"),
        ('{"text": "cut \\ud83d", "label": "x"}', "column 'text' has half of a \\ud… pair, which is not a character"),
        ('{"text": "a", "label": null}', "column 'label' is empty: write the label, or delete the row"),
    ],
)
def test_bad_json_lines(tmp_path: Path, line: str, expected: str) -> None:
    path = write(tmp_path, "a.jsonl", f'{{"text": "fine 😀", "label": 1}}\n\n{line}\n{{"text": "c", "label": 2}}')
    assert message(path).startswith(f":3: {expected}")


@pytest.mark.parametrize("label", ["", "  ", '""'])
def test_empty_label(tmp_path: Path, label: str) -> None:
    path = write(tmp_path, "a.csv", f"text,tag\na,b\nc,{label}\n")
    assert message(path, None, None, "tag") == ":3: column 'tag' is empty: write the label, or delete the row"


# The split

LABELLED = st.lists(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from("xyz")), min_size=1, max_size=40)
SHARE = st.floats(0.01, 0.99)


def split_or_none(whole: Dataset, share: float, seed: int) -> tuple[Dataset, Dataset] | None:
    try:
        return split(whole, share, seed)
    except DataError:
        return None


@given(LABELLED, SHARE, st.integers(0, 5))
def test_split_is_a_partition_with_copies_together(examples: list[tuple[str, str]], share: float, seed: int) -> None:
    whole = dataset(*examples)
    parts = split_or_none(whole, share, seed)
    if parts is None:
        return
    left, aside = parts
    assert aside.examples
    assert sorted(left.examples + aside.examples, key=lambda e: e.row) == list(whole.examples)
    for part in parts:
        assert list(part.examples) == sorted(part.examples, key=lambda e: e.row)
        assert dataclasses.replace(part, examples=()) == dataclasses.replace(whole, examples=())
    assert not set(left.texts) & set(aside.texts)
    counts, held = Counter(label for _, label in examples), Counter(aside.labels)
    assert set(left.labels or ()) == set(counts)
    assert all(held[label] <= share * n + 1 for label, n in counts.items())


@given(st.lists(st.sampled_from("xyz"), min_size=1, max_size=60), SHARE, st.integers(0, 5))
def test_split_is_in_proportion(labels: list[str], share: float, seed: int) -> None:
    whole = dataset(*((f"text {i}", label) for i, label in enumerate(labels)))
    parts = split_or_none(whole, share, seed)
    counts = Counter(labels)
    if parts is None:  # only where every label has its one row
        assert max(counts.values()) == 1
        return
    held = Counter(parts[1].labels)
    assert all(abs(held[label] - share * n) <= 1 for label, n in counts.items())
    if min(counts.values()) * (1 - share) >= 1:
        assert sum(held.values()) == max(1, round(share * len(labels)))


def test_split_by_seed() -> None:
    whole = dataset(*((f"text {i}", "xy"[i % 2]) for i in range(100)))
    assert split(whole) == split(whole, 0.1, 0)
    draws = {split(whole, 0.1, seed)[1].examples for seed in range(20)}
    assert len(draws) == 20
    drawn = Counter(example.row for seed in range(400) for example in split(whole, 0.1, seed)[1].examples)
    assert len(drawn) == 100
    assert max(drawn.values()) < 80  # 40 expected, standard deviation 6


def test_split_rounds_by_largest_remainders() -> None:
    whole = dataset(*((f"text {i}", "x" if i < 19 else "y") for i in range(30)))
    for seed in range(20):  # a tenth is 1.9 and 1.1 rows
        assert Counter(split(whole, 0.1, seed)[1].labels) == {"x": 2, "y": 1}


def test_split_of_many_small_classes_favours_none() -> None:
    whole = dataset(*((f"text {i}", str(i // 2)) for i in range(40)))
    drawn = Counter(label for seed in range(200) for label in split(whole, 0.1, seed)[1].labels or ())
    assert len(drawn) == 20  # every label has its turn: 40 expected
    assert min(drawn.values()) > 15


def test_split_without_strata() -> None:
    whole = dataset(*((f"text {i}", str(i / 7)) for i in range(50)))
    with pytest.raises(DataError):
        split(whole)
    left, aside = split(whole, 0.2, 3, stratify=False)
    assert (len(left.examples), len(aside.examples)) == (40, 10)
    unlabelled = dataset(*((f"text {i}", None) for i in range(50)))
    assert len(split(unlabelled, 0.2)[1].examples) == 10


def test_split_keeps_contradictions_in_training_and_pairs_apart() -> None:
    whole = dataset(("same", "x"), ("same", "y"), *((f"text {i}", "xy"[i % 2]) for i in range(8)))
    assert all("same" in split(whole, 0.5, seed)[0].texts for seed in range(30))
    examples = tuple(Example("same", str(i), "x", i + 2) for i in range(10))
    paired = Dataset("t.csv", examples, "text", "pair", "label", "")
    assert len(split(paired, 0.5)[1].examples) == 5


@pytest.mark.parametrize("examples", [[("a", "x")], [("a", "x"), ("b", "y")], [("a", "x"), ("a", "x"), ("b", "y")]])
def test_too_few_rows_to_split(examples: list[tuple[str, str]]) -> None:
    with pytest.raises(DataError, match=rf"^t.csv: {len(examples)} rows are too few to hold some out .* `valid`$"):
        split(dataset(*examples), 0.5)


@pytest.mark.parametrize("share", [0.0, 1.0, -1.0, 10.0, float("nan")])
def test_a_share_that_cannot_be(share: float) -> None:
    with pytest.raises(InputError, match="between 0 and 1"):
        split(dataset(("a", "x"), ("b", "x")), share)


def test_divide() -> None:
    whole = dataset(*((str(i), "x") for i in range(5)))
    rest, held_out = divide(whole, {1, 4}, "")
    assert (rest.texts, held_out.texts) == (["0", "2", "3"], ["1", "4"])


def test_only_the_standard_library_is_loaded() -> None:
    """Every module of minitf.datasets is imported in a new process."""
    folder = Path(minitf.datasets.dataset.__file__).parent
    modules = sorted(f"minitf.datasets.{path.stem}" for path in folder.glob("*.py") if path.stem != "__init__")
    assert len(modules) >= 9
    code = f"""
import sys
before = set(sys.modules)
import {", ".join(modules)}
loaded = {{name for name in set(sys.modules) - before if name.split(".")[0] not in sys.stdlib_module_names}}
print(sorted(loaded))
"""
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=folder.parents[1], capture_output=True, text=True, check=True
    )
    assert set(ast.literal_eval(run.stdout)) == {"minitf", "minitf.errors", "minitf.datasets", *modules}


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.csv", "text;label;note\n;;;;\na;x;1\n;;\nb;y;2\n;;;;\n"),
        ("t.jsonl", '{"text": "a", "label": "x"}\n{"text": "", "label": null}\n{"text": "b", "label": "y"}\n'),
    ],
)
def test_rows_without_any_content_are_skipped(tmp_path: Path, name: str, content: str) -> None:
    path = tmp_path / name
    path.write_text(content)
    table = read_table(path)
    assert (table.texts, table.labels) == (["a", "b"], ["x", "y"])
    assert table.skipped == ((2, 4, 6) if name == "t.csv" else (2,))


def test_the_error_for_a_row_names_the_other_rows_too(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("text,label\na,x\nb,\nc,\nd,y\ne,\n")
    with pytest.raises(DataError, match=r"t.csv:3: .*'label' is empty.* \(and 2 more rows: 4, 6\)$"):
        read_table(path)
