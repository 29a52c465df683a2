"""The attention maps of a text equal those of the reference."""

import numpy as np
import pytest
import torch
import transformers

import minitf
from minitf.attention_maps import page
from minitf.attention_maps.collect import attention, collect
from minitf.attention_maps.model import OpenModel, open_model
from minitf.errors import InputError
from tests.support.tiny import write_vocabulary

TEXT, PAIR = "the film was great , so great", "a hotel room"


@pytest.fixture
def folder(write_member):
    folder, _ = write_member("bert", "classification", num_labels=3)
    write_vocabulary(folder)
    return folder


@pytest.mark.parametrize("pair", [None, PAIR])
@pytest.mark.parametrize("math", ["equations", "kernels"])
def test_as_the_reference(folder, math, pair):
    opened = open_model(folder, math, torch.float64)
    maps = collect(opened, TEXT, pair)
    reference = transformers.BertForSequenceClassification.from_pretrained(
        folder, dtype=torch.float64, attn_implementation="eager"
    ).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    batch = tokenizer(TEXT, pair, return_tensors="pt")
    with torch.no_grad():
        out = reference(**batch, output_attentions=True)
    theirs = torch.stack(out.attentions)[:, 0].numpy()
    assert maps.A.shape == theirs.shape == (3, 4, len(maps.tokens), len(maps.tokens))
    np.testing.assert_allclose(maps.A, theirs, rtol=0, atol=1e-10)
    assert list(maps.tokens) == tokenizer.convert_ids_to_tokens(batch["input_ids"][0].tolist())
    assert list(maps.segments) == batch["token_type_ids"][0].tolist()
    np.testing.assert_allclose(maps.probabilities, out.logits[0].softmax(-1).numpy(), rtol=0, atol=1e-10)
    assert maps.labels == ("LABEL_0", "LABEL_1", "LABEL_2")
    assert [t for t, s in zip(maps.tokens, maps.special, strict=True) if s] == [
        "[CLS]",
        "[SEP]",
        *(["[SEP]"] if pair else []),
    ]


def test_the_maps_do_not_change_the_prediction(folder):
    opened = open_model(folder, "kernels", torch.float64)
    batch = opened.tokenizer([TEXT])
    with torch.no_grad():
        plain = opened.model(batch.token_ids, batch.segment_ids, batch.mask).logits[0]
    np.testing.assert_allclose(collect(opened, TEXT).probabilities, plain.softmax(-1).numpy(), rtol=0, atol=1e-10)


def test_both_mathematics_give_the_same_maps(folder):
    fast, plain = (collect(open_model(folder, math, torch.float64), TEXT).A for math in ("kernels", "equations"))
    np.testing.assert_allclose(fast, plain, rtol=0, atol=1e-10)


@pytest.mark.parametrize("math", ["equations", "kernels"])
def test_queries_and_keys_make_the_maps(folder, math):
    """softmax(Q Kᵀ / √d_k) is A; recording Q and K leaves no hook behind and changes no number."""
    opened = open_model(folder, math, torch.float64)
    maps = collect(opened, TEXT, PAIR, query_key=True)
    L, H, S, d_k = maps.Q.shape
    assert (L, H, S) == maps.A.shape[:3] and maps.K.shape == maps.Q.shape
    scores = np.einsum("lhqi,lhki->lhqk", maps.Q, maps.K) / np.sqrt(d_k)
    powers = np.exp(scores)
    np.testing.assert_allclose(powers / powers.sum(axis=-1, keepdims=True), maps.A, rtol=0, atol=1e-10)
    plain = collect(opened, TEXT, PAIR)
    np.testing.assert_array_equal(plain.A, maps.A)
    assert plain.Q is None and plain.probabilities == maps.probabilities
    assert not any(module._forward_hooks for module in opened.model.modules())


def test_readable_tokens_and_words(folder):
    maps = collect(open_model(folder), "unwanted caf - stars", "wanted")
    assert maps.readable_tokens == maps.tokens == maps.display_tokens
    assert maps.tokens == ("[CLS]", "un", "##want", "##ed", "caf", "-", "stars", "[SEP]", "want", "##ed", "[SEP]")
    assert maps.words == (0, 1, 1, 1, 2, 3, 4, 5, 6, 6, 7)
    cut = collect(open_model(folder), "unwanted caf - stars", "wanted", max_length=6)
    assert len(cut.words) == len(cut.tokens) == 6


@pytest.mark.parametrize(("model_type", "head"), [("bert", None), ("bert", "pretraining"), ("distilbert", "masked-lm")])
def test_models_without_a_classifier(write_member, model_type, head):
    folder, _ = write_member(model_type, head)
    write_vocabulary(folder)
    maps = attention(folder, TEXT)
    assert (maps.labels, maps.probabilities) == ((), ())
    np.testing.assert_allclose(maps.A.sum(axis=-1), 1.0, rtol=0, atol=1e-5)


def test_the_python_api(folder):
    model = minitf.load(folder, head="classification")
    maps = attention(model, TEXT, tokenizer=minitf.load_tokenizer(folder))
    np.testing.assert_array_equal(maps.A, attention(folder, TEXT).A)
    with pytest.raises(InputError, match="a loaded model needs its tokenizer"):
        attention(model, TEXT)
    with pytest.raises(InputError, match="the model is loaded already; leave out math, offline"):
        attention(model, TEXT, tokenizer=minitf.load_tokenizer(folder), math="equations", offline=True)


def test_the_settings_of_loading(folder):
    plain, changed = attention(folder, TEXT), attention(folder, TEXT, math="equations", hidden_act="relu")
    assert not np.allclose(plain.A[1:], changed.A[1:])
    np.testing.assert_allclose(plain.A[0], changed.A[0], rtol=0, atol=1e-5)  # before the first feed-forward layer


def test_a_notebook_displays_the_page(folder):
    maps = attention(folder, TEXT)
    assert maps._repr_html_() == page.in_notebook(maps, maps.attribute())


def test_the_mode_is_restored_and_dropout_is_off(folder):
    opened = open_model(folder)
    opened.model.train()
    maps = collect(opened, TEXT)
    assert opened.model.training
    np.testing.assert_array_equal(maps.A, collect(OpenModel("x", opened.model.eval(), opened.tokenizer), TEXT).A)


def test_length(folder):
    opened = open_model(folder)
    assert len(collect(opened, "great " * 200).tokens) == 64  # all positions of the model
    assert len(collect(opened, "great " * 200, max_length=10).tokens) == 10
    with pytest.raises(InputError, match="`max_length` 65: the model has only 64 positions"):
        collect(opened, TEXT, max_length=65)


@pytest.mark.parametrize(("text", "pair"), [("", None), ("  ", None), (TEXT, ""), (TEXT, "\n")])
def test_an_empty_text(folder, text, pair):
    with pytest.raises(InputError, match="is empty; give at least one word"):
        attention(folder, text, pair)
