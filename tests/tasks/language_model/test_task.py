"""The task: blocks, the loss as in PyTorch, perplexity, and texts that are continued."""

import math
from collections import Counter

import pytest
import torch
from torch.nn import functional

from minitf.errors import InputError
from minitf.fine_tuning.config import FineTuneConfig
from minitf.fine_tuning.new_model import create
from minitf.mathematics import EQUATIONS
from minitf.tasks.generated_text.generating import GeneratedTexts
from minitf.tasks.inference import predict_logits
from minitf.tasks.language_model.data import read_texts
from minitf.tasks.language_model.spec import LANGUAGE_MODEL
from minitf.tasks.language_model.task import LanguageModel
from minitf.tasks.spec import Loaded, TaskSettings
from minitf.tasks.whole_text.inputs import GivenTexts
from minitf.text.batches import IGNORED
from tests.support.tiny import redraw

TEXTS = ["a b c d e f g h i j", "one two", "x", "two one two one two one"]
TABLE = read_texts([{"text": text} for text in TEXTS])


@pytest.fixture(scope="module")
def model():
    config = FineTuneConfig.of(from_scratch=True, layers=1, width=16, heads=2, vocabulary=300)
    torch.manual_seed(0)
    made, report = create(LANGUAGE_MODEL, {"train": TABLE}, config, EQUATIONS, torch.device("cpu"))
    redraw(made)
    return made.double(), report.tokenizer


@pytest.mark.parametrize("max_length", [2, 3, 5, 100])
def test_blocks(model, max_length: int) -> None:
    """Every token but the first of a text is predicted once, after those before it in its block."""
    _, tokenizer = model
    examples = LanguageModel().encode(TABLE, tokenizer, max_length)
    whole = tokenizer.encode_targets(TEXTS)
    assert all(ids[-1] == tokenizer.end_id for ids in whole)
    predicted: dict[int, list[int]] = {n: [] for n in range(len(TEXTS))}
    for block, target, n in zip(examples.tokens, examples.targets, examples.text_of, strict=True):
        assert 2 <= len(block) <= max_length
        assert target.tolist() == [*block.ids[1:], IGNORED]
        predicted[n] += block.ids[1:]
    assert list(predicted.values()) == [ids[1:] for ids in whole]


def test_too_short(model) -> None:
    _, tokenizer = model
    with pytest.raises(InputError, match="`max_length` 1 is too small"):
        LanguageModel().encode(TABLE, tokenizer, 1)


@pytest.mark.parametrize("max_length", [4, 100])
def test_the_loss_and_the_metrics(model, max_length: int) -> None:
    made, tokenizer = model
    task = LanguageModel()
    examples = task.encode(TABLE, tokenizer, max_length)
    losses, right = [], []
    for block, target in zip(examples.tokens, examples.targets, strict=True):
        logits = made(torch.tensor([block.ids])).logits[0].detach()
        losses.append(functional.cross_entropy(logits[:-1], target[:-1], reduction="none"))
        right.append(logits[:-1].argmax(-1) == target[:-1])
    expected = float(torch.cat(losses).mean())
    batch, targets = examples.batch(range(len(examples)))
    assert abs(float(task.loss(task.logits(made, batch), targets).detach()) - expected) < 1e-12
    assert task.weight(targets) == len(torch.cat(losses))
    outputs = predict_logits(made, task, examples, 3)
    metrics = task.measure(outputs, examples)
    assert abs(metrics.loss - expected) < 1e-12
    assert metrics.perplexity == math.exp(metrics.loss)
    assert metrics.token_accuracy == float(torch.cat(right).double().mean())
    assert metrics.tokens == len(torch.cat(losses))
    scores = task.example_scores(outputs, examples)
    assert len(scores.values) == len(TEXTS)
    assert abs(float(scores.score(scores.values)) - metrics.perplexity) < 1e-9
    first = torch.cat([loss for loss, n in zip(losses, examples.text_of, strict=True) if n == 0])
    assert abs(float(scores.score(scores.values[:1])) - math.exp(float(first.mean()))) < 1e-9
    assert task.mistakes(outputs, examples, TABLE) == []


def test_the_baseline(model) -> None:
    """The perplexity of the frequencies of the tokens."""
    _, tokenizer = model
    task = LanguageModel()
    examples = task.encode(TABLE, tokenizer, 100)
    tokens = [i for ids in tokenizer.encode_targets(TEXTS) for i in ids[1:]]
    counts = Counter(tokens)
    entropy = -sum(math.log(counts[i] / len(tokens)) for i in tokens) / len(tokens)
    assert task.baseline(examples) == f"the frequencies of the tokens: perplexity {math.exp(entropy):.4g}"


def test_continued_texts(model) -> None:
    """Each text alone, token by token, although a batch pads them on the left."""
    made, tokenizer = model
    loaded = Loaded(made, tokenizer, TaskSettings(), 12, 4)
    records = list(GeneratedTexts(loaded, GivenTexts(TEXTS, None)).records())
    assert [record["text"] for record in records] == TEXTS
    for record in records:
        ids = tokenizer.encode([record["text"]])[0]
        start = len(ids)
        while len(ids) < start + 12 and ids[-1] != tokenizer.end_id:
            ids.append(int(made(torch.tensor([ids])).logits[0, -1].argmax()))
        assert record["generated"] == tokenizer.decode(ids[start:])
