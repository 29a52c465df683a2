"""Read a learner's file and find the functions that are named like an exercise."""

import ast
import importlib.util
import sys
import types
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from minitf.errors import InputError
from minitf.exercises.judge.calls import TooLongError, describe_error, do_nothing, time_limit
from minitf.exercises.judge.isolation import quiet

SECONDS = 20.0  # the time limit of executing the file


def functions_of(
    path: Path, names: Sequence[str], only: Sequence[str] | None = None, on_hang: Callable[[], None] = do_nothing
) -> dict[str, Callable[..., Any]]:
    """Return the functions named in `names` that the file at `path` defines (imported ones excluded), or only `only`.

    Raises InputError if the file cannot be read or executed, or defines none of them.
    """
    if path.suffix != ".py" or not path.is_file():
        what = "no such file" if path.suffix == ".py" else "give a Python file, NAME.py"
        raise InputError(f"{path}: {what}")
    for name in only or ():
        if name not in names:
            raise InputError(f"`only` {name}: no exercise has this name; there are: {', '.join(sorted(names))}")
    module = _module_at(path, on_hang)
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
    """Return the names that the file assigns at the top level and does not import."""
    assigned: set[str] = set()
    imported: set[str] = set()
    todo: list[ast.AST] = [ast.parse(path.read_bytes())]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            assigned.add(node.name)
            continue
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            assigned.add(node.id)
        if isinstance(node, ast.Import | ast.ImportFrom):
            imported.update(alias.asname or alias.name for alias in node.names)
        if not isinstance(node, ast.Lambda):
            todo.extend(ast.iter_child_nodes(node))
    return assigned - imported


def _module_at(path: Path, on_hang: Callable[[], None]) -> types.ModuleType:
    name = f"{path.stem} (judged)"  # unlike any other module's name
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # dataclasses and pickle look here
    folder = str(path.resolve().parent)
    if folder not in sys.path:
        sys.path.append(folder)  # to import files beside it; last, so that none hides a library
    try:
        with quiet(), time_limit(SECONDS, on_hang):
            spec.loader.exec_module(module)
    except TooLongError:
        raise InputError(f"{path}: does not finish within {SECONDS:g} seconds: is there an endless loop?") from None
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # a learner's file may raise anything
        problem = describe_error(error).replace("`", "'")  # backticks are for settings
        raise InputError(f"{path}: {problem}; correct the file") from error
    return module
