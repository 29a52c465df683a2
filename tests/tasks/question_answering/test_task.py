"""Windows, targets and loss against `transformers`; best answers against all spans of a text, and `transformers`."""

import dataclasses

import numpy as np
import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from minitf.checkpoints import load
from minitf.errors import InputError
from minitf.mathematics import EQUATIONS, KERNELS
from minitf.tasks.question_answering.spans import LONGEST_ANSWER, ParagraphWindow, best_span
from minitf.tasks.question_answering.squad import Question, QuestionTable, TrueAnswer
from minitf.tasks.question_answering.task import QuestionAnswering, answer_pieces
from minitf.text.tokenizer import Tokenizer
from minitf.training import loop
from minitf.training.compact_vocabulary import CompactVocabulary
from minitf.training.optimizer import Optimizer, Recipe
from tests.support.tiny import write_vocabulary

PROPERTY = settings(deadline=None, derandomize=True, database=None, max_examples=150)
WORDS = [
    "unwanted",
    "the",
    "running",
    "hotel,",
    "lowest",
    "café",
    "中国",
    "xyzzy",
    "film!",
    "(five)",
    "-",
    "🙂",
    "un'ed",
]


def table(*rows):
    """Rows of (question, context, answers); an answer is its text and its start, or None."""
    made = []
    for n, (text, context, *answers) in enumerate(rows, 1):
        made.append(Question(str(n), text, context, tuple(TrueAnswer(*a) for a in answers if a), "", n))
    return QuestionTable("train.json", tuple(made), "0" * 64)


def drawn(seed, words=60, questions=4):
    """Each answer consists of one to five words of its paragraph."""
    draw = np.random.default_rng(seed)
    rows = []
    for _ in range(questions):
        parts = [str(draw.choice(WORDS)) for _ in range(words)]
        first = int(draw.integers(words))
        last = min(words, first + int(draw.integers(1, 6)))
        start = len(" ".join(parts[:first])) + (first > 0)
        rows.append((f"which {draw.choice(WORDS)} ?", " ".join(parts), (" ".join(parts[first:last]), start)))
    return table(*rows)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("words")
    write_vocabulary(folder)
    return folder


@pytest.fixture(scope="module")
def ours(folder):
    return Tokenizer.from_folder(folder)


@pytest.fixture(scope="module")
def theirs(folder):
    return transformers.BertTokenizerFast.from_pretrained(folder)


def features(tokenizer, data, max_length, stride):
    """The features of run_qa.py in `transformers`, line by line; only the first answer is used."""
    encoded = tokenizer(
        [q.text for q in data.examples],
        [q.context for q in data.examples],
        truncation="only_second",
        max_length=max_length,
        stride=stride,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
    )
    targets = []
    for i, offsets in enumerate(encoded["offset_mapping"]):
        answer = data.examples[encoded["overflow_to_sample_mapping"][i]].answers[0]
        start_char, end_char = answer.start, answer.start + len(answer.text)
        sequence = encoded.sequence_ids(i)
        start = sequence.index(1)
        end = len(sequence) - 1
        while sequence[end] != 1:
            end -= 1
        if not (offsets[start][0] <= start_char and offsets[end][1] >= end_char):
            targets.append([0, 0])
            continue
        while start < len(offsets) and offsets[start][0] <= start_char:
            start += 1
        while offsets[end][1] >= end_char:
            end -= 1
        targets.append([start - 1, end + 1])
    return encoded, targets


@pytest.mark.parametrize(("max_length", "stride"), [(384, 128), (64, 16), (40, 0), (30, 13)])
def test_windows_and_targets_are_the_references(ours, theirs, max_length, stride):
    data = drawn(max_length, words=150)
    examples = QuestionAnswering(stride=stride).encode(data, ours, max_length)
    encoded, targets = features(theirs, data, max_length, stride)
    assert [t.ids for t in examples.tokens] == encoded["input_ids"]
    assert [t.segments for t in examples.tokens] == encoded["token_type_ids"]
    assert examples.targets.tolist() == targets
    assert [w.question for w in examples.paragraph_windows] == encoded["overflow_to_sample_mapping"]
    assert (len(examples) > len(data.examples)) == (max_length < 384)
    for window, offsets in zip(examples.paragraph_windows, encoded["offset_mapping"], strict=True):
        part = [tuple(span) for span in offsets[window.offset : window.offset + len(window.pieces)]]
        spans = examples.piece_spans[window.question]
        assert part == [tuple(spans[i]) for i in window.pieces]


@PROPERTY
@given(seed=st.integers(0, 10_000), max_length=st.integers(10, 70))
def test_the_targets_are_the_answer(ours, seed, max_length):
    """In a window with the whole answer the text between the targets is the answer; else both are [CLS]."""
    data = drawn(seed, words=25, questions=2)
    examples = QuestionAnswering().encode(data, ours, max_length)
    assert max(examples.lengths()) <= max_length
    seen = set()
    for window, (start, end) in zip(examples.paragraph_windows, examples.targets.tolist(), strict=True):
        question, spans = data.examples[window.question], examples.piece_spans[window.question]
        first_and_last = answer_pieces(question.answers[0], spans)
        if (start, end) == (0, 0):
            assert not (first_and_last[0] in window.pieces and first_and_last[1] in window.pieces)
            continue
        seen.add(window.question)
        first, last = (window.pieces.start + i - window.offset for i in (start, end))
        text = question.context[spans[first][0] : spans[last][1]]
        assert text == question.answers[0].text.strip()
    assert examples.answer_divided == len(data.examples) - len(seen)
    covered = {(w.question, i) for w in examples.paragraph_windows for i in w.pieces}
    assert covered == {(n, i) for n, spans in enumerate(examples.piece_spans) for i in range(len(spans))}


@pytest.mark.parametrize(
    ("context", "answer", "start", "found"),
    [
        ("un wanted film", "wanted", 3, "wanted"),
        ("the runninglow film", "low", 11, "runninglow"),  # inside a piece: the whole piece
        ("so 🙂 very", "🙂", 3, "🙂"),
        ("so  very", " very", 3, "very"),
        ("so \u200b very", "\u200b", 3, None),  # no pieces
    ],
)
def test_the_pieces_of_an_answer(ours, context, answer, start, found):
    (pieces,) = ours.pieces([context])
    place = answer_pieces(TrueAnswer(answer, start), pieces.spans)
    if found is None:
        assert place is None
    else:
        assert context[pieces.spans[place[0]][0] : pieces.spans[place[1]][1]] in (found, answer)


@pytest.mark.parametrize("math", [EQUATIONS, KERNELS])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_loss_is_the_references(write_bert, math, dtype):
    """On each window alone, without padding; the loss of a batch is their mean, whatever the padding."""
    folder, reference = write_bert(transformers.BertForQuestionAnswering, dtype=torch.float64)
    model = load.load(folder, head="qa", dtype=torch.float64)
    task, tokenizer = QuestionAnswering(math, 8), load.load_tokenizer(folder)
    examples = task.encode(drawn(3, words=40), tokenizer, 40)
    assert len(set(examples.lengths())) > 1
    losses = []
    for i in range(len(examples)):
        batch, targets = examples.batch([i])
        with torch.no_grad():
            expected = reference(
                batch.token_ids,
                attention_mask=batch.mask,
                token_type_ids=batch.segment_ids,
                start_positions=targets[:, 0],
                end_positions=targets[:, 1],
            ).loss
            logits = task.logits(model, batch).to(dtype)
        losses.append(float(expected))
        assert float(task.loss(logits, targets)) == pytest.approx(
            losses[-1], rel=1e-9 if dtype == torch.float64 else 1e-4
        )
    batch, targets = examples.batch(list(range(len(examples))))
    with torch.no_grad():
        mean = float(task.loss(task.logits(model, batch).to(dtype), targets))
    assert mean == pytest.approx(np.mean(losses), rel=1e-9 if dtype == torch.float64 else 1e-4)
    assert task.weight(targets) == len(examples)


def test_a_batch_in_parts_is_one_batch(write_bert):
    folder, _ = write_bert(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    after = []
    for size in (6, 2):
        torch.manual_seed(0)
        model = load.load(folder, head="qa", dtype=torch.float64)
        examples = QuestionAnswering().encode(drawn(5), load.load_tokenizer(folder), 40)
        loss, _ = loop.update(
            model, QuestionAnswering(), examples, range(6), Optimizer(model, Recipe(lr=0.01), 1), size
        )
        after.append((loss, {name: p.detach().clone() for name, p in model.named_parameters()}))
    (whole, weights), (parts, others) = after
    assert whole == pytest.approx(parts, rel=1e-10)
    for name, p in weights.items():
        torch.testing.assert_close(p, others[name], rtol=0, atol=1e-10)


# The best answer ------------------------------------------------------------------------------------------------------


def oracle(windows, spans, context):
    """Compare every span of every window."""
    scores = {}
    for z, window in windows:
        for i in window.pieces:
            for j in range(i, min(window.pieces.stop, i + LONGEST_ANSWER)):
                at = window.offset - window.pieces.start
                scores.setdefault((i, j), []).append(float(z[at + i, 0]) + float(z[at + j, 1]))
    best = max(scores, key=lambda place: max(scores[place]))
    total = sum(np.exp(s) for several in scores.values() for s in several)
    p = sum(np.exp(s) for s in scores[best]) / total
    return context[spans[best[0]][0] : spans[best[1]][1]], p


@PROPERTY
@given(seed=st.integers(0, 10_000), max_length=st.integers(14, 60), words=st.integers(1, 40))
def test_the_best_of_all_spans(ours, seed, max_length, words):
    """The answer is in the paragraph, even if special tokens and question have larger logits."""
    data = drawn(seed, words=words, questions=2)
    task = QuestionAnswering()
    examples = task.encode(data, ours, max_length)
    generator = torch.Generator().manual_seed(seed)
    answers = [torch.randn(len(t), 2, generator=generator, dtype=torch.float64) * 3 for t in examples.tokens]
    for z, window in zip(answers, examples.paragraph_windows, strict=True):
        z[: window.offset] += 50.0
        z[-1] += 50.0
    for n, span in enumerate(task.spans(answers, examples)):
        mine = [(z, w) for z, w in zip(answers, examples.paragraph_windows, strict=True) if w.question == n]
        text, p = oracle(mine, examples.piece_spans[n], data.examples[n].context)
        assert span.text == text == data.examples[n].context[span.start : span.end]
        assert span.p == pytest.approx(p, rel=1e-9)


def test_the_best_is_the_references(ours, theirs):
    """Against the postprocessing of `transformers`; here the best answer is among its twenty best starts and ends."""
    data = drawn(11, words=70, questions=6)
    task = QuestionAnswering(stride=10)
    examples = task.encode(data, ours, 50)
    encoded, _ = features(theirs, data, 50, 10)
    generator = torch.Generator().manual_seed(0)
    answers = [torch.randn(len(t), 2, generator=generator).double() for t in examples.tokens]
    spans = task.spans(answers, examples)
    for n, question in enumerate(data.examples):
        candidates = []
        for i, owner in enumerate(encoded["overflow_to_sample_mapping"]):
            if owner != n:
                continue
            starts, ends = (np.argsort(answers[i][:, c].numpy())[-1:-21:-1].tolist() for c in (0, 1))
            sequence, offsets = encoded.sequence_ids(i), encoded["offset_mapping"][i]
            for a in starts:
                for b in ends:
                    if sequence[a] == sequence[b] == 1 and a <= b < a + 30:
                        text = question.context[offsets[a][0] : offsets[b][1]]
                        candidates.append((float(answers[i][a, 0] + answers[i][b, 1]), text))
        assert spans[n].text == max(candidates)[1]


def test_the_longest_answer():
    """At most thirty pieces, and the end is not before the start."""
    pieces = [(i, i + 1) for i in range(40)]
    z = torch.zeros(42, 2)
    z[1 + 0, 0] = z[1 + 35, 1] = 9.0
    z[1 + 20, 0], z[1 + 10, 1] = 5.0, 5.0
    found = best_span([(z, ParagraphWindow(0, 1, range(40)))], pieces, "x" * 40)
    assert (found.start, found.end) == (0, 11)
    assert best_span([(z, ParagraphWindow(0, 1, range(0)))], [], "\u200b").text == ""


def test_measure(ours):
    """The loss is a mean over windows, the scores over questions; of several right answers the best match counts."""
    data = table(
        ("which ?", "the film was great", ("film", 4), ("the film", 0)),
        ("what ?", "very good food " * 12, ("very good", 0)),
    )
    task = QuestionAnswering()
    examples = task.encode(data, ours, 24)
    assert len(examples) > 2
    answers = [torch.zeros(len(t), 2, dtype=torch.float64) for t in examples.tokens]
    for i, (z, (start, end)) in enumerate(zip(answers, examples.targets.tolist(), strict=True)):
        z[start, 0] = z[end, 1] = 0.0 if i > 1 else 12.0
    answers[0][examples.paragraph_windows[0].offset, 0] = 30.0  # "the film"
    measured = task.measure(answers, examples)
    assert measured.questions == 2
    assert (measured.f1, measured.exact_match) == (1.0, 1.0)
    expected = [
        -(z.log_softmax(0)[a, 0] + z.log_softmax(0)[b, 1]) / 2
        for z, (a, b) in zip(answers, examples.targets.tolist(), strict=True)
    ]
    assert measured.loss == pytest.approx(float(torch.stack(expected).mean()), rel=1e-9)
    assert task.mistakes(answers, examples, data) == []
    answers[1][:] = 0.0
    (mistake,) = task.mistakes(answers, examples, data)
    assert (mistake.row, mistake.text, mistake.true) == (2, "what ?", "very good")
    assert task.learned(measured, examples)
    assert task.baseline(examples).startswith("answering with the whole paragraph: F1 0.")


def test_long_questions_are_cut(ours):
    data = table(("hotel " * 100, "the film " * 300, ("the film", 0)))
    examples = QuestionAnswering().encode(data, ours, 384)
    first = examples.tokens[0].ids
    assert examples.paragraph_windows[0].offset == 64 + 2
    assert len(first) == 384
    assert examples.notes() == ["1 questions are cut: longer than 64 word pieces, or half the input"]


def test_an_answer_that_is_not_whole_in_any_window(ours):
    data = table(("which ?", "the film was great " * 10, ("the film was great " * 9 + "the", 0)))
    examples = QuestionAnswering().encode(data, ours, 24)
    assert examples.targets.tolist() == [[0, 0]] * len(examples)
    assert examples.notes() == ["1 questions have an answer that is not whole in any window: trained as unanswered"]


@pytest.mark.parametrize("max_length", [1, 3, 4])
def test_no_room(ours, max_length):
    with pytest.raises(InputError, match="no room for a question and a text"):
        QuestionAnswering().encode(drawn(0), ours, max_length)


def test_a_stride_that_leaves_nothing_new(ours):
    with pytest.raises(InputError, match="cannot share 11: lower `stride`"):
        QuestionAnswering(stride=11).encode(drawn(0), ours, 24)
    assert QuestionAnswering(stride=10).encode(drawn(0), ours, 24)


def test_renumbered_examples_keep_their_type(ours, write_bert):
    folder, _ = write_bert()
    model = load.load(folder, head="qa")
    examples = QuestionAnswering().encode(drawn(1), ours, 64)
    compact = CompactVocabulary(model.embeddings.word, [examples]).renumber(examples)
    assert type(compact) is type(examples)
    assert compact.paragraph_windows == examples.paragraph_windows
    assert dataclasses.replace(compact, tokens=examples.tokens).lengths() == examples.lengths()
