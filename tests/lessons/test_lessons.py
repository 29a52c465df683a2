"""The lessons run, print their saved outputs, and have the form that is committed; their exercises work.

Every lesson is executed in a new kernel, without network. Of each exercise the blank fails with a helpful message, the
solution in the notebook passes, and the wrong answers in `tests/support/wrong_answers` get different messages.
"""

import difflib
import functools
import importlib
import os
import re
import runpy
from pathlib import Path
from typing import Any

import nbformat
import pytest

ROOT = Path(__file__).parent.parent.parent
EXECUTE = runpy.run_path(str(ROOT / "lessons" / "execute.py"))
LESSONS = EXECUTE["lessons"]()
each_lesson = pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)

NUMBER = re.compile(r"(?<![\w.])[-+−]?\d[\d,]*\.?\d*(?:e[-+]?\d+)?")
TIME = re.compile(r"\b\d+(\.\d+)? ?(s|ms|min)\b")


@functools.cache
def committed(path: Path) -> Any:
    return nbformat.read(path, as_version=4)


def tagged(path: Path, tag: str) -> list[Any]:
    return [cell for cell in committed(path).cells if tag in cell.metadata.get("tags", ())]


def printed(cell: Any) -> str:
    """The text output of a cell."""
    texts = [o.get("text") or o.get("data", {}).get("text/plain", "") for o in cell.get("outputs", ())]
    return "".join("" if text.startswith("<Figure") else text for text in texts)


def difference(shown: str, fresh: str, tolerance: float) -> str | None:
    """The difference of two outputs beyond rounding; None if there is none."""
    shown, fresh = (TIME.sub("TIME", text) for text in (shown, fresh))
    if NUMBER.sub("N", shown) != NUMBER.sub("N", fresh):
        return f"the notebook shows\n{shown}\na run prints\n{fresh}"
    pairs = zip(NUMBER.findall(shown), NUMBER.findall(fresh), strict=True)
    return next((f"the notebook shows {a}, a run prints {b}" for a, b in pairs if not close(a, b, tolerance)), None)


def close(shown: str, fresh: str, tolerance: float) -> bool:
    """Whether two printed numbers are equal to `tolerance`, or to one in their last decimal place."""
    x, y = (float(n.replace(",", "").replace("−", "-")) for n in (shown, fresh))
    if "e" in shown and "e" in fresh and max(abs(x), abs(y)) < 1e-4:  # rounding errors
        return True
    decimals = re.fullmatch(r"[-+−]?[\d,]+\.(\d+)", shown)
    last = 1.001 * 10.0 ** -len(decimals[1]) if decimals else 0.0
    return abs(x - y) <= max(last, tolerance * max(abs(x), abs(y)))


def difference_after_training(shown: str, fresh: str) -> str | None:
    """The difference of two outputs of training, which depend on the processor; None if they are similar.

    Four fifths of the lines must be equal except for their numbers, and three quarters of these numbers to a fifth.
    """
    old, new = ([TIME.sub("TIME", line) for line in text.splitlines()] for text in (shown, fresh))
    forms = [[NUMBER.sub("N", line) for line in lines] for lines in (old, new)]
    blocks = difflib.SequenceMatcher(None, *forms, autojunk=False).get_matching_blocks()
    matched = [(old[m.a + i], new[m.b + i]) for m in blocks for i in range(m.size)]
    if len(matched) < 0.8 * max(len(old), len(new)):
        return f"the notebook shows\n{shown}\na run prints\n{fresh}"
    pairs = [pair for a, b in matched for pair in zip(NUMBER.findall(a), NUMBER.findall(b), strict=True)]
    apart = [pair for pair in pairs if not close(*pair, 0.2)]
    return f"{len(apart)} of {len(pairs)} numbers differ: {apart[:5]}" if len(apart) > len(pairs) / 4 else None


@each_lesson
def test_it_runs_and_prints_its_saved_outputs(path, monkeypatch, tmp_path):
    """To a hundredth; cells tagged `trained` need only be similar."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")  # threads that spin while they wait take minutes on a busy machine
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    fresh = EXECUTE["executed"](path)
    for old, new in zip(committed(path).cells, fresh.cells, strict=True):
        outputs = printed(old), printed(new)
        trained = "trained" in old.metadata.get("tags", ())
        found = difference_after_training(*outputs) if trained else difference(*outputs, 0.01)
        assert found is None, f"{path.name}, cell [{old.get('execution_count')}]: {found}"


@pytest.mark.parametrize(
    ("shown", "fresh", "differs"),
    [
        ("accuracy 0.700, 3 of 4", "accuracy 0.701, 3 of 4", False),
        ("accuracy 0.700", "accuracy 0.600", True),
        ("7 layers", "6 layers", True),
        ("yes", "no", True),
        ("took 3 s", "took 5 s", False),
        ("largest difference 1.2e-16", "largest difference 4.4e-16", False),
        ("largest difference 1.2e-16", "largest difference 4.4e-3", True),
        ("1,200 texts", "1,300 texts", True),
        ("0.66", "0.67", False),
        ("0.66", "0.68", True),
        ("difference 9.5e-07 in float32", "difference 1.3e-06 in float32", False),
    ],
)
def test_the_comparison_finds_a_difference(shown, fresh, differs):
    assert (difference(shown, fresh, 0.01) is not None) == differs


@each_lesson
def test_its_form(path):
    notebook, text = committed(path), path.read_text(encoding="utf-8")
    counts = [cell.execution_count for cell in notebook.cells if cell.cell_type == "code"]
    assert counts == list(range(1, len(counts) + 1)), "execute it in a new kernel: python lessons/execute.py"
    assert len(notebook.cells) <= 30
    assert len(text.encode()) < 500_000
    assert "widget" not in text
    assert not re.search(r"(/home/|/root/|/tmp/|/Users/|/work/|C:\\\\)", text)
    assert re.match(r"# \d+ · .+\n\n\*\*Goal\.\*\* .+\n\n\*\*Minutes\.\*\* \d+", notebook.cells[0].source)
    last = notebook.cells[-1].source
    assert "Where readers usually go wrong" in text and "Read next" in last
    assert len(tagged(path, "setup")) == 1
    assert 2 <= len(tagged(path, "exercise")) <= 4
    assert tagged(path, "predict"), "a question to predict before the plot"
    assert any("assert" in cell.source for cell in tagged(path, "closing")), "a closing assertion"


TABLE = "epoch 1  loss 0.70\nepoch 2  loss 0.50\npredicted films\npredicted books\naccuracy 0.60"


@pytest.mark.parametrize(
    ("fresh", "differs"),
    [
        (TABLE.replace("0.50", "0.52"), False),
        (TABLE.replace("predicted films", "predicted music"), False),
        (TABLE.replace("predicted films", "predicted music").replace("predicted books", "predicted hotels"), True),
        (TABLE.replace("0.50", "5.0").replace("0.70", "7.0"), True),
        (TABLE.split("\n", 2)[2], True),
    ],
)
def test_outputs_of_training_are_compared_roughly(fresh, differs):
    assert difference_after_training(TABLE, TABLE) is None
    assert (difference_after_training(TABLE, fresh) is not None) == differs


def exercises() -> list[Any]:
    """Every exercise: the lesson, the blank, the cell with its check, and the notebook's solution."""
    found = []
    for path in LESSONS:
        cells = committed(path).cells
        for i, cell in enumerate(cells):
            if "exercise" in cell.metadata.get("tags", ()):
                check, solution = cells[i + 1], cells[i + 2]
                name = re.fullmatch(r"check\.(\w+)\((\w+)\)", check.source.strip())
                assert name, f"{path.name}: after an exercise comes check.NAME(NAME), not {check.source!r}"
                code = re.fullmatch(r"<details>.*?```python\n(.*?)```.*</details>", solution.source.strip(), re.DOTALL)
                assert code, f"{path.name}: after {check.source} comes its solution in <details>"
                found.append(pytest.param(path, cell, check, code[1], id=f"{path.stem[:2]}-{name[1]}"))
    return found


def verdict_on(path: Path, code: str, check: Any) -> Any:
    """The verdict on `code` instead of the blank."""
    (setup,) = tagged(path, "setup")
    namespace: dict[str, Any] = {"__name__": "lesson"}
    exec(setup.source, namespace)
    exec(compile(code, f"<answer to {check.source}>", "exec"), namespace)
    return eval(check.source, namespace)


def wrong_answers(path: Path, check: Any) -> list[tuple[str, str]]:
    """Wrong code, and a part of the expected message."""
    answers = importlib.import_module(f"tests.support.wrong_answers.lesson_{path.name[:2]}").WRONG
    found: list[tuple[str, str]] = answers[check.source.split("(")[0].removeprefix("check.")]
    return found


@pytest.mark.parametrize(("path", "blank", "check", "solution"), exercises())
class TestExercise:
    def test_the_blank_fails_with_a_message(self, path, blank, check, solution):
        verdict = verdict_on(path, blank.source, check)
        assert not verdict.passed
        assert "..." in blank.source and "the blank" in str(verdict)

    def test_the_solution_passes(self, path, blank, check, solution):
        verdict = verdict_on(path, solution, check)
        assert verdict.passed, str(verdict)

    def test_typical_wrong_answers_get_different_messages(self, path, blank, check, solution):
        answers = wrong_answers(path, check)
        assert len(answers) >= 2
        messages = []
        for code, expected in answers:
            verdict = verdict_on(path, code, check)
            assert not verdict.passed, code
            assert expected in str(verdict), f"{code}\n{verdict}"
            messages.append(expected)
        assert len(set(messages)) == len(messages)
