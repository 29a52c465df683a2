"""Read small files, detect files of another format than their name says, and parse JSON; errors say what to do."""

import json
import os
from pathlib import Path
from typing import Any

from minitf.errors import CheckpointError

IRREGULAR = "is a pipe, a device, a folder or a broken link, not a file; replace it by the file"
HEAD = 512  # bytes that `other_kind` needs

_DOWNLOAD = "download the file itself"
# The first bytes of a file -> its format, and what to do.
_BEGINNINGS = {
    b"version https://git-lfs": f"a pointer of Git LFS, not the file: run git lfs pull in its folder, or {_DOWNLOAD}",
    b"# xet version": f"a pointer of Git Xet, not the file: run git xet, or {_DOWNLOAD}",
    b"\x1f\x8b": "compressed with gzip: unpack it (gunzip)",
    b"BZh": "compressed with bzip2: unpack it (bunzip2)",
    b"\xfd7zXZ\0": "compressed with xz: unpack it (unxz)",
    b"\x28\xb5\x2f\xfd": "compressed with Zstandard: unpack it (unzstd)",
    b"\x89HDF\r\n\x1a\n": "an HDF5 file, the format of Keras weights: save them with PyTorch or safetensors",
    b"GGUF": "a GGUF file with quantized weights: get the weights in safetensors or PyTorch's format",
}


def other_kind(content: bytes) -> str | None:
    """Return the format of a file that begins with `content`, and what to do; None for an unknown format."""
    for beginning, kind in _BEGINNINGS.items():
        if content.startswith(beginning):
            return f"is {kind}"
    if content[:1000].lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        return f"is a web page, not the file: its download failed; {_DOWNLOAD}"
    if b".git/annex/objects/" in content[:HEAD] or content.startswith(b"/annex/objects/"):
        return f"is a pointer of git-annex, not the file: run git annex get, or {_DOWNLOAD}"
    if content[257:262] == b"ustar":
        return "is a tar archive: unpack it"
    return None


def read_small(path: Path, limit: int) -> bytes:
    """Read a file of at most `limit` bytes. Raises CheckpointError for a larger file, a pipe or a device."""
    if os.path.lexists(path) and not os.path.isfile(path):
        raise CheckpointError(f"{path}: {IRREGULAR}")
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from None
    if len(content) > limit:
        raise CheckpointError(f"{path}: more than {limit} bytes, too many for an official file of its kind")
    return content


def as_text(content: bytes, where: str) -> str:
    """Decode UTF-8, with or without a byte order mark. Raises CheckpointError that names `where`."""
    if kind := other_kind(content):
        raise CheckpointError(f"{where}: {kind}")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        utf_16 = content.startswith((b"\xff\xfe", b"\xfe\xff"))
        reason = "UTF-16" if utf_16 else f"not UTF-8 ({error})"
        raise CheckpointError(f"{where}: its text is {reason}; save it as UTF-8") from None


def read_json_object(path: Path, limit: int) -> dict[str, Any]:
    """Read a JSON object from a file of at most `limit` bytes. Raises CheckpointError."""
    return parse_json_object(read_small(path, limit), str(path))


def parse_json_object(content: bytes, where: str) -> dict[str, Any]:
    """Parse a JSON object. Raises CheckpointError that names `where`."""
    parsed = parse_json(content, where)
    if not isinstance(parsed, dict):
        raise CheckpointError(f"{where}: must be a JSON object")
    return parsed


def parse_json(content: bytes, where: str) -> Any:
    """Parse JSON. Raises CheckpointError that names `where`."""
    text = as_text(content, where)
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        if error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string"):
            raise CheckpointError(f"{where}: truncated or corrupt ({error}); fetch it again") from None
        raise CheckpointError(f"{where}: cannot be read as JSON ({error}); correct it") from None
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{where}: cannot be read as JSON ({error}); correct it") from None
