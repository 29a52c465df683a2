"""Folders as people have them: older layouts and wrapped models load as they are; the rest is refused by its name."""

import gzip
import json
import os
import shutil

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from minitf import attend, evaluate, predict
from minitf.checkpoints import sources
from minitf.checkpoints.load import STORED_HEAD, load, load_tokenizer
from minitf.checkpoints.metadata import read_metadata
from minitf.checkpoints.stated import stated_length, stated_pooling
from minitf.errors import CheckpointError, InputError
from tests.support import google_layout
from tests.support.tiny import VOCABULARY

CLASSIFIER = transformers.BertForSequenceClassification


def same_weights(folder, other):
    ours, theirs = load(folder, STORED_HEAD).state_dict(), load(other, STORED_HEAD).state_dict()
    assert ours.keys() == theirs.keys() and all(ours[name].equal(theirs[name]) for name in theirs)


@pytest.fixture
def copied(write_bert, tmp_path):
    """A folder of `transformers`, and a copy of it to change."""
    folder, _ = write_bert(CLASSIFIER)
    shutil.copytree(folder, tmp_path / "copy")
    return folder, tmp_path / "copy"


def edit(path, change):
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


# --- the config


def test_bert_config_json_beside_pytorch_weights(copied):
    folder, copy = copied
    torch.save(load_file(copy / "model.safetensors"), copy / "pytorch_model.bin")
    (copy / "model.safetensors").unlink()
    (copy / "config.json").rename(copy / "bert_config.json")
    same_weights(copy, folder)


@pytest.mark.parametrize("model_type", ["bert", "roberta", "xlm-roberta", "distilbert"])
def test_a_missing_model_type_is_that_of_the_class(write_member, model_type, tmp_path):
    folder, _ = write_member(model_type, "classification")
    shutil.copytree(folder, tmp_path / "copy")
    edit(tmp_path / "copy" / "config.json", lambda config: config.pop("model_type"))
    assert load(tmp_path / "copy").config.model_type == model_type
    same_weights(tmp_path / "copy", folder)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"architectures": ["AlbertModel"]}, "the class AlbertModel is not supported"),
        ({"architectures": None, "pad_token_id": 1}, "pad_token_id = 1 is not BERT's"),
        ({"architectures": [], "max_position_embeddings": 514}, "max_position_embeddings = 514 is not BERT's"),
        ({"architectures": None, "n_layers": 3}, "n_layers = 3 is not BERT's"),
    ],
)
def test_a_missing_model_type_of_another_model(copied, change, said):
    _, copy = copied
    edit(copy / "config.json", lambda config: (config.pop("model_type"), config.update(change)))
    with pytest.raises(CheckpointError, match=said):
        load(copy)


# --- the weights


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod.", "_orig_mod.module."])
@pytest.mark.parametrize("file", ["model.safetensors", "pytorch_model.bin"])
def test_prefixes_of_wrappers(copied, prefix, file):
    folder, copy = copied
    tensors = {prefix + name: tensor for name, tensor in load_file(copy / "model.safetensors").items()}
    (copy / "model.safetensors").unlink()
    save_file(tensors, copy / file) if file.endswith("safetensors") else torch.save(tensors, copy / file)
    same_weights(copy, folder)


@pytest.mark.parametrize("protocol", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("later", [True, False])
def test_every_pickle_protocol(copied, protocol, later):
    folder, copy = copied
    tensors = load_file(copy / "model.safetensors")
    (copy / "model.safetensors").unlink()
    file = copy / "pytorch_model.bin"
    torch.save(tensors, file, pickle_protocol=protocol, _use_new_zipfile_serialization=later)
    same_weights(copy, folder)


def test_a_format_under_the_name_of_the_other(copied):
    folder, copy = copied
    (copy / "model.safetensors").rename(copy / "pytorch_model.bin")
    same_weights(copy, folder)
    torch.save(load_file(folder / "model.safetensors"), copy / "model.safetensors")
    (copy / "pytorch_model.bin").unlink()
    same_weights(copy, folder)


OTHER_KINDS = {
    "Git LFS": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 440473133\n",
    "Git Xet": b"# xet version 0\nfilesize = 3\nhash = '0'\n",
    "git-annex": b"../../.git/annex/objects/a/b/c",
    "web page": b"\n<!DOCTYPE html><html>404</html>",
    "gzip": gzip.compress(b"x" * 1000),
    "HDF5": b"\x89HDF\r\n\x1a\n" + bytes(600),
}


@pytest.mark.parametrize("kind", OTHER_KINDS)
@pytest.mark.parametrize(
    "file",
    ["model.safetensors", "pytorch_model.bin", "config.json", "vocab.txt", "tokenizer.json", "tokenizer_config.json"],
)
def test_a_file_of_another_kind_is_named(copied, kind, file):
    _, copy = copied
    if file == "pytorch_model.bin":
        (copy / "model.safetensors").unlink()
    (copy / file).write_bytes(OTHER_KINDS[kind])
    with pytest.raises(CheckpointError) as caught:
        load_tokenizer(copy) if "token" in file or "vocab" in file else load(copy)
    message = str(caught.value)
    assert kind in message and str(copy / file) in message and "corrupt" not in message


@pytest.mark.parametrize("kind", OTHER_KINDS)
@pytest.mark.parametrize("file", ["bert_model.ckpt.index", "bert_model.ckpt.data-00000-of-00001", "bert_config.json"])
def test_a_file_of_another_kind_in_a_tensorflow_checkpoint(write_member, tmp_path, kind, file):
    _, model = write_member("bert", None)
    folder = google_layout.write(tmp_path / "google", model)
    (folder / file).write_bytes(OTHER_KINDS[kind])
    with pytest.raises(CheckpointError) as caught:
        load(folder)
    assert kind in str(caught.value) and "corrupt" not in str(caught.value)


@pytest.mark.parametrize("kind", OTHER_KINDS)
def test_a_zip_of_another_kind(tmp_path, kind):
    (tmp_path / "bert.zip").write_bytes(OTHER_KINDS[kind])
    with pytest.raises(CheckpointError, match=kind):
        load(tmp_path / "bert.zip")


@pytest.mark.parametrize("name", ["state_dict", "model"])
def test_a_training_checkpoint(copied, name):
    _, copy = copied
    tensors = load_file(copy / "model.safetensors")
    (copy / "model.safetensors").unlink()
    torch.save({"epoch": 3, name: tensors}, copy / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match=f"save its '{name}' alone"):
        load(copy)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("layout", ["safetensors", "bin", "legacy", "google"])
def test_weights_that_are_not_finite(write_member, tmp_path, layout, dtype, value):
    folder, model = write_member("bert", None)
    with torch.no_grad():
        model.encoder.layer[1].output.dense.weight[0, 1] = value
    if layout == "google":
        if dtype != torch.float32:
            return
        folder = google_layout.write(tmp_path / "google", model.float())
    else:
        tensors = {name: tensor.to(dtype).contiguous() for name, tensor in model.state_dict().items()}
        (folder / "model.safetensors").unlink()
        if layout == "safetensors":
            save_file(tensors, folder / "model.safetensors")
        else:
            torch.save(tensors, folder / "pytorch_model.bin", _use_new_zipfile_serialization=layout == "bin")
    with pytest.raises(CheckpointError, match=r"NaN or infinite weights \(encoder.layers.1.ffn.W_2.weight\)") as caught:
        load(folder)
    assert str(folder) in str(caught.value) and "corrupt" not in str(caught.value)


def test_a_weight_that_is_too_large_for_its_new_type(copied):
    _, copy = copied
    tensors = {name: tensor.double() for name, tensor in load_file(copy / "model.safetensors").items()}
    tensors["bert.pooler.dense.bias"][0] = 1e300
    save_file(tensors, copy / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"NaN or infinite weights \(pooler.W.bias\)"):
        load(copy)
    assert load(copy, dtype=torch.float64)


@pytest.mark.parametrize(
    "name", ["config.json", "model.safetensors", "vocab.txt", "tokenizer.json", "added_tokens.json"]
)
@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: os.symlink("/dev/zero", path)])
def test_what_is_not_a_file(copied, name, make):
    """A pipe would be read for ever."""
    _, copy = copied
    (copy / name).unlink(missing_ok=True)
    make(copy / name)
    with pytest.raises(CheckpointError, match="is a pipe, a device, a folder or a broken link"):
        sources.find(copy)


# --- minitf.json


@pytest.mark.parametrize(
    "content",
    [
        *(
            "",
            "[]",
            "3",
            "[" * 100_000,
            "\ud800",
            '{"max_length": 1e5}',
            f'{{"max_length": {10**400}}}',
            '{"task": {}}',
        ),
        *('{"stride": -1}', '{"long_text": ["windows"]}', '{"text": 3}', '{"max_length": NaN}', " " * (3 << 20)),
    ],
)
def test_metadata_of_any_shape(tmp_path, content):
    (tmp_path / "minitf.json").write_text(content, encoding="utf-8", errors="surrogatepass")
    with pytest.raises(InputError, match=r"minitf\.json: "):
        read_metadata(tmp_path)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: os.symlink("nowhere", path)])
def test_metadata_that_is_not_a_file(tmp_path, make):
    make(tmp_path / "minitf.json")
    with pytest.raises(InputError, match="is a pipe, a device, a folder or a broken link"):
        read_metadata(tmp_path)


# --- the length and the pooling that a folder states


def test_the_stated_length(tmp_path):
    assert stated_length(tmp_path) is None
    (tmp_path / "tokenizer_config.json").write_text('{"model_max_length": 200}')
    assert (stated_length(tmp_path), stated_length(tmp_path, for_vectors=True)) == (200, 200)
    (tmp_path / "sentence_bert_config.json").write_text('{"max_seq_length": 100, "do_lower_case": false}')
    assert (stated_length(tmp_path), stated_length(tmp_path, for_vectors=True)) == (200, 100)
    (tmp_path / "tokenizer_config.json").write_text('{"model_max_length": 1000000000000000019884624838656}')
    assert stated_length(tmp_path) is None


def pooling(folder, content):
    (folder / "1_Pooling").mkdir(exist_ok=True)
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(content))
    return stated_pooling(folder)


def test_the_stated_pooling(tmp_path):
    assert stated_pooling(tmp_path) == "mean"
    assert pooling(tmp_path, {"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}) == "mean"
    assert pooling(tmp_path, {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}) == "cls"
    assert pooling(tmp_path, {"pooling_mode": "cls"}) == "cls"
    for content in ({"pooling_mode_max_tokens": True}, {"pooling_mode": "lasttoken"}):
        with pytest.raises(CheckpointError, match="is not supported, only mean"):
            pooling(tmp_path, content)
    pooling(tmp_path, {"pooling_mode": "mean"})
    modules = ["Transformer", "Pooling", "Dense"]
    listed = [{"type": f"sentence_transformers.models.{name}"} for name in modules]
    (tmp_path / "modules.json").write_text(json.dumps(listed))
    with pytest.raises(CheckpointError, match="has the module Dense"):
        stated_pooling(tmp_path)


def test_the_vocabulary_is_that_of_the_tests(copied):
    assert load_tokenizer(copied[0]).vocabulary_size == len(VOCABULARY)


# --- a head that is not whole


@pytest.mark.parametrize("model_type", ["bert", "distilbert"])
def test_a_trained_classifier_without_the_layer_before_it(write_member, run_command, tmp_path, model_type):
    """With a random one, every prediction would be random."""
    folder, _ = write_member(model_type, "classification")
    state = load_file(folder / "model.safetensors")
    kept = {name: tensor for name, tensor in state.items() if "pooler" not in name and "pre_classifier" not in name}
    save_file(kept, folder / "model.safetensors")
    table = tmp_path / "table.csv"
    table.write_text("text,label\na,LABEL_0\nb,LABEL_1\n")
    for main, words in ((predict.main, ["a"]), (evaluate.main, ["--data", table])):
        status, _, err = run_command(main, folder, *words)
        assert status == 2
        assert "missing: pooler.W.weight" in err or "missing: head." in err


@pytest.mark.parametrize("names", [["a"], ["a", "b", "c"]])
def test_a_number_of_names_that_is_not_that_of_the_classes(copied, names):
    _, copy = copied
    edit(copy / "config.json", lambda config: config.update(id2label=dict(enumerate(names))))
    with pytest.raises(CheckpointError, match=rf"id2label has {len(names)} names, but the classifier has 2 outputs"):
        load(copy, STORED_HEAD)
    assert load(copy, "classification", labels=("x", "y", "z")).config.num_labels == 3


def test_two_classes_of_one_name(copied, run_command):
    _, copy = copied
    edit(copy / "config.json", lambda config: config.update(id2label={"0": "same", "1": "same"}))
    status, _, err = run_command(predict.main, copy, "a")
    assert (status, err.count("\n")) == (2, 1)
    assert "the model has two classes of the name same; correct id2label" in err


# --- an output that is a file of the model


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "vocab.txt"])
def test_an_output_that_is_a_file_of_the_model(copied, run_command, tmp_path, name):
    _, copy = copied
    (tmp_path / "link.html").symlink_to(copy / name)
    before, table = (copy / name).read_bytes(), tmp_path / "table.csv"
    table.write_text("text,label\na,LABEL_0\nb,LABEL_1\n")
    for main, words in (
        (predict.main, ["--input", table, "--output", copy / name]),
        (evaluate.main, ["--data", table, "--output", tmp_path / "link.html"]),
        (attend.main, ["a", "--output", tmp_path / "link.html"]),
    ):
        status, _, err = run_command(main, copy, *words)
        assert (status, err.count("\n")) == (2, 1)
        assert "is the file that is read; choose another path" in err
    assert (copy / name).read_bytes() == before


@pytest.mark.parametrize("name", ["x" * 300, "x/" * 3000])
def test_a_name_of_a_model_that_the_system_refuses(run_command, name):
    status, _, err = run_command(predict.main, name, "a", "--offline")
    assert (status, "File name too long" in err) == (2, True)
