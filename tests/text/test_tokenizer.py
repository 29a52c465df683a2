"""Ids, segments and masks of the reference's fast tokenizer; tokens of Google's own algorithm, written out slowly."""

import functools
import json
import re
import unicodedata

import pytest
import transformers
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer as FastTokenizer
from tokenizers import models

from minitf.errors import CheckpointError, InputError
from minitf.text.tokenizer import Tokenizer

PROPERTY = settings(
    deadline=None,
    derandomize=True,
    database=None,
    max_examples=300,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
RANGES = [
    (0x21, 0x7E),  # ASCII, punctuation too
    (0xA1, 0xAC),
    (0xAE, 0x17F),  # Latin with accents
    (0x300, 0x30F),  # the accents alone
    (0x391, 0x3A1),
    (0x3A3, 0x3C9),  # Greek, with both small sigmas
    (0x410, 0x44F),  # Cyrillic, where й takes an accent apart
    (0x5D0, 0x5EA),
    (0x4E00, 0x4E20),
    (0x3041, 0x3060),
    (0xAC00, 0xAC10),
    (0x1F600, 0x1F610),
]
LETTERS = [chr(c) for first, last in RANGES for c in range(first, last + 1)]
WORDS = [
    "hello",
    "world",
    "un",
    "want",
    "##want",
    "##ed",
    "running",
    "runn",
    "##ing",
    "WORLD",
    "été",
    "ete",
    "the",
    "...",
]
# Every letter, alone and within a word: whatever becomes of one letter is seen in the ids.
VOCABULARY = [*SPECIAL, *WORDS, *LETTERS, *("##" + c for c in LETTERS)]
BLANKS = [" ", "\t", "\n", "\r", "\u00a0", "\u2003", "\u3000", "\u2028"]
CONTROLS = ["\x00", "\x05", "\x7f", "\u00ad", "\u200b", "\u200d", "\ufeff", "\ufffd", "\ufe0f"]

ANY = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
KNOWN = st.text(st.sampled_from([*LETTERS, *BLANKS, *CONTROLS]), max_size=30)
PIECES = st.lists(
    st.sampled_from([*SPECIAL, *WORDS, *BLANKS, "é", "E\u0301", "万", "😀", "[mask]", "[ SEP ]"]), max_size=12
)
TEXT = ANY | KNOWN | PIECES.map("".join) | PIECES.map(" ".join)

SENTENCES = [
    "The room was clean, the food wasn't.",
    "UNWANTED running; hello WORLD!",
    "",
    " ",
    "Crème brûlée à la façon de Noël: 12,50 €",
    "İstanbul'da ılık ΣΊΣΥΦΟΣ straße ﬁne Ŝanĝo",
    "我喜欢这本书。本当にありがとう 감사합니다",
    "一丁万 ab一丁万cd, É丁e",
    "great 👍🏽 film 👨‍👩‍👧 … 😀😀",
    "tabs\tand\nnewlines\r\nand\u00a0blanks\u3000everywhere",
    "zero\x00 bell\x07 soft\u00adhyphen\u200b\ufeff",
    "a [MASK] between [SEP] two [CLS] words [UNK] [PAD] [mask]",
    "x" * 100 + " " + "y" * 101,
    "don't re-enter C++/C#, e-mail a@b.com; $5.00 (100%)",
    "hello " * 200,
]


def write(folder, settings=None, vocabulary=VOCABULARY):
    """A checkpoint's files of the tokenizer, in the old layout."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "vocab.txt").write_text("".join(f"{token}\n" for token in vocabulary), encoding="utf-8")
    if settings is not None:
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder


def reference_of(folder):
    """The class that `AutoTokenizer` chooses for a BERT: since version 5 it has but one, the fast one."""
    reference = transformers.BertTokenizer.from_pretrained(folder)
    assert reference.is_fast
    return reference


def assert_same(tokenizer, reference, texts, pairs=None, max_length=64):
    ours = tokenizer(texts, pairs, max_length=max_length)
    theirs = reference(texts, pairs, max_length=max_length, truncation=True, padding=True, return_tensors="pt")
    assert ours.token_ids.tolist() == theirs["input_ids"].tolist()
    assert ours.segment_ids.tolist() == theirs["token_type_ids"].tolist()
    assert ours.mask.tolist() == theirs["attention_mask"].tolist()


SETTINGS = [
    {"do_lower_case": lower, "strip_accents": strip, "tokenize_chinese_chars": chinese}
    for lower in (True, False)
    for strip in (None, True, False)
    for chinese in (True, False)
]


@pytest.fixture(scope="module")
def pair_for(tmp_path_factory):
    """A function: settings and layout -> minitf's tokenizer and the reference's, each from the files alone."""

    @functools.cache
    def make(number, layout):
        folder = write(tmp_path_factory.mktemp("tokenizer"), SETTINGS[number])
        if layout == "json":
            reference_of(folder).save_pretrained(folder)
            (folder / "vocab.txt").unlink()
            assert (folder / "tokenizer.json").is_file()
        elif layout == "json, padding and truncation":
            saved = reference_of(folder).backend_tokenizer
            saved.enable_truncation(7)
            saved.enable_padding(length=9)
            saved.save(str(folder / "tokenizer.json"))
            (folder / "vocab.txt").unlink()
        return Tokenizer.from_folder(folder), reference_of(folder)

    return make


LAYOUTS = pytest.mark.parametrize("layout", ["vocab.txt", "json", "json, padding and truncation"])


@LAYOUTS
@pytest.mark.parametrize("number", range(len(SETTINGS)), ids=lambda n: " ".join(str(v) for v in SETTINGS[n].values()))
def test_sentences_in_every_setting(pair_for, number, layout):
    tokenizer, reference = pair_for(number, layout)
    assert tokenizer.lower_case is SETTINGS[number]["do_lower_case"]
    assert_same(tokenizer, reference, SENTENCES)
    assert_same(tokenizer, reference, SENTENCES, SENTENCES[::-1])


@LAYOUTS
@pytest.mark.parametrize("skip", [True, False])
def test_decode_is_the_references(pair_for, layout, skip):
    tokenizer, reference = pair_for(0, layout)
    texts = ["Hello, world... the été!", "unwanted running", "it's [MASK] o'clock ; nothing known: qqq", ""]
    for row in tokenizer(texts, texts[::-1]).token_ids:
        expected = reference.decode(row, skip_special_tokens=skip, clean_up_tokenization_spaces=False)
        assert tokenizer.decode(row, skip) == expected


def test_the_settings_all_differ(pair_for):
    """Else a setting ignored by both would go unseen."""
    texts = ["É一丁e"]
    ids = {str(pair_for(number, "vocab.txt")[0](texts).token_ids.tolist()) for number in range(len(SETTINGS))}
    # Of twelve, four are others in fewer words: `strip_accents: null` means what `do_lower_case` says.
    assert len(ids) == 8


@LAYOUTS
@pytest.mark.parametrize("max_length", [4, 5, 6, 7, 10, 31, 64, 300])
def test_truncation(pair_for, layout, max_length):
    tokenizer, reference = pair_for(0, layout)
    assert_same(tokenizer, reference, SENTENCES, max_length=max_length)
    assert_same(tokenizer, reference, SENTENCES, [*SENTENCES[3:], *SENTENCES[:3]], max_length=max_length)
    assert max(len(t) for t in tokenizer.encode(SENTENCES, max_length=max_length)) == min(max_length, 202)


def test_a_length_asked_for_is_forgotten_by_the_next_call(pair_for):
    tokenizer, reference = pair_for(0, "vocab.txt")
    assert_same(tokenizer, reference, SENTENCES, max_length=4)
    assert_same(tokenizer, reference, SENTENCES, max_length=300)


@given(st.sampled_from(range(len(SETTINGS))), st.sampled_from(["vocab.txt", "json"]), st.data())
@PROPERTY
def test_any_text(pair_for, number, layout, data):
    tokenizer, reference = pair_for(number, layout)
    texts = data.draw(st.lists(TEXT, min_size=1, max_size=4), label="texts")
    n = len(texts)
    pairs = data.draw(st.none() | st.lists(TEXT, min_size=n, max_size=n), label="pairs")
    assert_same(tokenizer, reference, texts, pairs, data.draw(st.integers(4, 40), label="max_length"))


# The real vocabulary, whose tokenizer.json asks for 128 tokens, padded


@pytest.fixture(scope="module")
def real(minilm):
    return Tokenizer.from_folder(minilm), transformers.AutoTokenizer.from_pretrained(minilm)


def test_the_official_files(real, minilm, tmp_path):
    tokenizer, reference = real
    assert reference.is_fast
    assert tokenizer.lower_case
    assert tokenizer.vocabulary_size == 30522
    for max_length in (4, 16, 128, 512):
        assert_same(tokenizer, reference, SENTENCES, max_length=max_length)
        assert_same(tokenizer, reference, SENTENCES, SENTENCES[::-1], max_length=max_length)
    for name in ("vocab.txt", "tokenizer_config.json"):
        (tmp_path / name).write_bytes((minilm / name).read_bytes())
    assert_same(Tokenizer.from_folder(tmp_path), reference, SENTENCES)
    # As the paper's first example: "my dog is cute", "he likes playing" (figure 2).
    assert tokenizer.tokens(tokenizer.encode(["my dog is cute"], ["he likes playing"])[0].ids) == (
        ["[CLS]", "my", "dog", "is", "cute", "[SEP]", "he", "likes", "playing", "[SEP]"]
    )


@given(st.lists(TEXT, min_size=1, max_size=4), st.integers(4, 40))
@settings(PROPERTY, max_examples=150)
def test_any_text_in_the_official_vocabulary(real, texts, max_length):
    assert_same(*real, texts, None, max_length)
    assert_same(*real, texts, texts[::-1], max_length)


# Google's algorithm, from their documentation: clean, space out Chinese, split, lower, strip, split, greedy pieces


def is_control(c):
    return c not in "\t\n\r" and unicodedata.category(c)[0] == "C"


def is_blank(c):
    return c in "\t\n\r" or unicodedata.category(c) == "Zs"


def is_chinese(c):
    blocks = (0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x2A6DF), (0x2A700, 0x2CEAF)
    return any(first <= ord(c) <= last for first, last in blocks)


def is_punctuation(c):
    return (ord(c) < 128 and c.isprintable() and not c.isalnum() and c != " ") or unicodedata.category(c)[0] == "P"


def google_words(text, lower):
    """The basic tokenizer."""
    text = "".join(" " if is_blank(c) else c for c in text if not (c in "\x00\ufffd" or is_control(c)))
    text = "".join(f" {c} " if is_chinese(c) else c for c in text)
    for word in text.split():
        if lower:
            parts = unicodedata.normalize("NFD", word.lower())
            word = "".join(c for c in parts if unicodedata.category(c) != "Mn")
        yield from re.sub(".", lambda c: f" {c[0]} " if is_punctuation(c[0]) else c[0], word).split()


def google_pieces(word, vocabulary):
    """The longest piece that fits, again and again; [UNK] for the whole word if none fits somewhere."""
    pieces, start = [], 0
    while start < len(word):
        prefix = "##" if start else ""
        ends = [end for end in range(len(word), start, -1) if prefix + word[start:end] in vocabulary]
        if not ends:
            return ["[UNK]"]
        pieces.append(prefix + word[start : ends[0]])
        start = ends[0]
    return pieces


@pytest.mark.parametrize("lower", [True, False], ids=["lower", "cased"])
def test_against_googles_algorithm(pair_for, lower):
    number = SETTINGS.index({"do_lower_case": lower, "strip_accents": None, "tokenize_chinese_chars": True})
    tokenizer, vocabulary = pair_for(number, "vocab.txt")[0], set(VOCABULARY)
    words = st.lists(st.sampled_from([*WORDS, *BLANKS, "É", "e\u0301", "万", "😀", "!"]), max_size=12).map("".join)

    @given(KNOWN | words)
    @PROPERTY
    def agree(text):
        assume(not any(token in text for token in SPECIAL))  # these the reference takes whole, Google's code cuts
        expected = [piece for word in google_words(text, lower) for piece in google_pieces(word, vocabulary)]
        found = tokenizer.tokens(tokenizer.encode([text], max_length=300)[0].ids)
        assert found == ["[CLS]", *expected, "[SEP]"]

    agree()


def test_a_word_of_more_than_100_letters_is_unknown(pair_for):
    """As in the reference; Google's code says 200, and no published vocabulary has a word that would tell."""
    tokenizer, _ = pair_for(0, "vocab.txt")
    for n, tokens in ((100, ["x", *["##x"] * 99]), (101, ["[UNK]"])):
        found = tokenizer.tokens(tokenizer.encode(["x" * n], max_length=200)[0].ids)
        assert found == ["[CLS]", *tokens, "[SEP]"]


# Google's published test cases (tokenization_test.py in google-research/bert)

GOOGLES = ["[UNK]", "[CLS]", "[SEP]", "want", "##want", "##ed", "wa", "un", "runn", "##ing", ",", "[PAD]"]


def cut(tmp_path, text, vocabulary, lower=True):
    """The pieces and ids of a text, without special tokens."""
    folder = write(tmp_path, {"do_lower_case": lower}, vocabulary)
    tokenizer = Tokenizer.from_folder(folder)
    ids = tokenizer.encode([text])[0].ids[1:-1]
    return tokenizer.tokens(ids), ids


def test_google_full(tmp_path):
    tokens, ids = cut(tmp_path, "UNwant\u00e9d,running", GOOGLES)
    assert tokens == ["un", "##want", "##ed", ",", "runn", "##ing"]
    assert ids == [7, 4, 5, 10, 8, 9]


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("", []),
        ("unwanted running", ["un", "##want", "##ed", "runn", "##ing"]),
        ("unwantedX running", ["[UNK]", "runn", "##ing"]),
    ],
)
def test_google_wordpiece(tmp_path, text, pieces):
    assert cut(tmp_path, text, GOOGLES)[0] == pieces


@pytest.mark.parametrize(
    ("text", "lower", "words"),
    [
        ("ah\u535a\u63a8zz", True, ["ah", "\u535a", "\u63a8", "zz"]),
        (" \tHeLLo!how  \n Are yoU?  ", True, ["hello", "!", "how", "are", "you", "?"]),
        ("H\u00e9llo", True, ["hello"]),
        (" \tHeLLo!how  \n Are yoU?  ", False, ["HeLLo", "!", "how", "Are", "yoU", "?"]),
    ],
)
def test_google_basic(tmp_path, text, lower, words):
    vocabulary = [
        *SPECIAL,
        "hello",
        "HeLLo",
        "how",
        "are",
        "Are",
        "you",
        "yoU",
        "!",
        "?",
        "ah",
        "zz",
        "\u535a",
        "\u63a8",
    ]
    assert cut(tmp_path, text, vocabulary, lower)[0] == words


@pytest.mark.parametrize("c", [" ", "\t", "\r", "\n", "\u00a0"])
def test_google_blanks(tmp_path, c):
    assert cut(tmp_path, f"a{c}b", [*SPECIAL, "a", "b", "ab"])[0] == ["a", "b"]


def test_google_control(tmp_path):
    assert cut(tmp_path, "a\u0005b", [*SPECIAL, "a", "b", "ab"])[0] == ["ab"]


@pytest.mark.parametrize("c", ["-", "$", "`", "."])
def test_google_punctuation(tmp_path, c):
    assert cut(tmp_path, f"a{c}b", [*SPECIAL, "a", "b", "ab", c])[0] == ["a", c, "b"]


# Files


@pytest.mark.parametrize("ending", ["\n", "\r\n", " \n"], ids=["unix", "windows", "trailing blanks"])
@pytest.mark.parametrize("last", [True, False], ids=["ended", "not ended"])
def test_line_ends_of_a_vocabulary(tmp_path, ending, last):
    text = ending.join(VOCABULARY) + ending * last
    write(tmp_path, {"do_lower_case": True})
    (tmp_path / "vocab.txt").write_text(text, encoding="utf-8", newline="")
    assert_same(Tokenizer.from_folder(tmp_path), reference_of(tmp_path), SENTENCES)


def test_a_folder_that_does_not_say_whether_it_is_cased(tmp_path):
    """As Google's own: a vocabulary with capitals is. (The reference would lower-case, and know no capital word.)"""
    cased = Tokenizer.from_folder(write(tmp_path / "cased", None, [*SPECIAL, "Hello", "hello"]))
    lower = Tokenizer.from_folder(write(tmp_path / "lower", None, [*SPECIAL, "hello"]))
    assert not cased.lower_case and lower.lower_case
    assert cased.tokens(cased.encode(["Hello"])[0].ids) == ["[CLS]", "Hello", "[SEP]"]
    assert lower.tokens(lower.encode(["Hello"])[0].ids) == ["[CLS]", "hello", "[SEP]"]


@pytest.mark.parametrize("said", [True, False])
def test_where_the_files_disagree_the_settings_rule_as_in_the_reference(tmp_path, said):
    write(tmp_path, {"do_lower_case": not said})
    reference_of(tmp_path).save_pretrained(tmp_path)
    write(tmp_path, {"do_lower_case": said})
    assert_same(Tokenizer.from_folder(tmp_path), reference_of(tmp_path), SENTENCES)


def test_words_added_to_the_vocabulary(tmp_path):
    reference = reference_of(write(tmp_path, {"do_lower_case": True}))
    reference.add_tokens(["<place>", "minitf"])
    reference.save_pretrained(tmp_path)
    tokenizer = Tokenizer.from_folder(tmp_path)
    texts = ["to <place> with minitf", "minitfs"]
    assert_same(tokenizer, reference_of(tmp_path), texts)
    assert tokenizer.tokens(tokenizer.encode(texts)[0].ids)[-2] == "minitf"
    assert tokenizer.vocabulary_size == len(set(VOCABULARY)) + 2


def test_padding_and_unknown_by_number(tmp_path):
    tokenizer = Tokenizer.from_folder(write(tmp_path, {}, ["a", "[UNK]", "[CLS]", "[PAD]", "[SEP]"]))
    assert (tokenizer.pad_id, tokenizer.unknown_id, tokenizer.vocabulary_size) == (3, 1, 5)
    assert tokenizer(["a a", "q"]).token_ids.tolist() == [[2, 0, 0, 4], [2, 1, 4, 3]]
    assert tokenizer.tokens([0, 3, 99]) == ["a", "[PAD]", "[UNK]"]


def refused(error, call, *parts):
    with pytest.raises(error) as caught:
        call()
    message = str(caught.value)
    assert "\n" not in message
    for part in parts:
        assert str(part) in message


@pytest.mark.parametrize("missing", ["[PAD]", "[UNK]", "[CLS]", "[SEP]"])
def test_a_vocabulary_that_is_not_berts(tmp_path, missing):
    write(tmp_path, {}, [token for token in VOCABULARY if token != missing])
    refused(CheckpointError, lambda: Tokenizer.from_folder(tmp_path), tmp_path, missing)


def test_no_tokenizer_at_all(tmp_path):
    refused(CheckpointError, lambda: Tokenizer.from_folder(tmp_path), tmp_path, "tokenizer.json", "vocab.txt")


OTHER_TOKENIZER = FastTokenizer(models.WordLevel({"a": 0, "b": 1}, unk_token="a")).to_str()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("tokenizer.json", b""),
        ("tokenizer.json", b"{}"),
        ("tokenizer.json", b"<html>"),
        ("tokenizer.json", b'{"version": "1.0", "model": {"type": "WordPiece"'),
        ("tokenizer.json", b"\xff\xfe\x00"),
        ("tokenizer.json", OTHER_TOKENIZER.encode()),
        ("vocab.txt", b"[PAD]\n\xff\xfe\n"),
        ("vocab.txt", b""),
        ("tokenizer_config.json", b"{"),
        ("tokenizer_config.json", b"[]"),
        ("tokenizer_config.json", b"\xff"),
        ("tokenizer_config.json", b"[" * 200_000),
        ("tokenizer_config.json", b'{"strip_accents": "no"}'),
        ("tokenizer_config.json", b'{"strip_accents": [1]}'),
    ],
)
def test_broken_files(tmp_path, name, content):
    write(tmp_path, {})
    (tmp_path / name).write_bytes(content)
    refused(CheckpointError, lambda: Tokenizer.from_folder(tmp_path), tmp_path)


def test_calls_that_cannot_be(pair_for):
    tokenizer, _ = pair_for(0, "vocab.txt")
    for max_length in (-1, 0, 2):
        refused(
            InputError, lambda n=max_length: tokenizer(["a"], max_length=n), f"`max_length` {max_length}", "2 tokens"
        )
    refused(InputError, lambda: tokenizer(["a"], ["b"], max_length=3), "`max_length` 3", "3 tokens")
    refused(InputError, lambda: tokenizer(["a", "b"], ["c"]), "2 texts", "1 second")
    refused(InputError, lambda: tokenizer("a text"), "list")
    assert tokenizer([]).token_ids.shape == (0, 0)


def test_bytes_that_are_no_text(pair_for):
    """What a shell hands over that is not UTF-8 arrives in Python as halves of pairs."""
    tokenizer, _ = pair_for(0, "vocab.txt")
    text = b"caf\xe9".decode("utf-8", "surrogateescape")
    refused(InputError, lambda: tokenizer(["fine", text]))
    refused(InputError, lambda: tokenizer(["fine"], [text]))


# Saved and read again


@pytest.mark.parametrize("number", range(len(SETTINGS)), ids=lambda n: " ".join(str(v) for v in SETTINGS[n].values()))
def test_what_is_saved_both_read_alike(pair_for, number, tmp_path):
    tokenizer, _ = pair_for(number, "vocab.txt")
    tokenizer(SENTENCES, max_length=5)  # leaves no trace in the file
    tokenizer.save(tmp_path, max_length=64)
    assert (tmp_path / "vocab.txt").read_text(encoding="utf-8").splitlines() == list(dict.fromkeys(VOCABULARY))
    saved = FastTokenizer.from_file(str(tmp_path / "tokenizer.json"))
    assert saved.truncation is None and saved.padding is None
    reference = transformers.AutoTokenizer.from_pretrained(tmp_path)
    assert reference.is_fast
    assert reference.model_max_length == 64
    for layout in ("tokenizer.json", "vocab.txt"):
        assert_same(tokenizer, reference_of(tmp_path), SENTENCES, SENTENCES[::-1])
        assert_same(Tokenizer.from_folder(tmp_path), reference_of(tmp_path), SENTENCES)
        if layout == "tokenizer.json":
            (tmp_path / "tokenizer.json").unlink()


def test_a_saved_vocabulary_keeps_every_number(tmp_path):
    """A token that stands twice has the later number, and those after it keep theirs."""
    doubled = [*SPECIAL, "a", "b", "a", "c"]
    tokenizer = Tokenizer.from_folder(write(tmp_path / "official", {"do_lower_case": True}, doubled))
    (tmp_path / "saved").mkdir()
    tokenizer.save(tmp_path / "saved", max_length=64)
    (tmp_path / "saved" / "tokenizer.json").unlink()
    again = Tokenizer.from_folder(tmp_path / "saved")
    assert again(["a b c"]).token_ids.tolist() == tokenizer(["a b c"]).token_ids.tolist() == [[2, 7, 6, 8, 3]]
