"""The rename tables, against the names that `transformers` gives its own parameters."""

import re

import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from minitf.bert import Bert, BertConfig
from minitf.checkpoints.names import BERT, OLD_NAMES, ours, prefixed, theirs

PROPERTY = settings(deadline=None, derandomize=True, database=None, max_examples=200)
LAYERS = 12


def official_names(cls):
    """What the reference calls the tensors of a `cls` of twelve layers: two digits in a number are no special case."""
    sizes = {"hidden_size": 4, "num_hidden_layers": LAYERS, "num_attention_heads": 2, "intermediate_size": 4}
    with torch.device("meta"):
        return list(cls(transformers.BertConfig(vocab_size=8, **sizes)).state_dict())


def our_names(head):
    labels = ("no", "yes") if head else ()
    config = BertConfig(
        8, hidden_size=4, num_hidden_layers=LAYERS, num_attention_heads=2, intermediate_size=4, labels=labels
    )
    with torch.device("meta"):
        return list(Bert(config, head).state_dict())


@pytest.mark.parametrize(
    ("cls", "head"),
    [(transformers.BertModel, None), (transformers.BertForSequenceClassification, "classification")],
)
def test_every_tensor_of_the_reference_has_one_name_here_and_none_here_is_without(cls, head):
    renamed = [ours(name) for name in official_names(cls)]
    assert all(known for known, _ in renamed)
    assert sorted(name for _, name in renamed) == sorted(our_names(head))


def test_of_a_pre_trained_model_only_its_heads_are_left_out():
    left_out = [name for name in official_names(transformers.BertForPreTraining) if ours(name) == (True, None)]
    assert left_out
    assert all(name.startswith("cls.") for name in left_out)
    assert len(official_names(transformers.BertForPreTraining)) - len(left_out) == len(our_names(None))


@pytest.mark.parametrize("name", official_names(transformers.BertForSequenceClassification))
def test_there_and_back_again(name):
    bare = name.removeprefix("bert.")
    assert ours(bare) == ours(name)  # with the prefix or without
    assert theirs(ours(name)[1]) == bare
    assert prefixed([bare]) == {bare: name}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("bert.embeddings.LayerNorm.gamma", "bert.embeddings.LayerNorm.weight"),
        ("bert.embeddings.LayerNorm.beta", "bert.embeddings.LayerNorm.bias"),
        (
            "encoder.layer.10.attention.output.LayerNorm.gamma",
            "encoder.layer.10.attention.output.LayerNorm.weight",
        ),
        ("encoder.layer.0.output.LayerNorm.beta", "encoder.layer.0.output.LayerNorm.bias"),
    ],
)
def test_the_first_files_names_of_layer_norm(old, new):
    assert ours(old) == ours(new)
    assert ours(old)[1].endswith((".gamma", ".beta"))
    assert OLD_NAMES == ((".LayerNorm.gamma", ".LayerNorm.weight"), (".LayerNorm.beta", ".LayerNorm.bias"))


@pytest.mark.parametrize(
    "name",
    [
        "embeddings.position_ids",
        "bert.embeddings.position_ids",
        "cls.predictions.bias",
        "cls.predictions.decoder.weight",
        "cls.predictions.transform.LayerNorm.gamma",
        "cls.seq_relationship.weight",
    ],
)
def test_left_out_on_purpose(name):
    assert ours(name) == (True, None)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "bert.",
        "embeddings.word_embeddings",
        "embeddings.word_embeddings.weight.more",
        "xembeddings.word_embeddings.weight",
        "embeddings_word_embeddings_weight",
        "encoder.layer.attention.self.query.weight",
        "encoder.layer.-1.attention.self.query.weight",
        "encoder.layer.0.0.attention.self.query.weight",
        "encoder.layer.0.attention.self.query.gamma",
        "roberta.encoder.layer.0.attention.self.query.weight",
        "bert.bert.pooler.dense.weight",
        "clsx",
        "qa_outputs.weight",
        "embeddings.word.weight",  # ours is not theirs
    ],
)
def test_unknown(name):
    assert ours(name) == (False, None)


NAMES = official_names(transformers.BertForSequenceClassification)
BARE = {re.sub(r"\.\d+\.", ".0.", name.removeprefix("bert.")) for name in NAMES}


@given(st.sampled_from(NAMES), st.data())
@PROPERTY
def test_a_letter_too_many_or_too_few_makes_a_name_unknown(name, data):
    at = data.draw(st.integers(0, len(name)), label="at")
    put = data.draw(st.sampled_from(["", ".", "0", "a", "W", "é"]), label="put")
    changed = name[:at] + put + name[at + 1 :]
    official = re.sub(r"^encoder\.layer\.\d+\.", "encoder.layer.0.", changed.removeprefix("bert.")) in BARE
    assert ours(changed)[0] is official


@pytest.mark.parametrize("name", ["head.W", "encoder.layer.0.ffn.W_1.weight", "cls.predictions.bias", ""])
def test_a_name_that_is_none_of_ours_has_no_official_one(name):
    with pytest.raises(KeyError):
        theirs(name)


def test_the_table_names_nothing_twice():
    targets = [target for _, target in BERT if target]
    assert len(set(targets)) == len(targets)
    assert len({row for row, _ in BERT}) == len(BERT)


def test_a_head_is_written_bare_and_the_encoder_under_its_prefix():
    assert prefixed(["pooler.dense.bias", "classifier.weight"]) == {
        "pooler.dense.bias": "bert.pooler.dense.bias",
        "classifier.weight": "classifier.weight",
    }
