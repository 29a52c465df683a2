"""The table of equations is up to date: each is introduced in one lesson, which uses it, and has tests."""

import runpy
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parent.parent.parent
EQUATIONS = runpy.run_path(str(ROOT / "lessons" / "equations.py"))
EVERY, INTRODUCED = EQUATIONS["every_equation"](), EQUATIONS["introduced"]()


def test_the_table_is_up_to_date():
    written = (ROOT / "docs" / "equations.md").read_text(encoding="utf-8")
    assert written == EQUATIONS["table"](), "write it again: python lessons/equations.py"


def test_every_equation_is_introduced_once():
    assert set(INTRODUCED) == set(EVERY)
    assert {name: [p.name for p in paths] for name, paths in INTRODUCED.items() if len(paths) > 1} == {}


@pytest.mark.parametrize("name", EVERY)
def test_the_lesson_uses_it_and_it_is_tested(name):
    (path,) = INTRODUCED[name]
    module, function = name.split(".")
    code = "\n".join(c.source for c in nbformat.read(path, as_version=4).cells if c.cell_type == "code")
    assert f"{module}.{function}" in code or f"check.{function}(" in code or f"getattr({module}, " in code
    assert EQUATIONS["tests_of"](name)


def test_formulas():
    formula = EQUATIONS["formula"]
    assert formula(EVERY["activation.relu"]) == "max(0, x)"
    assert formula(EVERY["update.gradient_descent"]) == "θ ← θ − η g"
    assert formula(EVERY["attention.scaled_dot_product_attention"]) == "Attention(Q, K, V) = softmax(QKᵀ / √d_k) V"
