"""CoNLL columns: what is read, where each mistake is told, and that no word of any file is lost or moved."""

import hashlib
import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from minitf.errors import DataError, InputError
from minitf.tasks.tagging.conll import look_through, read_tagged, sentences
from minitf.tasks.tagging.data import check_tagging, split, tag_names, type_counts

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
        ("a\tO\n\t\nc\tO", [[("a", "O")], [("c", "O")]]),  # as WNUT-17 parts its sentences
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


def test_rows_and_digest(written):
    content = "# one two three\na\tO\nb\tB-x\n\n\nc\tO\n"
    table = read_tagged(written(content))
    assert [sentence.rows for sentence in table.examples] == [(2, 3), (6,)]
    assert table.digest == hashlib.sha256(content.encode()).hexdigest()
    assert table.comments == ((1, "# one two three"),)


def test_words_alone(written):
    path = written("a\nb\n\n# c\nd\n")
    layout = look_through(path)
    assert [(s.words, s.tags) for s in sentences(path, layout)] == [(("a", "b"), None), (("d",), None)]
    with pytest.raises(DataError, match="has one column"):
        read_tagged(path)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "holds no word"),
        (b"\n\n \n", "holds no word"),
        (b"-DOCSTART- O\n", "holds no word"),
        (b"a\tO\nb O\n\nc\tO\n", "train.conll:2: has 1 column, most lines have 2: write as many, parted by TABs"),
        (b"a O\nb O\nc B x\n", "train.conll:3: has 3 columns, most lines have 2: write as many, parted by spaces"),
        (b"a\tO\nb\t\nc\tO\n", "train.conll:2: has no tag"),
        (b"a\tO\n\tO\nc\tO\n", "train.conll:2: has no word"),
        (b"a\tO\n\xff\tO\n", "train.conll:2: 0xff is not UTF-8"),
        ("a\tO\n".encode("utf-16"), "train.conll:1: 0xff is not UTF-8"),
        ("a\tO\n".encode("utf-16-le"), "train.conll:1: a NUL byte"),
        (b"1 a N O\n2 b N O\n\n1 c N O\n", "counts the words (CoNLL-U)"),
    ],
)
def test_what_cannot_be_read(written, content, told):
    with pytest.raises(DataError, match=re.escape(told)) as caught:
        read_tagged(written(content))
    assert "\n" not in str(caught.value)


def test_what_is_no_such_file(tmp_path, written):
    written("a\tO\n")
    with pytest.raises(DataError, match=r"no such file \(did you mean 'train.conll'\?\)"):
        read_tagged(tmp_path / "trian.conll")
    with pytest.raises(DataError, match="is a folder"):
        read_tagged(tmp_path)
    with pytest.raises(DataError, match="read from CoNLL columns"):
        read_tagged(written("a,O\n", "train.csv"))
    with pytest.raises(InputError, match="--label names a column"):
        read_tagged(written("a\tO\n"), text=None, pair=None, label="ner")


@PROPERTY
@given(content=SENTENCES, parted=st.sampled_from(["\t", " ", "  ", " \t"]), end=st.sampled_from(["\n", "\r\n", "\r"]))
def test_every_file_is_read_as_it_was_written(written, content, parted, end):
    text = end.join(end.join(f"{word}{parted}{tag}" for word, tag in each) + end for each in content)
    assert read(written(text)) == content


def read_or_told(path):
    try:
        return read_tagged(path), ""
    except DataError as error:
        return None, str(error)


def pieces(text):
    """What of a file could be a word or a tag."""
    return sorted(re.findall(r"[^ \t\r\n]+", text))


@PROPERTY
@given(
    content=SENTENCES,
    spoil=st.lists(
        st.tuples(st.integers(0, 200), st.sampled_from(["\t", " ", "\n", "#", "# ", "x", "", "\r", "-DOCSTART- "])),
        min_size=1,
        max_size=3,
    ),
)
def test_a_spoiled_file_is_refused_or_nothing_of_it_is_lost(written, content, spoil):
    text = "\n\n".join("\n".join(f"{word}\t{tag}" for word, tag in each) for each in content)
    for at, what in spoil:
        at %= len(text) + 1
        text = text[:at] + what + text[at + (not what) :]
    path = written(text)
    table, told = read_or_told(path)
    if table is None:
        assert told.startswith(str(path))
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
    table, told = read_or_told(path)
    if table is None:
        assert told.startswith(str(path))
    else:
        assert all(
            len(s.words) == len(s.tags) == len(s.rows) > 0 and all(s.words) and all(s.tags) for s in table.examples
        )


# Checks ---------------------------------------------------------------------------------------------------------------


def table(written, content, name="train.conll"):
    return read_tagged(written(content, name))


GOOD = "a\tB-x\nb\tI-x\n\nc\tO\n\nd\tB-y\n\ne\tO\n"


def test_nothing_to_say(written):
    many = "\n\n".join(f"w{i}\tB-x\nv\tI-x\nu\tO" for i in range(9))
    assert check_tagging(table(written, many)) == []


@pytest.mark.parametrize(
    ("train", "valid", "level", "told"),
    [
        ("a\tB-x\n", None, "error", "one sentence is too little"),
        ("a\tO\n\nb\tO\n", None, "error", "every word has the tag 'O'"),
        (GOOD, "f\tO\nh\tB-z\ni\tB-z\n", "error", "valid.conll:2: no word of the training sentences has the tag 'B-z'"),
        (GOOD, "f\tO\nh\tB-z\ni\tB-z\n", "error", "(2 in all, lines 2, 3)"),
        (
            GOOD + "\nf\tO\ng\tI-x\n",
            None,
            "warning",
            "train.conll:11: the tag 'I-x' cannot stand here by the rules of BIO",
        ),
        (GOOD, "f\tI-y\n", "error", "valid.conll:1: no word of the training sentences has the tag 'I-y'"),
        (GOOD, "f\tI-x\n", "warning", "valid.conll:1: the tag 'I-x' cannot stand here"),
        (GOOD + "\nc\tO\n", None, "warning", "train.conll:10: repeats an earlier sentence"),
        (GOOD + "\nc\tB-x\n", None, "warning", "train.conll:10: the same sentence has other tags at line 4"),
        (GOOD, "c\tO\n", "warning", "valid.conll:1: the same sentence is in"),
        (GOOD, None, "warning", "marked fewer than 5 times, so hardly learned: 'x' (1), 'y' (1)"),
        ("# x O\n" + GOOD, None, "warning", "train.conll:1: is left out as a comment; is it a word and its tag?"),
        (GOOD + "\nf\tz\n", None, "warning", "some tags have a prefix ('B-x'), others none ('z')"),
    ],
)
def test_findings(written, train, valid, level, told):
    other = None if valid is None else table(written, valid, "valid.conll")
    findings = check_tagging(table(written, train), other)
    assert [f for f in findings if f.level == level and told in f.message], findings
    assert all("\n" not in f.message for f in findings)


def test_names_and_counts(written):
    train = table(written, GOOD)
    assert tag_names(train) == ("O", "B-x", "I-x", "B-y")
    assert type_counts(train) == {"x": 1, "y": 1}


@PROPERTY
@given(
    content=st.lists(st.lists(st.tuples(st.sampled_from("abc"), TAG), min_size=1, max_size=2), min_size=2, max_size=40)
)
def test_split(written, content):
    whole = table(written, "\n\n".join("\n".join(f"{word}\t{tag}" for word, tag in each) for each in content))
    try:
        left, aside = split(whole, seed=3)
    except DataError as error:
        told = str(error)
    else:
        told = None
    if told is not None:
        assert "too few to hold some out" in told
        return
    assert sorted([*left.examples, *aside.examples], key=lambda s: s.row) == list(whole.examples)
    assert not {s.words for s in left.examples} & {s.words for s in aside.examples}
    assert 0 < len(aside.examples) <= max(1, round(len(whole.examples) / 10))
    assert tag_names(left) == tag_names(whole)
    assert split(whole, seed=3) == (left, aside)
