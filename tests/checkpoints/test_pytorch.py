"""Files as `transformers` writes them are read to the last bit; broken and hostile ones are refused in one line."""

import json
import pickle
import struct
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from minitf.checkpoints.pytorch import WEIGHT_FILES, read_config, read_tensors
from minitf.errors import CheckpointError

TENSORS = {
    "a": torch.arange(6.0).reshape(2, 3),
    "b.c": torch.tensor([1.5, -2.0], dtype=torch.float64),
    "half": torch.tensor([0.1], dtype=torch.bfloat16),
    "ids": torch.arange(4),
    "scalar": torch.tensor(3.0),
}


def same(found, wanted):
    assert sorted(found) == sorted(wanted)
    for name, tensor in wanted.items():
        assert found[name].dtype == tensor.dtype and torch.equal(found[name], tensor), name


def refused(folder, *parts):
    """The one-line CheckpointError that reading the folder raises; it holds all `parts`."""
    with pytest.raises(CheckpointError) as caught:
        read_tensors(folder)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 600
    for part in parts:
        assert str(part) in message
    return message


def write(tensors, path):
    save_file(tensors, path) if path.suffix == ".safetensors" else torch.save(tensors, path)


def write_shards(folder, suffix, shards, weight_map=None):
    """Shards and their index, as `transformers` names them."""
    stem = "model" if suffix == "safetensors" else "pytorch_model"
    files = [f"{stem}-{i:05d}-of-{len(shards):05d}.{suffix}" for i in range(1, len(shards) + 1)]
    for file, shard in zip(files, shards, strict=True):
        write(shard, folder / file)
    names = {name: file for file, shard in zip(files, shards, strict=True) for name in shard}
    index = {"metadata": {"total_size": 1}, "weight_map": names if weight_map is None else weight_map}
    path = folder / f"{stem}.{suffix}.index.json"
    path.write_text(json.dumps(index))
    return path, files


def halves():
    names = list(TENSORS)
    return [{name: TENSORS[name] for name in names[:2]}, {name: TENSORS[name] for name in names[2:]}]


@pytest.mark.parametrize("file", ["model.safetensors", "pytorch_model.bin"])
def test_one_file(tmp_path, file):
    write(TENSORS, tmp_path / file)
    same(read_tensors(tmp_path), TENSORS)


@pytest.mark.parametrize("suffix", ["safetensors", "bin"])
def test_shards(tmp_path, suffix):
    write_shards(tmp_path, suffix, halves())
    same(read_tensors(tmp_path), TENSORS)


def test_the_format_of_old_pytorch(tmp_path):
    torch.save(TENSORS, tmp_path / "pytorch_model.bin", _use_new_zipfile_serialization=False)
    same(read_tensors(tmp_path), TENSORS)


def test_tensors_that_need_a_gradient_and_that_share_memory(tmp_path):
    shared = torch.arange(6.0)
    tensors = {"p": torch.nn.Parameter(torch.ones(2)), "whole": shared, "part": shared[2:4]}
    torch.save(tensors, tmp_path / "pytorch_model.bin")
    same(read_tensors(tmp_path), {name: t.detach() for name, t in tensors.items()})


def test_the_order_of_the_layouts(tmp_path):
    """Each file holds its own number; take the first away, and the next is read."""
    one = {name: {"which": torch.tensor([float(i)])} for i, name in enumerate(WEIGHT_FILES)}
    write(one["model.safetensors"], tmp_path / "model.safetensors")
    write_shards(tmp_path, "safetensors", [one["model.safetensors.index.json"]])
    write(one["pytorch_model.bin"], tmp_path / "pytorch_model.bin")
    write_shards(tmp_path, "bin", [one["pytorch_model.bin.index.json"]])
    for name in WEIGHT_FILES:
        same(read_tensors(tmp_path), one[name])
        (tmp_path / name).unlink()
    refused(tmp_path, tmp_path, *WEIGHT_FILES)


class Bomb:
    """Unpickled by a reader that trusts its file, it makes a file of its own."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


def plant(folder, how):
    """A pickle with a Bomb in it, as pytorch_model.bin; returns the file that it would make."""
    mark, file = folder / "executed", folder / "pytorch_model.bin"
    content = {"a": torch.ones(2), "b": Bomb(mark)}
    if how == "zip":
        torch.save(content, file)
    elif how == "legacy":
        torch.save(content, file, _use_new_zipfile_serialization=False)
    else:
        file.write_bytes(pickle.dumps(content["b"]))
    return mark


@pytest.mark.parametrize("how", ["zip", "legacy", "pickle"])
def test_code_in_a_file_is_not_executed(tmp_path, how):
    mark = plant(tmp_path, how)
    message = refused(tmp_path, tmp_path / "pytorch_model.bin", "it calls ")
    assert "truncated or corrupt" not in message  # to fetch it again would not help
    assert not mark.exists()
    # The planted code is real: a trusting reader runs it.
    file = tmp_path / "pytorch_model.bin"
    pickle.loads(file.read_bytes()) if how == "pickle" else torch.load(file, weights_only=False)
    assert mark.exists()


def test_code_in_a_shard_is_not_executed(tmp_path):
    _, files = write_shards(tmp_path, "bin", halves())
    mark = plant(tmp_path, "zip")
    (tmp_path / "pytorch_model.bin").rename(tmp_path / files[1])
    refused(tmp_path, tmp_path / files[1])
    assert not mark.exists()


@pytest.mark.parametrize("file", ["model.safetensors", "pytorch_model.bin"])
@pytest.mark.parametrize("keep", [0, 1, 7, 8, 9, 100, 0.25, 0.5, 0.75, 0.95, -1])
def test_a_truncated_file(tmp_path, file, keep):
    path = tmp_path / file
    write({"a": torch.randn(50, 50, generator=torch.Generator().manual_seed(0))}, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(keep * len(whole)) if isinstance(keep, float) else keep])
    refused(tmp_path, path, "truncated or corrupt", "fetch it again")


@pytest.mark.parametrize("file", ["model.safetensors", "pytorch_model.bin"])
@pytest.mark.parametrize(
    "content",
    [
        b"\xff" * 64,
        b"\x00" * 64,
        struct.pack("<Q", 2**63) + b"{}",
        struct.pack("<Q", 16) + b'{"a":{"dtype":1}',
        b"PK\x03\x04 no zip",
    ],
    ids=["ones", "zeros", "huge header", "bad header", "bad zip"],
)
def test_a_file_of_something_else(tmp_path, file, content):
    (tmp_path / file).write_bytes(content)
    refused(tmp_path, tmp_path / file, "fetch it again")


@pytest.mark.parametrize(
    "content",
    [
        torch.ones(2),
        [torch.ones(2)],
        "weights",
        None,
        {"epoch": 3, "state_dict": {"a": torch.ones(2)}},
        {"a": torch.ones(2), "b": [1.0, 2.0]},
    ],
    ids=["tensor", "list", "text", "nothing", "training state", "numbers"],
)
def test_a_pickle_of_something_else(tmp_path, content):
    torch.save(content, tmp_path / "pytorch_model.bin")
    refused(tmp_path, tmp_path / "pytorch_model.bin", "not a dict of tensors")


@pytest.mark.parametrize("suffix", ["safetensors", "bin"])
def test_a_missing_shard_is_named(tmp_path, suffix):
    _, files = write_shards(tmp_path, suffix, [*halves(), {"d": torch.ones(1)}])
    (tmp_path / files[0]).unlink()
    (tmp_path / files[2]).unlink()
    message = refused(tmp_path, tmp_path, files[0], files[2])
    assert files[1] not in message


@pytest.mark.parametrize("suffix", ["safetensors", "bin"])
def test_a_truncated_shard_is_named(tmp_path, suffix):
    _, files = write_shards(tmp_path, suffix, halves())
    path = tmp_path / files[1]
    path.write_bytes(path.read_bytes()[:-20])
    refused(tmp_path, path, "truncated or corrupt")


def test_one_tensor_in_two_shards(tmp_path):
    _, files = write_shards(tmp_path, "safetensors", [{"a": torch.ones(1)}, {"a": torch.zeros(1), "b": torch.ones(1)}])
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": files[0], "b": files[1]}}))
    refused(tmp_path, tmp_path / files[1], "a is in another shard too")


@pytest.mark.parametrize(
    "shard",
    ["../outside.safetensors", "sub/inside.safetensors", "..", ".", "", "..\\outside.safetensors", "{absolute}"],
)
def test_a_shard_that_is_no_file_beside_its_index(tmp_path, shard):
    """Such files exist, whole: what is wrong is only where they lie."""
    folder = tmp_path / "checkpoint"
    (folder / "sub").mkdir(parents=True)
    shard = shard.replace("{absolute}", str(tmp_path / "outside.safetensors"))
    for place in (tmp_path / "outside.safetensors", folder / "sub" / "inside.safetensors"):
        write(TENSORS, place)
    write(TENSORS, folder / "..\\outside.safetensors")
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": shard}}))
    refused(folder, index, repr(shard), "not a file beside it")


@pytest.mark.parametrize(
    "index",
    ["{}", "[]", '{"weight_map": {}}', '{"weight_map": []}', '{"weight_map": null}', '{"weight_map": "model"}'],
)
def test_an_index_without_a_map(tmp_path, index):
    (tmp_path / "model.safetensors.index.json").write_text(index)
    refused(tmp_path, tmp_path / "model.safetensors.index.json")


@pytest.mark.parametrize(
    "index", ['{"weight_map": {"a": 3}}', '{"weight_map": {"a": null}}', '{"weight_map": {"a": []}}']
)
def test_an_index_that_names_no_files(tmp_path, index):
    (tmp_path / "model.safetensors.index.json").write_text(index)
    refused(tmp_path, tmp_path)


NO_JSON = {
    "empty": b"",
    "cut off": b'{"vocab_size": 30',
    "html": b"<html>",
    "not UTF-8": b'{"a": "\xff\xfe"}',
    "binary": bytes(range(256)),
    "deep": b"[" * 200_000,
    "endless number": b'{"a": ' + b"9" * 10_000 + b"}",
}


@pytest.mark.parametrize("content", NO_JSON.values(), ids=NO_JSON.keys())
def test_no_json(tmp_path, content):
    for name in ("config.json", "model.safetensors.index.json"):
        (tmp_path / name).write_bytes(content)
    with pytest.raises(CheckpointError) as caught:
        read_config(tmp_path)
    assert str(tmp_path / "config.json") in str(caught.value)
    assert "\n" not in str(caught.value)
    refused(tmp_path, tmp_path / "model.safetensors.index.json")


@pytest.mark.parametrize("content", ["[]", "3", '"config"', "null"])
def test_json_but_no_object(tmp_path, content):
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(CheckpointError, match=r"config\.json: must be a JSON object"):
        read_config(tmp_path)


def test_no_config(tmp_path):
    with pytest.raises(CheckpointError, match=r"config\.json is missing") as caught:
        read_config(tmp_path)
    assert str(tmp_path) in str(caught.value)


def test_a_folder_called_config(tmp_path):
    (tmp_path / "config.json").mkdir()
    with pytest.raises(CheckpointError, match="is a pipe, a device, a folder or a broken link"):
        read_config(tmp_path)


def test_a_config_is_read_as_it_is(tmp_path):
    content = {"vocab_size": 3, "id2label": {"0": "größer"}, "nested": {"a": [1, 2.5, None]}}
    (tmp_path / "config.json").write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
    assert read_config(tmp_path) == content
