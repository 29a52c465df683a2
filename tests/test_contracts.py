"""The contracts in pyproject.toml: imports go down, no cycles between siblings. import-linter checks them.

What it cannot say, which packages `import minitf` and `--help` load, is in test_lazy_imports.
"""

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LINT = "from importlinter.cli import lint_imports_command; lint_imports_command()"


def lint(folder: Path) -> tuple[int, str]:
    """Status and output of `lint-imports` for the package in `folder`."""
    command = [sys.executable, "-c", LINT, "--no-cache"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=300)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of the package and its contracts."""
    shutil.copytree(ROOT / "minitf", tmp_path / "minitf", ignore=shutil.ignore_patterns("__pycache__", "data"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_the_contracts_are_kept():
    status, output = lint(ROOT)
    assert status == 0, output
    assert "Contracts: 3 kept, 0 broken." in output


def test_the_contracts_have_no_exceptions():
    assert "ignore_imports" not in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("layers/encoder.py", "from minitf.bert import model", "Imports go down"),
        ("training/loop.py", "from minitf.cli import console", "Imports go down"),
        ("tasks/base.py", "def late():\n    from minitf.training import loop", "Imports go down"),
        ("datasets/tables.py", "from minitf.text import batches", "Imports go down"),
        ("predict.py", "from minitf import finetune", "Imports go down"),
        ("proof/divergence.py", "from minitf.fine_tuning import run", "Imports go down"),
        ("fine_tuning/config.py", "from minitf.fine_tuning import run", "No cycles between siblings"),
        (
            "datasets/findings.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from minitf.datasets import checks",
            "No cycles between siblings",
        ),
        ("text/tokenizer.py", "def late():\n    import transformers", "Only the proof imports the reference"),
    ],
)
def test_a_planted_import_breaks_its_contract(package, module, line, contract):
    path = package / "minitf" / module
    path.write_text(path.read_text(encoding="utf-8") + f"\n\n{line}\n", encoding="utf-8")
    status, output = lint(package)
    assert status == 1, output
    broken = [text for text in output.splitlines() if text.endswith("BROKEN")]
    assert any(text.startswith(contract) for text in broken), output


def test_a_new_module_in_the_root_breaks_the_layers(package):
    (package / "minitf" / "gadgets.py").write_text("", encoding="utf-8")
    status, output = lint(package)
    assert status == 1
    assert "gadgets" in output


def test_no_function_is_longer_than_sixty_lines():
    """Outside of the exercises, which are tables."""
    found = []
    for path in (ROOT / "minitf").rglob("*.py"):
        if "exercises" in path.parts:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.end_lineno - node.lineno + 1 > 60:
                found.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}")
    assert found == []


def test_argparse_is_for_the_command_line_alone():
    found = {
        path.relative_to(ROOT / "minitf").as_posix()
        for path in (ROOT / "minitf").rglob("*.py")
        if re.search(r"^\s*(import|from) argparse\b", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    commands = {path.name for path in (ROOT / "minitf").glob("*.py") if "def main(" in path.read_text(encoding="utf-8")}
    assert {name for name in found if not name.startswith("cli/")} <= commands


def test_no_flag_is_written_below_the_command_line():
    """A lower room names a setting, and the command line prints it as its flag."""
    flag = re.compile(r'"--[a-z]|`--[a-z]| --[a-z][a-z-]+')
    rooms = (
        "text",
        "datasets",
        "training",
        "tasks",
        "bert",
        "layers",
        "checkpoints",
        "equations",
        "generation",
        "transformer",
    )
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for room in rooms
        for path in (ROOT / "minitf" / room).rglob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if flag.search(line)
    ]
    assert found == []
