"""Real tables, as they are published, where they lie beside the clone: they are read whole, row for row."""

from pathlib import Path

import pytest

import minitf
from minitf.errors import DataError
from minitf.tasks.tagging import Tagging
from minitf.text.checks import check_classification, label_names
from minitf.text.conll import read_tagged
from minitf.text.datasets import read_table
from minitf.text.tag_checks import check_tagging, tag_names
from minitf.text.tags import odd_places, scheme
from minitf.text.tokenizer import Tokenizer

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


def test_wnut17():
    """Its own README's numbers; every word, the invisible ones too."""
    parts = {name: read_tagged(DATA / "wnut17" / f"{name}.conll") for name in ("train", "dev", "test")}
    assert [len(part.examples) for part in parts.values()] == [3_394, 1_009, 1_287]
    for name, part in parts.items():
        rows = (DATA / "wnut17" / f"{name}.conll").read_text(encoding="utf-8").split("\n")
        pairs = [row.split("\t") for row in rows if row.strip("\t")]
        assert [[w, t] for s in part.examples for w, t in zip(s.words, s.tags, strict=True)] == pairs
        assert scheme([s.tags for s in part.examples]) == "BIO"
        assert not [s for s in part.examples if list(odd_places(s.tags, "BIO"))]
    assert len(tag_names(parts["train"])) == 13
    assert not [f for f in check_tagging(*parts.values()) if f.level == "error"]


def test_wnut17_through_the_tokenizer(minilm):
    """Every word of every sentence is judged once, but those that are nothing to the tokenizer."""
    table, tokenizer = read_tagged(DATA / "wnut17" / "dev.conll"), Tokenizer.from_folder(minilm)
    for max_length in (16, 128):
        examples = Tagging(tag_names(table)).encode(table, tokenizer, max_length)
        judged = {(j.sentence, word) for j in examples.judged for word in j.words}
        words = {(n, i) for n, s in enumerate(table.examples) for i in range(len(s.words))}
        lost = {table.examples[n].words[i] for n, i in words - judged}
        assert sum(len(j.words) for j in examples.judged) == len(judged) == len(words) - examples.lost
        assert lost == {"\ufe0f"}
