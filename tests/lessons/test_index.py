"""lessons/README.md lists every lesson with its minutes, and every exercise exists."""

import re
import runpy
from pathlib import Path

import nbformat

from minitf.exercises import EXERCISES

ROOT = Path(__file__).parent.parent.parent
INDEX = (ROOT / "lessons" / "README.md").read_text(encoding="utf-8")
LESSONS = runpy.run_path(str(ROOT / "lessons" / "execute.py"))["lessons"]()


def test_the_table_lists_the_notebooks():
    rows = re.findall(r"^\| (\d+) \| \[(.+)\]\((.+)\) \| .+ \| (\d+) \|$", INDEX, flags=re.MULTILINE)
    found = []
    for number, _, file, minutes in rows:
        first = nbformat.read(ROOT / "lessons" / file, as_version=4).cells[0].source
        assert first.startswith(f"# {number} · ")
        assert f"**Minutes.** {minutes}\n" in first
        found.append(file)
    assert found == [path.name for path in LESSONS] and len(found) == 10


def test_every_exercise_of_a_lesson_is_registered():
    used = {
        name
        for path in LESSONS
        for cell in nbformat.read(path, as_version=4).cells
        if cell.cell_type == "code"
        for name in re.findall(r"^check\.(\w+)\(", cell.source, flags=re.MULTILINE)
    }
    assert used <= set(EXERCISES) and len(used) >= 20
