"""`python -m minitf.attend` for models that generate text: the page, the figures, and one-line errors."""

import json

import numpy as np
import pytest
import transformers

from minitf import attend
from tests.support.sequences_to_show import SOURCE, TARGET, write_generator
from tests.support.tiny import write_vocabulary
from tests.test_attend import data_of


@pytest.fixture
def write(tmp_path):
    """A function that writes a model of this kind: returns its folder."""

    def make(name, folder=None, **changes):
        write_generator(tmp_path / (folder or name), name, **changes)
        return tmp_path / (folder or name)

    return make


@pytest.mark.parametrize("name", ["marian", "bart", "t5"])
def test_the_page_of_an_encoder_decoder(write, run_command, tmp_path, name):
    argv = [write(name), SOURCE, "--max-new-tokens", 6, "--output", tmp_path / "m.html"]
    status, output, errors = run_command(attend.main, *argv)
    assert (status, errors) == (0, "")
    assert (
        output.startswith("generated: ") and "cross 3 layers of" in output and "encoder 2 layers of 4 heads" in output
    )
    assert "completeness residual" in output and "rank correlation" in output
    content, blocks = data_of(tmp_path / "m.html")
    assert blocks == ["a2", "a0", "a1"] or sorted(blocks) == ["a0", "a1", "a2"]
    assert [kind["id"] for kind in content["kinds"]] == ["ba", "aa", "bb"]
    assert content["text"] == SOURCE and content["roles"] == ["source", "generated"]
    T = sum(content["segments"])
    assert len(content["attributions"]) == T <= 6
    for attribution in content["attributions"]:
        names = [score["name"] for score in attribution["scores"]]
        assert names == ["cross-attention", "gradient × input", "integrated gradients", "erasure"]
        assert all(len(score["values"]) == len(content["tokens"]) - T for score in attribution["scores"])
    assert (content["attribution"], content["lens"], content["d_k"]) == (None, None, None)


def test_without_attribution_and_with_another_model(write, run_command, tmp_path):
    other = write("marian", "other", seed=1)
    argv = [write("marian"), SOURCE, "--attribution", "never", "--compare", other, "--output", tmp_path / "m.html"]
    assert run_command(attend.main, *argv)[0] == 0
    content, blocks = data_of(tmp_path / "m.html")
    assert content["attributions"] is None and content["compare"] == str(other) and "b2" in blocks


def test_the_page_of_a_decoder(write, run_command, tmp_path):
    folder = write("gpt2")
    argv = [folder, "the film", "--max-new-tokens", 5, "--output", tmp_path / "m.html"]
    status, output, errors = run_command(attend.main, *argv)
    assert (status, errors) == (0, "") and output.startswith("continuation: ")
    content, _ = data_of(tmp_path / "m.html")
    assert content["roles"] == ["prompt", "continuation"] and "kinds" not in content
    given = [folder, "the film", "--target", " was great", "--output", tmp_path / "g.html"]
    assert run_command(attend.main, *given)[0] == 0
    content, _ = data_of(tmp_path / "g.html")
    assert (content["pair"], content["roles"]) == (" was great", ["prompt", "target"])


@pytest.mark.parametrize(
    "flags",
    [
        ["--target", TARGET],
        ["--view", "alignment", "--layer", 2, "--dark"],
        ["--view", "explain"],
        ["--attention", "encoder"],
        ["--attention", "decoder", "--view", "lines", "--layer", 3, "--head", 2],
        ["--view", "head"],
        ["--view", "grid"],
    ],
)
def test_figures(write, run_command, tmp_path, flags):
    argv = [write("marian"), SOURCE, "--output", tmp_path / "m.svg", *flags]
    status, output, errors = run_command(attend.main, *argv)
    assert (status, errors) == (0, "") and output.endswith(f"written: {tmp_path / 'm.svg'}\n")
    text = (tmp_path / "m.svg").read_text(encoding="utf-8")
    assert "source: the 3 films" in text
    assert ("mean over the heads of all layers" in text) == ("--target" in flags)
    assert ("of layer 2" in text) == ("alignment" in flags)
    assert ("layer 3, head 2" in text) == ("lines" in flags)
    assert ("gradient × input" in text) == ("explain" in flags)


def test_the_alignment_is_the_mean_of_the_cross_attention(write, tmp_path, monkeypatch):
    from minitf.attention_maps import canvas, figures, sequences
    from minitf.attention_maps.model import open_model

    opened = open_model(write("t5"))
    cross = sequences.collect(opened, sequences.read(opened, SOURCE, TARGET)).block("cross")
    axes, _ = figures.alignment(cross).axes
    np.testing.assert_allclose(axes.images[0].get_array(), cross.A.mean(axis=(0, 1)), atol=1e-6)
    assert [label.get_text() for label in axes.get_yticklabels()] == list(cross.query_labels)
    axes, _ = figures.alignment(cross, 1, canvas.DARK).axes
    np.testing.assert_allclose(axes.images[0].get_array(), cross.A[1].mean(axis=0), atol=1e-6)


@pytest.mark.parametrize("view", [[], ["--view", "lines"], ["--view", "head"], ["--view", "summary"]])
def test_figures_of_a_decoder(write, run_command, tmp_path, view):
    argv = [write("gpt2"), "the film", "--max-new-tokens", 3, "--output", tmp_path / "m.png", *view]
    status, _, errors = run_command(attend.main, *argv)
    assert (status, errors) == (0, "") and (tmp_path / "m.png").read_bytes().startswith(b"\x89PNG")


LONG = "1234567890" * 6  # a token for each digit
PNG, HTML = ["--output", "m.png"], ["--output", "m.html"]


@pytest.mark.parametrize(
    ("name", "argv", "expected"),
    [
        ("marian", [" ", *PNG], "the text is empty; give at least one word"),
        ("marian", [SOURCE, *PNG, "--target", " "], "the target is empty; give at least one word"),
        ("marian", [LONG, *PNG], "the text has 61 tokens, but the model has only 20 positions: shorten it"),
        ("marian", ["a", *PNG, "--target", LONG], "the target has 61 tokens, but the model has only 20 positions"),
        ("marian", ["a", *PNG, "--max-new-tokens", "21"], "--max-new-tokens 21: the model has only 20 positions"),
        ("marian", ["a", *PNG, "--max-length", "21"], "--max-length 21: the model has only 20 positions"),
        ("marian", ["a", "b", *PNG], "a second text is for an encoder such as BERT, and "),
        ("marian", ["a", *PNG, "--view", "rollout"], "--view rollout is for an encoder such as BERT, and "),
        ("marian", ["a", *PNG, "--view", "lens"], "--view lens is for an encoder such as BERT, and "),
        ("marian", ["a", *PNG, "--view", "summary"], "--view summary is for an encoder such as BERT, and "),
        ("marian", ["a", *PNG, "--view", "explain", "--label", "x"], "--label is for an encoder such as BERT, and "),
        ("marian", ["a", *HTML, "--query-key"], "--query-key is for an encoder such as BERT, and "),
        ("marian", ["a", *PNG, "--view", "head", "--layer", "4"], "--layer 4, --head 1: "),
        ("marian", ["a", *PNG, "--view", "alignment", "--layer", "4"], "--layer 4, --head 1: "),
        ("marian", ["a", *PNG, "--attention", "encoder", "--view", "head", "--layer", "3"], "--layer 3, --head 1: "),
        ("gpt2", ["a", *PNG, "--attention", "cross"], "--attention cross needs an encoder-decoder, and "),
        ("gpt2", ["a", *PNG, "--view", "alignment"], "--view alignment needs an encoder-decoder, and "),
        ("gpt2", ["a", *PNG, "--view", "explain"], "--view explain needs an encoder-decoder, and "),
        ("gpt2", ["a", *HTML, "--attribution", "always"], "--attribution needs an encoder-decoder, and "),
        ("gpt2", [LONG, *PNG], "the text has 60 tokens, but the model has only 20 positions: shorten it"),
        ("gpt2", ["a", *PNG, "--target", LONG], "the text and the target have 61 tokens, but the model has only 20"),
    ],
)  # fmt: skip
def test_errors(write, run_command, tmp_path, monkeypatch, name, argv, expected):
    monkeypatch.chdir(tmp_path)
    status, _, error = run_command(attend.main, write(name), *argv)
    assert (status, error.count("\n")) == (2, 1), error
    assert error.startswith(f"minitf: {expected}"), error
    assert not list(tmp_path.glob("m.*"))


@pytest.mark.parametrize(
    ("argv", "name"),
    [
        ([*PNG, "--target", "x"], "--target"),
        ([*HTML, "--target", "x"], "--target"),
        ([*PNG, "--max-new-tokens", "3"], "--max-new-tokens"),
        ([*PNG, "--attention", "decoder"], "--attention"),
        ([*PNG, "--view", "alignment"], "--view alignment"),
    ],
)
def test_what_an_encoder_does_not_have(write_member, run_command, tmp_path, monkeypatch, argv, name):
    monkeypatch.chdir(tmp_path)
    folder, _ = write_member("bert", "classification")
    write_vocabulary(folder)
    status, _, error = run_command(attend.main, folder, "the film", *argv)
    assert status == 2 and error.startswith(f"minitf: {name} is for a model that generates text, not for an encoder")
    assert error.count("\n") == 1


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        ([*HTML, "--attention", "cross"], "--attention cannot be used with an .html page"),
        ([*PNG, "--view", "explain", "--attention", "cross"], "--attention cannot be used with --view explain"),
        ([*PNG, "--view", "alignment", "--head", "1"], "--head cannot be used with --view alignment"),
        ([*PNG, "--target", "x", "--max-new-tokens", "3"], "--max-new-tokens is for a generated target; leave it out"),
    ],
)
def test_flags_that_do_not_go_together(run_command, argv, expected):
    status, _, error = run_command(attend.main, "no/folder", "text", *argv)
    assert status == 2 and error.startswith(f"minitf: {expected}") and error.count("\n") == 1


def test_a_table_needs_an_encoder(write, run_command, tmp_path):
    (tmp_path / "t.csv").write_text("text\nthe film\n")
    argv = [write("marian"), "--input", tmp_path / "t.csv", "--view", "summary", "--output", tmp_path / "m.png"]
    status, _, error = run_command(attend.main, *argv)
    assert status == 2 and error.startswith("minitf: --input is for an encoder such as BERT, and ")


def test_an_encoder_cannot_be_compared_with_a_generator(write, write_member, run_command, tmp_path):
    encoder, _ = write_member("bert", None)
    write_vocabulary(encoder)
    decoder = write("gpt2")
    for one, other in ((encoder, decoder), (decoder, encoder)):
        argv = [one, "the film", "--compare", other, "--output", tmp_path / "m.html"]
        status, _, error = run_command(attend.main, *argv)
        assert (status, error.count("\n")) == (2, 1) and "--compare" in error


def test_without_an_end_token_a_target_can_be_given(write, run_command, tmp_path):
    """Generation needs an end token; attention does not."""
    folder = write("gpt2", eos_token_id=None)
    argv = [folder, "the film", "--output", tmp_path / "m.png"]
    status, _, error = run_command(attend.main, *argv)
    assert (status, error.count("\n")) == (2, 1) and "no end token" in error
    assert run_command(attend.main, *argv, "--target", " was")[0] == 0


def test_a_model_of_images(run_command, tmp_path):
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    model = transformers.ViTModel(transformers.ViTConfig(image_size=4, patch_size=2, **sizes))
    model.save_pretrained(tmp_path / "vit")
    status, _, error = run_command(attend.main, tmp_path / "vit", "text", "--output", tmp_path / "m.png")
    assert (status, error.count("\n")) == (2, 1) and "which reads images; give a model that reads text" in error


def test_a_start_token_that_is_not_in_the_vocabulary(write, run_command, tmp_path):
    folder = write("marian")
    config = json.loads((folder / "generation_config.json").read_text()) | {"decoder_start_token_id": 5000}
    (folder / "generation_config.json").write_text(json.dumps(config))
    status, _, error = run_command(attend.main, folder, SOURCE, "--target", TARGET, "--output", tmp_path / "m.png")
    assert (status, error.count("\n")) == (2, 1) and "decoder_start_token_id" in error
