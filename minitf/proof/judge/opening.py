"""A learner's file: its functions that bear the name of an exercise."""

import importlib.util
import types
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from minitf.errors import InputError
from minitf.proof.judge.calling import TooLongError, quiet, time_limit, told

SECONDS = 20.0  # that the file itself may take when it is read


def functions_of(
    path: Path, names: Sequence[str], only: Sequence[str] | None = None, on_deaf: Callable[[], None] = lambda: None
) -> dict[str, Callable[..., Any]]:
    """Those of `names` that are defined in the file at `path` (what it imports does not count), or those of `only`.

    Raises InputError if it cannot be read or run to its end, or has none of them.
    """
    if path.suffix != ".py" or not path.is_file():
        what = "no such file" if path.suffix == ".py" else "give a Python file, NAME.py"
        raise InputError(f"{path}: {what}")
    for name in only or ():
        if name not in names:
            raise InputError(f"--only {name}: no exercise is called that; there are: {', '.join(sorted(names))}")
    module = _module_at(path, on_deaf)
    own: dict[str, Callable[..., Any]] = {
        name: value
        for name, value in vars(module).items()
        if isinstance(value, types.FunctionType) and value.__module__ == module.__name__ and name in names
    }
    found: dict[str, Callable[..., Any]] = {
        name: own[name] for name in names if name in own and (not only or name in only)
    }
    missing = [name for name in only or () if name not in found]
    if missing or not found:
        lacks = ", ".join(missing) or f"any of {', '.join(sorted(names))}"
        raise InputError(f"{path}: does not define {lacks}")
    return found


def _module_at(path: Path, on_deaf: Callable[[], None]) -> types.ModuleType:
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        with quiet(), time_limit(SECONDS, on_deaf):
            spec.loader.exec_module(module)
    except TooLongError:
        raise InputError(
            f"{path}: does not come to an end within {SECONDS:g} seconds: is there an endless loop?"
        ) from None
    except (Exception, SystemExit) as error:  # whatever a file of one's own may raise
        raise InputError(f"{path}: {told(error)}; mend the file") from error
    return module
