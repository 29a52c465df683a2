"""CoNLL columns: what is read, the message for each error, and that no word of any file is lost or moved."""

import gzip
import hashlib
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from minitf.errors import DataError, InputError
from minitf.tasks.tagging.conll import read_layout, read_tagged, sentences
from minitf.tasks.tagging.spec import TAGGING

PROPERTY = settings(
    deadline=None,
    derandomize=True,
    database=None,
    max_examples=400,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
WORD = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zs"]), min_size=1, max_size=6).filter(
    lambda word: not word.startswith(("#", "-DOCSTART-", "\ufeff"))
)
TAG = st.sampled_from(["O", "B-per", "I-per", "B-loc", "I-loc"])
SENTENCES = st.lists(st.lists(st.tuples(WORD, TAG), min_size=1, max_size=5), min_size=1, max_size=4)


@pytest.fixture
def written(tmp_path):
    def write(content, name="train.conll"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def read(path):
    return [list(zip(s.words, s.tags, strict=True)) for s in read_tagged(path).examples]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("a\tO\nb\tB-x\n\nc\tO\n", [[("a", "O"), ("b", "B-x")], [("c", "O")]]),
        ("a\tO\n\t\nc\tO", [[("a", "O")], [("c", "O")]]),  # as WNUT-17 separates its sentences
        ("a O\r\nb B-x\r\n \r\nc O\r\n\r\n\r\n", [[("a", "O"), ("b", "B-x")], [("c", "O")]]),
        ("a O\rb O\r\rc O", [[("a", "O"), ("b", "O")], [("c", "O")]]),
        ("-DOCSTART- -X- -X- O\n\nEU NNP B-NP B-ORG\nrejects VBZ B-VP O\n", [[("EU", "B-ORG"), ("rejects", "O")]]),
        ("-DOCSTART-\na O\n-DOCSTART-\nb O\n", [[("a", "O")], [("b", "O")]]),
        ("# text = New York\nNew York\tB-x\n#\tO\n#tag\tO\n", [[("New York", "B-x"), ("#", "O"), ("#tag", "O")]]),
        ("# id 7 of 9\na O\n# O\n\n# O\nb O\n", [[("a", "O"), ("#", "O")], [("#", "O"), ("b", "O")]]),
        ("# NN I O\na NN I O\n", [[("#", "O"), ("a", "O")]]),  # as many columns as the others: a word
        ("#begin document (x);\na - O\n#end document\n\n", None),
        ("\ufeffa\tO\n", [[("a", "O")]]),
        ("a \t O\n", [[("a", "O")]]),
        ("a\u2028b\tO\nc\x85d\tO\n\u00a0\tO\n", [[("a\u2028b", "O"), ("c\x85d", "O"), ("\u00a0", "O")]]),
        ("\ufe0f\tO\n\u200b\tB-x\n", [[("\ufe0f", "O"), ("\u200b", "B-x")]]),
    ],
)
def test_what_is_read(written, content, expected):
    path = written(content)
    if expected is None:
        with pytest.raises(DataError, match=r"train\.conll:3: has 2 columns, most lines have 3"):
            read(path)
    else:
        assert read(path) == expected


COMMENTED = "# id {} domain=en\nthe _ _ O\n# _ _ O\nsoup _ _ B-x\n\n# id {} domain=en\n\n# _ _ O\nsoup _ _ I-x\n"


@pytest.mark.parametrize("separator", [" ", "\t"])
def test_comments_with_as_many_columns_as_the_words(written, separator):
    lines = COMMENTED.format("3f2a", "77-b").replace(" _ _ ", separator.join(("", "_", "_", "")))
    table = read_tagged(written(lines.replace(" domain", "\tdomain")))
    assert [s.words for s in table.examples] == [("the", "#", "soup"), ("#", "soup")]
    assert table.all_tags == {"O", "B-x", "I-x"}
    assert [row for row, _ in table.comments] == [1, 6]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("# #\nthe DT\n", ("#", "the")),  # the Penn Treebank's tag of #
        ("#\nthe DT\n", ("the",)),
        ("#\nthe\n", ("#", "the")),  # one column: words without tags
        ("#\tsource\t[2009]\nthe\tO\tO\tO\n", ("the",)),
        ("the\tO\t\nsoup\tO\t\n", ("the", "soup")),  # a TAB at the end of each line
        ("the O  \nsoup O \n", ("the", "soup")),
    ],
)
def test_comments_and_spaces_at_the_end(written, content, words):
    path = written(content)
    assert [s.words for s in sentences(path, read_layout(path))] == [words]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1 a N O\n1-2 b N O\n2 c N O\n2.1 d N O\n", "counts the words"),
        ("O the\nB-x soup\nI-x of\n", "its first column has the tags; write the word first"),
    ],
)
def test_other_orders_of_columns(written, content, message):
    with pytest.raises(DataError, match=message):
        read_tagged(written(content))


def test_gzip(written):
    content = b"the\tO\nsoup\tB-x\n"
    for name in ("t.conll", "t.conll.gz"):
        table = read_tagged(written(gzip.compress(content), name))
        assert table.examples[0].words == ("the", "soup")
        assert table.digest == hashlib.sha256(content).hexdigest()
    assert TAGGING.recognize("T.CoNLL.gz", {}) == ".conll files contain words and their tags"


def test_rows_and_digest(written):
    content = "# one two three\na\tO\nb\tB-x\n\n\nc\tO\n"
    table = read_tagged(written(content))
    assert [sentence.rows for sentence in table.examples] == [(2, 3), (6,)]
    assert table.digest == hashlib.sha256(content.encode()).hexdigest()
    assert table.comments == ((1, "# one two three"),)


def test_words_without_tags(written):
    path = written("a\nb\n\n# c\nd\n")
    layout = read_layout(path)
    assert [(s.words, s.tags) for s in sentences(path, layout)] == [(("a", "b"), None), (("d",), None)]
    with pytest.raises(DataError, match="has one column"):
        read_tagged(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "has no words"),
        (b"\n\n \n", "has no words"),
        (b"-DOCSTART- O\n", "has no words"),
        (
            b"a\tO\nb O\n\nc\tO\n",
            "train.conll:2: has 1 column, most lines have 2: write the same number, separated by TABs",
        ),
        (
            b"a O\nb O\nc B x\n",
            "train.conll:3: has 3 columns, most lines have 2: write the same number, separated by spaces",
        ),
        (b"a\tO\nb\t\nc\tO\n", "train.conll:2: has 1 column, most lines have 2"),
        (b"a\tO\n\tO\nc\tO\n", "train.conll:2: has no word"),
        (b"a\tO\n\xff\tO\n", "train.conll:2: 0xff is not UTF-8"),
        ("a\tO\n".encode("utf-16"), "train.conll: is UTF-16, not UTF-8: save it as UTF-8"),
        ("a\tO\n".encode("utf-16-le"), "iconv -f UTF-16LE -t UTF-8"),
        (b"1 a N O\n2 b N O\n\n1 c N O\n", "counts the words (CoNLL-U)"),
        (b"word tag\na O\nb B-x\n", "train.conll:1: is a header, and CoNLL columns have none: delete the line"),
        (b"Token\tPOS\tNER_tag\n\na\tN\tO\n", "train.conll:1: is a header"),
        (b"my first text\nanother text\nthe last text\n", "separated by spaces, and one word per line"),
    ],
)
def test_what_cannot_be_read(written, content, message):
    with pytest.raises(DataError, match=re.escape(message)) as caught:
        read_tagged(written(content))
    assert "\n" not in str(caught.value)


def test_a_word_that_is_called_like_a_column(written):
    assert read(written("a O\n\ntext pos\n")) == [[("a", "O")], [("text", "pos")]]
    assert read(written("word O\nb B-x\n")) == [[("word", "O"), ("b", "B-x")]]


def test_files_that_cannot_be_read(tmp_path, written):
    with pytest.raises(DataError, match=r"^records: a list of records is read as a table"):
        read_tagged([{"text": "a"}], delimiter=";")
    written("a\tO\n")
    with pytest.raises(DataError, match=r"no such file \(did you mean '.*/train.conll'\?\)"):
        read_tagged(tmp_path / "trian.conll")
    with pytest.raises(DataError, match="is a folder"):
        read_tagged(tmp_path)
    with pytest.raises(DataError, match="read from CoNLL columns"):
        read_tagged(written("a,O\n", "train.csv"))
    with pytest.raises(InputError, match="`label` names a column"):
        read_tagged(written("a\tO\n"), text=None, pair=None, label="ner")


@PROPERTY
@given(
    content=SENTENCES, separator=st.sampled_from(["\t", " ", "  ", " \t"]), end=st.sampled_from(["\n", "\r\n", "\r"])
)
def test_every_file_is_read_as_written(written, content, separator, end):
    text = end.join(end.join(f"{word}{separator}{tag}" for word, tag in each) + end for each in content)
    assert read(written(text)) == content


def read_or_message(path):
    try:
        return read_tagged(path), ""
    except DataError as error:
        return None, str(error)


def pieces(text):
    """The parts of a file that could be a word or a tag."""
    return sorted(re.findall(r"[^ \t\r\n]+", text))


@PROPERTY
@given(
    content=SENTENCES,
    damage=st.lists(
        st.tuples(st.integers(0, 200), st.sampled_from(["\t", " ", "\n", "#", "# ", "x", "", "\r", "-DOCSTART- "])),
        min_size=1,
        max_size=3,
    ),
)
def test_a_damaged_file_is_refused_or_nothing_of_it_is_lost(written, content, damage):
    text = "\n\n".join("\n".join(f"{word}\t{tag}" for word, tag in each) for each in content)
    for at, what in damage:
        at %= len(text) + 1
        text = text[:at] + what + text[at + (not what) :]
    path = written(text)
    table, message = read_or_message(path)
    if table is None:
        assert message.startswith(str(path))
        return
    kept = [part for s in table.examples for cells in zip(s.words, s.tags, strict=True) for part in cells]
    more = " ".join(line for _, line in table.comments)
    if not re.search(r"(?m)^-DOCSTART-|\t.*\t", text):
        assert pieces(" ".join(kept) + " " + more) == pieces(text)
    rows = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    for sentence in table.examples:
        for row, word, tag in zip(sentence.rows, sentence.words, sentence.tags, strict=True):
            assert rows[row - 1].strip(" \t").startswith(word)
            assert rows[row - 1].rstrip(" \t").endswith(tag)


@PROPERTY
@given(content=st.binary(max_size=60) | st.text("ab \t\r\n#-O\0\ufeff", max_size=40).map(str.encode))
def test_any_bytes(written, content):
    path = written(content)
    table, message = read_or_message(path)
    if table is None:
        assert message.startswith(str(path))
    else:
        assert all(
            len(s.words) == len(s.tags) == len(s.rows) > 0 and all(s.words) and all(s.tags) for s in table.examples
        )
