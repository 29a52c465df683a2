"""The rename tables, against the names that `transformers` and Google's scripts give their own tensors."""

import functools
import re

import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from minitf.bert import Bert, BertConfig
from minitf.bert.heads import HEADS
from minitf.checkpoints import names
from minitf.checkpoints.renaming import OLD_NAMES, PYTORCH, TENSORFLOW
from tests.support.family import MEMBERS, reference_class, reference_config

PROPERTY = settings(deadline=None, derandomize=True, database=None, max_examples=200)
LAYERS = 12  # two digits in a number are no special case
BERT = PYTORCH["bert"]


@functools.cache
def official_names(model_type, head):
    """What the reference calls the tensors of a model of twelve layers."""
    sizes = {"n_layers" if model_type == "distilbert" else "num_hidden_layers": LAYERS}
    with torch.device("meta"):
        return list(reference_class(model_type, head)(reference_config(model_type, **sizes)).state_dict())


@functools.cache
def our_names(model_type, head):
    fixed = {"type_vocab_size": 0} if model_type == "distilbert" else {}
    config = BertConfig(8, 4, LAYERS, 2, intermediate_size=4, labels=("no", "yes"), model_type=model_type, **fixed)
    with torch.device("meta"):
        return list(Bert(config, head).state_dict())


def test_every_head_that_the_reference_has_is_here_and_no_other():
    ours = {(model_type, head) for model_type, heads in HEADS.items() for head in (None, *heads)}
    assert ours == set(MEMBERS)
    assert {(t, head) for t, table in PYTORCH.items() for head in (None, *table.heads)} == set(MEMBERS)
    assert set(TENSORFLOW.heads) == set(HEADS["bert"])


@pytest.mark.parametrize(("model_type", "head"), MEMBERS)
def test_every_tensor_of_the_reference_has_one_name_here_and_none_here_is_without(model_type, head):
    rename = PYTORCH[model_type].renamer(head)
    renamed = {name: rename(name) for name in official_names(model_type, head)}
    assert all(known and ours is not None for known, ours in renamed.values())
    assert {ours for _, ours in renamed.values()} == set(our_names(model_type, head))
    # Two names for one tensor: only where the reference ties two of its own.
    doubled = len(renamed) - len({ours for _, ours in renamed.values()})
    assert doubled == {"masked-lm": 1 if model_type == "distilbert" else 2, "pretraining": 2}.get(head, 0)


@pytest.mark.parametrize(("model_type", "head"), MEMBERS)
def test_there_and_back_again(model_type, head):
    table, prefix = PYTORCH[model_type], PYTORCH[model_type].prefix
    for name in our_names(model_type, head):
        official = table.official_name(name, head)
        assert table.renamer(head)(official) == (True, name)
        assert official in official_names(model_type, head)
        assert table.renamer(head)(official.removeprefix(prefix)) == (True, name)  # with the prefix or without


@pytest.mark.parametrize(("model_type", "head"), MEMBERS)
def test_the_head_that_a_file_holds_is_known_by_its_tensors(model_type, head):
    alike = ("classification", "multiple-choice", "tagging")  # in the reference the names of these are the same
    found = PYTORCH[model_type].find_head(official_names(model_type, head))
    assert found == head or (found in alike and head in alike)
    if head is not None:  # half a head is none
        first, _ = PYTORCH[model_type].heads[head][0]
        assert PYTORCH[model_type].find_head(set(official_names(model_type, head)) - {first}) != head


def test_what_is_no_part_of_the_model_asked_for_is_left_out():
    for model_type, head in MEMBERS:
        for other in (None, *PYTORCH[model_type].heads):
            rename = PYTORCH[model_type].renamer(other)
            renamed = [rename(name) for name in official_names(model_type, head)]
            assert all(known for known, _ in renamed)
            assert {ours for _, ours in renamed if ours} <= set(our_names(model_type, other)) | set(
                our_names(model_type, None)
            )


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
    assert BERT.renamer()(old) == BERT.renamer()(new)
    assert BERT.renamer()(old)[1].endswith((".gamma", ".beta"))
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
        "qa_outputs.weight",
    ],
)
def test_left_out_on_purpose(name):
    assert BERT.renamer()(name) == (True, None)
    assert BERT.renamer("classification")(name) == (True, None)


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
        "encoder.layer.٣.attention.self.query.weight",  # a digit, but not one of the files'
        "encoder.layer.0.attention.self.query.gamma",
        "roberta.encoder.layer.0.attention.self.query.weight",
        "bert.bert.pooler.dense.weight",
        "clsx",
        "cls.predictions.something",
        "lm_head.bias",
        "pooler.dense.weight/adam_m",
        "embeddings.word.weight",  # ours is not theirs
    ],
)
def test_unknown(name):
    assert BERT.renamer()(name) == (False, None)


NAMES = official_names("bert", "classification")
BARE = {re.sub(r"\.\d+\.", ".0.", name.removeprefix("bert.")) for name in NAMES}


@given(st.sampled_from(NAMES), st.data())
@PROPERTY
def test_a_letter_too_many_or_too_few_makes_a_name_unknown(name, data):
    at = data.draw(st.integers(0, len(name)), label="at")
    put = data.draw(st.sampled_from(["", ".", "0", "a", "W", "é"]), label="put")
    changed = name[:at] + put + name[at + 1 :]
    official = re.sub(r"^encoder\.layer\.\d+\.", "encoder.layer.0.", changed.removeprefix("bert.")) in BARE
    assert BERT.renamer()(changed)[0] is official


@pytest.mark.parametrize("name", ["head.W", "encoder.layer.0.ffn.W_1.weight", "cls.predictions.bias", ""])
def test_a_name_that_is_none_of_ours_has_no_official_one(name):
    with pytest.raises(KeyError):
        BERT.official_name(name)


@pytest.mark.parametrize("rows", [names.BERT, names.DISTILBERT, names.TENSORFLOW])
def test_a_table_names_nothing_twice(rows):
    targets = [target for _, target in rows if target]
    assert len(set(targets)) == len(targets)
    assert len({row for row, _ in rows}) == len(rows)


# --- Google's names


GOOGLE = [
    ("bert/embeddings/word_embeddings", "embeddings.word.weight"),
    ("module/bert/embeddings/LayerNorm/gamma", "embeddings.norm.gamma"),
    ("bert/encoder/layer_11/attention/self/query/kernel", "encoder.layers.11.attention.W_Q.weightᵀ"),
    ("encoder/layer_0/intermediate/dense/bias", "encoder.layers.0.ffn.W_1.bias"),
    ("bert/pooler/dense/kernel", "pooler.W.weightᵀ"),
]


@pytest.mark.parametrize(("theirs", "ours"), GOOGLE)
def test_googles_names(theirs, ours):
    assert TENSORFLOW.renamer()(theirs) == (True, ours)
    for slot in ("adam_m", "adam_v", "AdamWeightDecayOptimizer", "AdamWeightDecayOptimizer_1", "Adam", "Adam_1"):
        assert TENSORFLOW.renamer()(f"{theirs}/{slot}") == (True, None)
    assert TENSORFLOW.renamer()(f"{theirs}/adam_x") == (False, None)
    assert TENSORFLOW.renamer()("global_step") == (True, None)


@pytest.mark.parametrize(
    ("theirs", "head", "ours"),
    [
        ("cls/predictions/output_bias", "masked-lm", "head.bias"),
        ("cls/predictions/output_bias", "pretraining", "head.masked_lm.bias"),
        ("module/cls/predictions/transform/dense/kernel", "masked-lm", "head.W.weightᵀ"),
        ("cls/seq_relationship/output_weights", "next-sentence", "head.W.weight"),  # [2, D] already
        ("cls/seq_relationship/output_weights", "pretraining", "head.next_sentence.W.weight"),
        ("output_weights", "classification", "head.W.weight"),
        ("output_weights", "qa", None),
        ("cls/squad/output_weights", "qa", "head.W.weight"),
        ("cls/squad/output_weights", "classification", None),
    ],
)
def test_googles_heads(theirs, head, ours):
    assert TENSORFLOW.renamer(head)(theirs) == (True, ours)
    assert TENSORFLOW.renamer()(theirs) == (True, None)


def test_googles_table_reaches_every_tensor_of_a_model():
    for head in (None, *HEADS["bert"]):
        rows = TENSORFLOW.rows(head)
        reached = {
            target.removesuffix("ᵀ").replace("{}", str(i)) for _, target in rows if target for i in range(LAYERS)
        }
        assert set(our_names("bert", head)) <= reached
    kernels = [(row, target) for row, target in names.TENSORFLOW if target]
    assert all(target.endswith("ᵀ") == row.endswith("kernel") for row, target in kernels)


def test_the_reference_is_the_one_that_names_are_from():
    assert transformers.BertModel.base_model_prefix == "bert"
    assert transformers.XLMRobertaModel.base_model_prefix == "roberta"
    assert transformers.DistilBertModel.base_model_prefix == "distilbert"
