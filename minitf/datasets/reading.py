"""Open data files, check that they are UTF-8 text, and parse JSON. Errors are DataErrors with the file and the line.

A file that is compressed with gzip is unpacked while it is read, whatever its name.
"""

import io
import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, TextIO

from minitf.datasets.near_paths import suggest_path
from minitf.datasets.packed import GZIP, Unpacked, binary_kind
from minitf.errors import DataError


@contextmanager
def open_file(path: Path, endings: Sequence[str] = ()) -> Iterator[io.BufferedReader]:
    """Open an existing text file; if `endings` are given, its name must end in one of them. Raises DataError.

    Every table is opened here. A pipe would wait for ever when it is read a second time, so it is refused.
    """
    try:
        if path.is_dir():
            names = ", ".join(_names(path, endings)[:6]) or f"it has no {', '.join(endings) or 'file'}"
            raise DataError(f"{path}: is a folder; give a file in it ({names})")
        if path.exists() and not path.is_file():
            raise DataError(f"{path}: is a pipe or a device, and a table is read twice: save it as a file")
        with path.open("rb") as packed:
            is_packed = packed.peek(len(GZIP)).startswith(GZIP)
            file: Any = io.BufferedReader(Unpacked(packed, path)) if is_packed else packed
            if kind := binary_kind(file.peek(1024)):
                raise DataError(f"{path}: {kind}")
            if endings and ending(path) not in endings:
                raise DataError(f"{path}: unknown file ending {ending(path)!r}: {_other_format(path, endings)}")
            yield file
    except FileNotFoundError:
        near = suggest_path(path, lambda other: other.is_file() and (not endings or ending(other) in endings))
        raise DataError(f"{path}: no such file{near}; check the path (the working folder is {Path.cwd()})") from None
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from None


def _other_format(path: Path, endings: Sequence[str]) -> str:
    """Return what to do with a file that does not have one of the endings."""
    advice = f"save it as one of {', '.join(endings)}, or rename it if it has that format"
    is_text = ending(path) == ".txt" and ".tsv" in endings
    return f"{advice}; one text per line is a .tsv with the first line text" if is_text else advice


def file_path(source: Any) -> str:
    """Return the path of a file that is not a table. Raises DataError for a list of records."""
    if isinstance(source, list | tuple):
        raise DataError(
            "records: a list of records is read as a table of whole texts; this task reads a file: save one"
        )
    return str(os.fspath(source))


def ending(path: str | os.PathLike[str]) -> str:
    """Return the ending of a file name in lower case, without `.gz`: ".csv" for "Train.CSV.gz"."""
    return Path(Path(path).name.lower().removesuffix(".gz")).suffix


def _names(folder: Path, endings: Sequence[str]) -> list[str]:
    """The names of the files in a folder, or of those with one of the endings."""
    return sorted(p.name for p in folder.glob("*") if (ending(p) in endings if endings else p.is_file()))


def read_bytes(path: Path, endings: Sequence[str] = ()) -> bytes:
    """Return the contents of a file; see `open_file`."""
    with open_file(path, endings) as file:
        return file.read()


@contextmanager
def open_text(path: Path, endings: Sequence[str] = ()) -> Iterator[TextIO]:
    """Open a file that is UTF-8 text as a whole, without a byte order mark. Raises DataError.

    Lines end with \\n, \\r\\n or \\r, and keep their end.
    """
    with open_file(path, endings) as file:
        _check_utf8(str(path), file)
        file.seek(0)
        yield io.TextIOWrapper(file, encoding="utf-8-sig", newline="")


def decode(path: str, data: bytes) -> str:
    """Decode the contents of a file, without a byte order mark. Raises DataError."""
    _check_utf8(path, io.BytesIO(data))
    return data.decode("utf-8-sig")


def _check_utf8(path: str, file: BinaryIO) -> None:
    offset, row = 0, 1
    for line in file:
        problem = ""
        try:
            line.decode("utf-8")
            if (bad := line.find(b"\0")) >= 0:
                problem = f"a NUL byte, which is not text (byte {offset + bad} of the file); delete it"
        except UnicodeDecodeError as error:
            bad = error.start
            problem = (
                f"0x{line[bad]:02x} is not UTF-8 (byte {offset + bad} of the file); save the file as UTF-8 text (in a"
                " spreadsheet: as CSV UTF-8)"
            )
        if problem:
            row += len((line[:bad] + b"|").splitlines()) - 1
            raise DataError(f"{path}:{row}: {problem}")
        offset, row = offset + len(line), row + len(line.splitlines())


def parse_json(path: str, text: str, row: int | None = None, hint: str = "") -> Any:
    """Parse a JSON value; no object may have a key twice. `row` is its line in the file; None: it is the whole file.

    Raises DataError; `hint` is added to the message.
    """
    where = path if row is None else f"{path}:{row}"
    try:
        return json.loads(text, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        where = f"{path}:{error.lineno}" if row is None else where
        raise DataError(f"{where}: invalid JSON: {error.msg} at column {error.colno}{hint}") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: invalid JSON: {error}{hint}") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    repeated = [key for key, n in Counter(key for key, _ in pairs).items() if n > 1]
    if repeated:
        raise ValueError(f"two values for {repeated[0][:60]!r} in one object")
    return dict(pairs)
