"""Augmented texts: what may change and what may not, the rates by statistics, the draws by their seeds."""

import dataclasses
import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minitf.datasets.augmentation import (
    Augmentation,
    augment,
    changed_texts,
    delete_words,
    parse,
    split_punctuation,
    swap_words,
)
from minitf.datasets.dataset import Dataset, Example

PROPERTY = settings(deadline=None, derandomize=True, database=None, max_examples=150)
WORDS = st.lists(st.sampled_from(["good", "film", ",", "(so", "very!", "中国", "1", "..."]), min_size=1, max_size=12)
CHANCE = st.sampled_from([0.0, 0.1, 0.5, 1.0])


def table(*texts: str, pairs: tuple[str, ...] | None = None) -> Dataset:
    rows = zip(texts, pairs or (None,) * len(texts), strict=True)
    examples = tuple(Example(text, pair, "ab"[i % 2], i + 2) for i, (text, pair) in enumerate(rows))
    return Dataset("t.csv", examples, "text", "pair" if pairs else None, "label", "0" * 64)


def other_words(texts):
    """A stand-in for a model: two words for each place, and never one for the word `film`."""
    return [
        [[] if split_punctuation(words[i])[1] == "film" else [("x", 0.75), ("y", 0.25)] for i in places]
        for words, places in texts
    ]


@PROPERTY
@given(st.lists(st.tuples(WORDS, WORDS), min_size=1, max_size=6), CHANCE, CHANCE, CHANCE, CHANCE, st.integers(0, 9))
def test_what_never_changes(rows, delete, swap, replace, share, epoch) -> None:
    """Labels, rows, order, digest; no text is empty, none is longer, each word is one of before or was asked for."""
    before = table(*[" ".join(a) for a, _ in rows], pairs=tuple(" ".join(b) for _, b in rows))
    how = Augmentation(delete, swap, replace, share)
    after = augment(before, how, 3, epoch, other_words)
    assert augment(before, how, 3, epoch, other_words) == after
    assert dataclasses.replace(after, examples=before.examples) == before
    for one, other in zip(before.examples, after.examples, strict=True):
        assert (other.label, other.row) == (one.label, one.row)
        for old, new in ((one.text, other.text), (one.pair, other.pair)):
            assert 1 <= len(new.split()) <= len(old.split())
            kinds = Counter(new.split()) - Counter(old.split())
            assert all(split_punctuation(word)[1] in ("x", "y") for word in kinds)
            if not replace:
                assert not kinds
            if not delete:
                assert len(new.split()) == len(old.split())
            if share == 0.0:
                assert new == old


@pytest.mark.parametrize("how", [Augmentation(delete=0.3), Augmentation(swap=0.3), Augmentation(replace=0.3)])
def test_seed_and_epoch_say_which(how: Augmentation) -> None:
    """And neighbours have no say: a text is changed alike wherever the others went."""
    texts = [f"the {i} film was good , so very good" for i in range(40)]
    drawn = {(s, e): augment(table(*texts), how, s, e, other_words).texts for s in (0, 1) for e in (1, 2)}
    assert len({tuple(t) for t in drawn.values()}) == 4
    other = augment(table(*["so"] * 20, *texts[20:]), how, 0, 1, other_words).texts
    assert other[20:] == drawn[0, 1][20:]


def test_how_many_words_are_deleted() -> None:
    """2,000 words at 0.2: 400 ± 5 standard deviations; the others in their order."""
    words = [str(i) for i in range(2000)]
    kept = delete_words(words, 0.2, random.Random(0))
    assert abs(2000 - len(kept) - 400) < 5 * (2000 * 0.2 * 0.8) ** 0.5
    assert list(map(int, kept)) == sorted(map(int, kept))


def test_of_a_text_something_stays() -> None:
    assert {delete_words(["a", "b"], 1.0, random.Random(seed))[0] for seed in range(20)} == {"a", "b"}
    assert [len(delete_words(["a", "b"], 1.0, random.Random(seed))) for seed in range(20)] == [1] * 20


def test_how_many_words_are_swapped() -> None:
    """About as many exchanges as chance and words say, and with any other word, not the next alone."""
    words = [str(i) for i in range(4000)]
    after = swap_words(words, 0.1, random.Random(0))
    assert sorted(after) == sorted(words)
    moved = [(i, int(word)) for i, word in enumerate(after) if i != int(word)]
    assert 700 < len(moved) < 850  # 400 exchanges of two, some words moved twice
    assert sum(abs(i - j) > 1000 for i, j in moved) > len(moved) / 3


@pytest.mark.parametrize("n", [1, 2, 5])
def test_a_swap_is_with_another_word(n: int) -> None:
    """Every other place is as likely."""
    words = [str(i) for i in range(n)]
    places: Counter[int] = Counter()
    for seed in range(600):
        draw = random.Random(seed)
        draw.random = iter([0.0] + [1.0] * n).__next__  # the first word alone is taken
        after = swap_words(words, 0.5, draw)
        places[after.index("0")] += 1
    if n == 1:
        assert places == {0: 600}
    else:
        assert set(places) == set(range(1, n))
        assert all(abs(count - 600 / (n - 1)) < 100 for count in places.values())


def test_how_many_words_are_replaced_and_by_what() -> None:
    text = " ".join(["good"] * 3000 + ["film"] * 1000)
    words = augment(table(text), Augmentation(replace=0.2, share=1.0), 0, 1, other_words).texts[0].split()
    counts = Counter(words)
    assert abs(counts["x"] + counts["y"] - 600) < 5 * (3000 * 0.2 * 0.8) ** 0.5
    assert 0.7 < counts["x"] / (counts["x"] + counts["y"]) < 0.8
    assert counts["film"] == 1000


def test_the_share_of_texts() -> None:
    texts = [f"a b c d {i}" for i in range(2000)]
    after = augment(table(*texts), Augmentation(swap=1.0, share=0.3), 0, 1).texts
    changed = sum(old != new for old, new in zip(texts, after, strict=True))
    assert abs(changed - 600) < 5 * (2000 * 0.3 * 0.7) ** 0.5


def test_what_stands_around_a_word_stays() -> None:
    after = augment(table('he "said": good! ...'), Augmentation(replace=1.0, share=1.0), 0, 1, other_words).texts
    assert [split_punctuation(word)[::2] for word in after[0].split()] == [
        ("", ""),
        ('"', '":'),
        ("", "!"),
        ("...", ""),
    ]


@pytest.mark.parametrize(
    ("word", "parts"),
    [
        ("good", ("", "good", "")),
        ('"good!"', ('"', "good", '!"')),
        ("don't", ("", "don't", "")),
        ("...", ("...", "", "")),
    ],
)
def test_core(word: str, parts: tuple[str, str, str]) -> None:
    assert split_punctuation(word) == parts


def test_examples_of_what_changed() -> None:
    before, after = table("a b", "c  d", "e f", "g h"), table("b a", "c d", "e f", "g")
    assert changed_texts(before, after) == [("a b", "b a"), ("g h", "g")]
    assert len(changed_texts(table(*"abcdef"), table(*"uvwxyz"))) == 3


def test_parse() -> None:
    assert parse("delete=0.1") == Augmentation(delete=0.1)
    assert parse(" swap = 0.2 , replace=1,delete=.5 ", 0.3) == Augmentation(0.5, 0.2, 1.0, 0.3)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "'' is none of delete, swap, replace"),
        ("drop=0.1", "'drop' is none of"),
        ("delete=0.1,delete=0.2", "delete is given twice"),
        ("delete", "give a probability"),
        ("delete=x", "give a probability"),
        ("delete=0", "above 0"),
        ("delete=1.5", "at most 1"),
        ("delete=nan", "above 0"),
        ("delete=0.1,", "'' is none of"),
    ],
)
def test_what_parse_refuses(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse(text)
