"""Batches learned from as one are one batch: the same weights, whatever the batch is cut into."""

import pytest
import torch
import transformers
from torch import nn

from minitf.checkpoints import load
from minitf.tasks.classification.task import Classification, balanced_weights
from minitf.tasks.tagging.task import Tagging
from minitf.text.batches import IGNORED, Examples, Tokens, shuffled
from minitf.training import loop
from minitf.training.optimizer import Optimizer, Recipe, is_decayed
from tests.support.small_training import QUIET, TINY, farthest, loaded, texts, weights

N, WHOLE, EPOCHS = 29, 12, 2  # 12 + 12 + 5 texts an epoch: the last batch is a short one


@pytest.fixture
def folder(write_bert):
    return write_bert(**TINY, **QUIET)[0]


def trained(folder, recipe: Recipe, class_weights, size: int, parts: int, smoothing: float = 0.0):
    """The weights, and what was told of every step."""
    model, examples, told = loaded(folder, C=3), texts(N, C=3), []
    optimizer = Optimizer(model, recipe, EPOCHS * -(-N // (size * parts)))
    loop.train(
        model,
        Classification(("a", "b", "c"), class_weights, label_smoothing=smoothing),
        examples,
        texts(4, seed=2, C=3),
        optimizer,
        epochs=EPOCHS,
        batch_size=size,
        accumulate=parts,
        seed=0,
        log=told.append,
    )
    assert optimizer.steps == optimizer.total == len(told)
    return weights(model), told


def by_hand(folder, recipe: Recipe, class_weights, smoothing: float = 0.0):
    """The same in plain PyTorch, the whole batch at once, the penalties written into the loss."""
    model, examples, losses = loaded(folder, C=3), texts(N, C=3), []
    decayed = {name: p for name, p in model.named_parameters() if is_decayed(name)}
    others = [p for name, p in model.named_parameters() if not is_decayed(name)]
    groups = [{"params": list(decayed.values()), "weight_decay": recipe.weight_decay}]
    groups.append({"params": others, "weight_decay": 0.0})
    optimizer = torch.optim.AdamW(groups, recipe.lr)
    for epoch in range(1, EPOCHS + 1):
        for indices in shuffled(examples.lengths(), WHOLE, 0, epoch):
            batch, targets = examples.batch(indices)
            logits = model(batch.token_ids, batch.segment_ids, batch.mask).logits
            loss = nn.functional.cross_entropy(logits, targets, class_weights, label_smoothing=smoothing)
            for W in decayed.values():
                loss = loss + recipe.l1 * W.abs().sum() + recipe.l2 * W.square().sum()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), recipe.clip or float("inf"))
            optimizer.step()
            optimizer.zero_grad()
            losses.append(loss.item())
    return weights(model), losses


PLAIN = Recipe(lr=1e-3, schedule="constant", warmup=0.0)
PENALISED = Recipe(lr=1e-3, schedule="constant", warmup=0.0, l1=1e-3, l2=2e-3, clip=0.5)


@pytest.mark.parametrize("balanced", [False, True])
@pytest.mark.parametrize(
    ("recipe", "smoothing"), [(PLAIN, 0.0), (PENALISED, 0.0), (PLAIN, 0.2)], ids=["plain", "penalties", "smoothing"]
)
def test_parts_are_the_whole(folder, recipe: Recipe, smoothing: float, balanced: bool) -> None:
    """Parts of 12, 4, 3, 5 (which do not divide the whole) and 1, against PyTorch's own."""
    classes = balanced_weights(texts(N, C=3).targets.tolist(), 3) if balanced else None
    theirs, losses = by_hand(folder, recipe, classes, smoothing)
    for size, parts in ((12, 1), (4, 3), (3, 4), (1, 12)):
        ours, told = trained(folder, recipe, classes, size, parts, smoothing)
        assert farthest(ours, theirs) <= 1e-10
        assert [record["loss"] for record in told] == pytest.approx(losses, rel=1e-12)


def test_what_it_would_miss(folder, monkeypatch) -> None:
    """The usual mistake, the mean of the parts' means, is a long way off: the short batch and the weights show it."""
    classes = balanced_weights(texts(N, C=3).targets.tolist(), 3)
    theirs, _ = by_hand(folder, PLAIN, classes)
    right = Classification.weight
    for wrong in (lambda task, targets: float(len(targets)), lambda task, targets: 4.0):
        monkeypatch.setattr(Classification, "weight", wrong)
        assert farthest(trained(folder, PLAIN, classes, 4, 3)[0], theirs) > 1e-6
    monkeypatch.setattr(Classification, "weight", right)
    assert farthest(trained(folder, PLAIN, classes, 4, 3)[0], theirs) <= 1e-10


@pytest.mark.parametrize("alone", [False, True])
def test_texts_that_teach_nothing(write_bert, alone: bool) -> None:
    """Whose targets weigh nothing: left out beside others; by themselves they move nothing, and the step counts."""
    model = load.load(write_bert(transformers.BertForTokenClassification, num_labels=2)[0], "tagging", num_labels=2)
    task = Tagging(("O", "X"))
    tokens = [Tokens([2, 7, 8, 3], [0] * 4), Tokens([2, 9, 3], [0] * 3)]
    taught = torch.tensor([IGNORED, 1, 0, IGNORED])
    nothing = [torch.full_like(taught, IGNORED), torch.full((3,), IGNORED)]
    examples = Examples(tokens, nothing if alone else [taught, nothing[1]])
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimizer = Optimizer(model, Recipe(warmup=0.0), total=2)
    model.eval()
    with torch.no_grad():
        batch, targets = Examples(tokens[:1], [taught]).batch([0])
        expected = 0.0 if alone else float(task.loss(task.logits(model, batch), targets))
    loss, _ = loop.take_step(model, task, examples, [0, 1], optimizer, 1)
    assert loss == pytest.approx(expected)
    assert optimizer.steps == 1
    moved = [name for name, p in model.named_parameters() if not torch.equal(p, before[name])]
    assert bool(moved) is not alone
    assert (loss == 0.0) is alone
