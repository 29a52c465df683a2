"""The data check: lengths against NumPy and the reference tokenizer, unknown words, capitals, texts that are alike."""

import numpy as np
import pytest
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from minitf.checkpoints import load
from minitf.datasets.dataset import Dataset, Example
from minitf.fine_tuning import check_table
from minitf.fine_tuning.token_counts import CHUNK, TokenCounts, count, doubts, percentiles

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
    """Lengths and [UNK] as the reference's tokenizer has them, uncut."""
    folder, _ = write_bert()
    counts = count(load.load_tokenizer(folder), (TEXTS, None), 8)
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
    counts = count(load.load_tokenizer(folder), (TEXTS, pairs), 8)
    ids = transformers.AutoTokenizer.from_pretrained(folder)(TEXTS, pairs)["input_ids"]
    assert counts.lengths == percentiles([len(text) for text in ids])
    assert counts.pieces == sum(len(text) - 3 for text in ids)
    assert ("⚗", 3) in counts.strange
    assert counts.capitals == len(TEXTS) - 1


def test_no_text_is_left_out_of_the_count(write_bert, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is read at once."""
    tokenizer = load.load_tokenizer(write_bert()[0])
    whole = count(tokenizer, (TEXTS * 3, None), 8)
    monkeypatch.setattr(token_checks, "CHUNK", 4)
    assert CHUNK != 4
    assert count(tokenizer, (TEXTS * 3, None), 8) == whole


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


def told(counts: TokenCounts, tokenizer, cut: bool = True) -> list[str]:
    found = list(doubts("t.csv", counts, tokenizer, 128, cut=cut, options="do this"))
    assert all(finding.level == "warning" and finding.message.startswith("t.csv: ") for finding in found)
    return [finding.message for finding in found]


def test_nothing_odd(both) -> None:
    for tokenizer in both:
        assert told(usual(longer=5, unknown=10), tokenizer) == []


def test_many_cut(both) -> None:
    (message,) = told(usual(longer=6), both[0])
    assert "6 of 100 texts are longer than --max-length 128 and are cut: do this" in message
    assert told(usual(longer=100), both[0], cut=False) == []


def test_many_unknown(both) -> None:
    (message,) = told(usual(unknown=11, strange=(("⚗", 9), ("ж", 2))), both[0])
    assert "1.1% of the word pieces are [UNK]" in message
    assert "'⚗' (9), 'ж' (2)" in message


def test_capitals_and_a_cased_vocabulary(both) -> None:
    """All of them, or none: neither is what it was trained on; an uncased one does not mind."""
    uncased_one, cased_one = both
    (message,) = told(usual(in_capitals=21), cased_one)
    assert "21 of 100 texts are in capitals" in message
    (message,) = told(usual(capitals=0), cased_one)
    assert "no text has a capital, and the vocabulary is cased" in message
    assert told(usual(capitals=0, letters=19), cased_one) == []  # few, or of a script without capitals
    for counts in (usual(in_capitals=21), usual(capitals=0)):
        assert told(counts, uncased_one) == []


# The table ------------------------------------------------------------------------------------------------------------


def dataset(*rows: tuple[str, str], name: str = "t.csv") -> Dataset:
    examples = tuple(Example(text, None, label, row) for row, (text, label) in enumerate(rows, 2))
    return Dataset(name, examples, "text", None, "label", "0" * 64)


def test_rows_of_classes() -> None:
    """Those of the training table, the most frequent first, in every table alike."""
    train = dataset(("x", "b"), ("y", "b"), ("z", "a"))
    assert check_table.class_rows(train, train) == {
        "  label b": "2",
        "  label a": "1",
        "  the most frequent label, share": "0.6667",
    }
    assert list(check_table.class_rows(dataset(("x", "a")), train).values()) == ["0", "1", "1.0000"]


def test_rows_of_many_classes() -> None:
    """A screen is not filled with them, and none is lost."""
    train = dataset(*[(f"{i}", f"c{i % 20:02}") for i in range(45)])
    rows = check_table.class_rows(train, train)
    assert len(rows) == 9
    assert rows["  13 other labels"] == str(45 - sum(int(v) for k, v in rows.items() if k.startswith("  label")))


def test_rows_of_sets_and_numbers() -> None:
    train = dataset(("x", "a|b"), ("y", "b"), ("z", ""))
    assert check_table.set_rows(train, train) == {"  label b": "2", "  label a": "1", "  without a label": "1"}
    numbers = check_table.number_rows(dataset(("x", "1"), ("y", "4")), train)
    assert list(numbers.values()) == ["1", "4", "2.5", "1.5"]


def test_the_table_is_straight() -> None:
    columns = {"train": [{"  texts": "10", "  label very long": "3"}], "valid": [{"  texts": "2000000"}]}
    lines = check_table.table(columns).splitlines()
    assert [len(line) for line in lines] == [len(lines[0])] * 3
    assert [line.split() for line in lines[1:]] == [["texts", "10", "2000000"], ["label", "very", "long", "3"]]
