"""Open a safetensors file, also at a path that is not UTF-8."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import safe_open

from minitf.datasets.strings import is_unicode


@contextmanager
def open_safetensors(path: Path, framework: str) -> Iterator[Any]:
    """Open a file as `safetensors.safe_open` does.

    `safe_open` takes only UTF-8 paths. Linux allows other paths too. In a locale without UTF-8, Python decodes a path
    with an umlaut to lone surrogates. A file at such a path is opened through its descriptor.
    """
    path.open("rb").close()  # raises the usual OSError, for example for a missing permission
    if is_unicode(str(path)):
        with safe_open(path, framework) as opened:
            yield opened
    else:
        with path.open("rb") as file, safe_open(f"/dev/fd/{file.fileno()}", framework) as opened:
            yield opened
