"""Configs, files and inputs that cannot be: one line, and the error that a command turns into status 2."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from minitf import convert, finetune, validate
from minitf.bert import Bert
from minitf.checkpoints.kinds import KINDS
from minitf.checkpoints.load import load, load_model
from minitf.errors import CheckpointError, InputError
from minitf.transformer import DecoderConfig, DecoderModel, EncoderDecoder, EncoderDecoderConfig
from tests.support.transformer_models import END, PAD, REFERENCES, N, pairs, write_reference

MARIAN = {"model_type": "marian", "vocab_size": N, "pad_token_id": PAD, "decoder_start_token_id": PAD}
T5 = {"model_type": "t5", "vocab_size": N}
GPT2 = {"model_type": "gpt2", "vocab_size": N}


@pytest.mark.parametrize(
    ("official", "parts"),
    [
        ({"model_type": "marian"}, ["vocab_size is missing"]),
        (MARIAN | {"vocab_size": 0}, ["vocab_size", "0"]),
        (MARIAN | {"vocab_size": True}, ["vocab_size", "True"]),
        (MARIAN | {"d_model": 24.0}, ["d_model", "24.0"]),
        (MARIAN | {"d_model": 1 << 30}, ["d_model"]),
        (MARIAN | {"encoder_layers": 1001}, ["encoder_layers", "1000"]),
        (MARIAN | {"encoder_attention_heads": 7}, ["d_model 1024", "encoder_attention_heads 7"]),
        (MARIAN | {"decoder_attention_heads": 7}, ["decoder_attention_heads 7"]),
        (MARIAN | {"d_model": 33, "encoder_attention_heads": 3, "decoder_attention_heads": 3}, ["33", "even"]),
        (MARIAN | {"dropout": 1.0}, ["dropout", "1.0"]),
        (MARIAN | {"dropout": "0.1"}, ["dropout"]),
        (MARIAN | {"scale_embedding": 1}, ["scale_embedding"]),
        (MARIAN | {"activation_function": "tanh"}, ["activation_function", "swish"]),
        (MARIAN | {"activation_function": ["relu"]}, ["activation_function"]),
        (MARIAN | {"pad_token_id": N}, ["pad_token_id", str(N)]),
        (MARIAN | {"decoder_start_token_id": 58100}, ["decoder_start_token_id", "58100"]),
        (MARIAN | {"eos_token_id": -1}, ["eos_token_id"]),
        (MARIAN | {"eos_token_id": ["a"]}, ["eos_token_id"]),
        (MARIAN | {"share_encoder_decoder_embeddings": False}, ["share_encoder_decoder_embeddings", "only True"]),
        (MARIAN | {"decoder_vocab_size": 7}, ["decoder_vocab_size = 7"]),
        (MARIAN | {"tie_word_embeddings": False}, ["tie_word_embeddings"]),
        (MARIAN | {"is_decoder": True}, ["is_decoder"]),
        (MARIAN | {"normalize_before": True}, ["normalize_before"]),
        (T5 | {"relative_attention_num_buckets": 3}, ["relative_attention_num_buckets", "3"]),
        (T5 | {"relative_attention_max_distance": 16}, ["relative_attention_max_distance", "16"]),
        (T5 | {"feed_forward_proj": "gated-silu"}, ["feed_forward_proj", "gated-gelu"]),
        (T5 | {"layer_norm_epsilon": 0}, ["layer_norm_eps"]),
        (GPT2 | {"n_head": 5}, ["n_embd 768", "n_head 5"]),
        (GPT2 | {"scale_attn_by_inverse_layer_idx": True}, ["scale_attn_by_inverse_layer_idx"]),
        (GPT2 | {"add_cross_attention": True}, ["add_cross_attention"]),
        (GPT2 | {"n_positions": 0}, ["n_positions"]),
    ],
)
def test_configs_that_are_refused(official, parts):
    config = next(kind.config for kind in KINDS if official["model_type"] in kind.tables)
    with pytest.raises(CheckpointError) as caught:
        config.from_dict(official)
    assert "\n" not in str(caught.value)
    assert all(part in str(caught.value) for part in parts), str(caught.value)


def test_defaults_are_those_of_the_reference():
    for name, (config, _, _) in REFERENCES.items():
        kind = next(kind for kind in KINDS if name in kind.tables)
        reference = config(vocab_size=60_000, **({"feed_forward_proj": "gated-gelu"} if name == "t5-v1.1" else {}))
        official = {"model_type": kind.config.__name__ and reference.model_type, "vocab_size": 60_000}
        if name == "t5-v1.1":
            official["feed_forward_proj"] = "gated-gelu"
        ours, _ = kind.config.from_dict(official)
        for key, value in ours.to_dict().items():
            if key not in ("forced_eos_token_id", "decoder_start_token_id"):
                assert getattr(reference, key) == value, (name, key)


def test_an_unknown_model_type_lists_the_known_ones(tmp_path):
    write_reference(tmp_path, "gpt2")
    for unknown in ("gptj", "t5-v1.1", "vaswani", ["gpt2"], 5):
        change_config(tmp_path, model_type=unknown)
        with pytest.raises(CheckpointError, match=r"not supported.*bert, roberta.*marian, bart, t5, gpt2, vit"):
            load(tmp_path)


def change_config(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize("name", sorted(REFERENCES))
def test_one_error_lists_all_tensors_that_do_not_fit(tmp_path, name):
    write_reference(tmp_path, name)
    tensors = load_file(tmp_path / "model.safetensors")
    first, second = [n for n in tensors if "norm" in n or "ln_" in n][:2]
    del tensors[first]
    tensors[second] = tensors[second][:-1].clone()
    tensors["surprise"] = torch.zeros(1)
    save_file(tensors, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError) as caught:
        load(tmp_path)
    message = str(caught.value)
    assert all(part in message for part in (str(tmp_path), "missing: ", "unexpected: surprise", "wrong shape: "))


def test_a_fused_tensor_of_a_wrong_width(tmp_path):
    write_reference(tmp_path, "gpt2")
    tensors = load_file(tmp_path / "model.safetensors")
    for width in (71, 2, 0):
        changed = tensors | {"transformer.h.1.attn.c_attn.weight": torch.zeros(24, width)}
        save_file(changed, tmp_path / "model.safetensors")
        with pytest.raises(CheckpointError, match=r"wrong shape: decoder.layers.1.attention.W_[QV].weight"):
            load(tmp_path)
    save_file(tensors | {"transformer.h.1.attn.c_attn.bias": torch.tensor(1.0)}, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"c_attn\.bias"):
        load(tmp_path)


def test_an_untied_matrix_where_only_a_tied_one_is_supported(tmp_path):
    write_reference(tmp_path, "bart")
    tensors = load_file(tmp_path / "model.safetensors")
    save_file(tensors | {"lm_head.weight": tensors["model.shared.weight"] + 1}, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match="its own decoder matrix"):
        load(tmp_path)


@pytest.mark.parametrize("content", ["[]", "{", '"x"'])
def test_a_broken_generation_config(tmp_path, content):
    write_reference(tmp_path, "gpt2")
    (tmp_path / "generation_config.json").write_text(content)
    with pytest.raises(CheckpointError, match=r"generation_config\.json") as caught:
        load(tmp_path)
    assert "\n" not in str(caught.value)


def test_too_many_tokens_and_none():
    marian = EncoderDecoder(EncoderDecoderConfig(N, 24, 1, 1, 2, 2, 32, 32, max_position_embeddings=7))
    gpt2 = DecoderModel(DecoderConfig(N, 7, 24, 1, 2))
    ids = torch.full((2, 8), 5)
    for call in (
        lambda: marian(ids, ids[:, :3]),
        lambda: marian(ids[:, :3], ids),
        lambda: gpt2(ids),
        lambda: gpt2(ids[:, :1], torch.ones(2, 8, dtype=torch.long), cache=_cache_of_seven(gpt2)),
    ):
        with pytest.raises(ValueError, match="8 tokens, but this model has only 7 positions"):
            call()
    for call in (lambda: marian(ids[:, :0], ids[:, :3]), lambda: gpt2(ids[:, :0])):
        with pytest.raises(ValueError, match="no tokens"):
            call()
    with pytest.raises(ValueError, match="mask must be"):
        gpt2(ids[:, :3], torch.ones(2, 4, dtype=torch.long))


def _cache_of_seven(model):
    cache = model.new_cache()
    model(torch.full((2, 7), 5), cache=cache)
    return cache


@pytest.mark.parametrize(
    "settings", [{"head": "classification"}, {"num_labels": 3}, {"labels": ("a", "b")}, {"hidden_act": "gelu"}]
)
def test_settings_that_such_a_model_cannot_have(tmp_path, settings):
    write_reference(tmp_path, "gpt2")
    with pytest.raises(InputError) as caught:
        load(tmp_path, **settings)
    assert "\n" not in str(caught.value)
    assert "decoder" in str(caught.value) or "encoder" in str(caught.value)


def test_the_wrong_kind_of_model(tmp_path, write_bert):
    write_reference(tmp_path / "gpt2", "gpt2")
    bert, _ = write_bert()
    for folder, only, part in (
        (tmp_path / "gpt2", Bert, "is GPT-2, a decoder; this needs an encoder (bert"),
        (tmp_path / "gpt2", EncoderDecoder, "this needs an encoder-decoder"),
        (bert, DecoderModel, "is Bert, an encoder"),
    ):
        with pytest.raises(InputError) as caught:
            load_model(folder, only)
        assert part in str(caught.value)
        assert str(folder) in str(caught.value)
        assert "\n" not in str(caught.value)
    assert isinstance(load_model(tmp_path / "gpt2", DecoderModel)[0], DecoderModel)


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        (validate, ["{model}"]),
        (finetune, ["--model", "{model}", "--train", "{table}", "--output", "{run}", "--task", "classification"]),
    ],
    ids=lambda value: getattr(value, "__name__", "").rpartition(".")[2] or None,
)
@pytest.mark.parametrize("name", ["marian", "gpt2"])
def test_commands_that_cannot_use_it_say_so(tmp_path, run_command, one_word_tells, name, command, arguments):
    write_reference(tmp_path / "model", name, dtype=torch.float32)
    places = {"model": tmp_path / "model", "table": one_word_tells, "run": tmp_path / "run"}
    status, _, error = run_command(command.main, *(argument.format(**places) for argument in arguments))
    assert status == 2, error
    assert len(error.strip().splitlines()) == 1, error
    assert f"{tmp_path / 'model'}: is " in error
    assert "this needs an encoder (bert, " in error
    assert not (tmp_path / "run" / "best").exists()


def test_convert_writes_what_it_reads(tmp_path, run_command):
    theirs = write_reference(tmp_path / "a", "gpt2", dtype=torch.float32)
    (tmp_path / "a/model.safetensors").unlink()
    torch.save(theirs.state_dict(), tmp_path / "a/pytorch_model.bin")
    status, out, error = run_command(convert.main, tmp_path / "a", tmp_path / "b")
    assert status == 0, error
    assert "transformers.GPT2LMHeadModel.from_pretrained" in out
    again = type(theirs).from_pretrained(tmp_path / "b")
    assert all(
        torch.equal(p, q) for p, q in zip(theirs.state_dict().values(), again.state_dict().values(), strict=True)
    )


def test_source_padding_and_dtype():
    """A floating-point mask has another meaning in other libraries, and is refused."""
    model = EncoderDecoder(EncoderDecoderConfig(N, 24, 1, 1, 2, 2, 32, 32))
    p = pairs(END)
    with pytest.raises(ValueError, match="mask"):
        model(p.source, p.inputs, p.mask.float())
    with pytest.raises(ValueError, match="mask"):
        model(p.source, p.inputs, p.mask[:, :3])
