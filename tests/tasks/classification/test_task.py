"""Encoding, logits, loss and metrics of classification against PyTorch, `transformers` and scikit-learn."""

import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn

from minitf.checkpoints import load
from minitf.datasets.dataset import Dataset, Example
from minitf.errors import DataError
from minitf.mathematics import EQUATIONS, KERNELS
from minitf.tasks.classification.task import Classification
from minitf.text.batches import Examples, Tokens

PROPERTY = settings(deadline=None, derandomize=True, database=None, max_examples=40)
LABELS = ("neg", "neutral", "pos")


def dataset(*rows: tuple[str, str | None, str]) -> Dataset:
    """Rows of (text, pair, label), from line 2 on."""
    examples = tuple(Example(text, pair, label, row) for row, (text, pair, label) in enumerate(rows, 2))
    return Dataset("train.csv", examples, "text", "pair" if rows[0][1] is not None else None, "label", "0" * 64)


def test_encode(write_bert) -> None:
    """A label's index is its position in `labels`, not in the file; the tokens are the reference tokenizer's."""
    folder, _ = write_bert()
    reference = transformers.AutoTokenizer.from_pretrained(folder)
    texts = ["the film was great !", "bad", "hotel room , not so good"]
    table = dataset(*zip(texts, [None] * 3, ("pos", "neg", "pos"), strict=True))
    encoded = Classification(LABELS).encode(table, load.load_tokenizer(folder), max_length=64)
    assert encoded.targets.tolist() == [2, 0, 2]
    assert encoded.targets.dtype == torch.long
    assert [t.ids for t in encoded.tokens] == reference(texts)["input_ids"]


def test_encode_pairs_and_cut(write_bert) -> None:
    folder, _ = write_bert()
    reference = transformers.AutoTokenizer.from_pretrained(folder)
    first, second = ["the film was great !", "bad"], ["it was not bad , was it ?", "awful"]
    table = dataset(*zip(first, second, ("pos", "neg"), strict=True))
    encoded = Classification(LABELS).encode(table, load.load_tokenizer(folder), max_length=9)
    expected = reference(first, second, max_length=9, truncation="longest_first")
    assert [t.ids for t in encoded.tokens] == expected["input_ids"]
    assert [t.segments for t in encoded.tokens] == expected["token_type_ids"]
    assert encoded.lengths() == [9, 5]


def test_an_unknown_label(write_bert) -> None:
    folder, _ = write_bert()
    table = dataset(("good", None, "pos"), ("so so", None, "meh"), ("hm", None, "what"))
    with pytest.raises(DataError) as caught:
        Classification(LABELS).encode(table, load.load_tokenizer(folder), max_length=64)
    (line,) = str(caught.value).splitlines()
    for part in ("train.csv", "3", "'meh'", "neg, neutral, pos"):
        assert part in line


@pytest.mark.parametrize("mathematics", [EQUATIONS, KERNELS], ids=["equations", "kernels"])
def test_logits_are_the_models(write_bert, mathematics) -> None:
    """The task computes only [CLS] in the last layer; its logits equal those of the whole model and the reference."""
    folder, reference = write_bert(transformers.BertForSequenceClassification, num_labels=3, dtype=torch.float64)
    model = load.load(folder, head="classification", dtype=torch.float64, math=mathematics)
    batch = load.load_tokenizer(folder)(["the film was great !", "bad"], ["so", "not so very bad"])
    with torch.no_grad():
        logits = Classification(LABELS, math=mathematics).logits(model, batch)
        whole = model(batch.token_ids, batch.segment_ids, batch.mask).logits
        theirs = reference(
            input_ids=batch.token_ids, token_type_ids=batch.segment_ids, attention_mask=batch.mask
        ).logits
    assert torch.allclose(logits, whole, rtol=0, atol=1e-12)
    assert torch.allclose(logits, theirs, rtol=0, atol=1e-10)


def drawn(n: int, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    logits = torch.randn(n, 3, generator=draw, dtype=torch.float64) * 3.0
    return logits, torch.randint(3, (n,), generator=draw)


@pytest.mark.parametrize("mathematics", [EQUATIONS, KERNELS], ids=["equations", "kernels"])
@pytest.mark.parametrize("weights", [None, [1.0, 1.0, 1.0], [0.2, 3.0, 1.0]])
@PROPERTY
@given(n=st.integers(1, 20), seed=st.integers(0, 2**31))
def test_loss_as_pytorch(mathematics, weights: list[float] | None, n: int, seed: int) -> None:
    """Class weights may be of lower precision than the logits."""
    logits, targets = drawn(n, seed)
    ours = Classification(LABELS, None if weights is None else torch.tensor(weights), mathematics)
    theirs = torch.nn.CrossEntropyLoss(None if weights is None else torch.tensor(weights).double())
    assert ours.loss(logits, targets).item() == pytest.approx(theirs(logits, targets).item(), rel=1e-12)


@PROPERTY
@given(n=st.integers(1, 30), seed=st.integers(0, 2**31))
def test_measure(n: int, seed: int) -> None:
    logits, targets = drawn(n, seed)
    measured = Classification(LABELS).measure(list(logits), Examples([Tokens([1], [0])] * n, targets))
    probabilities, predicted = logits.softmax(dim=-1).numpy(), logits.argmax(dim=-1)
    assert measured.loss == pytest.approx(sklearn.log_loss(targets, probabilities, labels=[0, 1, 2]), rel=1e-10)
    assert measured.accuracy == pytest.approx(sklearn.accuracy_score(targets, predicted))
    assert [score.label for score in measured.classes] == list(LABELS)
    f1 = sklearn.f1_score(targets, predicted, labels=[0, 1, 2], average="macro", zero_division=0.0)
    assert measured.macro_f1 == pytest.approx(f1, abs=1e-15)


def test_the_mathematics_given_computes_the_loss() -> None:
    task = Classification(LABELS, math=EQUATIONS.overlay(cross_entropy=lambda logits, labels, w: logits.sum() * 0 + 7))
    assert task.loss(*drawn(4, 0)).item() == 7.0
