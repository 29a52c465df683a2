"""What minitf saves: `transformers` opens it, every tensor is the same to the bit, every value of the config too."""

import json
import shutil

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from minitf.checkpoints.load import load, load_with_report
from minitf.checkpoints.save import save
from minitf.errors import InputError
from minitf.text.learned_vocabulary import learn_vocabulary
from minitf.transformer import DecoderConfig, DecoderModel, EncoderDecoder, EncoderDecoderConfig
from tests.support.transformer_models import END, PAD, REFERENCES, N, pairs, write_reference

NAMES = sorted(REFERENCES)


@pytest.mark.parametrize("name", NAMES)
def test_saved_and_reopened_in_the_reference(tmp_path, name):
    theirs = write_reference(tmp_path / "theirs", name, dtype=torch.float32)
    model = load(tmp_path / "theirs")
    save(model, None, tmp_path / "ours")
    ours, before = load_file(tmp_path / "ours/model.safetensors"), load_file(tmp_path / "theirs/model.safetensors")
    assert {n: t.shape for n, t in ours.items()} == {n: t.shape for n, t in before.items()}
    assert all(torch.equal(ours[n], before[n]) for n in before)
    again, info = type(theirs).from_pretrained(tmp_path / "ours", output_loading_info=True)
    assert not any(info[key] for key in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    assert all(
        torch.equal(p, q) for p, q in zip(theirs.state_dict().values(), again.state_dict().values(), strict=True)
    )
    for key, value in theirs.config.to_dict().items():
        if key not in ("dtype", "architectures", "transformers_version", "_name_or_path"):
            assert getattr(again.config, key) == value, key
    assert again.config.architectures == [type(theirs).__name__]
    assert type(transformers.AutoModel.from_pretrained(tmp_path / "ours")).__name__.endswith("Model")


@pytest.mark.parametrize("name", NAMES)
def test_saved_and_loaded_here(tmp_path, name):
    write_reference(tmp_path / "theirs", name)
    model = load(tmp_path / "theirs")
    save(model, None, tmp_path / "ours")
    again, report = load_with_report(tmp_path / "ours")
    assert again.config == model.config
    assert report.new == report.left_out == ()
    assert all(torch.equal(p, q) for p, q in zip(model.state_dict().values(), again.state_dict().values(), strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_a_pytorch_file_with_the_tied_copies_of_old_files(tmp_path, name):
    """Old files repeat a tied matrix, have buffers, and (the base class) no prefix."""
    theirs = write_reference(tmp_path / "a", name)
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    (tmp_path / "b/model.safetensors").unlink()
    state = theirs.state_dict()
    if name == "gpt2":
        state["transformer.h.0.attn.bias"] = torch.tril(torch.ones(20, 20)).view(1, 1, 20, 20)
        state["transformer.h.0.attn.masked_bias"] = torch.tensor(-1e4)
        state = {n.removeprefix("transformer."): t for n, t in state.items() if n != "lm_head.weight"}
    torch.save(state, tmp_path / "b/pytorch_model.bin")
    one, other = load(tmp_path / "a"), load(tmp_path / "b")
    assert all(torch.equal(p, q) for p, q in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


def test_a_file_without_the_bias_of_the_logits(tmp_path):
    """The reference leaves it at 0."""
    write_reference(tmp_path, "marian")
    tensors = load_file(tmp_path / "model.safetensors")
    del tensors["final_logits_bias"]
    save_file(tensors, tmp_path / "model.safetensors", metadata={"format": "pt"})
    model, report = load_with_report(tmp_path)
    assert report.new == ("head.bias",)
    assert torch.equal(model.head.bias, torch.zeros(1, N))


def test_t5_1_1_with_a_tied_matrix(tmp_path):
    """`transformers` 5 writes new models of this version so: tied, but not scaled."""
    theirs = write_reference(tmp_path / "a", "t5-v1.1", dtype=torch.float32)
    tensors = load_file(tmp_path / "a/model.safetensors")
    del tensors["lm_head.weight"]
    save_file(tensors, tmp_path / "a/model.safetensors", metadata={"format": "pt"})
    model = load(tmp_path / "a")
    assert model.config.tie_word_embeddings
    assert not model.config.scale_decoder_outputs
    again = type(theirs).from_pretrained(tmp_path / "a")
    p = pairs(PAD)
    with torch.no_grad():
        expected = again(input_ids=p.source, decoder_input_ids=p.inputs).logits
        torch.testing.assert_close(model(p.source, p.inputs).logits, expected, rtol=1e-4, atol=1e-4)
    save(model, None, tmp_path / "b")
    assert load(tmp_path / "b").config == model.config
    reopened = type(theirs).from_pretrained(tmp_path / "b")
    assert torch.equal(reopened.lm_head.weight, reopened.shared.weight)
    assert not reopened.config.scale_decoder_outputs


def test_a_new_model_in_marians_layout_opens_in_the_reference(tmp_path):
    config = EncoderDecoderConfig(
        vocab_size=N, d_model=24, encoder_layers=1, decoder_layers=2, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=32, decoder_ffn_dim=32, max_position_embeddings=20, pad_token_id=PAD,
        eos_token_id=END, decoder_start_token_id=PAD, model_type="marian",
    )  # fmt: skip
    model = EncoderDecoder(config).eval()
    save(model, None, tmp_path)
    theirs = transformers.AutoModelForSeq2SeqLM.from_pretrained(tmp_path)
    p = pairs(PAD)
    with torch.no_grad():
        expected = theirs(input_ids=p.source, attention_mask=p.mask, decoder_input_ids=p.inputs).logits
        torch.testing.assert_close(model(p.source, p.inputs, p.mask).logits, expected, rtol=0, atol=1e-5)
    assert theirs.generation_config.eos_token_id == END
    assert load(tmp_path).config == config


def test_a_new_model_in_gpt2s_layout_opens_in_the_reference(tmp_path):
    config = DecoderConfig(
        vocab_size=N, n_embd=24, n_layer=2, n_head=2, n_positions=20, bos_token_id=END, eos_token_id=END
    )
    model = DecoderModel(config).eval()
    save(model, None, tmp_path)
    theirs = transformers.AutoModelForCausalLM.from_pretrained(tmp_path)
    ids = pairs(0).source
    with torch.no_grad():
        torch.testing.assert_close(model(ids).logits, theirs(input_ids=ids).logits, rtol=0, atol=1e-5)


def test_the_papers_model_has_no_official_layout(tmp_path):
    model = EncoderDecoder(EncoderDecoderConfig(N, 24, 1, 1, 2, 2, 32, 32))
    with pytest.raises(InputError, match="no official layout; save a model of: marian, bart, t5"):
        save(model, None, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_the_settings_of_generation_are_kept(tmp_path):
    """Those of generation_config.json; without that file, those of an old config.json."""
    write_reference(tmp_path / "a", "marian")
    rules = {"bad_words_ids": [[PAD]], "num_beams": 4, "eos_token_id": [END, 5], "forced_eos_token_id": END}
    (tmp_path / "a/generation_config.json").write_text(json.dumps(rules | {"transformers_version": "4.0"}))
    model = load(tmp_path / "a")
    assert model.config.generation == rules  # without what config.json says as well
    assert (model.config.end_id, model.config.start_id, model.config.pad_id) == ((END, 5), PAD, PAD)
    save(model, None, tmp_path / "b")
    written = json.loads((tmp_path / "b/generation_config.json").read_text())
    assert written == rules | {"pad_token_id": PAD, "decoder_start_token_id": PAD}
    (tmp_path / "a/generation_config.json").unlink()
    official = json.loads((tmp_path / "a/config.json").read_text()) | {"num_beams": 6}
    (tmp_path / "a/config.json").write_text(json.dumps(official))
    assert load(tmp_path / "a").config.generation["num_beams"] == 6
    assert load(tmp_path / "a").config.end_id == END


@pytest.mark.parametrize(("rows", "warned"), [(300, True), (384, False), (280, False), (512, True)])
def test_rows_up_to_a_multiple_of_128_are_no_reason_for_a_warning(tmp_path, rows, warned):
    """T5's files have 32,128 rows for 32,100 tokens."""
    tokenizer = learn_vocabulary(["3 March 2024", "2024-03-03", "4 May 1999", "1999-05-04"], 300)
    assert tokenizer.vocab_size == 280
    ids = {
        "pad_token_id": tokenizer.pad_id,
        "decoder_start_token_id": tokenizer.pad_id,
        "eos_token_id": tokenizer.end_id,
    }
    config = EncoderDecoderConfig(rows, 8, 1, 1, 2, 2, 8, 8, model_type="marian", **ids)
    save(EncoderDecoder(config), tokenizer, tmp_path)
    _, report = load_with_report(tmp_path)
    assert (report.warning is not None) == warned
    assert report.checked_tokenizer().encode(["4 May 1999"]) == tokenizer.encode(["4 May 1999"])
    assert transformers.AutoTokenizer.from_pretrained(tmp_path).decode(tokenizer.encode(["1999-05-04"])[0][:-1])
