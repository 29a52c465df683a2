"""Windows in training: logits, gradients and a whole training against single calls of the model, averaged by hand."""

import dataclasses

import pytest
import torch
import transformers

from minitf.checkpoints import load
from minitf.datasets.dataset import Dataset, Example
from minitf.mathematics import EQUATIONS
from minitf.tasks.classification.task import Classification
from minitf.tasks.inference import predict_logits
from minitf.tasks.multilabel.task import MultiLabel
from minitf.tasks.regression.task import Regression
from minitf.tasks.whole_text import encoding
from minitf.text.batches import Examples, shuffled
from minitf.text.windows import LongText
from minitf.training.optimizer import Optimizer, Recipe
from tests.support.small_training import train

WINDOWS = LongText("windows", 2)
ROOM = 8  # tokens per window, special tokens included
TASKS = {
    "classification": lambda: Classification(("bad", "good"), long_text=WINDOWS),
    "multilabel": lambda: MultiLabel(("film", "food", "mood"), long_text=WINDOWS),
    "regression": lambda: Regression(long_text=WINDOWS),
}
LABELS = {
    "classification": ["good", "bad", "good", "bad", "good", "bad", "bad"],
    "multilabel": ["film", "", "film|mood", "food", "food|film", "mood", "film"],
    "regression": ["0.5", "2", "-1", "0.25", "1.5", "3", "0"],
}
BODIES = [
    "a",
    "good bad " * 12,
    "the film was great",
    "so very bad good film food stars hotel",
    "never again " * 20,
    "hotel room , " * 3,
    "food",
]


def case(write_bert, name: str):
    """(task, our model, the reference, examples): without dropout, in float64."""
    task = TASKS[name]()
    none = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    folder, reference = write_bert(
        transformers.BertForSequenceClassification, num_labels=max(len(task.labels), 1), dtype=torch.float64, **none
    )
    model = load.load(folder, head="classification", dtype=torch.float64, math=EQUATIONS)
    rows = tuple(
        Example(text, None, label, i) for i, (text, label) in enumerate(zip(BODIES, LABELS[name], strict=True))
    )
    examples = task.encode(Dataset("t.csv", rows, "text", None, "label", ""), load.load_tokenizer(folder), ROOM)
    return task, model, reference, examples


def by_hand(reference, examples: Examples, i: int) -> torch.Tensor:
    """The mean of the logits of one text's windows, each computed by itself, without padding; `[C]`."""
    logits = [reference(input_ids=torch.tensor([examples.tokens[row].ids])).logits[0] for row in examples.windows[i]]
    return sum(logits) / len(logits)


def loss_by_hand(name: str, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    if name == "classification":
        return torch.nn.functional.cross_entropy(logits, targets)
    if name == "multilabel":
        return torch.nn.functional.binary_cross_entropy_with_logits(logits, targets.double())
    return torch.nn.functional.mse_loss(logits[:, 0], targets.double())


@pytest.mark.parametrize("name", TASKS)
def test_logits_and_gradients_of_windows(write_bert, name: str) -> None:
    task, model, reference, examples = case(write_bert, name)
    assert [len(mine) for mine in examples.windows] == [1, 6, 1, 2, 10, 2, 1]
    indices = [4, 0, 3, 1]
    batch, targets = examples.batch(indices)
    logits = task.logits(model, batch)
    expected = torch.stack([by_hand(reference, examples, i) for i in indices])
    assert torch.allclose(logits, expected, rtol=0, atol=1e-10)
    task.loss(logits, targets).backward()
    loss_by_hand(name, expected, targets).backward()
    pairs = (
        (model.head.W.weight, reference.classifier.weight),
        (model.pooler.W.weight, reference.bert.pooler.dense.weight),
        (model.encoder.layers[0].attention.W_K.weight, reference.bert.encoder.layer[0].attention.self.key.weight),
    )
    for ours, theirs in pairs:
        assert torch.allclose(ours.grad, theirs.grad, rtol=0, atol=1e-10)
        assert theirs.grad.abs().max() > 1e-6


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_logits_in_parts(write_bert, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """However many windows are in a forward pass, the logits of a text are the mean over its windows."""
    task, model, reference, examples = case(write_bert, "classification")
    monkeypatch.setattr(encoding, "ROWS", size)
    logits = predict_logits(model, task, examples, batch_size=3)
    with torch.no_grad():
        expected = torch.stack([by_hand(reference, examples, i) for i in range(len(examples))])
    assert torch.allclose(torch.stack(logits), expected, rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", TASKS)
def test_training_on_windows_is_a_loop_by_hand(write_bert, name: str) -> None:
    """Six steps of AdamW on batches in two parts, which have different numbers of windows."""
    task, model, reference, examples = case(write_bert, name)
    recipe = Recipe(lr=0.01, schedule="constant", warmup=0.0, weight_decay=0.0, clip=None)
    optimizer = Optimizer(model, recipe, 6, EQUATIONS)
    train(model, task, examples, examples, optimizer, epochs=3, batch_size=2, accumulate=2, seed=1, metric="loss")
    theirs = torch.optim.AdamW(reference.parameters(), lr=0.01, weight_decay=0.0)
    for epoch in (1, 2, 3):
        for indices in shuffled(examples.lengths(), 4, 1, epoch):
            logits = torch.stack([by_hand(reference, examples, i) for i in indices])
            loss_by_hand(name, logits, examples.targets_of(indices)).backward()
            theirs.step()
            theirs.zero_grad()
    for ours, other in (
        (model.head.W.weight, reference.classifier.weight),
        (model.encoder.layers[1].ffn.W_1.weight, reference.bert.encoder.layer[1].intermediate.dense.weight),
    ):
        assert torch.allclose(ours, other, rtol=0, atol=1e-8)


def test_windows_matter(write_bert) -> None:
    """The text beyond the first window changes the logits; otherwise the tests above would miss an error."""
    task, model, _, examples = case(write_bert, "classification")
    cut = dataclasses.replace(examples, windows=[range(mine.start, mine.start + 1) for mine in examples.windows])
    whole, first = (torch.stack(predict_logits(model, task, e)) for e in (examples, cut))
    differ = (whole - first).abs().amax(dim=1) > 1e-6
    assert differ.tolist() == [len(mine) > 1 for mine in examples.windows]
