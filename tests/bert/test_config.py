"""BertConfig: official files, defaults and invalid values."""

import dataclasses
import json
import math

import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from minitf.bert import Bert, BertConfig
from minitf.bert.config import ACTIVATIONS
from minitf.errors import CheckpointError, InputError

PROPERTY = settings(deadline=None, derandomize=True, database=None, max_examples=100)
# The fields in a BERT's file; those of the other model types are in test_family.
NUMBERS = [f.name for f in dataclasses.fields(BertConfig) if f.name not in ("labels", "qa_dropout")]
SIZES = ["vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size"]
SIZES += ["max_position_embeddings", "type_vocab_size"]


def refused(official, *parts):
    """Assert that this config.json raises a one-line CheckpointError that contains all `parts`."""
    with pytest.raises(CheckpointError) as caught:
        BertConfig.from_dict(official)
    message = str(caught.value)
    assert "\n" not in message
    for part in parts:
        assert str(part) in message


def test_the_defaults_are_googles():
    """The reference has Google's documented defaults and the same field names."""
    config, ignored = BertConfig.from_dict({"vocab_size": 30522})
    reference = transformers.BertConfig(vocab_size=30522)
    assert {name: getattr(config, name) for name in NUMBERS} == {name: getattr(reference, name) for name in NUMBERS}
    assert config.labels == ()
    assert ignored == ()


def test_bert_base_as_google_published_it():
    """`bert_config.json` of uncased_L-12_H-768_A-12."""
    official = {
        "attention_probs_dropout_prob": 0.1,
        "hidden_act": "gelu",
        "hidden_dropout_prob": 0.1,
        "hidden_size": 768,
        "initializer_range": 0.02,
        "intermediate_size": 3072,
        "max_position_embeddings": 512,
        "num_attention_heads": 12,
        "num_hidden_layers": 12,
        "type_vocab_size": 2,
        "vocab_size": 30522,
    }
    config, ignored = BertConfig.from_dict(official)
    assert ignored == ()
    assert config == BertConfig(30522)
    with torch.device("meta"):
        model = Bert(config)
    assert sum(p.numel() for p in model.parameters()) == 109_482_240  # "110M" in the paper's §3


def test_every_field_that_the_reference_writes_is_read():
    """Every value differs from its default, so that a forgotten field shows."""
    numbers = {
        "vocab_size": 17,
        "hidden_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 3,
        "intermediate_size": 40,
        "hidden_act": "relu",
        "hidden_dropout_prob": 0.25,
        "attention_probs_dropout_prob": 0.3,
        "max_position_embeddings": 33,
        "type_vocab_size": 5,
        "initializer_range": 0.5,
        "layer_norm_eps": 1e-5,
        "classifier_dropout": 0.4,
        "pad_token_id": 3,
        "model_type": "bert",
        "problem_type": "regression",
    }
    assert sorted(numbers) == sorted(NUMBERS)
    theirs = {name: value for name, value in numbers.items() if name != "model_type"}
    written = transformers.BertConfig(**theirs, id2label={0: "no", 1: "yes", 2: "ho"}).to_json_string(use_diff=False)
    config, _ = BertConfig.from_dict(json.loads(written))
    assert config == BertConfig(**numbers, labels=("no", "yes", "ho"))


@pytest.mark.parametrize("act", sorted(ACTIVATIONS))
def test_the_reference_reads_what_minitf_writes(act):
    config = BertConfig(
        vocab_size=17,
        hidden_size=24,
        num_attention_heads=3,
        hidden_act=act,
        classifier_dropout=0.4,
        labels=("nein", "jein", "größer"),
    )
    official = json.loads(json.dumps(config.to_dict()))
    assert official["model_type"] == "bert"
    reference = transformers.BertConfig.from_dict(official)
    ours = dataclasses.asdict(config) | {"hidden_act": reference.hidden_act}
    assert {name: getattr(reference, name) for name in NUMBERS} == {name: ours[name] for name in NUMBERS}
    assert reference.id2label == {0: "nein", 1: "jein", 2: "größer"}
    assert reference.label2id == {"nein": 0, "jein": 1, "größer": 2}
    x = torch.linspace(-4, 4, 99, dtype=torch.float64)
    meant = {"gelu": torch.nn.GELU(), "gelu_tanh": torch.nn.GELU("tanh"), "relu": torch.nn.ReLU()}[config.activation]
    theirs = transformers.activations.ACT2FN[reference.hidden_act]
    torch.testing.assert_close(theirs(x), meant(x), rtol=0, atol=1e-14)


@st.composite
def configs(draw):
    heads = draw(st.integers(1, 4))
    size, rate, positive = st.integers(1, 99), st.floats(0, 0.99), st.floats(1e-300, 1e300)
    return BertConfig(
        vocab_size=draw(size),
        hidden_size=heads * draw(st.integers(1, 9)),
        num_hidden_layers=draw(size),
        num_attention_heads=heads,
        intermediate_size=draw(size),
        hidden_act=draw(st.sampled_from(sorted(ACTIVATIONS))),
        hidden_dropout_prob=draw(rate),
        attention_probs_dropout_prob=draw(rate),
        max_position_embeddings=draw(size),
        type_vocab_size=draw(size),
        initializer_range=draw(positive),
        layer_norm_eps=draw(positive),
        classifier_dropout=draw(st.none() | rate),
        labels=tuple(draw(st.lists(st.text(), unique=True))),
    )


@given(configs())
@PROPERTY
def test_round_trip_through_json(config):
    back, _ = BertConfig.from_dict(json.loads(json.dumps(config.to_dict())))
    assert back.activation == config.activation
    assert dataclasses.replace(back, hidden_act=config.hidden_act) == config


def test_keys_without_effect_are_reported():
    official = {"vocab_size": 3, "use_cache": True, "architectures": ["BertModel"], "hidden_size": 12}
    config, ignored = BertConfig.from_dict(official)
    assert ignored == ("architectures", "use_cache")
    assert config.hidden_size == 12


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("model_type", ["bert"]),
        ("problem_type", "ranking"),
        ("model_type", "gpt2"),
        ("position_embedding_type", "relative_key"),
        ("position_embedding_type", "relative_key_query"),
        ("is_decoder", True),
        ("add_cross_attention", True),
        ("is_encoder_decoder", True),
        ("pruned_heads", {"0": [1]}),
        ("embedding_size", 128),
        ("hidden_act", "silu"),
        ("hidden_act", "gelu_fast"),
        ("hidden_act", ""),
    ],
)
def test_unsupported_values_are_errors(key, value):
    refused({"vocab_size": 30522, key: value}, key, repr(value))


@pytest.mark.parametrize(
    "official",
    [
        {"model_type": "bert", "position_embedding_type": "absolute", "is_decoder": False, "pruned_heads": {}},
        {"model_type": None, "embedding_size": None, "add_cross_attention": False},
    ],
)
def test_supported_values_are_not_reported(official):
    assert BertConfig.from_dict({"vocab_size": 30522} | official) == (BertConfig(30522), ())


@pytest.mark.parametrize("key", SIZES)
@pytest.mark.parametrize("value", [0, -1, 12.0, 1.5, "12", None, True, [12], {}, math.nan, math.inf])
def test_invalid_sizes(key, value):
    refused({"vocab_size": 30522, key: value}, key, repr(value))


@pytest.mark.parametrize("key", ["hidden_dropout_prob", "attention_probs_dropout_prob", "classifier_dropout"])
@pytest.mark.parametrize("value", [-0.1, 1, 1.0, 2, "0.1", False, [0.1], math.nan, math.inf])
def test_invalid_rates(key, value):
    refused({"vocab_size": 30522, key: value}, key, repr(value))


@pytest.mark.parametrize("key", ["hidden_dropout_prob", "attention_probs_dropout_prob"])
def test_only_the_rate_of_the_classifier_can_be_null(key):
    refused({"vocab_size": 30522, key: None}, key)
    assert BertConfig.from_dict({"vocab_size": 30522, "classifier_dropout": None})[0].classifier_dropout is None


@pytest.mark.parametrize("key", ["layer_norm_eps", "initializer_range"])
@pytest.mark.parametrize("value", [0, 0.0, -1e-12, "1e-12", None, True, [], math.nan, math.inf])
def test_invalid_positive_numbers(key, value):
    refused({"vocab_size": 30522, key: value}, key, repr(value))


@pytest.mark.parametrize("value", [None, 3, True, ["gelu"], {"name": "gelu"}, "GELU"])
def test_invalid_activations(value):
    refused({"vocab_size": 30522, "hidden_act": value}, "hidden_act", repr(value), "gelu", "relu")


def test_heads_that_do_not_divide_the_width():
    refused({"vocab_size": 30522, "hidden_size": 100, "num_attention_heads": 12}, "hidden_size 100", "12")


def test_a_missing_vocabulary_size():
    refused({"hidden_size": 768}, "vocab_size is missing")


@given(
    st.dictionaries(
        st.sampled_from([*NUMBERS, "id2label", "num_labels", "model_type", "is_decoder", "pruned_heads"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
            lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
            max_leaves=3,
        ),
    )
)
@settings(PROPERTY, max_examples=400)
def test_any_json_gives_a_config_or_one_line(official):
    try:
        outcome = BertConfig.from_dict({"vocab_size": 30522} | official)[0]
    except CheckpointError as error:
        outcome = str(error)
    if isinstance(outcome, str):
        assert "\n" not in outcome
    else:
        assert outcome.hidden_size % outcome.num_attention_heads == 0


@pytest.mark.parametrize(
    ("official", "labels"),
    [
        ({}, ()),
        ({"id2label": {"0": "no", "1": "yes"}}, ("no", "yes")),
        ({"id2label": {"2": "c", "0": "a", "1": "b"}}, ("a", "b", "c")),  # by id, not by order
        ({"id2label": {"10": "k", "9": "j"} | {str(i): str(i) for i in range(9)}}, (*map(str, range(9)), "j", "k")),
        ({"num_labels": 3}, ("LABEL_0", "LABEL_1", "LABEL_2")),
        ({"num_labels": 3, "id2label": {"0": "a"}}, ("a",)),
        ({"id2label": {"0": 1, "1": 2}}, ("1", "2")),
    ],
)
def test_labels(official, labels):
    config, ignored = BertConfig.from_dict({"vocab_size": 3} | official)
    assert config.labels == labels
    assert config.num_labels == len(labels)
    assert ignored == ()


@pytest.mark.parametrize(
    "official",
    [
        {"id2label": ["a", "b"]},
        {"id2label": "ab"},
        {"id2label": {"a": "b"}},
        {"id2label": {"0": "a", "2": "c"}},
        {"id2label": {"1": "a", "2": "c"}},
        {"id2label": {"-1": "a", "0": "c"}},
        {"id2label": {"0": "a", "00": "b"}},
        {"num_labels": -1},
        {"num_labels": 1.5},
        {"num_labels": "3"},
        {"num_labels": True},
        {"num_labels": 10**12},
    ],
)
def test_invalid_labels(official):
    refused({"vocab_size": 3} | official, *official)


def test_the_rate_before_a_classifier():
    assert BertConfig(3, hidden_dropout_prob=0.2).head_dropout == 0.2
    assert BertConfig(3, hidden_dropout_prob=0.2, classifier_dropout=0.5).head_dropout == 0.5
    assert BertConfig(3, hidden_dropout_prob=0.2, classifier_dropout=0.0).head_dropout == 0.0


def test_a_config_is_frozen():
    config = BertConfig(3)
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.hidden_size = 12
    with pytest.raises(CheckpointError):
        dataclasses.replace(config, hidden_size=100)


def test_a_model_with_a_head_needs_labels_and_a_head_that_exists():
    config = BertConfig(3, hidden_size=4, num_hidden_layers=1, num_attention_heads=1, intermediate_size=4)
    with pytest.raises(InputError, match="needs labels"):
        Bert(config, "classification")
    with pytest.raises(InputError, match=r"'clasification'.*classification"):
        Bert(config, "clasification")
