"""Gradient accumulation: the same weights as with one large batch, however the batch is split."""

import pytest
import torch
import transformers
from torch import nn

from minitf.checkpoints import load
from minitf.tasks.class_weights import balanced_weights
from minitf.tasks.classification.task import Classification
from minitf.tasks.tagging.task import Tagging
from minitf.text.batches import IGNORED, Examples, Tokens, shuffled
from minitf.training import loop
from minitf.training.optimizer import Optimizer, Recipe, is_decayed
from tests.support.small_training import QUIET, TINY, farthest, loaded, texts, train, weights

N, WHOLE, EPOCHS = 29, 12, 2  # 12 + 12 + 5 texts per epoch: the last batch is smaller


@pytest.fixture
def folder(write_bert):
    return write_bert(**TINY, **QUIET)[0]


def trained(folder, recipe: Recipe, class_weights, size: int, parts: int, smoothing: float = 0.0):
    """The weights after training, and the steps."""
    model, examples, steps = loaded(folder, C=3), texts(N, C=3), []
    optimizer = Optimizer(model, recipe, EPOCHS * -(-N // (size * parts)))
    train(
        model,
        Classification(("a", "b", "c"), class_weights, label_smoothing=smoothing),
        examples,
        texts(4, seed=2, C=3),
        optimizer,
        epochs=EPOCHS,
        batch_size=size,
        accumulate=parts,
        on_step=steps.append,
    )
    assert optimizer.steps == optimizer.total == len(steps)
    return weights(model), steps


def by_hand(folder, recipe: Recipe, class_weights, smoothing: float = 0.0):
    """The same in plain PyTorch, with the whole batch at once and the penalties in the loss."""
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
def test_split_batches_equal_the_whole_batch(folder, recipe: Recipe, smoothing: float, balanced: bool) -> None:
    """Parts of 12, 4, 3 and 1 texts, against PyTorch's own optimizer."""
    classes = balanced_weights(texts(N, C=3).targets.tolist(), 3) if balanced else None
    theirs, losses = by_hand(folder, recipe, classes, smoothing)
    for size, parts in ((12, 1), (4, 3), (3, 4), (1, 12)):
        ours, steps = trained(folder, recipe, classes, size, parts, smoothing)
        assert farthest(ours, theirs) <= 1e-10
        assert [step.loss for step in steps] == pytest.approx(losses, rel=1e-12)


def test_the_usual_mistake_is_found(folder, monkeypatch) -> None:
    """The mean of the parts' means gives other weights, because of the smaller batch and the class weights."""
    classes = balanced_weights(texts(N, C=3).targets.tolist(), 3)
    theirs, _ = by_hand(folder, PLAIN, classes)
    right = Classification.weight
    for wrong in (lambda task, targets: float(len(targets)), lambda task, targets: 4.0):
        monkeypatch.setattr(Classification, "weight", wrong)
        assert farthest(trained(folder, PLAIN, classes, 4, 3)[0], theirs) > 1e-6
    monkeypatch.setattr(Classification, "weight", right)
    assert farthest(trained(folder, PLAIN, classes, 4, 3)[0], theirs) <= 1e-10


@pytest.mark.parametrize("alone", [False, True])
def test_examples_without_targets(write_bert, alone: bool) -> None:
    """They are ignored in a batch with others; alone they change nothing, and the step is counted."""
    model = load.load(write_bert(transformers.BertForTokenClassification, num_labels=2)[0], "tagging", num_labels=2)
    task = Tagging(("O", "X"))
    tokens = [Tokens([2, 7, 8, 3], [0] * 4), Tokens([2, 9, 3], [0] * 3)]
    targets = torch.tensor([IGNORED, 1, 0, IGNORED])
    ignored = [torch.full_like(targets, IGNORED), torch.full((3,), IGNORED)]
    examples = Examples(tokens, ignored if alone else [targets, ignored[1]])
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimizer = Optimizer(model, Recipe(warmup=0.0), total=2)
    model.eval()
    with torch.no_grad():
        batch, targets = Examples(tokens[:1], [targets]).batch([0])
        expected = 0.0 if alone else float(task.loss(task.logits(model, batch), targets))
    loss, _ = loop.update(model, task, examples, [0, 1], optimizer, 1)
    assert loss == pytest.approx(expected)
    assert optimizer.steps == 1
    changed = [name for name, p in model.named_parameters() if not torch.equal(p, before[name])]
    assert bool(changed) is not alone
    assert (loss == 0.0) is alone
