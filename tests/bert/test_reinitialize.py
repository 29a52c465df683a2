"""Reinitialized layers: which ones, and from which distribution."""

import pytest
import torch

from minitf.bert.reinitialize import reinitialize_top
from minitf.training.strategy import depth
from tests.support.small_training import loaded, weights

L = 3


@pytest.mark.parametrize("model_type", ["bert", "roberta", "distilbert"])
@pytest.mark.parametrize("top", range(L + 1))
def test_only_the_top_is_reinitialized(write_member, model_type: str, top: int) -> None:
    """The last layers and the pooler, if there is one; neither the layers below nor the head."""
    model = loaded(write_member(model_type, "classification")[0])
    before = weights(model)
    reinitialize_top(model, top)
    changed = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    assert changed == {name for name in before if top and L - top < depth(name, L) <= L + 1}


@pytest.mark.parametrize("sigma", [0.02, 0.1])
def test_as_drawn_for_pre_training(write_bert, sigma: float) -> None:
    """Matrices from N(0, σ²), truncated at two standard deviations; biases 0; γ 1 and β 0."""
    model = loaded(write_bert(hidden_size=128, intermediate_size=256, initializer_range=sigma)[0])
    reinitialize_top(model, 2)
    for name, p in model.named_parameters():
        if not L - 2 < depth(name, L) <= L + 1:
            continue
        if p.dim() > 1:
            assert p.abs().max() <= 2 * sigma
            # The normal distribution truncated at ±2 has the standard deviation 0.8796.
            assert p.std().item() == pytest.approx(0.8796 * sigma, rel=0.03)
            assert abs(p.mean().item()) < 4 * sigma / p.numel() ** 0.5
        else:
            assert torch.equal(p, torch.full_like(p, float(name.endswith("gamma"))))


def test_the_same_seed_draws_the_same_weights(write_bert) -> None:
    folder, found = write_bert()[0], []
    for seed in (1, 1, 2):
        model = loaded(folder)
        torch.manual_seed(seed)
        reinitialize_top(model, 1)
        found.append(model.pooler.W.weight.detach().clone())
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])
