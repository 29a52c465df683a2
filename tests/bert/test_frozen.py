"""Frozen layers: the same logits and gradients as a model whose lower layers are in eval mode, computed once."""

import contextlib

import pytest
import torch
from torch import nn

from minitf.bert.frozen import GROUP_SIZE, FrozenLayers, without_padding
from minitf.tasks.classification.task import Classification
from minitf.text.batches import Examples, Tokens
from minitf.training.compact_vocabulary import CompactVocabulary
from minitf.training.optimizer import Optimizer, Recipe
from minitf.training.strategy import freeze
from tests.support.small_training import loaded, texts, train, weights

MODES = {"hidden_dropout_prob": 0.3, "attention_probs_dropout_prob": 0.2}
L = 3


def keys(examples: Examples) -> list:
    return [(tuple(t.ids), tuple(t.segments)) for t in examples.tokens]


def of_member(model_type: str, pairs: bool) -> Examples:
    """Texts with the special tokens of this model type; RoBERTa pads with 1 and has no segments."""
    plain = texts(40, pairs=pairs)
    if model_type == "roberta":
        tokens = [Tokens([0, *t.ids[1:-1], 2], [0] * len(t)) for t in plain.tokens]
        return Examples(tokens, plain.targets, pad_id=1)
    if model_type == "distilbert":
        return Examples([Tokens(t.ids, [0] * len(t)) for t in plain.tokens], plain.targets)
    return plain


def step(model, examples: Examples, indices: list[int]):
    """Logits and gradients of a batch in train mode, with seeded dropout."""
    task = Classification(("a", "b"))
    batch, targets = examples.batch(indices)
    torch.manual_seed(5)
    logits = task.logits(model, batch)
    task.loss(logits, targets).backward()
    gradients = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    return logits.detach(), gradients


def reference_step(model, depths: int, examples: Examples, indices: list[int]):
    """The same without the optimization: the lower modules in eval mode, without gradients."""
    freeze(model, L, depths)
    model.train()
    for part in [model.embeddings, *list(model.encoder.layers)[: depths - 1]][:depths]:
        part.eval()
    return step(model, examples, indices)


@pytest.mark.parametrize(
    ("model_type", "pairs"), [("bert", False), ("bert", True), ("roberta", False), ("distilbert", False)]
)
@pytest.mark.parametrize("depths", [0, 1, 2, L + 1, L + 2])
@pytest.mark.parametrize("kept", ["all", "some", "none"])
def test_the_same_logits_and_gradients(write_member, model_type: str, pairs: bool, depths: int, kept: str) -> None:
    rates = {"dropout": 0.3, "attention_dropout": 0.2} if model_type == "distilbert" else MODES
    folder, _ = write_member(model_type, "classification", **rates)
    examples, model = of_member(model_type, pairs), loaded(folder)
    bytes_of_one = 8 * 32
    most = {"all": 1 << 20, "some": bytes_of_one * sum(sorted(examples.lengths())[: GROUP_SIZE + 2]), "none": 0}[kept]
    layers = FrozenLayers(model, keys(examples), most)
    batches = [[0, 1, 2, 3], [3, 2, 39, 38], [1, 0, 17, 38], list(range(40))]  # texts are repeated in other batches
    expected = [reference_step(model, depths, examples, batch) for batch in batches]
    freeze(model, L, depths)
    model.train()  # the whole model, as the training loop does
    with layers.below(depths):
        model.train()
        found = [step(model, examples, batch) for batch in batches]
    stem = layers._stem
    if depths > 1:
        assert len(stem._cache) == {"all": len(set(keys(examples))), "some": GROUP_SIZE, "none": 0}[kept]
        assert stem.bytes <= most
    for (logits, gradients), (our_logits, our_gradients) in zip(expected, found, strict=True):
        torch.testing.assert_close(our_logits, logits, rtol=0, atol=1e-12)
        assert our_gradients.keys() == gradients.keys()
        for name, g in gradients.items():
            torch.testing.assert_close(our_gradients[name], g, rtol=0, atol=1e-12)
    assert any(name.startswith("head") for name in our_gradients)
    assert any(name.startswith("encoder") for name in our_gradients) == (depths < L + 1)


@contextlib.contextmanager
def counted(layer: nn.Module):
    """Collect the number of rows of each call of `layer` inside the block."""
    rows: list[int] = []
    handle = layer.register_forward_hook(lambda module, given, out: rows.append(len(given[0])))
    yield rows
    handle.remove()


def test_each_text_is_computed_once(write_bert) -> None:
    """Over three epochs with their evaluations; without room in the cache, every time."""
    folder, examples, valid = write_bert(**MODES)[0], texts(50), texts(9, seed=3)
    known = {*keys(examples), *keys(valid)}
    for most, rows_expected in ((1 << 20, len(known)), (0, 3 * (50 + 9))):
        model = loaded(folder)
        layers = FrozenLayers(model, [*keys(examples), *keys(valid)], most)
        freeze(model, L, 3)
        with counted(model.encoder.layers[1]) as rows, counted(model.encoder.layers[2]) as above:
            train(
                model,
                Classification(("a", "b")),
                examples,
                valid,
                Optimizer(model, Recipe(), 21),
                epochs=3,
                batch_size=8,
                stage=lambda epoch, layers=layers: layers.below(3),
            )
        assert sum(rows) == rows_expected
        assert sum(above) == 3 * (50 + 9)  # the layer that is not frozen: each text in each epoch and evaluation


def test_cached_states_do_not_depend_on_the_order_of_batches(write_bert) -> None:
    """To the bit, for any order and any batches. So a resumed run, which has another order, computes the same."""
    model = loaded(write_bert()[0], dtype=torch.float32).eval()
    examples = texts(60)
    found = []
    for order in (range(60), reversed(range(60)), [59, 3, 17, *range(60)]):
        layers = FrozenLayers(model, keys(examples))
        with layers.below(2):
            order = list(order)
            for i in range(0, len(order), 7):
                batch = examples.batch(order[i : i + 7])[0]
                model.embeddings(batch.token_ids, batch.segment_ids)
            batch = examples.batch(range(60))[0]
            found.append(model.embeddings(batch.token_ids, batch.segment_ids))
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])


def test_an_unknown_text_is_computed_and_not_cached(write_bert) -> None:
    model = loaded(write_bert()[0]).eval()
    examples, unknown = texts(8), texts(8, seed=9)
    layers = FrozenLayers(model, keys(examples))
    batch, other = unknown.batch(range(8))[0], examples.batch(range(8))[0]
    expected = [Classification(("a", "b")).logits(model, b) for b in (batch, other)]
    with layers.below(3):
        found = [Classification(("a", "b")).logits(model, b) for b in (batch, other)]
        assert set(layers._stem._cache) == set(keys(examples))
    for ours, theirs in zip(found, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)


def test_another_depth_starts_a_new_cache(write_bert) -> None:
    """States of the third layer are not used as those of the first, and trained layers are computed again."""
    model = loaded(write_bert()[0]).eval()
    examples = texts(8)
    layers, batch = FrozenLayers(model, keys(examples)), examples.batch(range(8))[0]
    for depths in (4, 3, 3, 1, 0):
        with torch.no_grad():
            expected = Classification(("a", "b")).logits(model, batch)
            with layers.below(depths):
                found = Classification(("a", "b")).logits(model, batch)
        torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)
        with torch.no_grad():  # the layers above are trained meanwhile
            for layer in list(model.encoder.layers)[max(0, depths - 1) :]:
                layer.ffn.W_1.weight += 0.1
    assert layers.model is model


def test_the_model_has_its_own_modules_again(write_bert) -> None:
    """After the block, also after an error inside it: modules, names and mode."""
    model = loaded(write_bert()[0])
    before, names = weights(model), list(model.state_dict())
    for mode in (True, False):
        model.train(mode)
        with FrozenLayers(model).below(3):
            assert "encoder.layers.0.attention.W_Q.weight" not in model.state_dict()
        with pytest.raises(RuntimeError), FrozenLayers(model).below(3):
            raise RuntimeError
        assert list(model.state_dict()) == names
        assert all(part.training is mode for part in model.modules())
    assert all(torch.equal(p, before[name]) for name, p in model.named_parameters())


def test_with_a_compact_vocabulary(write_bert) -> None:
    """Frozen words that no text uses are saved unchanged."""
    folder = write_bert(**MODES)[0]
    saved = {}
    for compact in (False, True):
        model, examples = loaded(folder), texts(24, last=30)
        vocabulary = CompactVocabulary(model.embeddings.word, [examples] if compact else None)
        data = vocabulary.renumber(examples)
        freeze(model, L, 2)
        optimizer, layers = Optimizer(model, Recipe(lr=1e-2), 12), FrozenLayers(model, keys(data))
        torch.manual_seed(1)
        train(
            model,
            Classification(("a", "b")),
            data,
            data,
            optimizer,
            epochs=4,
            batch_size=8,
            stage=lambda epoch, layers=layers: layers.below(2),
        )
        with vocabulary.restored(optimizer):
            saved[compact] = weights(model)
    start = weights(loaded(folder))
    for name, weight in saved[True].items():
        torch.testing.assert_close(weight, saved[False][name], rtol=0, atol=1e-12)
        still = name.startswith(("embeddings", "encoder.layers.0"))
        assert torch.equal(weight, start[name]) == still or name.endswith("W_K.bias")


@pytest.mark.parametrize(
    ("ids", "real"),
    [([[2, 5, 3, 0, 0]], [[1, 1, 1, 0, 0]]), ([[2, 0, 5, 3, 0]], [[1, 1, 1, 1, 0]]), ([[0, 0]], [[0, 0]])],
)
def test_padding_is_everything_after_the_last_token(ids, real) -> None:
    """A [PAD] between two tokens counts as a token."""
    assert without_padding(torch.tensor(ids), 0).int().tolist() == real


def test_the_cache_is_in_full_precision_under_autocast(write_bert) -> None:
    """An evaluation in full precision must not find states that were computed in half precision."""
    model = loaded(write_bert()[0], dtype=torch.float32).eval()
    examples = texts(8)
    batch = examples.batch(range(8))[0]
    with torch.no_grad():
        expected = model(batch.token_ids, batch.segment_ids, batch.mask).hidden_states[2]
    with FrozenLayers(model, keys(examples)).below(3):
        with torch.autocast("cpu", torch.bfloat16):
            model.embeddings(batch.token_ids, batch.segment_ids)
        found = model.embeddings(batch.token_ids, batch.segment_ids)
    real = batch.mask.bool()
    assert torch.allclose(found[real], expected[real], rtol=0, atol=1e-5)
