"""Tiny valid checkpoints of every kind, and mutations of bytes and JSON for files of any format.

Mutations made for the reader of one format (pickle, zip, index) are in `fuzz_hostile`.
"""

import copy
import dataclasses
import functools
import importlib.util
import io
import json
import struct
import tempfile
import warnings
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random
from typing import Any

import google_crc32c
import torch
from safetensors.torch import load_file, save_file

from benchmarks import record
from benchmarks.fuzz_text import OLDER
from minitf.bert import Bert, BertConfig
from minitf.checkpoints.renaming import TENSORFLOW
from minitf.checkpoints.save import save
from minitf.text.learned_vocabulary import learn_vocabulary
from minitf.text.tokenizer import Tokenizer
from minitf.transformer import (
    DecoderConfig,
    DecoderModel,
    EncoderDecoder,
    EncoderDecoderConfig,
    Vit,
    VitConfig,
)

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "the", "film", "was", "good", "bad", "##ly", "##s", ",", "."]
MARKER = "executed"  # the file that every payload would create
STEM = "bert_model.ckpt"
INDEX, SHARD = f"{STEM}.index", f"{STEM}.data-00000-of-00001"

Files = dict[str, bytes]
Bases = dict[str, Files]  # a checkpoint's layout -> its files; a zip is one file
Mutation = Callable[[Random, bytes, bytes], bytes]  # of a file; the second file, of the same kind, is for splicing


def write(folder: Path, layers: int = 1) -> Bases:
    """Write a model in every layout below `folder`; `layers` also seeds its random weights."""
    vocabulary = [*WORDS, *(f"more{i}" for i in range(layers))]
    tokenizer = Tokenizer.from_vocabulary("\n".join(vocabulary).encode(), "fuzz")
    sizes = {"hidden_size": 8, "num_attention_heads": 2, "intermediate_size": 12, "max_position_embeddings": 8}
    config = BertConfig(len(vocabulary), num_hidden_layers=layers, **sizes, labels=("no", "yes", "perhaps"))
    save(_random_model(config, "classification"), tokenizer, folder / "whole")
    tensors, lines = load_file(folder / "whole" / "model.safetensors"), "\n".join(vocabulary) + "\n"
    for layout in ("plain", "sharded", "bin", "legacy", "google"):
        (folder / layout).mkdir()
        (folder / layout / "vocab.txt").write_text(lines)
        if layout != "google":
            (folder / layout / "config.json").write_bytes((folder / "whole" / "config.json").read_bytes())
    save_file(tensors, folder / "plain" / "model.safetensors")
    for number, names in enumerate((list(tensors)[::2], list(tensors)[1::2]), 1):
        save_file({n: tensors[n] for n in names}, folder / "sharded" / f"model-{number:05d}-of-00002.safetensors")
    places = {name: f"model-{i % 2 + 1:05d}-of-00002.safetensors" for i, name in enumerate(tensors)}
    (folder / "sharded" / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))
    for layout, new in (("bin", True), ("legacy", False)):
        torch.save(tensors, folder / layout / "pytorch_model.bin", _use_new_zipfile_serialization=new)
    model = _random_model(dataclasses.replace(config, labels=()), "pretraining")
    bundles().write(folder / "google" / STEM, google_tensors(model))
    numbers = sizes | {"vocab_size": len(vocabulary), "num_hidden_layers": layers}
    (folder / "google" / "bert_config.json").write_text(json.dumps(numbers))
    write_others(folder, layers)
    bases = _read(folder)
    return bases | {"zip": {"google.zip": zipped(bases["google"], "uncased/")}}


def write_others(folder: Path, layers: int) -> None:
    """Write a small model of every kind that is no BERT, with a tokenizer where it has one.

    "marian older" and so on have the tokenizer files that were written before tokenizer.json.
    """
    tokenizer = learn_vocabulary([" ".join(WORDS)], 300, ends=True)
    N, pad, end = tokenizer.vocab_size, tokenizer.pad_id, tokenizer.end_id
    for layout in ("marian", "t5", "gpt2"):
        save(_redrawn(_other_model(layout, N, pad, end, layers), layers), tokenizer, folder / layout)
        older = folder / f"{layout} older"
        older.mkdir()
        ids = OLDER[layout](older, layers)
        save(_redrawn(_other_model(layout, *ids, layers), layers), None, folder / "without")
        for file in (folder / "without").iterdir():
            file.rename(older / file.name)
        (folder / "without").rmdir()
    vit = VitConfig(8, layers, 2, 12, image_size=4, patch_size=2, labels=("a", "b"))
    save(_redrawn(Vit(vit, "classification"), layers), None, folder / "vit")


def _other_model(layout: str, N: int, pad: int, end: int, layers: int) -> Any:
    ids: dict[str, Any] = {"pad_token_id": pad, "decoder_start_token_id": pad, "eos_token_id": end}
    sizes = (N, 8, layers, layers, 2, 2, 12, 12)
    relative = {"relative_attention_num_buckets": 8, "relative_attention_max_distance": 9, "d_kv": 3}
    relative |= {"scale_embedding": False, "max_position_embeddings": None}
    relative |= {"attention_dropout": 0.1, "activation_dropout": 0.1}
    rules = {"num_beams": 4, "bad_words_ids": [[pad]], "max_length": 20}
    if layout == "gpt2":
        return DecoderModel(DecoderConfig(N, 16, 8, layers, 2, bos_token_id=end, eos_token_id=end))
    own = {"generation": rules} if layout == "marian" else relative
    return EncoderDecoder(EncoderDecoderConfig(*sizes, **ids, **own, model_type=layout))


def _random_model(config: BertConfig, head: str) -> Bert:
    return _redrawn(Bert(config, head), config.num_hidden_layers)


def _redrawn(model: Any, seed: int) -> Any:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.randn(p.shape, generator=generator))
    return model


def google_tensors(model: Bert) -> dict[str, Any]:
    """The tensors under Google's names for the writer of the tests; kernels are transposed."""
    tensors = {}
    for name, p in model.named_parameters():
        theirs = TENSORFLOW.official_name(name, model.head_name)
        value = p.detach().T if theirs.endswith("kernel") else p.detach()
        tensors[theirs] = bundles().Raw("float32", tuple(value.shape), value.contiguous().numpy().tobytes())
    return tensors


@functools.cache
def bundles() -> Any:
    """The tests' writer of TensorFlow files, independent of minitf's reader; here with a faster checksum."""
    spec = importlib.util.spec_from_file_location("fuzz_bundles", record.ROOT / "tests/support/tensor_bundles.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.crc32c = google_crc32c.value  # type: ignore[attr-defined]
    return module


def zipped(files: Files | Iterable[tuple[str, bytes]], inside: str, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip, the same bytes each time; `inside` is put before each name. Pairs can have a name twice."""
    out = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(out, "w") as archive:
        warnings.simplefilter("ignore")  # the library warns of duplicate names
        for name, content in files.items() if isinstance(files, dict) else files:
            archive.writestr(zipfile.ZipInfo(inside + name), content, compression)
    return out.getvalue()


def unzipped(content: bytes) -> Files:
    """The files by their names below the first folder."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name.partition("/")[2]: archive.read(name) for name in archive.namelist()}


def put(folder: Path, files: Files) -> None:
    folder.mkdir(parents=True)
    for name, content in files.items():
        (folder / name).write_bytes(content)


def write_bases(folder: Path) -> None:
    """Write the valid checkpoints, two of each layout, for `read_bases`."""
    for layers in (1, 2):
        with tempfile.TemporaryDirectory() as written:
            for layout, files in write(Path(written), layers).items():
                put(folder / str(layers) / layout, files)


def read_bases(folder: Path) -> tuple[Bases, Bases]:
    return _read(folder / "1"), _read(folder / "2")


def _read(folder: Path) -> Bases:
    return {layout.name: {f.name: f.read_bytes() for f in sorted(layout.iterdir())} for layout in folder.iterdir()}


# Bytes ----------------------------------------------------------------------------------------------------------------

_NUMBERS = (0, 1, 2**7, 2**8 - 1, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**63 - 1, 2**63, 2**64 - 1)


def mutated_bytes(rng: Random, content: bytes, other: bytes) -> bytes:
    """Apply a few changes."""
    for _ in range(rng.choice((1, 1, 1, 2, 5))):
        content = rng.choice(_CHANGES)(rng, content, other)
    return content


def _flips(rng: Random, content: bytes, other: bytes) -> bytes:
    changed = bytearray(content)
    for _ in range(rng.choice((1, 1, 2, 8, 64)) if changed else 0):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _run(rng: Random, content: bytes, other: bytes) -> bytes:
    at, size = _stretch(rng, content)
    return content[:at] + rng.choice((b"\0", b"\xff", b"\x80", b" ", b"A")) * size + content[at + size :]


def _inserted(rng: Random, content: bytes, other: bytes) -> bytes:
    at = rng.randint(0, len(content))
    return content[:at] + rng.randbytes(rng.choice((1, 2, 8, 200))) + content[at:]


def _deleted(rng: Random, content: bytes, other: bytes) -> bytes:
    at, size = _stretch(rng, content)
    return content[:at] + content[at + size :]


def _cut(rng: Random, content: bytes, other: bytes) -> bytes:
    at = rng.randint(0, len(content))
    return rng.choice((content[:at], content[:at], content[at:]))


def _doubled(rng: Random, content: bytes, other: bytes) -> bytes:
    at, size = _stretch(rng, content)
    return content[: at + size] + content[at : at + size] * rng.choice((1, 1, 3)) + content[at + size :]


def _spliced(rng: Random, content: bytes, other: bytes) -> bytes:
    return content[: rng.randint(0, len(content))] + other[rng.randint(0, len(other)) :]


def _numbered(rng: Random, content: bytes, other: bytes) -> bytes:
    """Write an extreme number in one of the encodings that file formats use."""
    number = rng.choice(_NUMBERS)
    written = rng.choice(
        [struct.pack(kind, number % 256 ** struct.calcsize(kind)) for kind in ("<H", "<I", "<Q", ">I")]
        + [bundles().varint(number)]
    )
    at = rng.randint(0, len(content))
    return content[:at] + written + content[at + rng.choice((0, len(written), len(written))) :]


def _stretch(rng: Random, content: bytes) -> tuple[int, int]:
    at = rng.randint(0, len(content))
    return at, min(len(content) - at, rng.choice((1, 4, 32, 256)))


_CHANGES: tuple[Mutation, ...] = (_flips, _run, _inserted, _deleted, _cut, _doubled, _spliced, _numbered)


# JSON -----------------------------------------------------------------------------------------------------------------

_VALUES = (
    None,
    True,
    False,
    0,
    1,
    -1,
    2,
    3,
    2**16,
    2**24,
    2**31,
    2**63,
    -(2**63),
    10**30,
    0.5,
    -0.0,
    1e-300,
    1e39,
    1e308,
)
_VALUES += ("", "bert", "distilbert", "roberta", "relu", "..", "../x", "/etc/passwd", "a\0b", "x" * 300, "é", "\ud800")
_VALUES += ([], {}, [[]], {"0": None}, {"a": {"b": 1}}, ["BertForMaskedLM"], [0, 2**62], [2**32, 2**32], [-1])
# JSON that `json.dumps` does not write, by its placeholder.
_RAW = {
    "~inf~": "1e999",
    "~nan~": "NaN",
    "~digits~": "1" * 5000,
    "~large~": "1" + "0" * 400,
    "~wide~": "[" + "0," * 30_000 + "0]",
    "~long~": '"' + "x" * 70_000 + '"',
    "~deep~": "[" * 100_000 + "]" * 100_000,
} | {f"~{depth} deep~": "[" * depth + "]" * depth for depth in range(800, 1000, 5)}


def mutated_json(rng: Random, content: bytes, other: bytes = b"{}") -> bytes:
    """Change, add, delete, rename or double some fields of a JSON text."""
    parsed = json.loads(content)
    for _ in range(rng.choice((1, 1, 2, 4))):
        _mutate_field(rng, parsed, json.loads(other))
    text = json.dumps(parsed)
    for placeholder, raw in _RAW.items():
        text = text.replace(f'"{placeholder}"', raw, 1)
    if rng.random() < 0.05:  # a second field of the same name
        text = text.replace("{", "{" + rng.choice([f'"{key}": 1, ' for key in json.loads(content)] or [""]), 1)
    return text.encode("utf-8", "surrogatepass")


def _mutate_field(rng: Random, tree: Any, other: Any) -> None:
    """Mutate one field of `tree` or of an object or list inside it."""
    while True:
        keys = list(tree) if isinstance(tree, dict) else range(len(tree))
        deeper = [tree[key] for key in keys if isinstance(tree[key], dict | list)]
        if not deeper or rng.random() < 0.4:
            break
        tree = rng.choice(deeper)
    key = rng.choice(list(keys)) if keys else None
    value = copy.deepcopy(rng.choice((*_VALUES, *_RAW)))
    if isinstance(tree, list):
        rng.choice((lambda: tree.append(value), lambda: key is not None and tree.__setitem__(key, value), tree.clear))()
    elif key is None or rng.random() < 0.1:
        tree[rng.choice(("", "new", "\ud800", "x" * 300, "auto_map", "num_labels", "id2label", "weight_map"))] = value
    elif rng.random() < 0.2:
        tree[rng.choice(("new", *map(str, keys)))] = tree.pop(key)
    elif rng.random() < 0.1:
        del tree[key]
    elif isinstance(tree[key], int) and rng.random() < 0.5:
        tree[key] += rng.choice((-1, 1, 8, 2**16, 2**40))
    else:
        tree[key] = other[key] if isinstance(other, dict) and key in other and rng.random() < 0.2 else value
