"""The README's commands do what it says, and print what it shows."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import minitf

ROOT = Path(minitf.__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)


def shown(name: str) -> str:
    found = re.search(rf"<!-- {name} output -->\n```text\n(.*?)```\n<!-- /{name} output -->", README, re.DOTALL)
    assert found, f"README shows no output of {name}"
    return found[1]


def commands() -> list[str]:
    """Every `python -m minitf.…` of the README, each once."""
    lines = [line for block in blocks("bash") for line in block.splitlines()]
    return [part.strip() for line in lines for part in line.split("&&") if " -m minitf." in part]


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    words = shlex.split(command)
    assert words[0] == ".venv/bin/python"
    return subprocess.run(
        [sys.executable, *words[1:]],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )


def form(text: str) -> list[str]:
    """The lines of an output with every number, duration and origin replaced: what must not differ between machines."""
    text = re.sub(r"  best so far", "", text)
    text = re.sub(r"\S*python -m", "python -m", text)
    text = re.sub(r"; from .*", "; from …", text)
    text = re.sub(r"\d+ min( \d+ s)?|\d+ s\b", "TIME", text)
    text = re.sub(r"[+-]?\d[\d.,]*(e[+-]?\d+)?", "N", text)
    return [re.sub(r" +", " ", line).strip() for line in text.strip().splitlines()]


def without_waiting(text: str) -> str:
    """Leave out the lines of a download, and of the expected time, which a fast machine does not print."""
    return re.sub(r"^(looking for|downloading|training takes) .*\n", "", text, flags=re.MULTILINE)


@pytest.fixture(scope="module")
def first_run(tmp_path_factory):
    """The main job, exactly as the README has it, in an empty folder."""
    folder = tmp_path_factory.mktemp("readme")
    command = next(c for c in commands() if c.endswith("minitf.finetune"))
    return folder, run(command, folder)


def test_the_main_job_prints_what_the_readme_shows(first_run):
    _, done = first_run
    assert done.returncode == 0, done.stderr
    assert form(without_waiting(done.stdout)) == form(without_waiting(shown("finetune")))


def test_the_main_job_learns(first_run):
    _, done = first_run
    accuracy = float(re.search(r"test accuracy ([\d.]+)", done.stdout)[1])
    claimed = float(re.search(r"test accuracy ([\d.]+)", shown("finetune"))[1])
    assert accuracy > 0.55  # one class for all gives 0.5
    assert abs(accuracy - claimed) < 0.1


def test_predict_answers_with_the_model_of_the_main_job(first_run):
    folder, _ = first_run
    command = next(c for c in commands() if "minitf.predict runs/reviews-1" in c)
    done = run(command, folder)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(
        r"The soup was cold.*\n  (positive|negative)  \(\1 0\.\d+, (positive|negative) 0\.\d+\)\n", done.stdout
    )


def test_attend_looks_into_the_model_of_the_main_job(first_run):
    folder, _ = first_run
    done = run(next(c for c in commands() if "minitf.attend" in c), folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("6 layers of 12 heads over 16 tokens\n") and "rank correlation" in done.stdout
    assert 50_000 < (folder / "maps.html").stat().st_size < 200_000  # "a hundred kilobytes here"


def test_every_picture_is_there():
    for file in re.findall(r'(?:src|srcset)="([^"]+)"', README):
        assert (ROOT / file).is_file(), file


def test_validate_prints_what_the_readme_shows(tmp_path):
    done = run(next(c for c in commands() if "minitf.validate" in c), tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    # Which tensor is the worst of its stage is rounding's choice.
    rows = lambda text: [line.split()[0] if line.split()[1:2] else line for line in form(text)]  # noqa: E731
    assert rows(done.stdout) == rows(shown("validate"))


def test_the_commands_for_ones_own_data(tmp_path):
    rows = [("loved it", "5"), ("hated it", "1")] * 12
    for name in ("reviews.csv", "held_out.csv", "new.csv"):
        lines = ["review,stars", *(f"{text} {i},{stars}" for i, (text, stars) in enumerate(rows))]
        (tmp_path / name).write_text("\n".join(lines) + "\n")
    for command in (c for c in commands() if "stars" in c):
        done = run(command + (" --epochs 1" if "finetune" in command else ""), tmp_path)
        assert done.returncode == 0, done.stderr
    assert (tmp_path / "answers.csv").read_text().startswith("text,label,p_1,p_5\n")


def test_the_commands_that_generate(tmp_path):
    """With a small model that is hardly trained: its texts differ, their form does not."""
    train, generate, attend = (c for c in commands() if "runs/dates" in c)
    done = run(f"{train} --layers 1 --width 16 --heads 1 --epochs 1 --batch-size 1000", tmp_path)
    assert done.returncode == 0, done.stderr
    done = run(f"{generate} --max-new-tokens 12", tmp_path)
    assert done.returncode == 0, done.stderr
    shown_texts = next(block for block in blocks("text") if "1998-05-03" in block)
    assert done.stdout.splitlines()[::2] == shown_texts.splitlines()[::2]
    assert run(attend, tmp_path).returncode == 0
    assert (tmp_path / "dates.html").stat().st_size > 10_000


def test_fine_tuning_and_predicting_from_python(tmp_path, monkeypatch, capsys):
    """At most six lines of code."""
    rows = [("loved it", "5"), ("hated it", "1")] * 12
    lines = ["review,stars", *(f"{text} {i},{stars}" for i, (text, stars) in enumerate(rows))]
    (tmp_path / "reviews.csv").write_text("\n".join(lines) + "\n")
    monkeypatch.chdir(tmp_path)
    example = blocks("python")[0]
    assert len([line for line in example.splitlines() if line]) <= 6
    exec(compile(example.replace('stars", output', 'stars", epochs=1, output'), "README.md", "exec"), {})
    printed = capsys.readouterr().out.splitlines()
    assert re.match(r"\{'accuracy': [\d.]+, 'macro F1': [\d.]+\} runs/python/best", printed[-2])
    assert printed[-1] in ("1", "5")


def test_loading_from_python(capsys):
    example = blocks("python")[1]
    exec(compile(example, "README.md", "exec"), {})
    assert capsys.readouterr().out == example.rpartition("# ")[2]


def test_every_command_is_tested_here():
    """A new command in the README needs a test: this list is the reminder."""
    names = [re.search(r"minitf\.(\w+)", c)[1] for c in commands()]
    own_data = ["finetune", "predict", "evaluate"]
    assert names == [
        *("finetune", "predict"),
        *own_data,
        "attend",
        *("finetune", "generate", "attend"),
        *("check", "validate"),
    ]


def test_the_file_tree_is_true():
    tree = next(block for block in blocks("text") if block.startswith("minitf/"))
    for path in re.findall(r"^    (\w+\.py)  ", tree, flags=re.MULTILINE):
        assert (ROOT / "minitf" / "equations" / path).is_file(), path
    for path in re.findall(r"^  (\w+(?:\.py|/))", tree, flags=re.MULTILINE):
        assert (ROOT / "minitf" / path).exists(), path
    rooms = {p.name for p in (ROOT / "minitf").iterdir() if p.is_dir() and (p / "__init__.py").exists()}
    assert rooms == set(re.findall(r"^  (\w+)/", tree, flags=re.MULTILINE)) - {"data"}


def test_the_marks_left_out_are_listed():
    configured = re.search(r"-m '(.*?)'", (ROOT / "pyproject.toml").read_text())[1]
    left_out = re.findall(r"not (\w+)", configured)
    assert left_out == re.findall(r"^\| `(\w+)` \|", README, flags=re.MULTILINE)
