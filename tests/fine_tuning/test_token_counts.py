"""Token counts: lengths against NumPy and the reference tokenizer, unknown words, uppercase letters, warnings."""

import numpy as np
import pytest
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from minitf.checkpoints import load
from minitf.fine_tuning import token_counts
from minitf.fine_tuning.token_counts import CHUNK, TokenCounts, count_tokens, percentiles, token_warnings

PROPERTY = settings(deadline=None, derandomize=True, database=None, max_examples=200)
TEXTS = ["the film was great !", "bad", "unwanted ⚗ and ⚗ again", "", "good " * 30, "A HOTEL ROOM", "Café 中国 ¿no?"]


def cased(folder) -> None:
    (folder / "tokenizer_config.json").write_text('{"do_lower_case": false}')


@PROPERTY
@given(st.lists(st.integers(0, 600), min_size=1, max_size=80))
def test_percentiles_as_numpy(lengths: list[int]) -> None:
    expected = np.percentile(lengths, [50, 90, 99, 100], method="inverted_cdf")
    assert list(percentiles(lengths).values()) == expected.tolist()


def test_counts(write_bert) -> None:
    """Lengths and unknown tokens as with the tokenizer of the reference, uncut."""
    folder, _ = write_bert()
    counts = count_tokens(load.load_tokenizer(folder), (TEXTS, None), 8)
    ids = transformers.AutoTokenizer.from_pretrained(folder)(TEXTS)["input_ids"]
    lengths = [len(text) for text in ids]
    assert counts.texts == len(TEXTS)
    assert counts.lengths == percentiles(lengths)
    assert counts.longer == sum(n > 8 for n in lengths) == 2
    assert counts.pieces == sum(lengths) - 2 * len(lengths)
    assert counts.unknown == sum(text.count(1) for text in ids) > 0
    assert ("⚗", 2) in counts.strange
    assert (counts.capitals, counts.in_capitals) == (2, 1)


def test_counts_of_pairs(write_bert) -> None:
    folder, _ = write_bert()
    pairs = ["so ⚗", *["very Good"] * (len(TEXTS) - 1)]
    counts = count_tokens(load.load_tokenizer(folder), (TEXTS, pairs), 8)
    ids = transformers.AutoTokenizer.from_pretrained(folder)(TEXTS, pairs)["input_ids"]
    assert counts.lengths == percentiles([len(text) for text in ids])
    assert counts.pieces == sum(len(text) - 3 for text in ids)
    assert ("⚗", 3) in counts.strange
    assert counts.capitals == len(TEXTS) - 1


def test_no_text_is_left_out_of_the_count(write_bert, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many texts are tokenized together."""
    tokenizer = load.load_tokenizer(write_bert()[0])
    whole = count_tokens(tokenizer, (TEXTS * 3, None), 8)
    monkeypatch.setattr(token_counts, "CHUNK", 4)
    assert CHUNK != 4
    assert count_tokens(tokenizer, (TEXTS * 3, None), 8) == whole


def usual(**changes) -> TokenCounts:
    fields = {
        "texts": 100,
        "lengths": {50: 9},
        "longer": 0,
        "pieces": 1000,
        "unknown": 0,
        "strange": (),
        "capitals": 90,
    }
    return TokenCounts(**(fields | {"in_capitals": 0, "letters": 100} | changes))


@pytest.fixture
def both(write_bert):
    """An uncased tokenizer and a cased one."""
    first, second = write_bert()[0], write_bert(name="cased")[0]
    cased(second)
    return load.load_tokenizer(first), load.load_tokenizer(second)


def warnings(counts: TokenCounts, tokenizer, cut: bool = True) -> list[str]:
    found = list(token_warnings("t.csv", counts, tokenizer, 128, cut=cut, options="do this"))
    assert all(finding.level == "warning" and finding.message.startswith("t.csv: ") for finding in found)
    return [finding.message for finding in found]


def test_no_warning(both) -> None:
    for tokenizer in both:
        assert warnings(usual(longer=5, unknown=10), tokenizer) == []


def test_many_cut(both) -> None:
    (message,) = warnings(usual(longer=6), both[0])
    assert "6 of 100 texts are longer than `max_length` 128 and are cut: do this" in message
    assert warnings(usual(longer=100), both[0], cut=False) == []


def test_many_unknown(both) -> None:
    (message,) = warnings(usual(unknown=11, strange=(("⚗", 9), ("ж", 2))), both[0])
    assert "1.1% of the word pieces are unknown ([UNK])" in message
    assert "'⚗' (9), 'ж' (2)" in message


def test_uppercase_and_a_cased_vocabulary(both) -> None:
    """All texts or none: a cased model was trained on neither; an uncased model ignores case."""
    uncased_one, cased_one = both
    (message,) = warnings(usual(in_capitals=21), cased_one)
    assert "21 of 100 texts are in uppercase" in message
    (message,) = warnings(usual(capitals=0), cased_one)
    assert "no text has an uppercase letter, and the vocabulary is cased" in message
    assert warnings(usual(capitals=0, letters=19), cased_one) == []  # few texts, or a script without uppercase
    for counts in (usual(in_capitals=21), usual(capitals=0)):
        assert warnings(counts, uncased_one) == []
