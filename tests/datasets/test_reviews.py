"""The built-in corpus "reviews": sizes, balance, kinds, variety, no near duplicates, no giveaway words.

Each check is also given the corpus with a planted fault, and must find it.
"""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

import minitf.datasets.dataset
from minitf.datasets.dataset import built_in_corpus
from minitf.errors import DataError
from minitf.tasks.classification.data import check_classification
from tests.support import corpus_checks
from tests.support.corpus_checks import CHECKS, SIZES, Check, Row

DATA = Path(minitf.datasets.dataset.__file__).parent.parent / "data"


def read(name: str) -> list[dict[str, str]]:
    """All rows of a corpus as the csv module reads them, without minitf, with their part."""
    rows = []
    for part in SIZES:
        with (DATA / name / f"{part}.csv").open(encoding="utf-8", newline="") as file:
            rows += [{"part": part, **row} for row in csv.DictReader(file)]
    return rows


@pytest.fixture(scope="module")
def rows() -> list[Row]:
    return [Row(**row) for row in read("reviews")]


@pytest.mark.parametrize("check", CHECKS)
def test_the_corpus_passes(rows: list[Row], check: Check) -> None:
    assert check(rows) == []


def change(**changes: str) -> Callable[[list[Row], int], Row]:
    return lambda rows, i: rows[i]._replace(**changes)


def text(edit: Callable[[Row], str]) -> Callable[[list[Row], int], Row]:
    return lambda rows, i: rows[i]._replace(text=edit(rows[i]))


def positive(row: Row) -> bool:
    return row.label == "positive"


FAULTS: dict[str, list[tuple[Callable[[Row], bool], int, Callable[[list[Row], int], Row]]]] = {
    # check: (which rows, at most how many, the change)
    "sizes": [(lambda row: True, 1, change(part="none")), (positive, 1, change(label="negative"))],
    "kinds": [
        (lambda row: row.kind == "irony", 10**6, change(kind="plain")),
        (lambda row: row.part == "test" and row.kind == "facts", 10, change(kind="plain")),
    ],
    "domains": [
        (lambda row: True, 10**6, change(domain="shoes")),
        (lambda row: row.domain == "games" and positive(row), 10**6, change(domain="apps")),
        (lambda row: row.domain == "games" and row.part == "test", 10**6, change(domain="apps")),
    ],
    "tidy": [(positive, 1, text(lambda row: row.text + " ")), (positive, 1, text(lambda row: row.text + "\u200b"))],
    "duplicates": [(lambda row: row.part == "test", 1, lambda rows, i: rows[i]._replace(text=rows[0].text.upper()))],
    "near_duplicates": [
        (lambda row: row.part == "test", 1, lambda rows, i: rows[i]._replace(text=rows[0].text + " Really."))
    ],
    "openings": [
        (positive, 9, text(lambda row: "I would say " + row.text)),
        (positive, 900, text(lambda row: "Well, " + row.text)),
    ],
    "templates": [
        (positive, 4, lambda rows, i: rows[i]._replace(text=f"The first{i} is very good and so is the second{i}."))
    ],
    "vocabulary": [(lambda row: len(row.text) > 60, 10**6, text(lambda row: "It is what it is."))],
    "lengths": [
        (lambda row: True, 10**6, text(lambda row: " ".join(row.text.split()[:12]))),
        (positive, 800, text(lambda row: row.text + " All in all we went home with smiles on our faces and sang.")),
    ],
    "giveaway_words": [(positive, 200, text(lambda row: row.text + " Marvellous."))],
    "giveaway_form": [(positive, 300, text(lambda row: row.text.rstrip(".") + "!"))],
    "kinds_are_different": [
        (lambda row: row.kind == "plain" and "not" not in row.text, 1, change(kind="negation")),
        (lambda row: row.kind == "negation", 150, change(kind="plain")),
        (lambda row: row.kind == "facts", 20, text(lambda row: row.text + " Superb.")),
    ],
}


@pytest.mark.parametrize(("name", "fault"), [(name, i) for name, faults in FAULTS.items() for i in range(len(faults))])
def test_the_check_finds_a_planted_fault(rows: list[Row], name: str, fault: int) -> None:
    which, most, planted = FAULTS[name][fault]
    chosen = [i for i, row in enumerate(rows) if which(row)][:most]
    faulty = list(rows)
    for i in chosen:
        faulty[i] = planted(rows, i)
    assert chosen
    assert getattr(corpus_checks, name)(faulty) != []


def test_each_check_has_a_planted_fault() -> None:
    assert list(FAULTS) == [check.__name__ for check in CHECKS]


def test_sentences_of_hard_reviews_keep_their_part_and_label(rows: list[Row]) -> None:
    """At most 900 of them are used again, none of them as a plain sentence."""
    earlier = {row["text"]: (row["part"], row["label"]) for row in read("hard-reviews")}
    again = [row for row in rows if row.text in earlier]
    assert 0 < len(again) <= 900
    assert [row for row in again if (row.part, row.label) != earlier[row.text] or row.kind == "plain"] == []


@pytest.mark.parametrize("part", SIZES)
def test_minitf_reads_it_by_name(rows: list[Row], part: str) -> None:
    table = dict(zip(SIZES, built_in_corpus("reviews"), strict=True))[part]
    assert table.path == f"built-in reviews/{part}"
    assert (table.text_column, table.pair_column, table.label_column) == ("text", None, "label")
    assert [(e.text, e.label) for e in table.examples] == [(row.text, row.label) for row in rows if row.part == part]


def test_the_columns() -> None:
    assert {tuple(row) for row in read("reviews")} == {("part", "text", "label", "domain", "kind")}


def test_the_checks_of_a_users_table_find_nothing() -> None:
    assert check_classification(*built_in_corpus("reviews")) == []


def test_an_unknown_name() -> None:
    with pytest.raises(DataError, match="'books' is not a built-in corpus: choose from reviews, hard-reviews"):
        built_in_corpus("books")
