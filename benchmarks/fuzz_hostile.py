"""Hostile files that pass a reader's first checks; and the table of file kinds with their mutations.

Headers with correct lengths, index entries with correct checksums, rewritten zips, pickles changed instruction by
instruction, pickles that call what no checkpoint needs.
"""

import base64
import dataclasses
import functools
import json
import struct
import zipfile
from pathlib import Path
from random import Random
from typing import Any

import cramjam
import google_crc32c
import torch

from benchmarks.fuzz_files import (
    INDEX,
    MARKER,
    SHARD,
    Bases,
    Files,
    Mutation,
    bundles,
    mutated_bytes,
    mutated_json,
    unzipped,
    zipped,
)
from benchmarks.fuzz_messages import merge_lines, messages
from benchmarks.fuzz_pickles import instructions, payload, records
from minitf.checkpoints.load import STORED_HEAD
from minitf.checkpoints.sstable import read_table


@dataclasses.dataclass(frozen=True)
class Kind:
    """One kind of file: the layout it belongs to, and its mutations."""

    layout: str
    file: str
    mutations: tuple[Mutation, ...]
    no_weights: bool = False  # the file has none, so its mutations change none
    checksums: bool = False  # the file has checksums; only the mutations after the first recompute them


@dataclasses.dataclass(frozen=True)
class Case:
    """A checkpoint with one mutated file."""

    kind: str
    how: str
    head: str | None  # to load
    files: Files
    weights_must_match: bool  # if it loads, its weights must be the original ones


def case(seed: int | str, number: int, bases: tuple[Bases, Bases]) -> Case:
    """The case of this seed and number, always the same; the kinds take turns."""
    kind = tuple(KINDS)[number % len(KINDS)]
    return draw_case(kind, Random(f"{seed} {number}"), bases)


def draw_case(kind: str, rng: Random, bases: tuple[Bases, Bases]) -> Case:
    """Draw a case of this kind."""
    k = KINDS[kind]
    own, other = (base[k.layout] for base in bases)
    mutation = rng.choice(k.mutations)
    changed = mutation(rng, own[k.file], other[k.file])
    head = rng.choice((*[STORED_HEAD] * 4, None, "masked-lm", "classification", "qa"))
    must_match = k.no_weights or (k.checksums and mutation is mutated_bytes)
    return Case(kind, mutation.__name__.strip("_"), head, own | {k.file: changed}, must_match)


# safetensors ----------------------------------------------------------------------------------------------------------


def header(rng: Random, content: bytes, other: bytes) -> bytes:
    """Change fields of the header; its stated length is correct, or wrong on purpose."""
    size = int.from_bytes(content[:8], "little")
    text = mutated_json(rng, content[8 : 8 + size]) + b" " * rng.choice((0, 0, 3))
    stated = len(text) if rng.random() < 0.9 else rng.choice((0, 1, 2**20, 10**8, 2**40, 2**63, 2**64 - 1))
    return struct.pack("<Q", stated) + text + content[8 + size :]


def dtypes(rng: Random, content: bytes, other: bytes) -> bytes:
    """Change number types; offsets and data are adapted to the shapes."""
    size = int.from_bytes(content[:8], "little")
    parsed = json.loads(content[8 : 8 + size])
    kinds = ("F64", "F16", "BF16", "F8_E4M3", "F8_E5M2", "F8_E8M0", "F6_E2M3", "F4", "I64", "U8", "BOOL", "C64")
    at = 0
    for name in sorted(set(parsed) - {"__metadata__"}):
        kind, row = rng.choice((*kinds, "F32", "F32")), parsed[name]
        bits = {"F64": 64, "F32": 32, "F16": 16, "BF16": 16, "I64": 64, "C64": 64, "F4": 4, "F6_E2M3": 6}.get(kind, 8)
        end = at + (int(bits * torch.Size(row["shape"]).numel()) + 7) // 8
        parsed[name], at = row | {"dtype": kind, "data_offsets": [at, end]}, end
    text = json.dumps(parsed).encode()
    return struct.pack("<Q", len(text)) + text + (content[8 + size :] * 3)[:at]


# A TensorFlow index with correct checksums ----------------------------------------------------------------------------


def entries(rng: Random, content: bytes, other: bytes) -> bytes:
    """Change keys and entries one by one, in a valid table."""
    pairs = _pairs(content)
    for _ in range(rng.choice((1, 1, 2, 4))):
        i = rng.randrange(len(pairs))
        key, value = pairs[i]
        change = rng.choice(("field", "field", "field", "bytes", "key", "drop", "twice", "swap"))
        if change == "drop" and len(pairs) > 1:
            del pairs[i]
        elif change == "twice":
            pairs.insert(i, (key + rng.choice((b"", b"\0", b"/x", b"\xff")), value))
        elif change == "swap":
            pairs[i] = key, rng.choice(pairs)[1]
        elif change == "key":
            odd = (b"", b"\0" + key + b"\0\1", b"a/.ATTRIBUTES/b", b"\xff\xfe", b"k" * 5000, key[:-1], key + b"/adam_m")
            pairs[i] = rng.choice(odd), value
        elif change == "bytes":
            pairs[i] = key, mutated_bytes(rng, value, b"")
        else:
            pairs[i] = key, value + _field(rng)
    pairs = pairs if rng.random() < 0.2 else sorted(pairs)
    per_block, interval = rng.choice((10**9, 3)), rng.choice((16, 1))
    table: bytes = bundles().table_of(pairs, per_block, snappy=rng.random() < 0.3, interval=interval)
    return table


def _field(rng: Random) -> bytes:
    """A field of an entry or of the header; of duplicate fields the last one counts."""
    number = rng.choice((0, 1, 2, 3, 14, 19, 20, 23, 99, 2**16, 2**31, 2**32, 2**40, 2**62, 2**63, 2**64 - 1))
    field, which = bundles().field, rng.choice((1, 1, 2, 2, 3, 4, 5, 6, 7, 9))
    if which == 2:
        axes = [rng.choice((number, 0, 1, 3, 2**16, 2**31)) for _ in range(rng.choice((0, 1, 2, 65)))]
        shape: bytes = field(2, b"".join(field(2, field(1, axis)) for axis in axes) + rng.choice((b"", field(3, 1))))
        return shape
    written: bytes = field(which, number)
    return rng.choice((written, written, written, field(which, b"x" * rng.choice((0, 3, 200)))))


def blocks(rng: Random, content: bytes, other: bytes) -> bytes:
    """Change a block or its compressed form, with a correct checksum; or write invalid handles."""
    pairs = _pairs(content)
    body = bundles().contents(pairs, rng.choice((16, 2)))
    kind = rng.choice((0, 0, 1, 1, 2, 255))
    if rng.random() < 0.7:
        body = mutated_bytes(rng, body, content)
    if kind == 1:
        body = bytes(cramjam.snappy.compress_raw(body)) if rng.random() < 0.9 else body
        body = mutated_bytes(rng, body, content) if rng.random() < 0.5 else body
        body = bundles().varint(rng.choice((2**22, 2**31, 2**32 - 1))) + body[2:] if rng.random() < 0.2 else body
    varint, out = bundles().varint, b""
    handles = []
    for part, compression in ((body, kind), (bundles().contents([]), 0)):
        handles.append(varint(len(out)) + varint(len(part)))
        out += part + bytes([compression]) + struct.pack("<I", _masked(part + bytes([compression])))
    listed = [(pairs[-1][0] + b"\xff", rng.choice((handles[0], handles[0], varint(2**63) + varint(7), b"")))]
    if rng.random() < 0.2:
        listed *= 3
    index = bundles().contents(listed)
    handle = varint(len(out)) + varint(len(index))
    out += index + b"\0" + struct.pack("<I", _masked(index + b"\0"))
    return out + (handles[1] + handle).ljust(40, b"\0") + struct.pack("<Q", 0xDB4775248B80FB57)


def _masked(data: bytes) -> int:
    crc = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17 & 0xFFFFFFFF) + 0xA282EAD8) % 2**32


def _pairs(index: bytes) -> list[tuple[bytes, bytes]]:
    return list(read_table(index))


# Google's zip ---------------------------------------------------------------------------------------------------------


def members(rng: Random, content: bytes, other: bytes) -> bytes:
    """Rewrite the zip with other names, bombs, duplicate names or other compressions."""
    files = {name: text for name, text in unzipped(content).items() if name}
    name = rng.choice(list(files))
    change = rng.choice(("rename", "bomb", "twice", "method", "drop", "inside", "bytes", "json", "more"))
    method = zipfile.ZIP_DEFLATED
    if change == "rename":
        odd = (
            "../../" + MARKER,
            "/tmp/" + MARKER,
            "..",
            ".index",
            "a\\b.index",
            "x\ny.index",
            "é.index",
            "\ud7ff.index",
        )
        files[rng.choice(odd)] = files.pop(name) if rng.random() < 0.5 else files[name]
    elif change == "bomb":
        return _bomb(
            rng.choice(("vocab.txt", "bert_config.json")),
            rng.choice((zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA)),
            content,
        )
    elif change == "method":
        method = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA))
    elif change == "drop":
        del files[name]
    elif change == "bytes":
        files[name] = mutated_bytes(rng, files[name], other)
    elif change == "json":
        files["bert_config.json"] = mutated_json(rng, files["bert_config.json"])
    elif change == "more":
        files |= {f"{i}": b"" for i in range(500)}
    again = zipped(files, rng.choice(("", "../", "/", "a/b/")) if change == "inside" else "uncased/", method)
    if change == "twice":
        again = zipped(files | {"zz": b""}, "uncased/").replace(
            b"uncased/zz", f"uncased/{name}".encode()[:10].ljust(10)
        )
    return again


@functools.cache
def _bomb(name: str, method: int, content: bytes) -> bytes:
    files = {inside: text for inside, text in unzipped(content).items() if inside}
    return zipped(files | {name: b" " * (80 << 20)}, "uncased/", method)


def directory(rng: Random, content: bytes, other: bytes) -> bytes:
    """Change a field of the zip's own records: sizes, offsets, method, flags, names."""
    changed = bytearray(content)
    starts = [
        i for mark in (b"PK\1\2", b"PK\3\4", b"PK\5\6") for i in range(len(content)) if content.startswith(mark, i)
    ]
    for _ in range(rng.choice((1, 1, 2))):
        at = rng.choice(starts) + rng.choice((4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, 34, 38, 42))
        size = rng.choice((1, 2, 4))
        number = rng.choice((0, 1, 8, 9, 12, 14, 99, 2**11 + 1, 2**16 - 1, 2**31, 2**32 - 1)) % 256**size
        changed[at : at + size] = number.to_bytes(size, "little")
    return bytes(changed)


# Tokenizers -----------------------------------------------------------------------------------------------------------


def words(rng: Random, content: bytes, other: bytes) -> bytes:
    """Put unusual lines into a vocabulary."""
    lines = content.splitlines(keepends=True)
    odd = (
        b"",
        b"\n",
        b"\0\n",
        b"\xff\xfe\n",
        b"\xef\xbb\xbf\n",
        b"\xed\xa0\x80\n",
        b"[UNK]\n",
        b" \n",
        b"\r\n",
        b"\r\r\n",
    )
    odd += (
        b"x" * 100_000 + b"\n",
        b"\n" * 10_000,
        "\u2028\x85\n".encode(),
        b"##\n",
        b"[PAD]\r[PAD]\n",
        b"a b\tc\n",
        lines[0],
    )
    for _ in range(rng.choice((1, 1, 3))):
        at = rng.randint(0, len(lines))
        lines[at : at + rng.choice((0, 1, 1, 5))] = [rng.choice(odd)]
    rng.random() < 0.1 and rng.shuffle(lines)
    return b"".join(lines)


def tokenizers(rng: Random, content: bytes, other: bytes) -> bytes:
    """Write a tokenizer.json with another model or inconsistent parts; sometimes change its fields too."""
    parsed = json.loads(content)
    ids = parsed["model"]["vocab"]
    charsmap = base64.b64encode(rng.randbytes(rng.choice((0, 4, 40)))).decode()
    scores = [[word, rng.choice((0.0, -3.5, -1e308, 1e308))] for word in ids]
    regex = {"Regex": rng.choice(("(" * 300, "a{1,1000}" * 9, "((a{1,1000}){1,1000}){1,1000}", "", "\\p{", "(a|a)*b"))}
    pieces = [{"Sequence": {"id": rng.choice("AB"), "type_id": rng.choice((0, 1, 2**32 - 1))}}] * rng.choice((0, 1, 3))
    added = {"content": rng.choice(("", "a", "zz", "[UNK]")), "special": True, "normalized": False}
    added |= {"single_word": False, "lstrip": False, "rstrip": False, "id": rng.choice((0, 99, 10**7, 2**32 - 1))}
    parts: tuple[tuple[str, Any], ...] = (
        ("model", {"type": "Unigram", "unk_id": rng.choice((0, 99, None, -1)), "vocab": scores}),
        ("model", {"type": "BPE", "vocab": ids, "merges": rng.choice(([], ["a b"], ["th e"], [["##l", "y"]]))}),
        ("model", {"type": "BPE", "vocab": ids | {"a": 90, "b": 91, "ab": 92, "aé": 93}, "merges": ["a b", "a é"]}
         | {"continuing_subword_prefix": rng.choice(("", "##", "ééé")), "unk_token": "[UNK]"}),
        ("model", {"type": "WordLevel", "vocab": ids, "unk_token": rng.choice(("[UNK]", "none", ""))}),
        ("model", parsed["model"] | {"vocab": rng.choice(({}, {"a": 0}, ids | {"z": 2**32 - 1}, ids | {"z": 10**7}))}),
        ("model", parsed["model"] | {"max_input_chars_per_word": rng.choice((0, 2**64 - 1)), "unk_token": "none"}),
        ("normalizer", {"type": "Precompiled", "precompiled_charsmap": charsmap}),
        ("normalizer", {"type": "Replace", "pattern": regex, "content": "x"}),
        ("pre_tokenizer", {"type": "Split", "pattern": regex, "behavior": "Isolated", "invert": False}),
        ("pre_tokenizer", {"type": "ByteLevel", "add_prefix_space": True, "trim_offsets": True, "use_regex": True}),
        ("post_processor", {"type": "TemplateProcessing", "single": pieces, "pair": pieces, "special_tokens": {}}),
        ("post_processor", {"type": "BertProcessing", "sep": ["[SEP]", 99], "cls": ["[CLS]", 2**32 - 1]}),
        ("decoder", {"type": "Strip", "content": "a", "start": 2**63, "stop": 1}),
        ("added_tokens", [*parsed["added_tokens"], added]),
        ("padding", {"strategy": {"Fixed": 2**40}, "direction": "Right", "pad_to_multiple_of": 0, "pad_id": 0}
         | {"pad_type_id": 0, "pad_token": "[PAD]"}),
        ("truncation", {"direction": "Left", "max_length": 1, "strategy": "OnlySecond", "stride": 2**62}),
    )  # fmt: skip
    for _ in range(rng.choice((1, 1, 2))):
        name, part = rng.choice(parts)
        parsed[name] = part
    again = json.dumps(parsed).encode()
    return mutated_json(rng, again, content) if rng.random() < 0.4 else again


KINDS: dict[str, Kind] = {
    "config.json": Kind(
        "plain", "config.json", (mutated_bytes, mutated_json, mutated_json, mutated_json), no_weights=True
    ),
    "bert_config.json": Kind(
        "google", "bert_config.json", (mutated_bytes, mutated_json, mutated_json), no_weights=True
    ),
    "safetensors": Kind("plain", "model.safetensors", (mutated_bytes, header, header, dtypes)),
    "shard": Kind("sharded", "model-00002-of-00002.safetensors", (mutated_bytes, header)),
    "index of shards": Kind("sharded", "model.safetensors.index.json", (mutated_bytes, mutated_json), no_weights=True),
    "bin": Kind("bin", "pytorch_model.bin", (mutated_bytes, payload, instructions, records, directory)),
    "bin, legacy": Kind("legacy", "pytorch_model.bin", (mutated_bytes, payload, instructions)),
    "TensorFlow index": Kind("google", INDEX, (mutated_bytes, entries, blocks), checksums=True),
    "TensorFlow data": Kind("google", SHARD, (mutated_bytes,), checksums=True),
    "zip": Kind("zip", "google.zip", (mutated_bytes, members, directory), checksums=True),
    "vocab.txt": Kind("plain", "vocab.txt", (mutated_bytes, words), no_weights=True),
    "tokenizer.json": Kind(
        "whole", "tokenizer.json", (mutated_bytes, mutated_json, *[tokenizers] * 2), no_weights=True
    ),
    "tokenizer_config.json": Kind("whole", "tokenizer_config.json", (mutated_bytes, mutated_json), no_weights=True),
    **{
        f"{layout} config.json": Kind(
            layout, "config.json", (mutated_bytes, mutated_json, mutated_json, mutated_json), no_weights=True
        )
        for layout in ("marian", "t5", "gpt2", "vit")
    },
    **{
        f"{layout} safetensors": Kind(layout, "model.safetensors", (mutated_bytes, header, header, dtypes))
        for layout in ("marian", "gpt2")
    },
    "marian source.spm": Kind("marian older", "source.spm", (mutated_bytes, messages, messages), no_weights=True),
    "marian vocab.json": Kind("marian older", "vocab.json", (mutated_bytes, mutated_json), no_weights=True),
    "t5 spiece.model": Kind("t5 older", "spiece.model", (mutated_bytes, messages, messages), no_weights=True),
    "gpt2 vocab.json": Kind("gpt2 older", "vocab.json", (mutated_bytes, mutated_json), no_weights=True),
    "gpt2 merges.txt": Kind("gpt2 older", "merges.txt", (mutated_bytes, merge_lines), no_weights=True),
    "generation_config.json": Kind(
        "marian", "generation_config.json", (mutated_bytes, mutated_json, mutated_json), no_weights=True
    ),
}


def source(folder: Path, kind: str) -> Path:
    """The path to load: the folder, or the zip in it."""
    return folder / "google.zip" if KINDS[kind].layout == "zip" else folder
