"""The built-in corpus "hard-reviews": sizes, balance, variety; no word and no template gives the label away."""

import csv
import itertools
import re
import statistics
from collections import Counter, defaultdict
from pathlib import Path

import pytest

import minitf.datasets.dataset
from minitf.datasets.dataset import Dataset, built_in_corpus
from minitf.tasks.classification.data import check_classification

PARTS = ("train", "valid", "test")
FOLDER = Path(minitf.datasets.dataset.__file__).parent.parent / "data" / "hard-reviews"


@pytest.fixture(scope="module")
def corpus() -> dict[str, Dataset]:
    return dict(zip(PARTS, built_in_corpus("hard-reviews"), strict=True))


def cells(part: str) -> list[dict[str, str]]:
    """A file as the csv module reads it, without minitf."""
    with (FOLDER / f"{part}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def words(text: str) -> list[str]:
    return re.findall(r"\w+(?:'\w+)?", text.lower().replace("’", "'"))


def sentences() -> list[str]:
    return [row["text"] for part in PARTS for row in cells(part)]


@pytest.mark.parametrize(("part", "n"), [("train", 800), ("valid", 200), ("test", 200)])
def test_it_is_what_the_files_hold(corpus: dict[str, Dataset], part: str, n: int) -> None:
    table, rows = corpus[part], cells(part)
    assert table.path == f"built-in hard-reviews/{part}"
    assert list(rows[0]) == ["text", "label", "domain"]
    assert (table.text_column, table.pair_column, table.label_column) == ("text", None, "label")
    assert [(e.text, e.pair, e.label) for e in table.examples] == [(row["text"], None, row["label"]) for row in rows]
    assert len(rows) == n


def test_the_checks_find_nothing(corpus: dict[str, Dataset]) -> None:
    assert check_classification(*corpus.values()) == []


@pytest.mark.parametrize("part", PARTS)
def test_balance_and_domains(part: str) -> None:
    rows = cells(part)
    counts = Counter(row["label"] for row in rows)
    assert len(counts) == 2
    assert set(counts.values()) == {len(rows) // 2}
    domains = Counter(row["domain"] for row in rows)
    assert len(domains) >= 6
    assert min(domains.values()) >= 10


def test_no_near_duplicates() -> None:
    bags = [(text, set(words(text))) for text in sentences()]
    alike = [
        (a, b) for (a, bag), (b, other) in itertools.combinations(bags, 2) if len(bag & other) >= 0.6 * len(bag | other)
    ]
    assert alike == []


def test_lengths_vary() -> None:
    lengths = [len(words(text)) for text in sentences()]
    assert statistics.stdev(lengths) >= 5
    assert min(lengths) >= 2


def given_away(in_text: dict[str, set[str]], at_least: int) -> dict[str, float]:
    """The words in `at_least` or more training sentences of which 97 % or more have one label, and that share."""
    labels = defaultdict(list)
    for row in cells("train"):
        for word in in_text[row["text"]]:
            labels[word].append(row["label"])
    shares = {
        word: max(Counter(found).values()) / len(found) for word, found in labels.items() if len(found) >= at_least
    }
    assert len(shares) >= 4  # or nothing was looked at
    return {word: share for word, share in shares.items() if share >= 0.97}


def test_no_word_gives_the_label_away() -> None:
    assert given_away({text: set(words(text)) for text in sentences()}, 20) == {}


def test_no_first_word_gives_the_label_away() -> None:
    assert given_away({text: set(words(text)[:1]) for text in sentences()}, 10) == {}


def test_no_template() -> None:
    frequency = Counter(word for text in sentences() for word in words(text))
    skeletons = defaultdict(list)
    for text in sentences():
        skeletons[" ".join(word if frequency[word] >= 5 else "_" for word in words(text))].append(text)
    assert {skeleton: texts for skeleton, texts in skeletons.items() if len(texts) > 3} == {}
