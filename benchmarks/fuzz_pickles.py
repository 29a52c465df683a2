"""Hostile PyTorch pickles: unexpected objects, changed instructions, and rewritten zip records."""

import functools
import io
import itertools
import os
import pickle
import pickletools
import subprocess
import warnings
import zipfile
from pathlib import Path
from random import Random
from typing import Any

import torch

from benchmarks.fuzz_files import MARKER, mutated_bytes, unzipped, zipped


class Call:
    """An object that calls a function when it is unpickled."""

    def __init__(self, function: Any, *arguments: Any):
        self._reduced = function, arguments

    def __reduce__(self) -> Any:
        return self._reduced


@functools.cache
def payloads() -> tuple[tuple[Any, ...], ...]:
    """Objects that no table of tensors has: code, huge and unusual objects, tensors without their own data."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch warns that some of these are prototypes
        quantized = torch.quantize_per_tensor(torch.ones(8), 0.1, 0, torch.qint8)
        csr = torch.eye(8).to_sparse_csr()
        nested = torch.nested.nested_tensor([torch.ones(2), torch.ones(3)])
    code = f"__import__('pathlib').Path({MARKER!r}).touch()"
    return (
        (Call(os.system, f"touch {MARKER}"), Call(eval, code), Call(exec, code), Call(Path.touch, Path(MARKER))),
        (Call(subprocess.call, ["touch", MARKER]), Call(Path.write_bytes, Path(MARKER), b""), Call(print)),
        (Call(bytearray, 2**33), Call(torch.empty, 2**33), Call(torch.Size, [2**62]), Call(set, [1]), 1j, b"x" * 9),
        (quantized, csr, nested, torch.eye(8).to_sparse(), torch.ones(8, device="meta"), torch.ones(8).to_mkldnn()),
        (torch.zeros(1).expand(2**40), torch.zeros(1).expand(2**33), torch.zeros(9).as_strided((4, 4), (1, 1))),
        (torch.ones(8, dtype=torch.complex64), torch.ones(8).bool(), torch.ones(8).to(torch.float8_e5m2), None, "x"),
        (torch.arange(8), torch.zeros(0), torch.ones(8).double(), torch.ones(8).half(), torch.nn.Parameter()),
        ([], {}, {"a": {}}, torch.UntypedStorage(8), torch.float32, torch.device("cpu"), Random(0), 2**200, 0.5, True),
    )  # fmt: skip


def payload(rng: Random, content: bytes, other: bytes) -> bytes:
    """Replace one tensor of the table, or the whole table, by another object."""
    tensors = torch.load(io.BytesIO(content), weights_only=True)
    odd = rng.choice(rng.choice(payloads()))
    if rng.random() < 0.2:
        tensors = odd
    elif rng.random() < 0.2:
        tensors[rng.choice((1, None, ("a",), "\ud800", "x" * 300, "bert.embeddings.position_ids"))] = odd
    else:
        tensors[rng.choice(list(tensors))] = odd
    out = io.BytesIO()
    try:
        torch.save(tensors, out, _use_new_zipfile_serialization=content.startswith(b"PK"))
    except Exception:  # not every object can be saved in both formats
        return pickle.dumps(odd, rng.choice((0, 2, 4))) if isinstance(odd, Call) else content
    return out.getvalue()


def instructions(rng: Random, content: bytes, other: bytes) -> bytes:
    """Change, delete, double or insert some instructions of a pickle; the zip around it is valid."""
    if not content.startswith(b"PK"):
        return _changed_pickle(rng, content, 5)  # one after another
    files = unzipped(content)
    return zipped(files | {"data.pkl": _changed_pickle(rng, files["data.pkl"], 1)}, "archive/", zipfile.ZIP_STORED)


def _changed_pickle(rng: Random, content: bytes, pickles: int) -> bytes:
    at, pieces = 0, []
    for _ in range(pickles):
        opened = io.BytesIO(content[at:])
        starts = [place for _, _, place in pickletools.genops(opened)] + [opened.tell()]
        pieces += [content[at + a : at + b] for a, b in itertools.pairwise(starts)]
        at += starts[-1]
    for _ in range(rng.choice((1, 1, 2, 4))):
        i = rng.randrange(len(pieces))
        numbers = [n for n, piece in enumerate(pieces) if piece[:1] in b"KMJ\x8a"]
        names = [n for n, piece in enumerate(pieces) if piece[:1] == b"c"]
        if rng.random() < 0.4 and numbers:
            pieces[rng.choice(numbers)] = _pickled_number(rng.choice((0, 1, -1, 2**31 - 1, 2**33, 2**40, 2**62, 2**63)))
        elif rng.random() < 0.3 and names:
            pieces[rng.choice(names)] = f"c{rng.choice(_GLOBALS)}\n".encode()
        else:
            change = rng.choice((b"", pieces[i] * 2, pieces[rng.randrange(len(pieces))], rng.choice(_INSTRUCTIONS)))
            pieces[i] = change
    return b"".join(pieces) + content[at:]


_GLOBALS = ("os\nsystem", "posix\nsystem", "builtins\neval", "builtins\nbytearray", "builtins\nset", "_codecs\nencode")
_GLOBALS += ("collections\nCounter", "torch\nSize", "torch\nTensor", "torch\nFloatTensor", "torch.sparse\nFloatTensor")
_GLOBALS += ("torch\nUntypedStorage", "torch.storage\nUntypedStorage", "torch\nBFloat16Storage", "torch\nLongStorage")
_GLOBALS += tuple(
    f"torch._utils\n_rebuild_{what}"
    for what in ("parameter", "parameter_with_state", "qtensor", "sparse_tensor", "meta_tensor_no_storage", "tensor_v3")
)
_GLOBALS += (
    "torch.nn.parameter\nParameter",
    "torch._tensor\n_rebuild_from_type_v2",
    "torch\nBoolStorage",
    "a\nb",
    "\n",
)
_INSTRUCTIONS = (
    b"(",
    b")",
    b"}",
    b"]",
    b"N",
    b"R",
    b"b",
    b"Q",
    b".",
    b"0",
    b"2",
    b"u",
    b"s",
    b"e",
    b"a",
    b"t",
    b"\x85",
)
_INSTRUCTIONS += (
    b"\x81",
    b"]" * 5000,
    b"}" * 5000,
    b"\x85" * 50_000,
    b"(" * 50_000,
    b"r\xff\xff\xff\x7f",
    b"j\0\0\0\x80",
)
_INSTRUCTIONS += (
    b"X\xff\xff\xff\xff",
    b"\x8d" + b"\xff" * 8,
    b"\x8e" + b"\xff" * 8,
    b"\x8b\xff\xff\xff\x7f",
    b"\x95" * 9,
)
_INSTRUCTIONS += (
    b"ios\nsystem\n",
    b"\x8c\x02os\x8c\x06system\x93",
    b"\x82\x01",
    b"\x80\x05",
    b"U\x02\xff\xfe",
    b"\x88" * 999,
)


def _pickled_number(number: int) -> bytes:
    digits = number.to_bytes(9, "little", signed=True)
    return b"\x8a" + bytes([len(digits)]) + digits


def records(rng: Random, content: bytes, other: bytes) -> bytes:
    """Rewrite the zip of a newer `.bin` with other records."""
    files = unzipped(content)
    name = rng.choice(list(files))
    change = rng.choice(("drop", "cut", "grow", "swap", "deflate", "big endian", "bytes", "inside", "version", "zeros"))
    if change == "drop":
        del files[name]
    elif change in ("cut", "grow", "zeros"):
        files[name] = {"cut": files[name][:-1], "grow": files[name] * 2, "zeros": bytes(1 << 20)}[change]
    elif change == "swap":
        files[name] = files[rng.choice(list(files))]
    elif change == "big endian":
        files["byteorder"] = rng.choice((b"big", b"middle", b"\xff"))
    elif change == "bytes":
        files[name] = mutated_bytes(rng, files[name], b"")
    elif change == "version":
        files["version"] = files[".format_version"] = rng.choice((b"", b"99999999999", b"\0", b"-1"))
        files[".storage_alignment"] = rng.choice((b"0", b"-64", b"x", b"9" * 400))
    inside = rng.choice(("", "../", "/", "a/b/", "archive")) if change == "inside" else "archive/"
    return zipped(files, inside, zipfile.ZIP_DEFLATED if change == "deflate" else zipfile.ZIP_STORED)
