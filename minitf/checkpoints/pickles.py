"""PyTorch's own files, read without unpickling: a table of tensors, by the few instructions that write one.

A pickle is a program for a machine with a stack. Here it is followed, but nothing is called and no object is made:
where it calls for a tensor, its arguments say which numbers that is, and whatever else it calls for is refused.

    later format  a zip, nothing in it compressed: NAME/data.pkl, the pickle; NAME/data/KEY, the numbers of a storage
    older format  five pickles: a magic number, two about the format, the table, the keys of its storages; then for
                  each of these the count of its numbers (8 bytes) and the numbers

`torch.load(weights_only=True)` executes no code either. But a file of a few hundred bytes can make it fill gigabytes,
end the process, or give numbers that no file holds.
"""

import io
import math
import pickletools
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor

from minitf.checkpoints import raw
from minitf.checkpoints.places import Archive, Folder, Numbers

LARGEST = 1 << 18  # bytes of the pickles; of a BERT-large, some 400 tensors, they have about 60,000
_ZIP = b"PK\3\4"
_MAGIC = 0x1950A86A20F9469CFC6C
_TYPES = {
    "torch FloatStorage": torch.float32,
    "torch DoubleStorage": torch.float64,
    "torch HalfStorage": torch.float16,
    "torch BFloat16Storage": torch.bfloat16,
    "torch LongStorage": torch.int64,
    "torch IntStorage": torch.int32,
    "torch ShortStorage": torch.int16,
    "torch CharStorage": torch.int8,
    "torch ByteStorage": torch.uint8,
    "torch BoolStorage": torch.bool,
    "torch ComplexFloatStorage": torch.complex64,
    "torch ComplexDoubleStorage": torch.complex128,
}

_Places = dict[str, tuple[int, int]]  # the key of a storage -> where its numbers begin and how many bytes they are


@dataclass(frozen=True)
class _Name:
    """Something that Python would import: its module and name."""

    name: str


@dataclass(frozen=True)
class _Storage:
    key: str
    dtype: torch.dtype
    count: int

    @property
    def size(self) -> int:
        return self.count * self.dtype.itemsize


@dataclass(frozen=True)
class _Part:
    """A tensor: some of a storage's numbers."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def size(self) -> int:
        return math.prod(self.shape) * self.storage.dtype.itemsize


def read_pickle(file: Path) -> Any:
    """What the pickle in `file` holds; a table's tensors are mapped into memory, not copied, where their alignment
    allows.

    Raises ValueError, and whatever else comes of following a damaged file.
    """
    with file.open("rb") as opened:
        later = opened.read(len(_ZIP)) == _ZIP
        opened.seek(0)
        table, places = _later(file, opened) if later else _older(opened)
    if not isinstance(table, dict):
        return table
    parts = {name: part for name, part in table.items() if isinstance(part, _Part)}
    # A storage may serve two tensors, as a tied decoder does; many, or strides of 0, could ask for any amount.
    total = sum(part.size for part in parts.values())
    if total > 2 * file.stat().st_size or any(part.size > part.storage.size for part in parts.values()):
        raise ValueError("its tensors claim more numbers than there are")
    content = Folder(file.parent).numbers(file.name)
    numbers = {storage: _numbers(content, storage, places) for storage in {part.storage for part in parts.values()}}
    return table | {name: numbers[p.storage].as_strided(p.shape, p.strides, p.offset) for name, p in parts.items()}


def _later(file: Path, opened: IO[bytes]) -> tuple[Any, _Places]:
    with Archive(file) as archive:
        records = archive.infolist()
        pickles = [info.filename for info in records if info.filename.endswith("/data.pkl")]
        if len(pickles) != 1 or any(info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1 for info in records):
            raise ValueError("no zip as PyTorch writes it, with one data.pkl and nothing compressed")
        with archive.open(pickles[0]) as pickle:
            table, _ = _followed(io.BytesIO(pickle.read(LARGEST + 1)))
        folder, places = pickles[0].removesuffix("data.pkl"), {}
        for info in records:
            opened.seek(info.header_offset + 26)
            texts = opened.read(4)  # the lengths of two texts before the numbers
            begin = info.header_offset + 30 + int.from_bytes(texts[:2], "little") + int.from_bytes(texts[2:], "little")
            places[info.filename.removeprefix(f"{folder}data/")] = begin, info.file_size
        if f"{folder}byteorder" in archive.namelist():
            with archive.open(f"{folder}byteorder") as order:
                if order.read(8) != b"little":
                    raise ValueError("written on a big-endian machine")
    return table, places


def _older(opened: IO[bytes]) -> tuple[Any, _Places]:
    pickles = io.BytesIO(opened.read(LARGEST))
    if _followed(pickles)[0] != _MAGIC:
        raise ValueError("it does not begin as a file of PyTorch's")
    _, _, (table, storages), (keys, _) = (_followed(pickles) for _ in range(4))
    at, places = pickles.tell(), {}
    for key in keys:
        if not isinstance(key, str) or key not in storages:
            raise ValueError("it has a storage that the table does not name")
        opened.seek(at)
        if int.from_bytes(opened.read(8), "little") != storages[key].count:
            raise ValueError("a storage has not the size that the table says")
        places[key] = at + 8, storages[key].size
        at += 8 + storages[key].size
    return table, places


def _numbers(content: Numbers, storage: _Storage, places: _Places) -> Tensor:
    begin, size = places.get(storage.key, (0, -1))
    if size != storage.size or begin + size > content.size:
        raise ValueError("a storage has not the size that the table says")
    return raw.tensor(content.at(begin, size), begin, storage.dtype)


def _followed(pickle: IO[bytes]) -> tuple[Any, dict[str, _Storage]]:
    """What one pickle leaves on the stack, and every storage that it names, by its key."""
    stack: list[Any] = []
    marks: list[int] = []
    memo: dict[int, Any] = {}
    storages: dict[str, _Storage] = {}

    def popped(n: int | None = None) -> list[Any]:
        """The last `n`, or all since the last mark."""
        at = marks.pop() if n is None else len(stack) - n
        items = stack[at:]
        del stack[at:]
        return items

    instructions: Iterator[tuple[Any, Any, Any]] = pickletools.genops(pickle)
    for opcode, argument, _ in instructions:
        match opcode.name:
            case "PROTO":
                pass
            case "BINUNICODE" | "BININT" | "BININT1" | "BININT2" | "LONG1" | "BINFLOAT":
                stack.append(argument)
            case "NONE" | "NEWTRUE" | "NEWFALSE":
                stack.append({"NEWTRUE": True, "NEWFALSE": False}.get(opcode.name))
            case "EMPTY_DICT":
                stack.append({})
            case "EMPTY_LIST":
                stack.append([])
            case "EMPTY_TUPLE":
                stack.append(())
            case "GLOBAL":
                stack.append(_Name(argument))
            case "BINPUT" | "LONG_BINPUT":
                memo[argument] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(memo[argument])
            case "MARK":
                marks.append(len(stack))
            case "TUPLE":
                stack.append(tuple(popped()))
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                stack.append(tuple(popped(int(opcode.name[-1]))))
            case "APPEND" | "APPENDS":
                items = popped(1 if opcode.name == "APPEND" else None)
                stack[-1].extend(items)
            case "SETITEM" | "SETITEMS":
                items = popped(2 if opcode.name == "SETITEM" else None)
                if not all(isinstance(key, str) for key in items[::2]):
                    raise ValueError("it names a tensor by what is no text")
                stack[-1].update(zip(items[::2], items[1::2], strict=True))
            case "BINPERSID":
                storage = _storage(stack.pop())
                stack.append(storages.setdefault(storage.key, storage))
            case "REDUCE":
                name, arguments = popped(2)
                stack.append(_called(name, arguments))
            case "BUILD":
                stack.pop()  # what hangs on a table besides: of a state_dict, its version
            case "STOP":
                return stack.pop(), storages
            case name:
                raise ValueError(f"it has the instruction {name}, which no table of tensors needs")
    raise ValueError("it does not end")


def _storage(named: Any) -> _Storage:
    match named:
        case ("storage", _Name(name), str(key), str(), int(count), *view) if name in _TYPES and view in ([], [None]):
            return _Storage(key, _TYPES[name], count)
    raise ValueError("it names a storage in a way that minitf does not read")


def _called(name: Any, arguments: Any) -> dict[str, Any] | _Part:
    """What a call would give, if it is one of those that a table of tensors needs."""
    match name, arguments:
        case _Name("collections OrderedDict"), ():
            return {}
        case _Name("torch._utils _rebuild_tensor_v2"), (_Storage() as numbers, int(at), tuple(shape), tuple(steps), *_):
            if all(type(n) is int for n in (*shape, *steps)):
                return _Part(numbers, at, shape, steps)
        case _Name("torch._utils _rebuild_parameter" | "torch._utils _rebuild_parameter_with_state"), (_Part(), *_):
            part: _Part = arguments[0]
            return part
    raise ValueError(f"it calls {name.name if isinstance(name, _Name) else 'what has no name'}, not for a tensor")
