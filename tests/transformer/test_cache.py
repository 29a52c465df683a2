"""The key-value cache, and what a token may see."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from minitf.checkpoints.load import load
from minitf.transformer import EncoderDecoder, EncoderDecoderConfig, shift_right
from tests.support.tiny import redraw
from tests.support.transformer_models import ENCODER_DECODERS, N, pairs, write_reference

PROPERTY = settings(deadline=None, derandomize=True, database=None, max_examples=30)
MATH = pytest.mark.parametrize("math", ["equations", "kernels"])


def close(one, other):
    torch.testing.assert_close(one, other, rtol=0, atol=1e-10)


@MATH
@pytest.mark.parametrize("name", ENCODER_DECODERS)
def test_cached_logits_of_an_encoder_decoder(tmp_path, name, math):
    """Two tokens at once, then one at a time; the batch is reordered in between."""
    write_reference(tmp_path, name)
    model = load(tmp_path, math=math, dtype=torch.float64)
    p, rows = pairs(model.config.start_id), torch.tensor([2, 0, 0])
    with torch.no_grad():
        memory, ids, mask = model.encode(p.source, p.mask)[0][-1], p.inputs, p.mask
        cache = model.new_cache()
        parts = [model.decode(ids[:, :2], memory, mask, cache=cache).logits]
        close(parts[0], model(p.source, ids[:, :2], mask).logits)
        cache.reorder(rows)
        source, mask, ids, memory = p.source[rows], mask[rows], ids[rows], memory[rows]
        for t in range(2, ids.shape[1]):
            assert cache.length == t
            step = model.decode(ids[:, t : t + 1], memory, mask, need_attention=True, cache=cache)
            whole = model(source, ids[:, : t + 1], mask, need_attention=True)
            close(step.logits, whole.logits[:, -1:])
            for mine, full in zip(step.self_attentions, whole.decoder_attentions, strict=True):
                close(mine, full[:, :, -1:])
            for mine, full in zip(step.cross_attentions, whole.cross_attentions, strict=True):
                close(mine, full[:, :, -1:])


@MATH
def test_cached_logits_of_a_decoder_with_padding_on_the_left(tmp_path, math):
    write_reference(tmp_path, "gpt2")
    model = load(tmp_path, math=math, dtype=torch.float64)
    p = pairs(0)
    ids, mask = p.source.flip(1), p.mask.flip(1)
    cache = model.new_cache()
    with torch.no_grad():
        whole = model(ids, mask).logits
        parts = [model(ids[:, :8], mask[:, :8], cache=cache).logits]
        parts += [model(ids[:, t : t + 1], mask[:, : t + 1], cache=cache).logits for t in range(8, ids.shape[1])]
    close(torch.cat(parts, dim=1)[mask.bool()], whole[mask.bool()])


@PROPERTY
@given(st.sampled_from([*ENCODER_DECODERS, "vaswani", "gpt2"]), st.integers(0, 7), st.integers(0, N - 1))
def test_a_later_target_moves_no_earlier_logit(tmp_path_factory, name, position, token):
    model = _models(tmp_path_factory, name)
    p = pairs(1)
    changed = p.inputs.clone()
    changed[:, position] = token
    with torch.no_grad():
        if name == "gpt2":
            one, other = model(p.inputs).logits, model(changed).logits
        else:
            one, other = model(p.source, p.inputs, p.mask).logits, model(p.source, changed, p.mask).logits
    assert torch.equal(one[:, :position], other[:, :position])


@PROPERTY
@given(st.sampled_from([*ENCODER_DECODERS, "vaswani"]), st.integers(0, N - 1))
def test_padding_of_the_source_is_not_seen(tmp_path_factory, name, token):
    model = _models(tmp_path_factory, name)
    p = pairs(1)
    changed = torch.where(p.mask.bool(), p.source, token)
    with torch.no_grad():
        close(model(p.source, p.inputs, p.mask).logits, model(changed, p.inputs, p.mask).logits)


_CACHE: dict[str, torch.nn.Module] = {}


def _models(tmp_path_factory, name):
    if name not in _CACHE and name == "vaswani":
        _CACHE[name] = EncoderDecoder(EncoderDecoderConfig(N, 24, 2, 2, 3, 3, 32, 32)).double().eval()
        redraw(_CACHE[name])
    elif name not in _CACHE:
        folder = tmp_path_factory.mktemp("model")
        write_reference(folder, name)
        _CACHE[name] = load(folder, dtype=torch.float64)
    return _CACHE[name]


def test_shift_right():
    labels = torch.tensor([[7, 8, 2], [9, 2, -100]])
    assert shift_right(labels, 5, 1).tolist() == [[5, 7, 8], [5, 9, 2]]
    assert shift_right(torch.tensor([[7, -100, -100]]), 5, 1).tolist() == [[5, 7, 1]]
