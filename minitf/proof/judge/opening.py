"""A learner's file: its functions that bear the name of an exercise."""

import ast
import importlib.util
import sys
import types
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from minitf.errors import InputError
from minitf.proof.judge.calling import TooLongError, nothing, time_limit, told
from minitf.proof.judge.surroundings import quiet

SECONDS = 20.0  # that the file itself may take when it is read


def functions_of(
    path: Path, names: Sequence[str], only: Sequence[str] | None = None, on_deaf: Callable[[], None] = nothing
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
    assigned = _assigned(path)
    own: dict[str, Callable[..., Any]] = {
        name: value
        for name, value in vars(module).items()
        if name in names
        and (
            (isinstance(value, types.FunctionType) and value.__module__ == module.__name__)
            or (name in assigned and (callable(value) or value is Ellipsis))
        )
    }
    found: dict[str, Callable[..., Any]] = {
        name: own[name] for name in names if name in own and (not only or name in only)
    }
    missing = [name for name in only or () if name not in found]
    if missing or not found:
        lacks = ", ".join(missing) or f"any of {', '.join(sorted(names))}"
        raise InputError(f"{path}: does not define {lacks}")
    return found


def _assigned(path: Path) -> set[str]:
    """The names that the file gives to what it makes itself, outside of functions and classes, and does not import."""
    made: set[str] = set()
    imported: set[str] = set()
    todo: list[ast.AST] = [ast.parse(path.read_bytes())]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            made.add(node.name)
            continue
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            made.add(node.id)
        if isinstance(node, ast.Import | ast.ImportFrom):
            imported.update(alias.asname or alias.name for alias in node.names)
        if not isinstance(node, ast.Lambda):
            todo.extend(ast.iter_child_nodes(node))
    return made - imported


def _module_at(path: Path, on_deaf: Callable[[], None]) -> types.ModuleType:
    name = f"{path.stem} (judged)"  # no other module's name, whatever the file is called
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # where dataclasses and pickle look for it
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.append(folder)  # for the files beside it, as when it is run; last, so that none hides a library
    try:
        with quiet(), time_limit(SECONDS, on_deaf):
            spec.loader.exec_module(module)
    except TooLongError:
        raise InputError(
            f"{path}: does not come to an end within {SECONDS:g} seconds: is there an endless loop?"
        ) from None
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # whatever a file of one's own may raise
        raise InputError(f"{path}: {told(error)}; mend the file") from error
    return module
