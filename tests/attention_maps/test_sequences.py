"""The attention of models that generate text equals that of the reference, as does the attribution to the source."""

import numpy as np
import pytest
import torch

import minitf
from minitf.attention_maps import sequences, source_attribution
from minitf.attention_maps.model import open_model
from minitf.errors import InputError
from tests.support.sequences_to_show import SOURCE, TARGET, write_generator
from tests.support.transformer_models import ENCODER_DECODERS, PATCHES, untouched


@pytest.fixture
def write(tmp_path):
    """A function that writes a model of this kind: returns it opened in float64, and the reference."""

    def make(name, math="kernels", **changes):
        theirs = write_generator(tmp_path / name, name, **changes)
        return open_model(tmp_path / name, math, torch.float64), theirs

    return make


def reference_run(theirs, text, **changes):
    """Run the reference on a source and target, with the attention weights."""
    source, target = torch.tensor([text.source_ids]), torch.tensor([(0, *text.target_ids[:-1])])
    inputs = {"input_ids": source, "decoder_input_ids": target, "output_attentions": True}
    return theirs(**(inputs | changes))


@pytest.mark.parametrize("math", ["equations", "kernels"])
@pytest.mark.parametrize("name", ENCODER_DECODERS)
def test_the_three_kinds_as_in_the_reference(write, name, math):
    opened, theirs = write(name, math)
    text = sequences.read(opened, SOURCE, TARGET)
    maps = sequences.collect(opened, text)
    with torch.no_grad(), PATCHES.get(name, untouched)():
        out = reference_run(theirs, text)
    found = 0.0
    for kind, expected in (
        ("encoder", out.encoder_attentions),
        ("decoder", out.decoder_attentions),
        ("cross", out.cross_attentions),
    ):
        block = maps.block(kind)
        np.testing.assert_allclose(block.A, torch.stack(expected)[:, 0].numpy(), rtol=0, atol=1e-10)
        np.testing.assert_allclose(block.A.sum(axis=-1), 1.0, atol=1e-10)
        assert block.A.shape[2:] == (len(block.query_labels), len(block.key_labels))
        found += block.A.sum()
    np.testing.assert_allclose(maps.A.sum(), found)  # 0 outside the blocks
    assert (maps.text, maps.pair, maps.roles) == (SOURCE, TARGET, ("source", "target"))


def test_a_query_of_the_decoder_is_labelled_by_what_it_predicts(write):
    opened, _ = write("marian")
    maps = sequences.collect(opened, sequences.read(opened, SOURCE, TARGET))
    cross, decoder, encoder = (maps.block(name) for name in ("cross", "decoder", "encoder"))
    words = opened.tokenizer.encode_targets([TARGET])[0]
    assert cross.query_labels == decoder.query_labels == sequences.labels_of(opened, words)
    assert cross.query_labels[-1] == "</s>"
    assert decoder.key_labels == ("<pad>", *decoder.query_labels[:-1])
    assert cross.key_labels == encoder.key_labels == encoder.query_labels
    assert sum(maps.special) == 2 and sum(maps.query_special) == 2  # the end of the source; the start or the end
    assert maps.query_words[: len(encoder.key_labels)] == maps.words[: len(encoder.key_labels)]


@pytest.mark.parametrize("math", ["equations", "kernels"])
def test_a_decoder_as_in_the_reference(write, math):
    opened, theirs = write("gpt2", math)
    text = sequences.read(opened, "the film", max_new_tokens=4)
    maps = sequences.collect(opened, text)
    ids = (*text.source_ids, *text.target_ids)
    with torch.no_grad():
        expected = torch.stack(theirs(torch.tensor([ids]), output_attentions=True).attentions)[:, 0]
    np.testing.assert_allclose(maps.A, expected.numpy(), rtol=0, atol=1e-10)
    assert not np.triu(maps.A, 1).any()
    assert maps.roles == ("prompt", "continuation") and maps.kinds == ()
    assert sum(maps.segments) == len(text.target_ids) <= 4


@pytest.mark.parametrize("name", ["marian", "t5", "gpt2"])
def test_the_output_is_that_of_the_generator(write, tmp_path, name):
    opened, _ = write(name)
    text = sequences.read(opened, "the film", max_new_tokens=6)
    (record,) = minitf.generator(tmp_path / name)(["the film"], max_new_tokens=6)
    assert (list(text.target_ids), text.ended) == (record["token_ids"], record["ended"])


@pytest.mark.parametrize("name", ["marian", "t5-v1.1"])
def test_attribution_as_in_the_reference(write, name):
    """Gradient × input from the reference's embeddings, erasure from its mask, completeness of integrated gradients."""
    opened, theirs = write(name, shrink=0.3)
    text = sequences.read(opened, SOURCE, TARGET)
    found = source_attribution.attribute(opened, text, steps=128)
    source, labels = torch.tensor([text.source_ids]), torch.tensor(text.target_ids)
    scale = 24**0.5 if name == "marian" else 1.0  # the reference scales token ids only; the product is the same
    E = (theirs.get_input_embeddings().weight.detach()[source] * scale).requires_grad_()

    def log_p(**changes):
        logits = reference_run(theirs, text, **changes).logits[0]
        return logits.log_softmax(-1)[torch.arange(len(labels)), labels]

    with PATCHES.get(name, untouched)():
        whole = log_p(input_ids=None, inputs_embeds=E)
        erased = []
        for s in range(source.shape[1]):
            mask = torch.ones_like(source)
            mask[0, s] = 0
            with torch.no_grad():
                erased.append(log_p(attention_mask=mask))
        gradients = [torch.autograd.grad(each, E, retain_graph=True)[0] for each in whole]
    whole = whole.detach()
    for t, scores in enumerate(found):
        np.testing.assert_allclose(scores.gradient_input, (gradients[t] * E).sum(-1)[0].detach(), rtol=0, atol=1e-10)
        assert scores.probability == pytest.approx(float(whole[t].exp()), abs=1e-10)
        change = np.array([float(whole[t] - each[t]) for each in erased])
        np.testing.assert_allclose(scores.erasure[:-1], change[:-1], rtol=0, atol=1e-10)
        assert scores.special[-1] and scores.erasure[-1] == scores.integrated_gradients[-1] == 0.0
        assert abs(scores.residual) < 1e-3
        cross = sequences.collect(opened, text).block("cross").A.mean(axis=(0, 1))[t]
        np.testing.assert_array_equal(scores.cross_attention, cross)
    assert [scores.label for scores in found] == list(sequences.labels_of(opened, text.target_ids))
    assert not any(module._forward_hooks for module in opened.model.modules())


def test_labels_words_and_spans(write):
    opened, _ = write("marian")
    ids = opened.tokenizer.encode(["the 34 films, 今天!"])[0]
    labels = sequences.labels_of(opened, ids)
    special = sequences.special_of(opened, ids)
    assert "".join(labels).replace("▁", " ") == "the 34 films, 今天!</s>"
    words = sequences.word_numbers(labels, special)
    joined = ["".join(label for label, w in zip(labels, words, strict=True) if w == n) for n in sorted(set(words))]
    assert joined == ["the", "▁34", "▁films", ",", "▁", "今", "天", "!", "</s>"]
    spans = sequences.spans_of(labels, special, "the 34 films, 今天!")
    assert spans[-1] is None
    for label, span in zip(labels[:-1], spans[:-1], strict=True):
        word = label.removeprefix("▁")
        assert (span is None) == (word == "")
        assert span is None or "the 34 films, 今天!"[slice(*span)] == word


def test_a_token_that_the_text_does_not_have():
    """A tokenizer may normalize: what it changed has no characters, and the tokens after it are found again."""
    labels = ("fi", "ne", "▁x")
    assert sequences.spans_of(labels, (False,) * 3, "ﬁne x") == (None, (1, 3), (4, 5))


def test_the_python_api(write, tmp_path):
    opened, _ = write("marian")
    maps = minitf.attention(tmp_path / "marian", SOURCE, target=TARGET)
    assert [kind.name for kind in maps.kinds] == ["cross", "encoder", "decoder"]
    model, tokenizer = minitf.load(tmp_path / "marian"), minitf.load_tokenizer(tmp_path / "marian")
    loaded = minitf.attention(model, SOURCE, tokenizer=tokenizer, target=TARGET)
    np.testing.assert_array_equal(loaded.A, maps.A)
    assert 'title="attention maps"' in maps._repr_html_()
    assert len(maps.attribute()) == len(opened.tokenizer.encode_targets([TARGET])[0])
    with pytest.raises(InputError, match="a second text is for an encoder"):
        minitf.attention(tmp_path / "marian", SOURCE, "another")
