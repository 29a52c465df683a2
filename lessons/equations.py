"""Write docs/equations.md: every equation of the package, the lesson that introduces it, its function and its tests.

    python lessons/equations.py

The first cell of a lesson lists the equations that it introduces: "**Equations.** `attention.softmax`, …".
"""

import ast
import importlib
import inspect
import pkgutil
import re
from pathlib import Path
from typing import Any

import nbformat

from minitf import equations

ROOT = Path(__file__).parent.parent
TABLE = ROOT / "docs" / "equations.md"
INTRODUCES = re.compile(r"^\*\*Equations\.\*\* (.+)$", re.MULTILINE)


def every_equation() -> dict[str, Any]:
    """`module.name` -> function, for all equations (not the checks in `domain`), in the order of the files."""
    found = {}
    for module in sorted(m.name for m in pkgutil.iter_modules(equations.__path__) if m.name != "domain"):
        imported = importlib.import_module(f"minitf.equations.{module}")
        own = [f for f in vars(imported).values() if inspect.isfunction(f) and f.__module__ == imported.__name__]
        public = sorted((f for f in own if not f.__name__.startswith("_")), key=lambda f: f.__code__.co_firstlineno)
        found |= {f"{module}.{f.__name__}": f for f in public}
    return found


def introduced() -> dict[str, list[Path]]:
    """`module.name` -> the lessons that introduce it."""
    found: dict[str, list[Path]] = {}
    for path in sorted((ROOT / "lessons").glob("[0-9][0-9]_*.ipynb")):
        first = nbformat.read(path, as_version=4).cells[0].source
        for names in INTRODUCES.findall(first):
            for name in re.findall(r"`([\w.]+)`", names):
                found.setdefault(name, []).append(path)
    return found


def tests_of(name: str) -> list[str]:
    """The tests of the equation's module that use it by name, or a list that contains it."""
    module, function = name.split(".")
    path = ROOT / "tests" / "equations" / f"test_{module}.py"
    if not path.is_file():
        return []
    tree = ast.parse(path.read_text(encoding="utf-8"))
    tests = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")]
    names = [function]
    for node in tree.body:
        if isinstance(node, ast.Assign) and re.search(rf"\b{function}\b", ast.unparse(node.value)):
            names += [target.id for target in node.targets if isinstance(target, ast.Name)]
    word = re.compile(rf"\b({'|'.join(names)})\b")
    return [test.name for test in tests if word.search(ast.unparse(test))]


def formula(function: Any) -> str:
    """The first sentence of the docstring, which has the formula."""
    lines = inspect.cleandoc(function.__doc__).split("\n\n")[0].replace("\n", " ")
    return re.split(r"(?<=[^0-9])\. |;  ?`| Source:", lines)[0].rstrip(".;,").replace("|", "\\|")


def table() -> str:
    lessons, rows = introduced(), []
    for name, function in every_equation().items():
        module = name.split(".")[0]
        (lesson,) = lessons.get(name, [None])
        where = f"[{lesson.stem[:2]}](../lessons/{lesson.name})" if lesson else "none yet"
        tests = len(tests_of(name))
        test = f"[{tests}](../tests/equations/test_{module}.py)"
        rows.append(f"| {formula(function)} | {where} | [`{name}`](../minitf/equations/{module}.py) | {test} |")
    head = (
        "# The equations\n\n"
        "Every equation of the package: the lesson that introduces it, its function, and the number of tests that use\n"
        "it. Written by `python lessons/equations.py`; a test checks that it is up to date.\n"
    )
    return "\n".join([head, "| equation | lesson | function | tests |", "|---|---|---|---|", *rows]) + "\n"


if __name__ == "__main__":
    TABLE.write_text(table(), encoding="utf-8")
