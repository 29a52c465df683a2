"""Suggest the path that was probably meant, for a file or folder that does not exist."""

import contextlib
from collections.abc import Callable
from pathlib import Path

from minitf.datasets.strings import nearest


def suggest_path(path: Path, fits: Callable[[Path], bool] = Path.is_file) -> str:
    """Return the existing path that is nearest to `path`, as a question in brackets, or "".

    One name in the path may be mistyped: `dta/train.csv`, `data/trian.csv`. Only a path that `fits` is suggested.
    """
    with contextlib.suppress(OSError, ValueError, StopIteration):
        folder = next(parent for parent in path.parents if parent.is_dir())
        name, *rest = path.relative_to(folder).parts
        found = {other.name: str(other.joinpath(*rest)) for other in sorted(folder.iterdir())}
        if near := nearest(name, [other for other, whole in found.items() if fits(Path(whole))]):
            return f" (did you mean {found[near]!r}?)"
    return ""
