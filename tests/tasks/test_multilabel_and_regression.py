"""Several labels a text, and numbers: targets, losses and gradients against PyTorch and the reference's own."""

import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from minitf.checkpoints import load
from minitf.datasets.dataset import Dataset, Example
from minitf.errors import DataError
from minitf.mathematics import EQUATIONS, KERNELS
from minitf.tasks.multilabel.task import MultiLabel
from minitf.tasks.regression.task import Regression
from minitf.text.batches import Examples, Tokens

PROPERTY = settings(deadline=None, derandomize=True, database=None, max_examples=40)
LABELS = ("film", "food", "mood")
BOTH = pytest.mark.parametrize("mathematics", [EQUATIONS, KERNELS], ids=["equations", "kernels"])


def dataset(*rows: tuple[str, str]) -> Dataset:
    examples = tuple(Example(text, None, label, row) for row, (text, label) in enumerate(rows, 2))
    return Dataset("train.csv", examples, "text", None, "labels", "0" * 64)


def test_targets_of_sets(write_bert) -> None:
    """1 where a text bears the label, in the order of `labels`."""
    table = dataset(("good food", "food|mood"), ("so", ""), ("the film", "film"))
    encoded = MultiLabel(LABELS).encode(table, load.load_tokenizer(write_bert()[0]), 64)
    assert encoded.targets.tolist() == [[0, 1, 1], [0, 0, 0], [1, 0, 0]]


def test_an_unknown_label(write_bert) -> None:
    table = dataset(("good food", "food"), ("so", "film|what"))
    with pytest.raises(DataError, match=r"train.csv, row 3: the label 'what' is none of film, food, mood"):
        MultiLabel(LABELS).encode(table, load.load_tokenizer(write_bert()[0]), 64)


def test_targets_of_numbers(write_bert) -> None:
    table = dataset(("good", "0.1"), ("bad", "-3"), ("so", "1e2"))
    encoded = Regression().encode(table, load.load_tokenizer(write_bert()[0]), 64)
    assert encoded.targets.tolist() == [0.1, -3.0, 100.0]


@BOTH
@PROPERTY
@given(n=st.integers(1, 12), seed=st.integers(0, 2**31))
def test_losses_as_pytorch(mathematics, n: int, seed: int) -> None:
    """And their gradients; a batch in parts is the whole, each part counting by its weight."""
    draw = torch.Generator().manual_seed(seed)
    z = (torch.randn(n, 3, generator=draw, dtype=torch.float64) * 4).requires_grad_()
    bits, numbers = torch.randint(2, (n, 3), generator=draw).float(), torch.randn(n, generator=draw).double()
    cases = (
        (MultiLabel(LABELS, mathematics), z, bits, torch.nn.BCEWithLogitsLoss()(z, bits.double())),
        (Regression(mathematics), z[:, :1], numbers, torch.nn.MSELoss()(z[:, 0], numbers)),
    )
    for task, logits, targets, theirs in cases:
        ours = task.loss(logits, targets)
        assert ours.item() == pytest.approx(theirs.item(), rel=1e-12)
        expected = torch.autograd.grad(theirs, z)[0]
        assert torch.allclose(torch.autograd.grad(ours, z)[0], expected, rtol=0, atol=1e-12)
        parts = [slice(0, n // 3), slice(n // 3, n)]
        shares = [
            task.loss(logits[part], targets[part]) * (task.weight(targets[part]) / task.weight(targets))
            for part in parts
            if len(targets[part])
        ]
        assert torch.allclose(torch.autograd.grad(sum(shares), z)[0], expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("problem", ["multi_label_classification", "regression"])
def test_the_loss_is_the_references(write_bert, problem: str) -> None:
    """That of `transformers` with this problem type, and the gradient of every weight."""
    several = problem.startswith("multi")
    folder, reference = write_bert(
        transformers.BertForSequenceClassification,
        num_labels=3 if several else 1,
        problem_type=problem,
        dtype=torch.float64,
    )
    task = MultiLabel(LABELS, KERNELS) if several else Regression(KERNELS)
    model = load.load(folder, head=task.head, labels=None, dtype=torch.float64)
    batch = load.load_tokenizer(folder)(["the film was great !", "bad", "so so"])
    targets = torch.tensor([[1.0, 0, 1], [0, 0, 0], [0, 1, 0]] if several else [0.5, 3.0, -1.0], dtype=torch.float64)
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


def test_measured_sets() -> None:
    """A probability of just ½ is no label."""
    logits = torch.tensor([[2.0, -1.0, 0.0], [-3.0, 1.0, 1.0]])
    measured = MultiLabel(LABELS).measure(list(logits), examples(torch.tensor([[1.0, 0, 0], [0, 1, 0]])))
    assert (measured.accuracy, measured.micro_f1) == (0.5, pytest.approx(0.8))
    assert set(MultiLabel.metrics) <= set(measured.to_dict())


def test_measured_numbers() -> None:
    logits = torch.tensor([[1.0], [2.0], [4.0]])
    task, numbers = Regression(), examples(torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64))
    measured = task.measure(list(logits), numbers)
    assert measured.loss == pytest.approx(1 / 3)
    assert measured.rmse == pytest.approx((1 / 3) ** 0.5)
    assert measured.spearman == 1.0
    assert set(Regression.metrics) <= set(measured.to_dict())
    assert task.baseline(numbers) == "always the mean: rmse 0.8165"


def test_the_baseline_of_sets() -> None:
    """Three of four texts bear the first label, one the second: the first alone is the best constant."""
    targets = torch.tensor([[1.0, 0, 0], [1, 1, 0], [1, 0, 0], [0, 0, 0]])
    said = MultiLabel(LABELS).baseline(examples(targets))
    assert said == "always guessing the most frequent label: micro F1 0.7500"


def test_whether_it_learned() -> None:
    """Better than the guess that reads no text, and not when it is that guess."""
    bits = examples(torch.tensor([[1.0, 0, 0], [1, 1, 0], [1, 0, 0], [0, 0, 0]]))
    sets = MultiLabel(LABELS)
    always_the_first = [torch.tensor([1.0, -1.0, -1.0])] * 4
    assert not sets.learned(sets.measure(always_the_first, bits), bits)
    assert sets.learned(sets.measure(list(bits.targets - 0.5), bits), bits)
    numbers, task = examples(torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)), Regression()
    assert not task.learned(task.measure([torch.tensor([2.0])] * 3, numbers), numbers)
    assert task.learned(task.measure([torch.tensor([x]) for x in (1.5, 2.0, 2.5)], numbers), numbers)
