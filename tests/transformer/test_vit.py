"""ViT against `transformers`: float64, redrawn weights, from files that `transformers` wrote; saved and reopened."""

import runpy
from pathlib import Path
from unittest import mock

import pytest
import torch
import transformers
from safetensors.torch import load_file
from transformers.models.vit import modeling_vit

from minitf.checkpoints.load import load, load_with_report
from minitf.checkpoints.save import save
from minitf.errors import CheckpointError, InputError
from minitf.transformer import Vit, VitConfig
from tests.support.tiny import redraw
from tests.transformer.test_reference import assert_close, assert_same_gradients

SIZES = {
    "hidden_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 40,
    "image_size": [9, 14],  # neither is a multiple of its patch
    "patch_size": [2, 3],
    "num_channels": 2,
}
HEADS = {None: transformers.ViTModel, "classification": transformers.ViTForImageClassification}
PIXELS = torch.randn(3, 2, 9, 14, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def softmax_in_float64():
    """Replace the line of the reference that computes the softmax in float32 by its form in the type of the input."""
    softmax = torch.nn.functional.softmax
    functional = mock.Mock(wraps=torch.nn.functional)
    functional.softmax = lambda scores, dim, dtype: softmax(scores, dim=dim)
    return mock.patch.object(modeling_vit.nn, "functional", functional)


def opened(folder, head, math="kernels", shrink=1.0, **changes):
    labels = {"num_labels": 5} if head else {}
    theirs = HEADS[head](transformers.ViTConfig(**(SIZES | labels | changes), attn_implementation="eager"))
    redraw(theirs)
    with torch.no_grad():
        for p in theirs.parameters():
            p *= shrink
    theirs = theirs.double().eval()
    theirs.save_pretrained(folder)
    return load(folder, head, math=math, dtype=torch.float64), theirs


def compare(ours, theirs, head, atol=1e-10):
    out = ours(PIXELS, need_attention=True)
    other = theirs(pixel_values=PIXELS, output_attentions=True, output_hidden_states=True)
    mine, their = (out.logits, other.logits) if head else (out.pooled, other.pooler_output)
    assert_close(mine, their, "output", atol)
    for layer, (state, reference) in enumerate(zip(out.hidden_states[:-1], other.hidden_states[:-1], strict=True)):
        assert_close(state, reference, f"state {layer}", atol)
    if head is None:
        assert_close(out.hidden_states[-1], other.last_hidden_state, "last state", atol)
    for layer, (A, reference) in enumerate(zip(out.attentions, other.attentions, strict=True)):
        assert_close(A, reference, f"A {layer}", atol)
    mine.square().sum().backward()
    their.square().sum().backward()
    assert_same_gradients(ours, theirs, "vit", atol)


@pytest.mark.parametrize("math", ["equations", "kernels"])
@pytest.mark.parametrize("head", HEADS)
def test_outputs_attention_and_gradients(tmp_path, head, math):
    ours, theirs = opened(tmp_path, head, math)
    with softmax_in_float64():
        compare(ours, theirs, head)


@pytest.mark.parametrize("head", HEADS)
def test_the_untouched_reference(tmp_path, head):
    """Its softmax is computed in float32."""
    compare(*opened(tmp_path, head, shrink=0.5), head, atol=1e-6)


@pytest.mark.parametrize("head", HEADS)
def test_saved_and_reopened_in_the_reference(tmp_path, head):
    _, theirs = opened(tmp_path / "theirs", head)
    theirs.float().save_pretrained(tmp_path / "theirs")
    model, report = load_with_report(tmp_path / "theirs", "stored")
    assert (model.head_name, report.new, report.left_out) == (head, (), ())
    save(model, None, tmp_path / "ours")
    ours, before = load_file(tmp_path / "ours/model.safetensors"), load_file(tmp_path / "theirs/model.safetensors")
    assert set(ours) == set(before)
    assert all(torch.equal(ours[n], before[n]) for n in before)
    again, info = HEADS[head].from_pretrained(tmp_path / "ours", output_loading_info=True)
    assert not any(info[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    assert all(
        torch.equal(p, q) for p, q in zip(theirs.state_dict().values(), again.state_dict().values(), strict=True)
    )
    assert load(tmp_path / "ours", head).config == model.config
    assert not (tmp_path / "ours/generation_config.json").exists()


def test_a_head_for_other_labels(tmp_path):
    """As in BERT: a classifier of another size is initialized, and its names are saved."""
    opened(tmp_path / "a", None)
    model, report = load_with_report(tmp_path / "a", "classification", labels=("cat", "dog"))
    assert report.new == ("head.W.weight", "head.W.bias")
    assert len(report.left_out) == 2  # the pooler
    save(model, None, tmp_path / "b")
    again = transformers.ViTForImageClassification.from_pretrained(tmp_path / "b")
    assert again.config.id2label == {0: "cat", 1: "dog"}
    assert load(tmp_path / "b", "stored").config.labels == ("cat", "dog")


@pytest.mark.parametrize("shape", [(3, 1, 9, 14), (3, 2, 14, 9), (2, 9, 14)])
def test_images_of_another_size(shape):
    model = Vit(VitConfig(**{name: tuple(v) if isinstance(v, list) else v for name, v in SIZES.items()}))
    with pytest.raises(ValueError, match=r"pixels must be \[B, 2, 9, 14\]"):
        model(torch.zeros(shape))


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"patch_size": 17}, "patch"),
        ({"image_size": [8, 8, 8]}, "image_size"),
        ({"image_size": "8"}, "image_size"),
        ({"num_channels": 0}, "num_channels"),
        ({"hidden_act": "tanh"}, "hidden_act"),
        ({"num_attention_heads": 5}, "num_attention_heads"),
        ({"qkv_bias": False}, "qkv_bias"),
        ({"pooler_act": "relu"}, "pooler_act"),
        ({"pooler_output_size": 3}, "pooler_output_size"),
    ],
)
def test_configs_that_are_refused(change, part):
    with pytest.raises(CheckpointError, match=part) as caught:
        VitConfig.from_dict(SIZES | change | {"model_type": "vit"})
    assert "\n" not in str(caught.value)


def test_a_head_that_it_cannot_have(tmp_path):
    opened(tmp_path, None)
    with pytest.raises(InputError, match=r"is ViT, an encoder of images .* has no masked-lm head"):
        load(tmp_path, "masked-lm")


def test_the_example_learns(capsys):
    """The script with two epochs instead of twenty; chance is 0.1."""
    example = runpy.run_path(str(Path(__file__).parent.parent.parent / "lessons" / "digits_with_vit.py"))
    assert example["train"](epochs=2) > 0.4
    assert capsys.readouterr().out.count("epoch") == 2
