"""A table read row by row equals the table read at once, errors included, and its length takes no memory."""

import tracemalloc
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from minitf.datasets import tables
from minitf.errors import DataError
from minitf.tasks.whole_text.inputs import GivenTexts, open_table

PROPERTY = settings(
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=300,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
VALID = {
    ".csv": b'text,label\r\n"one, ""two""\r\nthree",a\r\n\r\nfour,b\r\n',
    ".tsv": 'text\tlabel\none " two\ta\ncafé 中\tb\r\n'.encode(),
    ".jsonl": b'{"text": "one", "label": 1}\n\n{"text": null, "label": true}\n',
}


def outcome(read):
    try:
        return read()
    except DataError as error:
        return str(error)


@PROPERTY
@given(st.sampled_from(sorted(VALID)), st.integers(0, 2**32), st.booleans())
def test_row_by_row_equals_at_once(tmp_path, ending, seed, marked):
    """For valid and for damaged files."""
    draw = Random(seed)
    content = bytearray((b"\xef\xbb\xbf" if marked else b"") + VALID[ending] * draw.randint(1, 3))
    for _ in range(draw.randint(0, 3)):
        at = draw.randrange(len(content) + 1)
        content[at : at + draw.randint(0, 2)] = draw.choice(
            [b"", b'"', b"\n", b"\r", b",", b"\t", b"\0", b"\xff", b"{"]
        )
    path = tmp_path / f"table{ending}"
    path.write_bytes(content)
    whole = outcome(lambda: tables.records(str(path), path.read_bytes()))
    assert outcome(lambda: list(tables.stream(path))) == whole


@pytest.mark.parametrize(("name", "message"), [("none.csv", "no such file"), ("a.txt", "ending"), ("", "is a folder")])
def test_files_that_are_not_tables(tmp_path, name, message):
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(DataError, match=message):
        next(tables.stream(tmp_path / name))


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_parts(tmp_path, size):
    (tmp_path / "t.csv").write_text("text,pair\n" + "".join(f"a{i},b{i}\n" for i in range(5)))
    table = open_table(tmp_path / "t.csv", "text", "pair")
    same = GivenTexts([f"a{i}" for i in range(5)], [f"b{i}" for i in range(5)])
    assert table.count == same.count == 5
    assert list(table.parts(size)) == list(same.parts(size)) == list(table.parts(size))  # as often as needed
    assert max(len(texts) for texts, _ in table.parts(size)) == size


def test_an_empty_last_text_is_reported_before_any_prediction(tmp_path):
    (tmp_path / "t.csv").write_text("text,more\n" + "a,b\n" * 100 + " ,c\n")
    with pytest.raises(DataError, match=r"t\.csv:102: column 'text' is empty"):
        open_table(tmp_path / "t.csv")


@pytest.mark.parametrize("ending", [".csv", ".jsonl"])
def test_a_long_table_takes_no_more_memory_than_a_short_one(tmp_path, ending):
    line = '{"text": "so much was said of it"}\n' if ending == ".jsonl" else "so much was said of it\n"
    peaks = []
    for rows in (1_000, 40_000):
        path = tmp_path / f"{rows}{ending}"
        path.write_text(("text\n" if ending == ".csv" else "") + line * rows)
        tracemalloc.start()
        table = open_table(path)
        assert sum(len(texts) for texts, _ in table.parts(32)) == table.count == rows
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 50_000 < 40_000 * len(line)
