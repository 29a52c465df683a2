"""Vocabularies that are learned from texts: no unknown tokens, and the same ids in `transformers`."""

import json

import pytest
import transformers
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from minitf.errors import InputError
from minitf.text.learned_vocabulary import learn_vocabulary
from minitf.text.sequence_tokenizer import from_folder

TEXTS = [
    *("2019-03-04", "the 4th of March, 2019", "二〇一九年三月四日", "twenty-one thousand", "2019年3月4日"),
    *("Two words here, and  there", "<0x41> <0x41> <0x41>", "line\r\nline\ttab"),
] * 20
NASTY = [
    "",
    " ",
    "  a\t\n b  ",
    "2019 年",
    "😀 ꙮ e\u0301 \x00\ufffd\ufeff\u2028",
    "<0x41> ▁Ġ##",
    "Straße 九百",
    "a" * 300,
]
PROPERTY = settings(
    deadline=None,
    derandomize=True,
    database=None,
    max_examples=100,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30) | st.lists(
    st.sampled_from([*TEXTS[:8], " ", "\n", "<0x", "41>", "é", "😀"]), max_size=8
).map("".join)
SPECIAL = ("<pad>", "</s>", "<unk>")


@pytest.fixture(scope="module", params=[(None, True, "marian"), (300, True, "marian"), (400, False, "gpt2")], ids=str)
def both(request, tmp_path_factory):
    """The learned tokenizer, and the reference's that reads its files beside the config of a model."""
    size, ends, model_type = request.param
    folder = tmp_path_factory.mktemp("learned")
    ours = learn_vocabulary(TEXTS, size, ends)
    ours.save(folder, max_length=64)
    config = {"model_type": model_type, "decoder_start_token_id": 0}
    (folder / "config.json").write_text(json.dumps(config))
    return ours, transformers.AutoTokenizer.from_pretrained(folder), folder


def assert_same(ours, theirs, texts):
    ids = ours.encode(texts)
    assert ids == theirs(texts)["input_ids"] and ours.unknown_id not in {i for row in ids for i in row}
    for text, row, target in zip(texts, ids, ours.encode_targets(texts), strict=True):
        assert target == [*row[: len(row) - ours.ends_source], ours.end_id]
        assert ours.decode(row) == ours.decode(target) == theirs.decode(row, skip_special_tokens=True)
        assert ours.decode(row) == text or any(token in text for token in SPECIAL)


def test_nasty_texts(both):
    assert_same(*both[:2], [*NASTY, *TEXTS[:8], "a </s> <pad><unk>"[:10]])


@PROPERTY
@given(st.lists(TEXT, min_size=1, max_size=3))
def test_any_text(both, texts):
    """Also with characters that were not in the texts: nothing is unknown, and nothing is lost."""
    assert_same(*both[:2], texts)


@PROPERTY
@given(st.data())
def test_any_ids(both, data):
    ours, theirs, _ = both
    ids = data.draw(st.lists(st.integers(0, ours.vocab_size - 1), max_size=12))
    assert ours.decode(ids) == theirs.decode(ids, skip_special_tokens=True)
    assert ours.tokens(ids) == theirs.convert_ids_to_tokens(ids)


def test_truncation(both):
    ours, theirs, _ = both
    assert ours.encode(TEXTS[:8], 5) == theirs(TEXTS[:8], truncation=True, max_length=5)["input_ids"]
    assert all(row[-1] == ours.end_id and len(row) <= 5 for row in ours.encode_targets(TEXTS[:8], 5))


def test_special_tokens(both):
    ours, theirs, _ = both
    assert (ours.pad_id, ours.end_id, ours.unknown_id, ours.start_id) == (0, 1, 2, 0)
    assert (theirs.pad_token_id, theirs.eos_token_id, theirs.unk_token_id) == (0, 1, 2)
    assert ours.vocab_size == len(theirs) and theirs.model_max_length == 64


def test_the_folder_is_read_again(both):
    ours, _, folder = both
    again = from_folder(folder)
    assert again.sha256 == ours.sha256 and again.ends_source == ours.ends_source
    assert again.encode(NASTY) == ours.encode(NASTY) and again.encode_targets(NASTY) == ours.encode_targets(NASTY)


def test_the_same_texts_give_the_same_vocabulary():
    assert learn_vocabulary(TEXTS, 330).sha256 == learn_vocabulary(iter(TEXTS), 330).sha256
    assert learn_vocabulary(TEXTS[::-1]).sha256 == learn_vocabulary(TEXTS).sha256


def test_the_size():
    characters = len(set("".join(TEXTS))) + 259
    assert learn_vocabulary(TEXTS).vocab_size == characters
    for size in (262, 270, 300, 310):
        assert learn_vocabulary(TEXTS, size).vocab_size == size
    assert learn_vocabulary(TEXTS, 100_000).vocab_size < 400  # there is nothing more to join


def test_digits_are_never_joined():
    tokenizer = learn_vocabulary(TEXTS, 330)
    assert tokenizer.tokens(tokenizer.encode(["2019"])[0]) == ["2", "0", "1", "9", "</s>"]
    assert tokenizer.tokens(tokenizer.encode(["二〇一九年"])[0]) == ["二", "〇", "一", "九", "年", "</s>"]
    assert "ch" in tokenizer.words(tokenizer.encode(["of March"])[0])


@pytest.mark.parametrize("size", [0, -5, 259, 100_001, 3.5, True, "300"])
def test_a_wrong_size(size):
    with pytest.raises(InputError, match="the size of a vocabulary must be from 260 to 100,000"):
        learn_vocabulary(TEXTS, size)


@pytest.mark.parametrize("texts", [[], [""], ["", ""]])
def test_no_texts(texts):
    with pytest.raises(InputError, match="there are no texts from which a vocabulary can be learned"):
        learn_vocabulary(texts)
