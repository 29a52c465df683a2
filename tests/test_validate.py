"""`python -m minitf.validate`: what it prints, draws and writes, its flags, and that it reports a difference."""

import json
import re

import pytest
import torch
import transformers

from minitf import validate
from minitf.errors import InputError
from tests.support import google_layout
from tests.support.tiny import VOCABULARY, write_vocabulary

SPOILED = """
import torch
def layer_norm(x, gamma, beta, eps):
    mean, variance = x.mean(-1, keepdim=True), x.var(-1, keepdim=True, unbiased=True)
    return (x - mean) / torch.sqrt(variance + eps) * gamma + beta
"""


@pytest.fixture
def folder(write_bert):
    return write_bert(transformers.BertModel)[0]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("math", ["equations", "kernels"])
def test_equal(folder, capsys, dtype, math):
    assert validate.main([str(folder), "--dtype", dtype, "--math", math]) == 0
    out = capsys.readouterr().out
    rows = re.findall(r"^(forward|gradient|weight) +(\S+) +\S+e\S+ +\S+e\S+$", out, flags=re.MULTILINE)
    assert rows[0] == ("forward", "embeddings.word")
    assert [stage for stage, _ in rows] == sorted(
        (stage for stage, _ in rows), key=["forward", "gradient", "weight"].index
    )
    assert ("forward", "encoder.layers.2.QKᵀ/√d_k") in rows
    assert out.rstrip().endswith(f"equal: {len(rows)} tensors, none beyond the rounding of {dtype}")


def test_quiet_prints_the_worst_of_each_stage(folder, capsys):
    assert validate.main([str(folder), "--quiet"]) == 0
    assert len(re.findall(r"^(forward|gradient|weight) ", capsys.readouterr().out, flags=re.MULTILINE)) == 3


def test_a_mistake_is_named_and_the_status_is_1(folder, tmp_path, capsys):
    spoiled = tmp_path / "my_math.py"
    spoiled.write_text(SPOILED)
    assert validate.main([str(folder), "--math", str(spoiled)]) == 1
    out = capsys.readouterr().out
    assert "DIFFERENT: the first tensor beyond the rounding of float64 is embeddings.norm (forward)" in out
    assert "← beyond rounding" in out


def test_a_mistake_in_layer_4_is_reported_at_layer_4(write_bert, monkeypatch, capsys):
    """Layer 4 alone gets a mathematics that omits √d_k."""
    from minitf.proof import reference
    from minitf.proof.mistakes import MISTAKES

    folder, _ = write_bert(transformers.BertModel, num_hidden_layers=6)
    opened = reference.open_pair
    wrong = next(m for m in MISTAKES if m.name == "no scaling").overlay["scaled_dot_product_attention"]

    def spoiled(*args, **kwargs):
        pair = opened(*args, **kwargs)
        attention = pair.ours.encoder.layers[4].attention
        attention.math = attention.math.overlay(scaled_dot_product_attention=wrong)
        return pair

    monkeypatch.setattr(reference, "open_pair", spoiled)
    assert validate.main([str(folder), "--quiet"]) == 1
    assert "is encoder.layers.4.QKᵀ/√d_k (forward)" in capsys.readouterr().out


def test_json_and_picture(folder, tmp_path):
    assert validate.main([str(folder), "--output", str(tmp_path / "out")]) == 0
    written = json.loads((tmp_path / "out" / "validate.json").read_text(encoding="utf-8"))
    assert written["equal"] is True
    assert written["first_divergence"] is None
    assert {row["stage"] for row in written["rows"]} == {"forward", "gradient", "weight"}
    pictures = [(tmp_path / "out" / name).read_bytes() for name in ("validate.png", "validate-dark.png")]
    assert all(picture.startswith(b"\x89PNG") for picture in pictures)
    assert pictures[0] != pictures[1]


def test_bfloat16_is_within_its_rounding(folder):
    assert validate.main([str(folder), "--dtype", "bfloat16", "--quiet"]) == 0


def test_a_gpu_that_is_not_there(folder, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match="no NVIDIA GPU"):
        validate.main([str(folder), "--device", "cuda"])


def test_an_unknown_model(tmp_path):
    with pytest.raises(InputError):
        validate.main([str(tmp_path / "nothing"), "--offline"])


def test_a_users_attention_without_a_softmax_to_record(folder, tmp_path, capsys):
    mine = tmp_path / "my_math.py"
    mine.write_text(
        "import torch\n"
        "def scaled_dot_product_attention(Q, K, V, mask=None, dropout=0.0, need_attention=False):\n"
        "    scores = Q @ K.mT / Q.shape[-1] ** 0.5\n"
        "    A = torch.softmax(scores if mask is None else scores.masked_fill(~mask, -1e30), -1)\n"
        "    return A @ V, A\n"
    )
    assert validate.main([str(folder), "--math", str(mine), "--quiet"]) == 0
    assert "equal: " in capsys.readouterr().out


def test_a_model_with_a_classifier_of_its_own(write_bert, capsys):
    folder, _ = write_bert(transformers.BertForSequenceClassification, num_labels=3)
    assert validate.main([str(folder), "--quiet"]) == 0
    assert "randomly initialized" not in capsys.readouterr().out  # its own classifier is compared


@pytest.mark.parametrize("model_type", ["bert", "distilbert"])
@pytest.mark.parametrize("act", ["gelu_tanh", "relu"])
def test_hidden_act_replaces_the_activation_function_in_both_models(write_member, capsys, model_type, act):
    folder, _ = write_member(model_type, "classification", num_labels=3, vocab_size=len(VOCABULARY))
    write_vocabulary(folder)
    assert validate.main([str(folder), "--quiet", "--hidden-act", act]) == 0
    out = capsys.readouterr().out
    assert ("activation: GELU (tanh)" if act == "gelu_tanh" else "activation: ReLU") in out


def test_hidden_act_is_not_given_to_one_model_only(folder, monkeypatch):
    monkeypatch.setattr("minitf.proof.reference._activation_setting", lambda ours, hidden_act: {})
    assert validate.main([str(folder), "--quiet", "--hidden-act", "gelu_tanh"]) == 1


def test_max_length_cuts_the_sentences(folder, capsys):
    assert validate.main([str(folder), "--quiet", "--max-length", "9"]) == 0
    assert "6 sentences of 4 to 9 tokens in one padded batch" in capsys.readouterr().out


def test_max_length_beyond_the_positions_is_refused(folder):
    with pytest.raises(InputError, match=r"^--max-length 5000: the model has only 64 positions$"):
        validate.main([str(folder), "--max-length", "5000"])


def test_no_verify_skips_the_checksums_of_a_tensorflow_checkpoint(write_bert, tmp_path, capsys):
    _, model = write_bert(transformers.BertForPreTraining)
    folder = google_layout.write(tmp_path / "google", model, slots=False)
    write_vocabulary(folder)
    shard = folder / "bert_model.ckpt.data-00000-of-00001"
    content = bytearray(shard.read_bytes())
    content[1000] ^= 1
    shard.write_bytes(content)
    with pytest.raises(InputError, match="corrupt"):
        validate.main([str(folder), "--quiet"])
    assert validate.main([str(folder), "--quiet", "--no-verify"]) == 0
    assert "transformers cannot read a TensorFlow checkpoint" in capsys.readouterr().out


def test_help_ends_with_three_examples(capsys):
    with pytest.raises(SystemExit, match="0"):
        validate.main(["--help"])
    examples = capsys.readouterr().out.partition("examples:\n")[2].splitlines()
    assert len(examples) == 3 and all(line.startswith("  python -m minitf.validate ") for line in examples)
