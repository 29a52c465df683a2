"""Labels that are one label in several spellings, and labels that are not."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minitf.datasets.spellings import same_spellings, spelled, spelling_key, spelling_warnings, unknown

SAME = (
    ("1", "1.0", "01", "+1", "１", "1e0", '"1"'),
    ("café", "cafe\u0301", "CAFÉ", "cafe\u0301\u200b", "\u00a0café"),
    ("1e-300", "0.001e-297"),
    ("0", "0.0", "-0"),
    ("true", "True", "TRUE", "'true'"),
    ("not good", "not  good", "Not\u00a0good", "\ufeffnot good", "not\u200d good"),
    ("Straße", "STRASSE"),
    ("pos", "“pos”", "ｐｏｓ", "pos\u2060"),
    ("각", "\u1100\u1161\u11a8"),
    ("❤", "❤\ufe0f"),
)
DIFFERENT = (
    "1",
    "10",
    "1.5",
    "-1",
    "a",
    "b",
    "",
    "''",
    "``",
    '"',
    "'",
    ":",
    "$",
    "PRP",
    "PRP$",
    "a b",
    "ab",
    "A+",
    "A-",
)


@pytest.mark.parametrize("spellings", SAME)
def test_spellings_of_one_label(spellings):
    assert len({spelling_key(name) for name in spellings}) == 1
    assert same_spellings(spellings) == [list(spellings)]


def test_labels_that_are_different():
    assert same_spellings(DIFFERENT) == []
    large = ["12345678901234567890", "12345678901234567891", "1" * 5000, "nan", "inf"]
    assert same_spellings(large) == []


@given(st.text(max_size=6))
def test_the_normal_forms_and_case_of_any_label_are_one_label(label):
    assert spelling_key(unicodedata.normalize("NFD", label)) == spelling_key(unicodedata.normalize("NFC", label))
    assert spelling_key(f" {label}\u200b") == spelling_key(label) or not label.strip()


def test_a_number_whose_fraction_is_huge():
    assert same_spellings(["1e-999999999", "1e-5000", "1", "2"]) == [["1e-999999999", "1e-5000"]]  # both are 0.0


def test_the_difference_is_visible():
    assert spelled("cafe\u0301") == r"'cafe\u0301'"
    assert spelled("café") == "'café'"
    assert spelled("a\u200b") == r"'a\u200b'"
    assert unknown("Pos", ["neg", "pos"]) == "'Pos', another spelling of 'pos'"
    assert unknown("1.0", ["0", "1"]) == "'1.0', another spelling of '1'"
    assert unknown("poss", ["neg", "pos"]) == "'poss' (did you mean 'pos'?)"


def test_quotation_marks_around_every_label():
    (found,) = spelling_warnings("t.tsv, column 'label'", {'"neg"': 4, '"pos"': 5})
    assert found == "t.tsv, column 'label': every label is in quotation marks, such as '\"neg\"': remove them"


def test_the_warnings_are_few_and_name_the_counts():
    counts = {f"{case(name)}": n for n, name in enumerate("abcdefgh", 1) for case in (str.lower, str.upper)}
    found = list(spelling_warnings("t.csv, column 'label'", counts))
    assert len(found) == 4
    assert found[0].startswith("t.csv, column 'label': 'A' (1 row) and 'a' (1 row) look like one label in 2 spellings")
    assert found[-1] == "t.csv, column 'label': 5 more labels have several spellings: 'd', 'e', 'f', 'g', …"
