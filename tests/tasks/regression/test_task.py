"""Numbers: targets, loss and gradients against PyTorch and `transformers`, metrics."""

import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from minitf.checkpoints import load
from minitf.datasets.dataset import Dataset, Example
from minitf.mathematics import EQUATIONS, KERNELS
from minitf.tasks.regression.spec import REGRESSION
from minitf.tasks.regression.task import Regression
from minitf.text.batches import Examples, Tokens

PROPERTY = settings(deadline=None, derandomize=True, database=None, max_examples=40)
BOTH = pytest.mark.parametrize("mathematics", [EQUATIONS, KERNELS], ids=["equations", "kernels"])


def dataset(*rows: tuple[str, str]) -> Dataset:
    examples = tuple(Example(text, None, label, row) for row, (text, label) in enumerate(rows, 2))
    return Dataset("train.csv", examples, "text", None, "labels", "0" * 64)


def test_targets(write_bert) -> None:
    table = dataset(("good", "0.1"), ("bad", "-3"), ("so", "1e2"))
    encoded = Regression().encode(table, load.load_tokenizer(write_bert()[0]), 64)
    assert encoded.targets.tolist() == [0.1, -3.0, 100.0]


@BOTH
@PROPERTY
@given(n=st.integers(1, 12), seed=st.integers(0, 2**31))
def test_loss_as_pytorch(mathematics, n: int, seed: int) -> None:
    """And its gradient; a batch in parts is the whole, if each part counts by its weight."""
    draw = torch.Generator().manual_seed(seed)
    z = (torch.randn(n, 1, generator=draw, dtype=torch.float64) * 4).requires_grad_()
    targets = torch.randn(n, generator=draw).double()
    task, theirs = Regression(mathematics), torch.nn.MSELoss()(z[:, 0], targets)
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
        num_labels=1,
        problem_type="regression",
        dtype=torch.float64,
    )
    task = Regression(KERNELS)
    model = load.load(folder, head=task.head, labels=None, dtype=torch.float64)
    batch = load.load_tokenizer(folder)(["the film was great !", "bad", "so so"])
    targets = torch.tensor([0.5, 3.0, -1.0], dtype=torch.float64)
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
    logits = torch.tensor([[1.0], [2.0], [4.0]])
    task, numbers = Regression(), examples(torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64))
    measured = task.measure(list(logits), numbers)
    assert measured.loss == pytest.approx(1 / 3)
    assert measured.rmse == pytest.approx((1 / 3) ** 0.5)
    assert measured.spearman == 1.0
    assert set(REGRESSION.metrics) <= set(measured.to_dict())
    assert task.baseline(numbers) == "always the mean: rmse 0.8165"


def test_learned() -> None:
    """True if the metrics beat the mean as a constant prediction, and not if they equal it."""
    numbers, task = examples(torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)), Regression()
    assert not task.learned(task.measure([torch.tensor([2.0])] * 3, numbers), numbers)
    assert task.learned(task.measure([torch.tensor([x]) for x in (1.5, 2.0, 2.5)], numbers), numbers)
