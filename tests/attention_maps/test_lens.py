"""The logit lens against the reference's head on the reference's hidden states."""

import numpy as np
import pytest
import torch
import transformers

from minitf.attention_maps import lens, prediction_figures
from minitf.attention_maps.model import open_model
from minitf.errors import InputError
from tests.support.tiny import write_vocabulary

TEXT, PAIR = "the film was [MASK] , caf so great wanting", "a hotel room"


@pytest.mark.parametrize("pair", [None, PAIR])
@pytest.mark.parametrize(
    ("model_type", "head"), [("bert", "masked-lm"), ("bert", "pretraining"), ("distilbert", "masked-lm")]
)
def test_as_the_reference(write_member, monkeypatch, model_type, head, pair):
    monkeypatch.setattr(lens, "CHUNK", 4)  # so that this short text needs several chunks
    folder, reference = write_member(model_type, head)
    write_vocabulary(folder)
    found = lens.read_layers(open_model(folder, "equations", torch.float64), TEXT, pair, k=5)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    batch = tokenizer(TEXT, pair, return_tensors="pt")
    if model_type == "distilbert":
        batch.pop("token_type_ids", None)
    with torch.no_grad():
        states = reference(**batch, output_hidden_states=True).hidden_states
        for layer, X in enumerate(states):
            if model_type == "distilbert":
                logits = reference.vocab_projector(
                    reference.vocab_layer_norm(reference.activation(reference.vocab_transform(X)))
                )
            else:
                logits = reference.cls.predictions(X)
            p = logits[0].softmax(-1)
            top = p.topk(5, dim=-1)
            np.testing.assert_allclose(found.probabilities[layer], top.values.numpy(), rtol=0, atol=1e-10)
            theirs = [[tokenizer.convert_ids_to_tokens(int(i)) for i in row] for row in top.indices]
            assert [list(row) for row in found.words[layer]] == theirs
            own = p.gather(-1, batch["input_ids"][0][:, None])[:, 0]
            np.testing.assert_allclose(found.own[layer], own.numpy(), rtol=0, atol=1e-10)
    assert len(states) == found.probabilities.shape[0] == 4
    assert list(found.tokens) == tokenizer.convert_ids_to_tokens(batch["input_ids"][0].tolist())


def test_the_last_layer_is_the_prediction_of_the_model(write_member):
    folder, _ = write_member("bert", "masked-lm")
    write_vocabulary(folder)
    opened = open_model(folder, "kernels", torch.float64)
    batch = opened.tokenizer([TEXT])
    with torch.no_grad():
        p = opened.model(batch.token_ids, batch.segment_ids, batch.mask).logits[0].softmax(-1)
    found = lens.read_layers(opened, TEXT)
    np.testing.assert_allclose(found.probabilities[-1][:, 0], p.max(dim=-1).values.numpy(), rtol=0, atol=1e-10)


@pytest.mark.parametrize("head", [None, "classification", "next-sentence"])
def test_a_model_without_the_head(write_member, head):
    folder, _ = write_member("bert", head, **({"num_labels": 2} if head == "classification" else {}))
    write_vocabulary(folder)
    with pytest.raises(InputError, match="needs a masked-LM head, and this model has none"):
        lens.read_layers(open_model(folder), TEXT)


def test_the_mode_of_the_model_stays(write_member):
    folder, _ = write_member("bert", "masked-lm")
    write_vocabulary(folder)
    opened = open_model(folder)
    opened.model.train()
    lens.read_layers(opened, TEXT)
    assert opened.model.training


def test_its_figure(write_member, tmp_path):
    """Its words are the likeliest ones, its colours their probabilities."""
    folder, _ = write_member("bert", "masked-lm")
    write_vocabulary(folder)
    found = lens.read_layers(open_model(folder), TEXT)
    figure = prediction_figures.draw_lens(found)
    (image,) = figure.axes[0].images
    np.testing.assert_array_equal(image.get_array(), found.probabilities[:, :, 0].T)
    words = [text.get_text() for text in figure.axes[0].texts]
    assert words == [found.words[layer][s][0] for s in range(len(found.tokens)) for layer in range(4)]
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == list(found.tokens)
