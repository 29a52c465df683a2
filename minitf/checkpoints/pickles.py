"""Read PyTorch's own files without unpickling: only the few pickle instructions for a dict of tensors are supported.

A pickle is a program for a stack machine. Here it is interpreted, but nothing is called and no object is created: where
the program calls for a tensor, the arguments tell which numbers it has, and any other call is refused.

    later format  a zip without compression: NAME/data.pkl, the pickle; NAME/data/KEY, the numbers of a storage
    older format  five pickles: a magic number, two about the format, the dict, the keys of its storages; then for
                  each storage the count of its numbers (8 bytes) and the numbers

`torch.load(weights_only=True)` does not execute code either. But a file of a few hundred bytes can make it fill
gigabytes, crash the process, or return numbers that are not in the file.
"""

import io
import math
import pickletools
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import torch
from torch import Tensor

from minitf.checkpoints.storage import Archive, FileBytes, FolderStorage
from minitf.checkpoints.tensor_bytes import as_tensor

MOST_AXES = 64  # of a tensor: PyTorch's own limit
LARGEST_NUMBER = 2**63 - 1  # of a shape, stride, offset or size: PyTorch stores them in 64 bits
LARGEST = 1 << 18  # bytes of the pickles; those of a BERT-large, about 400 tensors, have about 60,000
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

_INSTEAD = "save the state_dict() of the model instead"
_LITERALS = frozenset(
    (
        "SHORT_BINUNICODE",
        "BINUNICODE",
        "BINUNICODE8",
        "BININT",
        "BININT1",
        "BININT2",
        "INT",
        "LONG",
        "LONG1",
        "BINFLOAT",
    )
)
_EMPTY: dict[str, Callable[[], Any]] = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}

_Extents = dict[str, tuple[int, int]]  # the key of a storage -> the offset and size of its numbers, in bytes


class UnsupportedError(ValueError):
    """The file is whole, but is not a dict of tensors that PyTorch wrote."""


@dataclass(frozen=True)
class _Global:
    """An object that unpickling would import: its module and name."""

    name: str


@dataclass(frozen=True)
class _Storage:
    """A named block of numbers; several tensors may view it."""

    key: str
    dtype: torch.dtype
    count: int

    @property
    def size(self) -> int:
        return self.count * self.dtype.itemsize


@dataclass(frozen=True)
class _TensorView:
    """A tensor: a view of the numbers of a storage."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def size(self) -> int:
        return math.prod(self.shape) * self.storage.dtype.itemsize


def read_pickle(file: Path) -> Any:
    """Read the object in `file`; the tensors of a dict are mapped into memory, not copied, if they are aligned.

    Raises UnsupportedError for content that is not tensors, ValueError or any other exception for a damaged file.
    """
    with file.open("rb") as opened:
        is_zip = opened.read(len(_ZIP)) == _ZIP
        opened.seek(0)
        content, extents = _read_zip(file, opened) if is_zip else _read_older(opened)
    if not isinstance(content, dict):
        return content
    views = {name: view for name, view in content.items() if isinstance(view, _TensorView)}
    # Two tensors may share a storage, as a tied decoder does; more, or strides of 0, could need any amount of memory.
    total = sum(view.size for view in views.values())
    if total > 2 * file.stat().st_size or any(view.size > view.storage.size for view in views.values()):
        raise ValueError("its tensors claim more numbers than the file has")
    data = FolderStorage(file.parent).open(file.name)
    numbers = {storage: _read_storage(data, storage, extents) for storage in {view.storage for view in views.values()}}
    return content | {name: numbers[v.storage].as_strided(v.shape, v.strides, v.offset) for name, v in views.items()}


def _read_zip(file: Path, opened: IO[bytes]) -> tuple[Any, _Extents]:
    with Archive(file) as archive:
        records = archive.infolist()
        pickles = [info.filename for info in records if info.filename.endswith("/data.pkl")]
        if any(info.filename.endswith("/constants.pkl") for info in records):
            raise UnsupportedError(f"it is a TorchScript program; {_INSTEAD}")
        if len(pickles) != 1 or any(info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1 for info in records):
            raise UnsupportedError("it is not a zip that PyTorch wrote, with one data.pkl and nothing compressed")
        with archive.open(pickles[0]) as pickle:
            content, _ = _interpret(io.BytesIO(pickle.read(LARGEST + 1)))
        folder, extents = pickles[0].removesuffix("data.pkl"), {}
        for info in records:
            opened.seek(info.header_offset + 26)
            lengths = opened.read(4)  # of the two fields between the header and the numbers
            skip = int.from_bytes(lengths[:2], "little") + int.from_bytes(lengths[2:], "little")
            begin = info.header_offset + 30 + skip
            extents[info.filename.removeprefix(f"{folder}data/")] = begin, info.file_size
        if f"{folder}byteorder" in archive.namelist():
            with archive.open(f"{folder}byteorder") as order:
                if order.read(8) != b"little":
                    raise UnsupportedError("it was written on a big-endian machine; save it on a little-endian one")
    return content, extents


def _read_older(opened: IO[bytes]) -> tuple[Any, _Extents]:
    pickles = io.BytesIO(opened.read(LARGEST))
    magic = _interpret(pickles)[0]
    if magic != _MAGIC:
        if isinstance(magic, dict):
            raise UnsupportedError("it is a pickle that PyTorch did not write; save it with torch.save")
        raise ValueError("it does not begin like a file of PyTorch")
    _, _, (content, storages), (keys, _) = (_interpret(pickles) for _ in range(4))
    offset, extents = pickles.tell(), {}
    for key in keys:
        if not isinstance(key, str) or key not in storages:
            raise ValueError("it has a storage that the pickle does not name")
        opened.seek(offset)
        if int.from_bytes(opened.read(8), "little") != storages[key].count:
            raise ValueError("a storage does not have the size that the pickle gives")
        extents[key] = offset + 8, storages[key].size
        offset += 8 + storages[key].size
    return content, extents


def _read_storage(data: FileBytes, storage: _Storage, extents: _Extents) -> Tensor:
    begin, size = extents.get(storage.key, (0, -1))
    if size != storage.size or begin + size > data.size:
        raise ValueError("a storage does not have the size that the pickle gives")
    return as_tensor(data.read(begin, size), begin, storage.dtype)


def _interpret(pickle: IO[bytes]) -> tuple[Any, dict[str, _Storage]]:
    """Return the object that a pickle describes, and every storage that it names, by its key."""
    stack: list[Any] = []
    marks: list[int] = []
    memo: dict[int, Any] = {}
    storages: dict[str, _Storage] = {}

    def pop(n: int | None = None) -> list[Any]:
        """Take the last `n` items from the stack, or all since the last mark."""
        start = marks.pop() if n is None else len(stack) - n
        items = stack[start:]
        del stack[start:]
        return items

    instructions: Iterator[tuple[Any, Any, Any]] = pickletools.genops(pickle)
    for opcode, argument, _ in instructions:
        match opcode.name:
            case "PROTO" | "FRAME":
                pass
            case name if name in _LITERALS:
                stack.append(argument)
            case "NONE" | "NEWTRUE" | "NEWFALSE":
                stack.append({"NEWTRUE": True, "NEWFALSE": False}.get(opcode.name))
            case "EMPTY_DICT" | "EMPTY_LIST" | "EMPTY_TUPLE":
                stack.append(_EMPTY[opcode.name]())
            case "GLOBAL":
                stack.append(_Global(argument))
            case "STACK_GLOBAL":
                stack.append(_Global(" ".join(pop(2))))  # TypeError if they are not strings
            case "BINPUT" | "LONG_BINPUT" | "MEMOIZE":
                memo[len(memo) if argument is None else argument] = stack[-1]
            case "BINGET" | "LONG_BINGET":
                stack.append(memo[argument])
            case "MARK":
                marks.append(len(stack))
            case "TUPLE" | "TUPLE1" | "TUPLE2" | "TUPLE3":
                stack.append(tuple(pop(None if opcode.name == "TUPLE" else int(opcode.name[-1]))))
            case "APPEND" | "APPENDS":
                items = pop(1 if opcode.name == "APPEND" else None)
                stack[-1].extend(items)
            case "SETITEM" | "SETITEMS":
                items = pop(2 if opcode.name == "SETITEM" else None)
                stack[-1].update(_named(items))
            case "BINPERSID":
                storage = _storage(stack.pop())
                stack.append(storages.setdefault(storage.key, storage))
            case "REDUCE":
                name, arguments = pop(2)
                stack.append(_call(name, arguments))
            case "BUILD":
                stack.pop()  # further attributes of a dict: those of a state_dict, its version
            case "STOP":
                return stack.pop(), storages
            case "NEWOBJ" | "NEWOBJ_EX" | "OBJ" | "INST":
                classes = [item.name for item in stack[-3:] if isinstance(item, _Global)]
                raise UnsupportedError(f"it contains a Python object ({(classes or [opcode.name])[-1]}); {_INSTEAD}")
            case name:
                raise UnsupportedError(f"it has the instruction {name}, which a dict of tensors does not need")
    raise ValueError("it does not end")


def _named(items: list[Any]) -> Iterator[tuple[str, Any]]:
    """Return the key-value pairs of a dict from a list in which keys and values alternate. Raises UnsupportedError."""
    if not all(isinstance(key, str) for key in items[::2]):
        raise UnsupportedError("a key of the dict is not text, so it is not a dict of named tensors")
    return zip(items[::2], items[1::2], strict=True)


def _storage(persistent_id: Any) -> _Storage:
    match persistent_id:
        case ("storage", _Global(name), str(key), str(), int(count), *view) if name in _TYPES and view in ([], [None]):
            if not 0 <= count <= LARGEST_NUMBER:
                raise ValueError(f"a storage of {'a negative number' if count < 0 else 'too many'} numbers")
            return _Storage(key, _TYPES[name], count)
    raise UnsupportedError("it refers to a storage in a way that minitf does not support")


def _call(name: Any, arguments: Any) -> dict[str, Any] | _TensorView:
    """Return what a call describes, if it is one of the few that a dict of tensors needs."""
    match name, arguments:
        case _Global("collections OrderedDict"), ():
            return {}
        case (
            _Global("torch._utils _rebuild_tensor_v2"),
            (_Storage() as storage, int(offset), tuple(shape), tuple(strides), *_),
        ):
            return _view(storage, offset, shape, strides)
        case _Global("torch._utils _rebuild_parameter" | "torch._utils _rebuild_parameter_with_state"), (
            _TensorView(),
            *_,
        ):
            view: _TensorView = arguments[0]
            return view
    raise UnsupportedError(
        f"it calls {name.name if isinstance(name, _Global) else 'something without a name'}, which is not a tensor;"
        f" {_INSTEAD}"
    )


def _view(storage: _Storage, offset: int, shape: tuple[Any, ...], strides: tuple[Any, ...]) -> _TensorView:
    """Return a view whose numbers are bounded, so that computing with them is fast. Raises ValueError."""
    if len(shape) > MOST_AXES or len(shape) != len(strides):
        raise ValueError(f"a tensor of {len(shape)} axes and {len(strides)} strides")
    if not all(type(n) is int and 0 <= n <= LARGEST_NUMBER for n in (offset, *shape, *strides)):
        raise ValueError("a size, stride or offset of a tensor is not a number that PyTorch can have")
    return _TensorView(storage, offset, shape, strides)
