"""Pieces of words and of characters: ids, word numbers and offsets of the reference's fast tokenizers, in each family.

The small tokenizers are those of `test_family_tokenizers`; BERT's is the official one of the default model.
"""

import pytest
import transformers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from minitf.errors import InputError
from minitf.text.tokenizer import Tokenizer
from tests.text.test_family_tokenizers import MAKERS, NASTY, TEXT

PROPERTY = settings(
    deadline=None,
    derandomize=True,
    database=None,
    max_examples=150,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
WORD = TEXT.map(lambda text: text.strip(" \t\r\n")).filter(bool)


@pytest.fixture(scope="module", params=[*MAKERS, "all-MiniLM-L6-v2"])
def both(request, tmp_path_factory):
    """Our tokenizer, and the reference's as its documentation says that words are given to it."""
    if request.param in MAKERS:
        folder = MAKERS[request.param](tmp_path_factory.mktemp("tokenizers") / request.param)
    else:
        folder = request.getfixturevalue("minilm")
    more = {"add_prefix_space": True} if request.param == "roberta" else {}
    whole = transformers.AutoTokenizer.from_pretrained(folder)
    return Tokenizer.from_folder(folder), transformers.AutoTokenizer.from_pretrained(folder, **more), whole


def assert_same_words(ours, theirs, sentences):
    before, behind = ours.surrounding_tokens()
    expected = theirs([list(words) for words in sentences], is_split_into_words=True)
    for n, pieces in enumerate(ours.pieces_of_words(sentences)):
        assert [*before.ids, *pieces.ids, *behind.ids] == expected["input_ids"][n]
        assert [None, *pieces.words, None] == expected.word_ids(n)
        assert len(pieces) == len(pieces.ids)


def test_words_of_every_kind(both):
    ours, theirs, _ = both
    assert_same_words(ours, theirs, [[word for text in NASTY for word in text.split()], ["fox"], ["the", "fox"]])


@PROPERTY
@given(sentences=st.lists(st.lists(WORD, min_size=1, max_size=6), min_size=1, max_size=3))
def test_any_words(both, sentences):
    ours, theirs, _ = both
    assert_same_words(ours, theirs, sentences)


def test_words_that_vanish_have_no_piece(both, request):
    """WNUT-17 has such words: a variation selector alone. Another word's pieces keep their number all the same."""
    ours, theirs, _ = both
    sentences = [["fox", "\ufe0f", "\u200b", "dog"], ["\ufe0f"]]
    assert_same_words(ours, theirs, sentences)
    if ours.special.pad == "[PAD]" and ours.vocabulary_size > 1000:
        assert [set(p.words) for p in ours.pieces_of_words(sentences)] == [{0, 3}, set()]


def test_a_text_alone_is_read_as_before(both):
    """The space before the first word is for words only: `encode` gives what it gave."""
    ours, _, whole = both
    texts = [text for text in NASTY if text.strip()]
    ours.pieces_of_words([["the", "fox"]])
    assert [t.ids for t in ours.encode(texts, max_length=512)] == whole(texts, max_length=512, truncation=True)[
        "input_ids"
    ]


@PROPERTY
@given(text=TEXT)
def test_the_characters_of_a_piece(both, text):
    ours, _, whole = both
    expected = whole(text, return_offsets_mapping=True, add_special_tokens=False)
    (pieces,) = ours.pieces([text])
    assert pieces.ids == expected["input_ids"]
    assert [tuple(span) for span in pieces.spans] == [tuple(span) for span in expected["offset_mapping"]]


@pytest.mark.parametrize("pair", [None, "the lazy dog"])
def test_frame(both, pair):
    """Put around the pieces it is what the reference makes of a text or of a pair, segments too."""
    ours, _, whole = both
    texts = ["The quick fox", pair][: 1 + (pair is not None)]
    expected = whole(*texts)
    frame, ids, segments = ours.surrounding_tokens(pair is not None), [], []
    assert len(frame) == len(texts) + 1
    for n, pieces in enumerate(ours.pieces(texts)):
        ids += [*frame[n].ids, *pieces.ids]
        segments += [*frame[n].segments, *([min(n, ours.segments - 1)] * len(pieces))]
    assert [*ids, *frame[-1].ids] == expected["input_ids"]
    if "token_type_ids" in expected:
        assert [*segments, *frame[-1].segments] == expected["token_type_ids"]


def test_longer_than_any_model(both):
    """No truncation of an earlier call is left over."""
    ours, theirs, _ = both
    ours(["the fox"], max_length=8)
    assert len(ours.pieces(["fox " * 300])[0]) >= 300
    assert_same_words(ours, theirs, [["fox"] * 300])
    ours(["the fox"], max_length=8)
    assert len(ours.surrounding_tokens(pair=True)) == 3


@pytest.mark.parametrize("text", ["a\ud800", "\udfff"])
def test_no_unicode(both, text):
    ours, _, _ = both
    with pytest.raises(InputError, match="text 2 is not valid Unicode"):
        ours.pieces(["fox", text])
    with pytest.raises(InputError, match="not valid Unicode"):
        ours.pieces_of_words([["fox"], ["the", text]])
