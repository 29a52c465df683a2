"""Training without the unused rows of the word embedding ends with the same weights as training with them."""

import pytest
import torch
import transformers

import minitf
from minitf.mathematics import EQUATIONS, KERNELS
from minitf.tasks.classification.task import Classification
from minitf.text.batches import Examples, Tokens
from minitf.training.compact_vocabulary import CompactVocabulary, is_exact
from minitf.training.optimizer import Optimizer, Recipe
from tests.support.small_training import train

USED = [2, 3, 7, 11, 30, 64]


def examples(n: int = 12) -> Examples:
    """Texts of a few words, of several lengths, so that there is padding (id 0)."""
    generator = torch.Generator().manual_seed(1)
    texts = []
    for i in range(n):
        inner = torch.randint(2, len(USED), (1 + i % 4,), generator=generator)
        ids = [2, *(USED[int(j)] for j in inner), 3]
        texts.append(Tokens(ids, [0] * len(ids)))
    return Examples(texts, torch.arange(n) % 2)


def trained(folder, rule: str, *, compact: bool) -> dict[str, torch.Tensor]:
    config = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}
    model = minitf.load(folder, head="classification", num_labels=2, dtype=torch.float64)
    assert model.config.hidden_dropout_prob == config["hidden_dropout_prob"]
    data = examples()
    recipe = Recipe(rule=rule, lr=1e-2, weight_decay=0.3 if rule == "adamw" else 0.0)
    vocabulary = CompactVocabulary(model.embeddings.word, [data] if compact else None)
    assert model.embeddings.word.weight.shape[0] == (len(USED) + 1 if compact else 65)
    optimizer = Optimizer(model, recipe, 9, KERNELS)
    train(
        model,
        Classification(("a", "b")),
        vocabulary.renumber(data),
        vocabulary.renumber(data),
        optimizer,
        epochs=3,
        batch_size=4,
    )
    assert optimizer.steps == 9
    with vocabulary.restored(optimizer):
        weights = {name: p.detach().clone() for name, p in model.named_parameters()}
    assert model.embeddings.word.weight.shape[0] == (len(USED) + 1 if compact else 65)
    return weights


@pytest.fixture
def folder(write_bert):
    return write_bert(
        transformers.BertForSequenceClassification,
        num_labels=2,
        num_hidden_layers=1,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )[0]


@pytest.mark.parametrize("rule", ["gd", "momentum", "rmsprop", "adam", "adamw"])
def test_the_weights_are_the_same(folder, rule):
    whole, compact = trained(folder, rule, compact=False), trained(folder, rule, compact=True)
    assert whole.keys() == compact.keys()
    for name, weight in whole.items():
        torch.testing.assert_close(compact[name], weight, rtol=0.0, atol=1e-12)
    before = minitf.load(folder, dtype=torch.float64).embeddings.word.weight
    assert not torch.equal(whole["embeddings.word.weight"][USED], before[USED])
    unused = [i for i in range(1, 65) if i not in USED]
    changed = not torch.equal(whole["embeddings.word.weight"][unused], before[unused])
    assert changed == (rule == "adamw"), "only weight decay changes the row of an unused word"


@pytest.mark.parametrize(
    ("recipe", "math", "exact"),
    [
        (Recipe(), EQUATIONS, True),
        (Recipe(), KERNELS, True),
        (Recipe(l1=1e-3), KERNELS, False),
        (Recipe(l2=1e-3), KERNELS, False),
        (Recipe(), KERNELS.overlay(adamw=lambda *a, **k: None), False),
        (Recipe(), KERNELS.overlay(adam=lambda *a, **k: None), True),
    ],
)
def test_it_is_used_only_if_it_is_exact(recipe, math, exact):
    assert is_exact(recipe, math) is exact
