"""Detect what a data file contains by its first bytes: gzip, which is unpacked while it is read, and other formats."""

import gzip
import io
import os
import zlib
from pathlib import Path
from typing import Any, BinaryIO

from minitf.datasets.file_kinds import other_kind
from minitf.errors import DataError

GZIP = b"\x1f\x8b"
MOST_RATIO, ALWAYS_ALLOWED = 200, 64 << 20  # an unpacked file may have 200 times its packed size, or 64 MiB

_SPREADSHEET = "a spreadsheet, not text: save its sheet as CSV (UTF-8)"
_OTHER_PROGRAM = "not text: write the table as CSV, with pandas for example"
_SHEET_SIGNS = (b"[Content_Types].xml", b"_rels/", b"xl/", b"docProps/", b"mimetypeapplication/vnd.oasis")
# The first bytes of a file -> its format, and what to do.
_BEGINNINGS = {
    b"\xd0\xcf\x11\xe0": _SPREADSHEET,
    b"PAR1": f"a Parquet file, {_OTHER_PROGRAM}",
    b"ARROW1": f"an Arrow file, {_OTHER_PROGRAM}",
    b"FEA1": f"a Feather file, {_OTHER_PROGRAM}",
    b"SQLite format 3\0": f"an SQLite database, {_OTHER_PROGRAM}",
    b"\x93NUMPY": f"a NumPy array, {_OTHER_PROGRAM}",
    **{b"\x80" + bytes([protocol]): f"a pickle, {_OTHER_PROGRAM}" for protocol in range(2, 6)},
    b"%PDF-": f"a PDF document, {_OTHER_PROGRAM}",
    b"Rar!\x1a": "a RAR archive: unpack it",
    b"7z\xbc\xaf\x27\x1c": "a 7z archive: unpack it",
}
_UTF_16 = "UTF-16, not UTF-8: save it as UTF-8 (in Excel: CSV UTF-8; or: iconv -f UTF-16{} -t UTF-8)"


class Unpacked(io.RawIOBase):
    """The content of a gzip file, read in parts. Raises DataError if it is damaged, or very large for its size."""

    def __init__(self, packed: BinaryIO, path: Path):
        self._gzip, self._path = gzip.GzipFile(fileobj=packed, mode="rb"), path
        self._most = max(ALWAYS_ALLOWED, MOST_RATIO * os.fstat(packed.fileno()).st_size)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            n = self._gzip.readinto(buffer)
        except (EOFError, OSError, ValueError, zlib.error) as error:
            raise DataError(f"{self._path}: its gzip data are truncated or corrupt ({error}); fetch it again") from None
        if self._gzip.tell() > self._most:
            raise DataError(
                f"{self._path}: unpacks to more than {self._most >> 20} MiB, {MOST_RATIO} times its size, which is no"
                " table; if it is one, unpack it (gunzip)"
            )
        return n

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._gzip.seek(offset, whence)


def binary_kind(head: bytes) -> str | None:
    """Return the format of a file that begins with `head` and is not UTF-8 text, and what to do; None if unknown."""
    for beginning, kind in _BEGINNINGS.items():
        if head.startswith(beginning):
            return f"is {kind}"
    if head.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        is_sheet = any(sign in head[:1024] for sign in _SHEET_SIGNS)
        return f"is {_SPREADSHEET if is_sheet else 'a zip archive: unpack it (unzip)'}"
    return _wide_text(head) or other_kind(head)


def _wide_text(head: bytes) -> str | None:
    """Detect UTF-32 and UTF-16 by the byte order mark, or by the position of the NUL bytes."""
    if head.startswith((b"\xff\xfe\0\0", b"\0\0\xfe\xff")):
        return "is UTF-32, not UTF-8: save it as UTF-8 (iconv -f UTF-32 -t UTF-8)"
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        return f"is {_UTF_16.format('')}"
    pairs = len(head[:512]) // 2
    first, second = head[: 2 * pairs : 2].count(0), head[1 : 2 * pairs : 2].count(0)
    if pairs and max(first, second) >= 0.2 * pairs and min(first, second) == 0:
        return f"is {_UTF_16.format('LE' if second else 'BE')}"
    return None
