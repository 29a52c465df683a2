"""The generated built-in data: right, always the same, and held out by pattern."""

import datetime
import hashlib
import json
import re
from collections.abc import Mapping, Sequence

import pytest

from minitf.datasets.built_in import BUILT_IN, PARTS
from minitf.datasets.dataset import built_in_corpus
from minitf.datasets.generated import SIZES
from minitf.datasets.generated_dates import FORMS, dates
from minitf.datasets.generated_numbers import FORMS as NUMBER_FORMS
from minitf.datasets.generated_numbers import chinese, english, numbers
from minitf.tasks.seq2seq.data import check_pairs

DATA = {"dates": dates, "numbers": numbers}


def test_the_forms_of_a_date() -> None:
    written = {form: write(datetime.date(1921, 3, 12)) for form, write in FORMS.items()}
    assert written == {
        "day month year": "12 March 1921",
        "month day, year": "March 12, 1921",
        "short month": "12 Mar 1921",
        "short month first": "Mar 12, 1921",
        "ordinal": "March 12th, 1921",
        "ordinal word": "the twelfth of March 1921",
        "weekday": "Saturday, 12 March 1921",
        "points": "12.3.1921",
        "slashes": "3/12/1921",
        "Chinese": "1921年3月12日",
        "Chinese words": "一九二一年三月十二日",
        "Chinese weekday": "1921年3月12日星期六",
    }
    others = [FORMS["ordinal"](datetime.date(2005, 5, day)) for day in (1, 2, 3, 11, 22, 31)]
    assert others == [f"May {day}, 2005" for day in ("1st", "2nd", "3rd", "11th", "22nd", "31st")]
    words = [FORMS["ordinal word"](datetime.date(2005, 5, day)) for day in (20, 21, 30, 31)]
    assert words == [f"the {day} of May 2005" for day in ("twentieth", "twenty-first", "thirtieth", "thirty-first")]
    assert FORMS["Chinese words"](datetime.date(2005, 10, 30)) == "二〇〇五年十月三十日"


@pytest.mark.parametrize(
    ("n", "words", "characters"),
    [
        (0, "zero", "零"),
        (10, "ten", "十"),
        (17, "seventeen", "十七"),
        (40, "forty", "四十"),
        (110, "one hundred and ten", "一百一十"),
        (808, "eight hundred and eight", "八百零八"),
        (1005, "one thousand and five", "一千零五"),
        (1110, "one thousand one hundred and ten", "一千一百一十"),
        (10_000, "ten thousand", "一万"),
        (10_010, "ten thousand and ten", "一万零一十"),
        (20_500, "twenty thousand five hundred", "二万零五百"),
        (100_005, "one hundred thousand and five", "十万零五"),
        (342_017, "three hundred and forty-two thousand and seventeen", "三十四万二千零一十七"),
        (999_999, "nine hundred and ninety-nine thousand nine hundred and ninety-nine", "九十九万九千九百九十九"),
    ],
)
def test_number_words(n: int, words: str, characters: str) -> None:
    assert (english(n), chinese(n)) == (words, characters)


def test_no_two_numbers_have_the_same_words() -> None:
    some = range(0, 1_000_000, 7)
    assert len({english(n) for n in some}) == len({chinese(n) for n in some}) == len(some)


@pytest.mark.parametrize("name", DATA)
def test_rows(name: str) -> None:
    """Their number, their columns, and one target for each source in all parts together."""
    parts = DATA[name]()
    assert {part: len(rows) for part, rows in parts.items()} == SIZES
    every = [row for rows in parts.values() for row in rows]
    assert {tuple(row) for row in every} == {("source", "target", "form")}
    assert len({row["source"] for row in every}) == len(every)
    assert {row["form"] for row in every} == set(FORMS if name == "dates" else NUMBER_FORMS)


@pytest.mark.parametrize(("name", "digest"), [("dates", "c29ac3cb77a1dafd"), ("numbers", "76f3ab81f4bb6599")])
def test_always_the_same(name: str, digest: str) -> None:
    """A record of a benchmark is about these rows."""
    rows = json.dumps({part: list(map(dict, rows)) for part, rows in DATA[name]().items()}, ensure_ascii=False)
    assert hashlib.sha256(rows.encode()).hexdigest()[:16] == digest


def test_years_and_days_are_held_out() -> None:
    """No year and no month–day pair of a part occurs in another; every source is the date of its target."""
    parts = {part: [datetime.date.fromisoformat(row["target"]) for row in rows] for part, rows in dates().items()}
    for pattern in (lambda d: d.year, lambda d: (d.month, d.day)):
        assert_disjoint({part: {pattern(date) for date in found} for part, found in parts.items()})
    for part, found in parts.items():
        for date, row in zip(found, dates()[part], strict=True):
            assert FORMS[row["form"]](date) == row["source"]
    train = parts["train"]
    assert {date.month for date in train} == set(range(1, 13))
    assert {date.day for date in train} == set(range(1, 32))
    for form in FORMS:
        own = [date for date, row in zip(train, dates()["train"], strict=True) if row["form"] == form]
        assert {date.day for date in own} == set(range(1, 32)), form
    assert_positions_occur([row["target"] for row in dates()["train"]], [dates()[p] for p in ("valid", "test")])


def test_groups_of_digits_are_held_out() -> None:
    """Three digits of a validation or test number, other than 000, occur in no training number at the same places."""
    groups = {
        part: {group for row in rows for group in divmod(value_of(row), 1000)} - {0} for part, rows in numbers().items()
    }
    assert_disjoint(groups)
    for rows in numbers().values():
        for row in rows:
            assert NUMBER_FORMS[row["form"]](value_of(row)) == (row["source"], row["target"])
    train = [f"{value_of(row):06}" for row in numbers()["train"]]
    for position in range(6):
        assert {number[position] for number in train} == set("0123456789")
    for rows in numbers().values():
        assert 0.05 < sum(value_of(row) < 1000 for row in rows) / len(rows) < 0.25
    for form in NUMBER_FORMS:
        own = {p: [row for row in rows if row["form"] == form] for p, rows in numbers().items()}
        for column in ("source", "target"):
            words = {p: {word for row in rows for word in tokens(row[column])} for p, rows in own.items()}
            assert words["valid"] | words["test"] <= words["train"]


def value_of(row: Mapping[str, str]) -> int:
    """The number of a row: the digits in the source, or the target."""
    return int(row["source"].split()[0] if row["form"].startswith("digits") else row["target"])


def tokens(text: str) -> list[str]:
    return re.findall(r"[A-Za-z]+|\S", text)


def assert_disjoint(patterns: Mapping[str, set]) -> None:
    train, valid, test = (patterns[part] for part in PARTS)
    assert not train & valid
    assert not train & test
    assert not valid & test
    assert len(test) > len(valid) > 20


def assert_positions_occur(train: Sequence[str], others: Sequence[Sequence[Mapping[str, str]]]) -> None:
    """Every character of a held-out target occurs at its position in the training targets."""
    known = {(i, c) for target in train for i, c in enumerate(target)}
    assert {(i, c) for rows in others for row in rows for i, c in enumerate(row["target"])} <= known


@pytest.mark.parametrize("name", DATA)
def test_as_tables(name: str) -> None:
    tables = built_in_corpus(name)
    assert [len(table.examples) for table in tables] == list(SIZES.values())
    assert [table.path for table in tables] == [f"built-in {name}/{part}" for part in PARTS]
    assert (tables[0].text_column, tables[0].label_column) == BUILT_IN[name].columns
    assert check_pairs(*tables) == []
