"""The tokenizer written by hand gives the ids of the library's: on every code point and on texts of many alphabets."""

import itertools
import json
import random
import unicodedata

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

from minitf.errors import InputError
from minitf.text import wordpiece
from minitf.text.tokenizer import Tokenizer
from minitf.text.wordpiece import WordPieceTokenizer, pieces_of, read_vocabulary
from tests.support.tiny import write_vocabulary

PROPERTY = settings(
    deadline=None,
    derandomize=True,
    database=None,
    max_examples=200,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def characters(ranges):
    """`"41-43 61"` → A B C a"""
    ends = (each.split("-") for each in ranges.split())
    return [chr(c) for end in ends for c in range(int(end[0], 16), int(end[-1], 16) + 1)]


EVERY = characters("0-D7FF E000-10FFFF")  # all of Unicode but halves of pairs
ASSIGNED = [c for c in EVERY if unicodedata.category(c) not in ("Cn", "Co")]

# Where the two differ: the library's categories are Unicode 8's, its accents 9's, its capitals 17's; ours are Python's.
# All that Unicode has taken up since, to version 17, if it is a mark, punctuation, a format control, or has an accent.
NEWER = characters("""
61D 7FD 890-891 897-89F 8CA-8E2 9FD-9FE A76 AFA-AFF B55 C04 C3C C77 C84 D00 D3B-D3C D81 EBA ECE 1715 180F 1ABF-1ADD
1AE0-1AEB 1B4E-1B4F 1B7D-1B7F 1DF6-1DFB 2E43-2E4F 2E52-2E5D A82C A8C5 A8FF 105C9 105E4 10D24-10D27 10D69-10D6E
10EAB-10EAD 10ED0 10EFA-10EFF 10F46-10F50 10F55-10F59 10F82-10F89 11070 11073-11074 110C2 110CD 111CF 1123E 11241 1133B
11383 11385 1138E 11391 113BB-113C0 113C5 113C7-113C8 113CE-113D0 113D2 113D4-113D5 113D7-113D8 113E1-113E2 11438-1143F
11442-11444 11446 1144B-1144F 1145A-1145B 1145D-1145E 11660-1166C 116B9 1182F-11837 11839-1183B 11938 1193B-1193E
11943-11946 119D4-119D7 119DA-119DB 119E0 119E2 11A01-11A0A 11A33-11A38 11A3B-11A47 11A51-11A56 11A59-11A5B 11A8A-11A96
11A98-11A9C 11A9E-11AA2 11B00-11B09 11B60 11B62-11B64 11B66 11BE1 11C30-11C36 11C38-11C3D 11C3F 11C41-11C45 11C70-11C71
11C92-11CA7 11CAA-11CB0 11CB2-11CB3 11CB5-11CB6 11D31-11D36 11D3A 11D3C-11D3D 11D3F-11D45 11D47 11D90-11D91 11D95 11D97
11EF3-11EF4 11EF7-11EF8 11F00-11F01 11F36-11F3A 11F40-11F4F 11F5A 11FFF 12FF1-12FF2 13430-13440 13447-13455 1611E-16129
1612D-1612F 16D68-16D6A 16D6D-16D6F 16E97-16E9A 16F4F 16FE2 16FE4 16FF0-16FF1 1CF00-1CF2D 1CF30-1CF46 1E000-1E006
1E008-1E018 1E01B-1E021 1E023-1E024 1E026-1E02A 1E08F 1E130-1E136 1E2AE 1E2EC-1E2EF 1E4EC-1E4EF 1E5EE-1E5EF 1E5FF 1E6E3
1E6E6 1E6EE-1E6EF 1E6F5 1E944-1E94A 1E95E-1E95F
""")
# The seven that have moved since, and the category to which.
MOVED = {0x166D: "So", 0x1734: "Mc", 0x1885: "Mn", 0x1886: "Mn", 0xA9BD: "Mn", 0x111C9: "Mn", 0x1171E: "Mc"}
# Capitals of Unicode 16 and 17, unknown to an older Python.
CAPITALS = characters("1C89 A7CB-A7CC A7CE A7D2 A7D4 A7DA A7DC 10D50-10D65 16EA0-16EB8")

DIFFER = (
    {c for c in NEWER if unicodedata.category(c) != "Cn"}
    | {chr(c) for c, category in MOVED.items() if unicodedata.category(chr(c)) == category}
    | {c for c in CAPITALS if c.lower() == c}
)


# Both tokenizers, from the same files


@pytest.fixture(scope="module")
def official(minilm):
    return read_vocabulary(minilm / "vocab.txt")


@pytest.fixture(scope="module")
def both(official, minilm, tmp_path_factory):
    """A function: switches -> both tokenizers with the official vocabulary, the library's first."""

    def make(**switches):
        folder = tmp_path_factory.mktemp("tokenizer")
        (folder / "vocab.txt").write_bytes((minilm / "vocab.txt").read_bytes())
        (folder / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": True} | switches))
        return Tokenizer.from_folder(folder), WordPieceTokenizer(official, **switches)

    return make


@pytest.fixture(scope="module")
def uncased(minilm, official):
    return Tokenizer.from_folder(minilm), WordPieceTokenizer(official)


@pytest.fixture(scope="module")
def cased(both):
    return both(do_lower_case=False)


def assert_same(twins, texts, pairs=None, max_length=64):
    library, ours = twins
    expected = library.encode(texts, pairs, max_length)
    for text, pair, tokens in zip(texts, pairs or [None] * len(texts), expected, strict=True):
        assert ours.encode(text, pair, max_length) == (tokens.ids, tokens.segments), (text, pair)
    return expected


# Every code point


def library_words(text, **switches):
    normalized = BertNormalizer(clean_text=True, handle_chinese_chars=True, **switches).normalize_str(text)
    return [word for word, _ in BertPreTokenizer().pre_tokenize_str(normalized)]


def between_letters(some):
    """Each between two letters; one that has a rank among marks also between a mark of high rank and one of low."""
    ranked = " ".join(f"a\u302e{c}\u1bf2" for c in some if unicodedata.combining(c))
    return f"a{'a'.join(some)}a {ranked}"


def differing(all_characters, **switches):
    """Those around which the two find other words."""
    ours = WordPieceTokenizer({}, switches["lowercase"], switches["strip_accents"])

    def differ(some):
        text = between_letters(some)
        return ours.words(text) != library_words(text, **switches)

    chunks = (all_characters[start : start + 1024] for start in range(0, len(all_characters), 1024))
    return {c for chunk in chunks if differ(chunk) for c in chunk if differ([c])}


def names(some):
    return [f"{ord(c):X}" for c in sorted(some)]


def test_every_code_point_between_letters():
    """Where Unicode is newer than 17, the new characters that differ are to be added to the list."""
    assert len(EVERY) == 1_114_112 - 2048
    assert names(differing(EVERY, lowercase=True, strip_accents=None)) == names(DIFFER)


@pytest.mark.parametrize(("lower", "accents"), [(False, None), (True, False), (False, True)])
def test_every_assigned_character_in_other_settings(lower, accents):
    found = differing(ASSIGNED, lowercase=lower, strip_accents=accents)
    assert "\u2e43" in found  # punctuation, whatever the setting
    assert names(found - DIFFER) == []


def test_what_differs_is_new_or_has_moved():
    """In the oldest table that Python keeps, of Unicode 3.2, none of them was there, but for four that have moved."""
    old = {c for c in DIFFER | {*NEWER, *CAPITALS} if unicodedata.ucd_3_2_0.category(c) != "Cn"}
    assert names(old) == ["166D", "1734", "1885", "1886"]
    assert not {*NEWER} & {*CAPITALS} and not {chr(c) for c in MOVED} & {*NEWER, *CAPITALS}


def test_every_code_point_alone(uncased):
    library, ours = uncased
    texts = ["", *(" ".join(EVERY[start : start + 4096]) for start in range(0, len(EVERY), 4096))]
    texts = ["".join(c for c in text if c not in DIFFER) for text in texts]
    known = 0
    for text, tokens in zip(texts, library.encode(texts, max_length=20_000), strict=True):
        assert ours.encode(text, max_length=20_000)[0] == tokens.ids
        known += sum(i != library.unknown_id for i in tokens.ids)
    assert known > 5_000


def test_accents_may_go_before_or_after_capitals():
    for c in ASSIGNED:
        accents_first = wordpiece.lower(wordpiece.remove_accents(c))
        assert accents_first == wordpiece.remove_accents(wordpiece.lower(c))


# Random texts

ALPHABETS = {
    "ASCII": characters("20-7E"),
    "Latin": characters("61-7A A0-24F 1E00-1EFF"),
    "marks": characters("61-65 300-36F 591-5BD 64B-65F 93C 94D 1BF2 302A-302F 1D165-1D172 20D0-20F0"),
    "Greek and Cyrillic": characters("20 370-52F 1F00-1FFF"),
    "Semitic and Indic": characters("20 5D0-6FF 900-97F B80-BFF E00-E5B"),
    "Chinese and kana": characters("3000-30FF 4E00-4FFF 9F00-A000 3400-34FF 4DB0-4DC0 F900-FAFF 61-65")
    + characters("20000-200FF 2A6D0-2A710 2B800-2B9FF 2CEA0-2CEFF 2F7F0-2FA2F"),
    "Hangul": characters("20 AC00-D7A3 1100-11FF"),
    "emoji": characters("20 61-65 1F300-1F64F 1F900-1F9FF 1F3FB-1F3FF FE0F 200D 20E3 30-39"),
    "blanks and controls": characters("61-65 0-20 7F-A0 AD 1680 2000-200F 2028-202F 205F-2064 3000 FEFF FFF9-FFFF"),
    "private use": characters("61-65 E000-F8FF F0000-F00FF 10FF00-10FFFF"),
    "punctuation": characters("61-65 21-2F 3A-40 5B-60 7B-7E A1-BF 37E 387 2010-205E 2E00-2E5D 3001-3020 FE30-FE6B"),
    "assigned": ASSIGNED,
    "all of Unicode": EVERY,
}
ALPHABETS = {name: [c for c in some if c not in DIFFER] for name, some in ALPHABETS.items()}
MARKED = [*SPECIAL, "[mask]", "[MASK", "MASK]", "[MA\u200bSK]", "##ing", "[unused1]"]


def random_texts(n, vocabulary, seed):
    """Each of letters from one to three alphabets, or of the vocabulary's pieces, or of both; 0 to 20 parts."""
    draw = random.Random(seed)
    pieces = [piece.removeprefix("##") for piece in vocabulary]
    alphabets = [*ALPHABETS.values(), pieces, pieces, [" ", *MARKED]]
    for _ in range(n):
        chosen = draw.choices(alphabets, k=draw.randint(1, 3))
        yield "".join(draw.choice(draw.choice(chosen)) for _ in range(draw.randint(0, 20)))


@pytest.mark.parametrize("case", ["uncased", "cased"])
def test_ten_thousand_random_texts(case, uncased, cased, official):
    texts = list(random_texts(10_000, official, case))
    twins = uncased if case == "uncased" else cased
    tokens = [i for text in assert_same(twins, texts) for i in text.ids]
    assert 0.2 < tokens.count(twins[0].unknown_id) / len(tokens) < 0.5  # both what is known and what is not


def test_ten_thousand_random_texts_in_a_tiny_vocabulary(tmp_path):
    write_vocabulary(tmp_path)
    vocabulary = read_vocabulary(tmp_path / "vocab.txt")
    texts = list(random_texts(10_000, vocabulary, "tiny"))
    assert_same((Tokenizer.from_folder(tmp_path), WordPieceTokenizer(vocabulary)), texts)


SWITCHES = [
    {"do_lower_case": lower, "strip_accents": accents, "tokenize_chinese_chars": chinese}
    for lower, accents, chinese in itertools.product((True, False), (None, True, False), (True, False))
]


@pytest.mark.parametrize("switches", SWITCHES, ids=lambda s: " ".join(map(str, s.values())))
def test_random_pairs_in_every_setting(both, official, switches):
    texts = list(random_texts(200, official, str(switches)))
    for max_length in (4, 17, 64):
        assert_same(both(**switches), texts, texts[::-1], max_length)


def test_the_settings_all_differ(official):
    """Else a setting ignored would go unseen. Of twelve, four are others in fewer words: None is as `do_lower_case`."""
    assert len({str(WordPieceTokenizer(official, **switches).words("É一丁e")) for switches in SWITCHES}) == 8


LETTERS = st.characters(exclude_categories=["Cs"], exclude_characters="".join(sorted(DIFFER)))
PARTS = st.sampled_from([*MARKED, "un", "want", "ing", "É", "e\u0301", "万", "😀", " ", "'", "Σ", "İ"])
TEXT = st.text(LETTERS, max_size=30) | st.lists(PARTS | LETTERS, max_size=12).map("".join)


@given(TEXT, st.none() | TEXT, st.integers(4, 40))
@PROPERTY
def test_any_text(uncased, cased, text, pair, max_length):
    for twins in (uncased, cased):
        assert_same(twins, [text], None if pair is None else [pair], max_length)


# Truncation: one piece after the other from the end of the longer, and of equals from the one that was shorter at first


@pytest.mark.parametrize(("n", "m"), list(itertools.product(range(7), repeat=2)))
def test_truncation_piece_by_piece(uncased, n, m):
    text, pair = ["a"] * n, ["b"] * m
    for room in range(1, 14):
        first, second = list(text), list(pair)
        while len(first) + len(second) > room:
            equal = len(first) == len(second)
            (first if len(first) > len(second) or (equal and n <= m) else second).pop()
        assert wordpiece.truncate_longest_first(text, pair, room) == (first, second)
        assert_same(uncased, [" ".join(text)], [" ".join(pair)], room + 3)


def test_segments():
    tokenizer = WordPieceTokenizer({token: i for i, token in enumerate([*SPECIAL, "a", "b"])})
    assert tokenizer.encode("a a") == ([2, 5, 5, 3], [0, 0, 0, 0])
    assert tokenizer.encode("a a", "b") == ([2, 5, 5, 3, 6, 3], [0, 0, 0, 0, 1, 1])
    assert tokenizer.encode("") == ([2, 3], [0, 0])
    assert tokenizer.encode("", "") == ([2, 3, 3], [0, 0, 1])
    assert tokenizer.encode("\t\u00ad ", "b") == ([2, 3, 6, 3], [0, 0, 1, 1])


# Long words, special tokens


def test_a_word_of_more_than_100_letters_is_unknown(uncased, cased):
    for n, pieces in ((100, ["x", *["##x"] * 99]), (101, ["[UNK]"])):
        assert pieces_of("x" * n, {"x": 0, "##x": 1}) == pieces
    words = ["x" * 100, "x" * 101, "e\u0301" * 100, "é" * 101, "É" * 100, "x" * 100 + "\u0301", "x" * 101 + "!"]
    assert_same(uncased, [*words, " ".join(words)], max_length=512)
    assert_same(cased, [*words, " ".join(words)], max_length=512)


def test_special_tokens_in_a_text(uncased, cased):
    texts = ["a [MASK] b", "a[MASK]b", "[MASK][MASK]", "[mask]", "[ MASK ]", "[[MASK]]", "[MA\u200bSK]", *SPECIAL]
    assert_same(uncased, texts)
    assert_same(cased, texts)
    assert uncased[1].pieces("a[MASK]b [mask]") == ["a", "[MASK]", "b", "[", "mask", "]"]


def test_a_vocabulary_without_mask(tmp_path):
    (tmp_path / "vocab.txt").write_text("\n".join([*SPECIAL[:4], "[", "mask", "]"]))
    both = Tokenizer.from_folder(tmp_path), WordPieceTokenizer(read_vocabulary(tmp_path / "vocab.txt"))
    assert_same(both, ["[MASK]", "[UNK]"])
    assert both[1].pieces("[MASK]") == ["[", "mask", "]"]


# Google's published test cases (tokenization_test.py in google-research/bert)

GOOGLES = ["[UNK]", "[CLS]", "[SEP]", "want", "##want", "##ed", "wa", "un", "runn", "##ing"]


def test_google_full():
    tokenizer = WordPieceTokenizer({piece: i for i, piece in enumerate([*GOOGLES, ","])})
    assert tokenizer.pieces("UNwant\u00e9d,running") == ["un", "##want", "##ed", ",", "runn", "##ing"]
    assert tokenizer.encode("UNwant\u00e9d,running")[0] == [1, 7, 4, 5, 10, 8, 9, 2]


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("", []),
        ("unwanted running", ["un", "##want", "##ed", "runn", "##ing"]),
        ("unwantedX running", ["[UNK]", "runn", "##ing"]),
    ],
)
def test_google_wordpiece(text, pieces):
    vocabulary = dict.fromkeys(GOOGLES, 0)
    assert [piece for word in text.split() for piece in pieces_of(word, vocabulary)] == pieces


@pytest.mark.parametrize(
    ("text", "lower", "words"),
    [
        ("ah\u535a\u63a8zz", True, ["ah", "\u535a", "\u63a8", "zz"]),
        (" \tHeLLo!how  \n Are yoU?  ", True, ["hello", "!", "how", "are", "you", "?"]),
        ("H\u00e9llo", True, ["hello"]),
        (" \tHeLLo!how  \n Are yoU?  ", False, ["HeLLo", "!", "how", "Are", "yoU", "?"]),
    ],
)
def test_google_basic(text, lower, words):
    assert WordPieceTokenizer({}, lower).words(text) == words


def test_google_characters():
    assert wordpiece.clean(" \t\r\n\u00a0") == " " * 5
    assert wordpiece.clean("A-\u0005\U0001f4a9") == "A-\U0001f4a9"
    assert all(map(wordpiece.is_punctuation, "-$`."))
    assert not any(map(wordpiece.is_punctuation, "A "))


def test_where_the_library_and_googles_code_disagree(uncased):
    """What the comments say of the library, word for word."""
    words = uncased[1].words
    assert words("a\ue000b") == ["ab"]  # private use
    assert words("ΣΊΣΥΦΟΣ") == ["σισυφοσ"]
    assert words("a\U0002b81fb") == ["a", "\U0002b81f", "b"]
    assert words("a\U0002b820b \U0002b91f") == ["a\U0002b820b", "\U0002b91f"]
    assert words("a\U0002b920b") == ["a", "\U0002b920", "b"]


# Files and errors


@pytest.mark.parametrize("ending", ["\n", "\r\n", " \n"], ids=["unix", "windows", "trailing blanks"])
@pytest.mark.parametrize("last", [True, False], ids=["ended", "not ended"])
def test_reading_a_vocabulary(tmp_path, ending, last):
    lines = [*SPECIAL, "a", "b", "a", "x\u2028y", "x\x85y", "c"]  # of a piece that stands twice the later number counts
    (tmp_path / "vocab.txt").write_text(ending.join(lines) + ending * last, encoding="utf-8", newline="")
    vocabulary = read_vocabulary(tmp_path / "vocab.txt")
    assert vocabulary == {**{token: i for i, token in enumerate(SPECIAL)}, "a": 7, "b": 6} | (
        {"x\u2028y": 8, "x\x85y": 9, "c": 10}
    )
    assert_same((Tokenizer.from_folder(tmp_path), WordPieceTokenizer(vocabulary)), ["a b c d"])


def test_the_official_vocabulary(official, uncased):
    assert list(official) == uncased[0].tokens(range(30_522))
    assert list(official.values()) == list(range(30_522))


@pytest.mark.parametrize(
    ("text", "pair", "max_length"),
    [("a", None, 2), ("a", None, -1), ("a", "b", 3), ("caf\udce9", None, 9), ("a", "\ud800", 9), ("a", "b\udfff", 9)],
)
def test_calls_that_cannot_be(uncased, text, pair, max_length):
    library, ours = uncased
    with pytest.raises(InputError) as theirs:
        library.encode([text], None if pair is None else [pair], max_length)
    with pytest.raises(InputError, match=r"`max_length` -?\d is too small|not valid Unicode") as caught:
        ours.encode(text, pair, max_length)
    assert "max_length" not in str(caught.value) or str(caught.value) == str(theirs.value)
