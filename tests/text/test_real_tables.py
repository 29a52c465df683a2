"""Real tables, as they are published, where they lie beside the clone: they are read whole, row for row."""

from pathlib import Path

import pytest

import minitf
from minitf.errors import DataError
from minitf.text.checks import check_classification, label_names
from minitf.text.datasets import read_table

DATA = Path(minitf.__file__).parents[2] / "shared" / "data"

pytestmark = pytest.mark.shared


def test_sst2():
    train, dev = read_table(DATA / "sst2" / "train.tsv"), read_table(DATA / "sst2" / "dev.tsv")
    assert (len(train.examples), len(dev.examples)) == (67_349, 872)
    assert (train.text_column, train.label_column) == ("sentence", "label")
    assert label_names(train) == ("0", "1")
    assert not [f for f in check_classification(train, dev) if f.level == "error"]


def test_imdb():
    train = read_table(DATA / "imdb" / "train-5k.tsv")
    assert len(train.examples) == 5_000
    assert sorted(set(train.labels)) == ["neg", "pos"]
    assert max(len(text) for text in train.texts) > 5_000


def test_stsb_is_read_as_pairs():
    train = read_table(DATA / "stsb" / "train.tsv")
    assert len(train.examples) == 5_749
    assert (train.text_column, train.pair_column, train.label_column) == ("sentence1", "sentence2", "score")


def test_cola_has_no_header_and_is_told_so():
    with pytest.raises(DataError, match="the first line must name the columns"):
        read_table(DATA / "cola" / "train.tsv")
