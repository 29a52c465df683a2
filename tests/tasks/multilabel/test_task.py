"""Several labels per text: targets, loss and gradients against PyTorch and `transformers`, metrics."""

import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from minitf.checkpoints import load
from minitf.datasets.dataset import Dataset, Example
from minitf.errors import DataError
from minitf.mathematics import EQUATIONS, KERNELS
from minitf.tasks.multilabel.spec import MULTILABEL
from minitf.tasks.multilabel.task import MultiLabel
from minitf.text.batches import Examples, Tokens

PROPERTY = settings(deadline=None, derandomize=True, database=None, max_examples=40)
LABELS = ("film", "food", "mood")
BOTH = pytest.mark.parametrize("mathematics", [EQUATIONS, KERNELS], ids=["equations", "kernels"])


def dataset(*rows: tuple[str, str]) -> Dataset:
    examples = tuple(Example(text, None, label, row) for row, (text, label) in enumerate(rows, 2))
    return Dataset("train.csv", examples, "text", None, "labels", "0" * 64)


def test_targets(write_bert) -> None:
    """1 if the text has the label, in the order of `labels`."""
    table = dataset(("good food", "food|mood"), ("so", ""), ("the film", "film"))
    encoded = MultiLabel(LABELS).encode(table, load.load_tokenizer(write_bert()[0]), 64)
    assert encoded.targets.tolist() == [[0, 1, 1], [0, 0, 0], [1, 0, 0]]


def test_an_unknown_label(write_bert) -> None:
    table = dataset(("good food", "food"), ("so", "film|what"))
    with pytest.raises(DataError, match=r"train.csv:3: the model has no label 'what', it has film, food, mood"):
        MultiLabel(LABELS).encode(table, load.load_tokenizer(write_bert()[0]), 64)


@BOTH
@PROPERTY
@given(n=st.integers(1, 12), seed=st.integers(0, 2**31))
def test_loss_as_pytorch(mathematics, n: int, seed: int) -> None:
    """And its gradient; a batch in parts is the whole, if each part counts by its weight."""
    draw = torch.Generator().manual_seed(seed)
    z = (torch.randn(n, 3, generator=draw, dtype=torch.float64) * 4).requires_grad_()
    targets = torch.randint(2, (n, 3), generator=draw).float()
    task, theirs = MultiLabel(LABELS, mathematics), torch.nn.BCEWithLogitsLoss()(z, targets.double())
    ours = task.loss(z, targets)
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-12)
    expected = torch.autograd.grad(theirs, z)[0]
    assert torch.allclose(torch.autograd.grad(ours, z)[0], expected, rtol=0, atol=1e-12)
    shares = [
        task.loss(z[part], targets[part]) * (task.weight(targets[part]) / task.weight(targets))
        for part in (slice(0, n // 3), slice(n // 3, n))
        if len(targets[part])
    ]
    assert torch.allclose(torch.autograd.grad(sum(shares), z)[0], expected, rtol=0, atol=1e-12)


def test_loss_is_the_references(write_bert) -> None:
    """That of `transformers` with this problem type, and the gradients of its weights."""
    folder, reference = write_bert(
        transformers.BertForSequenceClassification,
        num_labels=3,
        problem_type="multi_label_classification",
        dtype=torch.float64,
    )
    task = MultiLabel(LABELS, KERNELS)
    model = load.load(folder, head=task.head, labels=None, dtype=torch.float64)
    batch = load.load_tokenizer(folder)(["the film was great !", "bad", "so so"])
    targets = torch.tensor([[1.0, 0, 1], [0, 0, 0], [0, 1, 0]], dtype=torch.float64)
    loss = task.loss(task.logits(model, batch), targets)
    loss.backward()
    theirs = reference(
        input_ids=batch.token_ids, token_type_ids=batch.segment_ids, attention_mask=batch.mask, labels=targets
    ).loss
    theirs.backward()
    assert loss.item() == pytest.approx(theirs.item(), rel=1e-12)
    ours, other = model.head.W.weight.grad, reference.classifier.weight.grad
    assert torch.allclose(ours, other, rtol=0, atol=1e-10)
    Q = model.encoder.layers[0].attention.W_Q.weight.grad
    assert torch.allclose(Q, reference.bert.encoder.layer[0].attention.self.query.weight.grad, rtol=0, atol=1e-10)


def examples(targets: torch.Tensor) -> Examples:
    return Examples([Tokens([1], [0])] * len(targets), targets)


def test_measure() -> None:
    """A label with a probability of exactly ½ is not predicted."""
    logits = torch.tensor([[2.0, -1.0, 0.0], [-3.0, 1.0, 1.0]])
    measured = MultiLabel(LABELS).measure(list(logits), examples(torch.tensor([[1.0, 0, 0], [0, 1, 0]])))
    assert (measured.accuracy, measured.micro_f1) == (0.5, pytest.approx(0.8))
    assert set(MULTILABEL.metrics) <= set(measured.to_dict())


def test_baseline() -> None:
    """Three of four texts have the first label, one the second: the first alone is the best constant."""
    targets = torch.tensor([[1.0, 0, 0], [1, 1, 0], [1, 0, 0], [0, 0, 0]])
    described = MultiLabel(LABELS).baseline(examples(targets))
    assert described == "always guessing the most frequent label: micro F1 0.7500"


def test_learned() -> None:
    """True if the metrics beat the best constant prediction, and not if they equal it."""
    targets = examples(torch.tensor([[1.0, 0, 0], [1, 1, 0], [1, 0, 0], [0, 0, 0]]))
    task = MultiLabel(LABELS)
    always_the_first = [torch.tensor([1.0, -1.0, -1.0])] * 4
    assert not task.learned(task.measure(always_the_first, targets), targets)
    assert task.learned(task.measure(list(targets.targets - 0.5), targets), targets)
