"""What a classifier predicts is presented as `predict` presents it: one class, several labels, or a number."""

import numpy as np
import pytest
import torch
import transformers

from minitf import attend, predict
from minitf.attention_maps.attribution import attribute
from minitf.attention_maps.collect import collect
from minitf.attention_maps.model import open_model
from minitf.errors import CheckpointError, InputError
from tests.support.tiny import VOCABULARY

TEXT = "the film was good"
SEVERAL = {"problem_type": "multi_label_classification", "id2label": {0: "toxic", 1: "insult", 2: "threat"}}


@pytest.fixture
def write(write_bert):
    return lambda **config: write_bert(transformers.BertForSequenceClassification, **config)


def logits(folder):
    opened = open_model(folder)
    batch = opened.tokenizer([TEXT])
    with torch.no_grad():
        return opened, opened.model(batch.token_ids, batch.segment_ids, batch.mask).logits[0].double()


def test_several_labels(write, run_command, tmp_path):
    folder, _ = write(label2id={name: i for i, name in SEVERAL["id2label"].items()}, **SEVERAL)
    opened, z = logits(folder)
    maps, found = collect(opened, TEXT), attribute(opened, TEXT, label="insult", steps=2)
    np.testing.assert_allclose(maps.probabilities, z.sigmoid().numpy(), atol=1e-6)
    assert abs(found.probability - float(z.sigmoid()[1])) < 1e-6
    assert maps.labels == ("toxic", "insult", "threat")
    argv = (folder, TEXT, "--label", "insult", "--output", tmp_path / "a.html")
    assert f"\ninsult {float(z.sigmoid()[1]):.3f};" in run_command(attend.main, *argv)[1]


def test_a_number(write, run_command, tmp_path):
    folder, _ = write(problem_type="regression", num_labels=1)
    opened, z = logits(folder)
    maps, found = collect(opened, TEXT), attribute(opened, TEXT, steps=2)
    assert (maps.labels, found.label) == (("number",), "number")
    assert maps.probabilities[0] == pytest.approx(float(z), abs=1e-5) == found.probability
    number = run_command(predict.main, folder, TEXT)[1].splitlines()[1].strip()
    output = run_command(attend.main, folder, TEXT, "--output", tmp_path / "a.html")[1]
    assert f"prediction: {number}\n" in output and "1.0000" not in output


def test_several_numbers_have_maps_and_no_prediction(write, run_command, tmp_path):
    folder, _ = write(problem_type="regression", num_labels=3)
    opened = open_model(folder)
    assert (collect(opened, TEXT).labels, collect(opened, TEXT).prediction) == ((), "")
    with pytest.raises(InputError, match="predicts several numbers"):
        attribute(opened, TEXT)
    assert run_command(attend.main, folder, TEXT, "--output", tmp_path / "a.html")[0] == 0


def test_a_pair_for_a_model_of_one_segment(write, run_command, tmp_path):
    folder, _ = write(type_vocab_size=1)
    opened = open_model(folder)
    assert opened.tokenizer.segments == 1
    maps = collect(opened, TEXT, "bad food")
    assert maps.segments[-1] == 1  # the second text, although the model has one segment
    status, _, err = run_command(attend.main, folder, TEXT, "bad food", "--output", tmp_path / "a.html")
    assert (status, err) == (0, "")


@pytest.mark.parametrize("command", ["attend", "predict"])
def test_a_vocabulary_that_is_larger_than_the_model(write, run_command, tmp_path, command):
    folder, _ = write(vocab_size=len(VOCABULARY) - 1)
    argv = (attend.main, folder, TEXT, "--output", tmp_path / "a.html")
    status, _, err = run_command(*(argv if command == "attend" else (predict.main, folder, TEXT)))
    assert status == 2 and "some tokens have no embedding" in err and len(err.splitlines()) == 1


def test_a_vocabulary_that_is_smaller_than_the_model(write, run_command, tmp_path):
    folder, _ = write(vocab_size=len(VOCABULARY) + 1)
    status, _, err = run_command(attend.main, folder, TEXT, "--output", tmp_path / "a.html")
    assert status == 0 and err.startswith("minitf: warning: the vocabulary has") and len(err.splitlines()) == 1
    with pytest.raises(CheckpointError, match="some tokens have no embedding"):
        collect(open_model(write(name="other", vocab_size=8)[0]), TEXT)


def test_an_output_that_is_not_finite(write, run_command, tmp_path):
    from safetensors.torch import load_file, save_file

    folder, _ = write()
    tensors = load_file(folder / "model.safetensors")
    for name in ("bert.embeddings.LayerNorm.weight", "bert.encoder.layer.0.attention.self.query.weight"):
        tensors[name] = torch.full_like(tensors[name], 3e38)
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    for ending in ("html", "svg"):
        status, _, err = run_command(attend.main, folder, TEXT, "--output", tmp_path / f"a.{ending}")
        assert status == 2 and "the model's output is NaN or infinite" in err
