"""Words to targets and back: alignment as in `transformers`, the loss against PyTorch's, windows."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch
import torch.nn.functional as F
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval.metrics import f1_score

from minitf.checkpoints import load
from minitf.errors import DataError, InputError
from minitf.mathematics import EQUATIONS, KERNELS
from minitf.tasks.tagging.conll import Sentence, TaggedTable
from minitf.tasks.tagging.task import Tagging
from minitf.text.batches import IGNORED
from minitf.text.windows import best_window, window_ranges
from minitf.training import loop
from minitf.training.compact_vocabulary import CompactVocabulary
from minitf.training.optimizer import Optimizer, Recipe

PROPERTY = settings(deadline=None, derandomize=True, database=None, max_examples=200)
LABELS = ("O", "B-x", "I-x", "B-y")
WORDS = ("unwanted", "the", "running", "hotel", "\u200b", "lowest", "café", "中国", "xyzzy", "!")


def table(*sentences, tagged=True):
    """Sentences of (word, tag), a word a line."""
    made, row = [], 1
    for pairs in sentences:
        words, tags = zip(*pairs, strict=True)
        made.append(Sentence(words, tags if tagged else None, tuple(range(row, row + len(pairs)))))
        row += len(pairs) + 1
    return TaggedTable("train.conll", tuple(made), "0" * 64)


def drawn(seed, sentences=5, words=9):
    draw = np.random.default_rng(seed)
    return table(
        *([(str(draw.choice(WORDS)), str(draw.choice(LABELS))) for _ in range(words)] for _ in range(sentences))
    )


def test_only_the_first_piece_of_a_word_has_its_tag(write_bert):
    """As the reference's token-classification example aligns labels."""
    folder, _ = write_bert()
    reference = transformers.AutoTokenizer.from_pretrained(folder)
    data = drawn(0)
    encoded = Tagging(LABELS).encode(data, load.load_tokenizer(folder), max_length=64)
    theirs = reference([list(s.words) for s in data.examples], is_split_into_words=True)
    assert [t.ids for t in encoded.tokens] == theirs["input_ids"]
    for n, sentence in enumerate(data.examples):
        expected, before = [], None
        for word in theirs.word_ids(n):
            expected.append(IGNORED if word is None or word == before else LABELS.index(sentence.tags[word]))
            before = word
        assert encoded.targets[n].tolist() == expected
    assert any(
        len(t) > len(s.words) + 2 for t, s in zip(encoded.tokens, data.examples, strict=True)
    )  # some words have several pieces


@pytest.mark.parametrize("math", [EQUATIONS, KERNELS])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("weights", [None, torch.tensor([0.5, 2.0, 1.0, 3.0], dtype=torch.float64)])
def test_loss(math, smoothing, weights):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 7, 4, generator=generator, dtype=torch.float64)
    targets = torch.randint(0, 4, (3, 7), generator=generator)
    targets[0, 2:], targets[1, ::2] = IGNORED, IGNORED
    task = Tagging(LABELS, weights, math, smoothing)
    real = (targets != IGNORED).flatten()
    expected = F.cross_entropy(
        logits.flatten(0, 1)[real], targets.flatten()[real], weight=weights, label_smoothing=smoothing
    )
    torch.testing.assert_close(task.loss(logits, targets), expected, rtol=1e-12, atol=0)
    held = real.sum() if weights is None else weights[targets.flatten()[real]].sum()
    assert task.weight(targets) == pytest.approx(float(held))


def test_the_loss_of_a_batch_without_words_is_0():
    logits = torch.randn(2, 3, 4, requires_grad=True)
    targets = torch.full((2, 3), IGNORED)
    loss = Tagging(LABELS).loss(logits, targets)
    loss.backward()
    assert (float(loss.detach()), Tagging(LABELS).weight(targets)) == (0.0, 0.0)
    assert torch.equal(logits.grad, torch.zeros(2, 3, 4))


def test_a_batch_in_parts_is_one_batch(write_bert):
    """The loss is a mean over words, and sentences differ in length: each part counts by its number of words."""
    folder, _ = write_bert(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    data = table(*(pairs[: 1 + n] for n, pairs in enumerate([[("the", "O"), ("hotel", "B-x"), ("!", "O")]] * 3)))
    after = []
    for size in (3, 1):
        torch.manual_seed(0)
        model = load.load(folder, head="tagging", labels=LABELS, dtype=torch.float64)
        examples = Tagging(LABELS).encode(data, load.load_tokenizer(folder), 64)
        optimizer = Optimizer(model, Recipe(lr=0.01), 1)
        loss, _ = loop.update(model, Tagging(LABELS), examples, [0, 1, 2], optimizer, size)
        after.append((loss, {name: p.detach().clone() for name, p in model.named_parameters()}))
    (whole, weights), (parts, others) = after
    assert whole == pytest.approx(parts, rel=1e-10)
    for name, p in weights.items():
        torch.testing.assert_close(p, others[name], rtol=0, atol=1e-10)


def test_every_word_is_measured(write_bert):
    """Also those without pieces, as O; F1 is seqeval's for the tags with the largest logits."""
    folder, _ = write_bert()
    torch.manual_seed(1)
    model = load.load(folder, head="tagging", labels=LABELS, dtype=torch.float64)
    tokenizer, data, task = load.load_tokenizer(folder), drawn(4, 40), Tagging(LABELS)
    with torch.no_grad():
        model.head.W.weight.normal_(std=0.3)
        model.head.W.bias.copy_(torch.tensor([0.0, 4.0, 4.0, 5.0]))
    examples = task.encode(data, tokenizer, 64)
    measured = loop.evaluate(model, task, examples)
    predicted, losses = [], []
    for n, sentence in enumerate(data.examples):
        tags = ["O"] * len(sentence.words)
        with torch.no_grad():
            logits = model(torch.tensor([examples.tokens[n].ids])).logits[0]
        reference = transformers.AutoTokenizer.from_pretrained(folder)(list(sentence.words), is_split_into_words=True)
        for word in sorted({word for word in reference.word_ids() if word is not None}):
            row = logits[reference.word_ids().index(word)]
            tags[word] = LABELS[int(row.argmax())]
            losses.append(float(F.cross_entropy(row, torch.tensor(LABELS.index(sentence.tags[word])))))
        predicted.append(tags)
    vanished = sum(s.words.count("\u200b") for s in data.examples)
    assert examples.without_pieces == vanished > 0
    assert measured.words == 40 * 9
    true = [list(s.tags) for s in data.examples]
    assert 0 < measured.f1 == pytest.approx(f1_score(true, predicted), abs=1e-12)
    assert measured.accuracy == np.mean(
        [a == b for t, s in zip(true, predicted, strict=True) for a, b in zip(t, s, strict=True)]
    )
    assert measured.loss == pytest.approx(np.mean(losses), rel=1e-10)
    assert examples.notes() == [
        f"{vanished} words have no word pieces (zero-width characters): not trained, predicted as O"
    ]


def test_a_word_without_pieces_has_a_tag_of_the_model(write_bert):
    task = Tagging(("NOUN", "VERB"))
    data = TaggedTable("", (Sentence(("\u200b", "film"), ("VERB", "NOUN"), (1, 2)),), "")
    examples = task.encode(data, load.load_tokenizer(write_bert()[0]), 16)
    logits = [torch.zeros(len(row), 2) for row in examples.tokens]
    assert task.tags(logits, examples)[0][0] == ("NOUN", 0.5)
    assert "predicted as NOUN" in examples.notes()[0]


# Windows --------------------------------------------------------------------------------------------------------------


@PROPERTY
@given(n=st.integers(0, 60), room=st.integers(1, 12), shared=st.integers(0, 11))
def test_windows(n, room, shared):
    """Every position is in a window, neighbours share the stride, and every window has new positions."""
    if shared >= room:
        with pytest.raises(InputError, match="`stride`"):
            window_ranges(n, room, shared)
        return
    made = window_ranges(n, room, shared)
    assert sorted({i for window in made for i in window}) == list(range(n))
    assert all(len(window) == room for window in made[:-1])
    assert [len(set(a) & set(b)) for a, b in itertools.pairwise(made)] == [shared] * (len(made) - 1)
    assert made[-1].stop == n
    for i in range(n):
        best = made[best_window(i, made)]
        depth = min(i - best.start, best.stop - 1 - i)
        assert depth == max(min(i - w.start, w.stop - 1 - i) for w in made if i in w)


@PROPERTY
@given(seed=st.integers(0, 10_000), max_length=st.integers(4, 20), words=st.integers(1, 30))
def test_a_long_sentence_loses_no_word(vocabulary, seed, max_length, words):
    """Each word belongs to one window, at its first piece, and its piece is that of the whole sentence."""
    data = drawn(seed, 2, words)
    task = Tagging(LABELS, stride=seed % (max_length - 2))
    cut, whole = task.encode(data, vocabulary, max_length), Tagging(LABELS).encode(data, vocabulary, 500)
    assert max(cut.lengths(), default=0) <= max_length
    words_of = [(window.sentence, word) for window in cut.word_windows for word in window.words]
    expected = [(window.sentence, word) for window in whole.word_windows for word in window.words]
    assert sorted(words_of) == sorted(expected)
    for window, tokens, targets in zip(cut.word_windows, cut.tokens, cut.targets, strict=True):
        row = next(i for i in range(len(whole)) if whole.word_windows[i].sentence == window.sentence)
        for word, position in zip(window.words, window.positions, strict=True):
            in_whole = whole.word_windows[row].positions[whole.word_windows[row].words.index(word)]
            assert tokens.ids[position] == whole.tokens[row].ids[in_whole]
            assert targets[position] == whole.targets[row][in_whole]
        assert int((targets != IGNORED).sum()) == len(window.positions)
    logits = [torch.eye(4)[t.clamp(min=0)] * 9.0 for t in cut.targets]
    measured = task.measure(logits, cut)
    without_pieces = [tag for s in data.examples for word, tag in zip(s.words, s.tags, strict=True) if word == "\u200b"]
    assert measured.accuracy == pytest.approx(1 - sum(tag != "O" for tag in without_pieces) / measured.words)


@pytest.fixture(scope="module")
def vocabulary(tmp_path_factory):
    from tests.support.tiny import write_vocabulary

    folder = tmp_path_factory.mktemp("words")
    write_vocabulary(folder)
    from minitf.text.tokenizer import Tokenizer

    return Tokenizer.from_folder(folder)


def test_windows_of_long_sentences(vocabulary):
    data = table([("the", "O")] * 30, [("hotel", "B-x")])
    examples = Tagging(LABELS).encode(data, vocabulary, 12)
    assert [window.sentence for window in examples.word_windows] == [0] * (len(examples) - 1) + [1]
    assert len(examples) > 3
    assert examples.notes() == []
    with pytest.raises(InputError, match="windows of 10 tokens cannot share 10"):
        Tagging(LABELS, stride=10).encode(data, vocabulary, 12)


def test_renumbered_examples_keep_their_type(vocabulary, write_bert):
    folder, _ = write_bert()
    model = load.load(folder, head="tagging", labels=LABELS)
    examples = Tagging(LABELS).encode(drawn(1), vocabulary, 64)
    compact = CompactVocabulary(model.embeddings.word, [examples]).renumber(examples)
    assert dataclasses.replace(compact, tokens=examples.tokens) == examples
    assert type(compact) is type(examples)


def test_what_cannot_be_encoded(vocabulary):
    with pytest.raises(DataError, match=r"train\.conll:2: the model has no tag 'B-z'.*, it has O, B-x"):
        Tagging(LABELS).encode(table([("the", "O"), ("hotel", "B-z")]), vocabulary, 64)
    with pytest.raises(DataError, match="the tokenizer has no word piece for any of its words"):
        Tagging(LABELS).encode(table([("\u200b", "O")]), vocabulary, 64)


def test_words_without_tags(vocabulary):
    """As for a prediction: every word gets a tag and a probability."""
    task = Tagging(LABELS)
    examples = task.encode(table([("the", ""), ("\u200b", ""), ("running", "")], tagged=False), vocabulary, 64)
    logits = torch.zeros(len(examples.tokens[0]), 4)
    logits[1, 1], logits[2, 3] = 3.0, 3.0
    (predicted,) = task.tags([logits], examples)
    p = float(torch.tensor([3.0, 0, 0, 0], dtype=torch.float64).softmax(0)[0])
    assert [tag for tag, _ in predicted] == ["B-x", "O", "B-y"]
    assert [probability for _, probability in predicted] == pytest.approx([p, 1.0, p])
    assert task.tags([], task.encode(table([("\u200b", "")], tagged=False), vocabulary, 64)) == [[("O", 1.0)]]


def test_baseline(vocabulary):
    task = Tagging(LABELS)
    examples = task.encode(table([("the", "O"), ("hotel", "B-x"), ("!", "O")]), vocabulary, 64)
    assert task.baseline(examples) == "always O: accuracy 0.6667"
