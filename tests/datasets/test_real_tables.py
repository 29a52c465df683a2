"""Real tables, as they are published, where they lie beside the clone: they are read whole, row for row."""

import dataclasses
from pathlib import Path

import pytest
import torch

import minitf
from minitf.datasets.dataset import read_table
from minitf.errors import DataError
from minitf.tasks.classification.data import check_classification, label_names
from minitf.tasks.question_answering.data import articles, check_questions, paragraphs, split
from minitf.tasks.question_answering.squad import read_squad
from minitf.tasks.question_answering.task import QuestionAnswering
from minitf.tasks.tagging.conll import read_tagged
from minitf.tasks.tagging.data import check_tagging, tag_names
from minitf.tasks.tagging.tags import misplaced_tags, scheme
from minitf.tasks.tagging.task import Tagging
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
        assert not [s for s in part.examples if list(misplaced_tags(s.tags, "BIO"))]
    assert len(tag_names(parts["train"])) == 13
    assert not [f for f in check_tagging(*parts.values()) if f.level == "error"]


def test_wnut17_through_the_tokenizer(minilm):
    """Every word of every sentence is predicted once, except those without word pieces."""
    table, tokenizer = read_tagged(DATA / "wnut17" / "dev.conll"), Tokenizer.from_folder(minilm)
    for max_length in (16, 128):
        examples = Tagging(tag_names(table)).encode(table, tokenizer, max_length)
        predicted = {(w.sentence, word) for w in examples.word_windows for word in w.words}
        words = {(n, i) for n, s in enumerate(table.examples) for i in range(len(s.words))}
        lost = {table.examples[n].words[i] for n, i in words - predicted}
        assert (
            sum(len(w.words) for w in examples.word_windows) == len(predicted) == len(words) - examples.without_pieces
        )
        assert lost == {"\ufe0f"}


def test_squad():
    """The whole dev set; every answer stands where it is said to."""
    dev, train = read_squad(DATA / "squad" / "dev-v1.1.json"), read_squad(DATA / "squad" / "train-90-articles.json")
    assert (len(dev.examples), paragraphs(dev), articles(dev)) == (10_570, 2_067, 48)
    assert (len(train.examples), articles(train)) == (18_247, 90)
    for table in (dev, train):
        assert all(q.context[a.start : a.start + len(a.text)] == a.text for q in table.examples for a in q.answers)
    assert not [f for f in check_questions(train, dev) if f.level == "error"]
    left, aside = split(train)
    assert (len(left.examples) + len(aside.examples), len(aside.examples)) == (18_247, 1_825)


def test_squad_through_the_tokenizer(minilm):
    """Every answer of some hundred questions is found again in its window, word for word, but where it begins or ends
    within a word; perfect logits give it back."""
    dev, tokenizer = read_squad(DATA / "squad" / "dev-v1.1.json"), Tokenizer.from_folder(minilm)
    part = dataclasses.replace(dev, examples=dev.examples[::25])
    for max_length in (128, 384):
        task = QuestionAnswering()
        examples = task.encode(part, tokenizer, max_length)
        assert examples.answer_divided == 0
        perfect = []
        for tokens, (start, end) in zip(examples.tokens, examples.targets.tolist(), strict=True):
            z = torch.zeros(len(tokens), 2)
            if start:
                z[start, 0] = z[end, 1] = 30.0
            perfect.append(z)
        wrong = []
        for question, span in zip(part.examples, task.spans(perfect, examples), strict=True):
            answer = question.answers[0]
            if len(tokenizer.pieces([answer.text])[0]) <= 30 and span.text != answer.text:
                wrong.append(question)
                assert answer.text in span.text or span.text.startswith(answer.text)
        assert len(wrong) <= 4
        assert task.measure(perfect, examples).f1 > 0.98
