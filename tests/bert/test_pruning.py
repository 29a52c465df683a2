"""Pruning: importance against finite differences, which weights are set to 0, and that they are the smallest."""

import itertools

import pytest
import torch
import transformers

import minitf
from minitf.bert.pruning import HeadGates, HeadIndex, count_zeros, least_important, zero_heads, zero_smallest
from minitf.mathematics import EQUATIONS, KERNELS

L, H = 3, 4


@pytest.fixture
def folder(write_bert):
    return write_bert(transformers.BertForSequenceClassification, num_labels=2)[0]


def batch():
    generator = torch.Generator().manual_seed(3)
    return torch.randint(5, 60, (3, 7), generator=generator), torch.tensor([0, 1, 1])


@pytest.mark.parametrize("math", [EQUATIONS, KERNELS], ids=["equations", "kernels"])
def test_sensitivity_is_the_derivative_by_each_gate(folder, math):
    """|∂loss/∂ξ| of each example, against central differences of the loss with scaled columns of W_O."""
    gates = HeadGates()
    model = minitf.load(folder, head="classification", dtype=torch.float64, math=gates.overlay(math))
    plain = minitf.load(folder, head="classification", dtype=torch.float64, math=math)
    ids, labels = batch()
    gates.reset()
    torch.nn.functional.cross_entropy(model(ids).logits, labels, reduction="sum").backward()
    found = gates.sensitivity()
    assert found.shape == (L, H)
    for layer, head in itertools.product(range(L), range(H)):
        total, eps = 0.0, 1e-5
        W = plain.encoder.layers[layer].attention.W_O.weight
        d_k = W.shape[0] // H
        columns = slice(head * d_k, (head + 1) * d_k)
        kept = W.detach().clone()
        for i in range(3):
            losses = []
            for scale in (1 + eps, 1 - eps):
                with torch.no_grad():
                    W[:, columns] = kept[:, columns] * scale
                    losses.append(torch.nn.functional.cross_entropy(plain(ids[i : i + 1]).logits, labels[i : i + 1]))
                    W.copy_(kept)
            total += abs(float(losses[0] - losses[1]) / (2 * eps))
        assert float(found[layer, head]) == pytest.approx(total, rel=1e-5, abs=1e-8)


def test_gates_change_no_logits(folder):
    ids, _ = batch()
    gated = minitf.load(folder, head="classification", math=HeadGates().overlay(KERNELS))
    plain = minitf.load(folder, head="classification", math=KERNELS)
    with torch.no_grad():
        assert torch.equal(gated(ids).logits, plain(ids).logits)


def test_the_least_important_come_first_and_every_layer_keeps_one():
    importance = torch.tensor([[1.0, 2.0, 3.0], [100.0, 10.0, 50.0]])
    scaled = importance / importance.norm(dim=1, keepdim=True)
    order = least_important(importance, 6)
    assert len(order) == 4
    assert [head.layer for head in order].count(0) == [head.layer for head in order].count(1) == 2
    values = [float(scaled[head.layer, head.head]) for head in order]
    assert values == sorted(values)
    assert str(order[0]) == "2.2" and least_important(importance, 1) == [HeadIndex(1, 1)]


def test_a_zeroed_head_gives_0_and_the_others_do_not_change(folder):
    model, before = (minitf.load(folder, head="classification", dtype=torch.float64) for _ in range(2))
    d_k = model.config.hidden_size // H
    count = zero_heads(model, [HeadIndex(1, 2), HeadIndex(0, 0)])
    assert count == 2 * (4 * d_k * model.config.hidden_size + 3 * d_k)
    for name, p in model.named_parameters():
        other = before.get_parameter(name)
        if not name.startswith(("encoder.layers.0.attention.W", "encoder.layers.1.attention.W")):
            assert torch.equal(p, other)
    attention, whole = (m.encoder.layers[1].attention for m in (model, before))
    X = torch.randn(2, 5, 32, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = whole.W_O.weight.clone()
        expected[:, 2 * d_k : 3 * d_k] = 0.0
        whole.W_O.weight.copy_(expected)
        assert torch.allclose(attention(X)[0], whole(X)[0], rtol=0, atol=1e-12)


@pytest.mark.parametrize("share", [0.0, 0.25, 0.9])
def test_the_smallest_weights_become_0(folder, share):
    model, before = (minitf.load(folder, head="classification") for _ in range(2))
    matrices = {n: p for n, p in model.named_parameters() if n.startswith("encoder.") and p.dim() == 2}
    total = sum(p.numel() for p in matrices.values())
    zeros_before = count_zeros(model)
    assert zero_smallest(model, share) == round(share * total)
    kept = torch.cat([before.get_parameter(n).detach()[p != 0].abs() for n, p in matrices.items()])
    gone = torch.cat([before.get_parameter(n).detach()[p == 0].abs() for n, p in matrices.items()])
    assert len(gone) == round(share * total) and count_zeros(model) == zeros_before + len(gone)
    if share:
        assert float(gone.max()) <= float(kept.min())
    for name, p in model.named_parameters():
        if name not in matrices:
            assert torch.equal(p, before.get_parameter(name))
        else:
            assert torch.equal(p[p != 0], before.get_parameter(name)[p != 0])
