"""`python -m minitf.check`: a file that is checked, its status, its pictures, and files that cannot be checked."""

import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from minitf import check
from minitf.errors import InputError
from minitf.exercises import EXERCISES

RIGHT = """
import torch

def softmax(x):
    nothing = torch.isneginf(x).all(-1, keepdim=True)
    return torch.softmax(x.masked_fill(nothing, 0.0), -1).masked_fill(nothing, 0.0)

def helper(x):
    return x

def sinusoidal_positions(S, D):
    angle = torch.arange(S).double()[:, None] / 10000 ** (torch.arange(0, D, 2).double() / D)
    return torch.stack([angle.sin(), angle.cos()], -1).flatten(1)
"""

WRONG = """
import torch
from torch import softmax  # not one's own

def merge_heads(X):
    B, H, S, d_k = X.shape
    return X.reshape(B, S, H * d_k)

def log_softmax(z):
    return z - torch.logsumexp(z, -1, keepdim=True)
"""


@pytest.fixture
def judged(here, capsys):
    def run(text, *words):
        (here / "my_math.py").write_text(text, encoding="utf-8")
        status = check.main(["my_math.py", *words])
        return status, capsys.readouterr().out

    return run


def test_all_that_a_file_has_is_judged(judged):
    status, out = judged(RIGHT)
    assert status == 0
    assert "softmax: passed" in out and "sinusoidal_positions: passed" in out
    assert "all-MiniLM-L6-v2: 7 hidden states equal" in out
    assert "helper" not in out
    assert out.endswith("2 of 2 passed\n")


def test_a_failure_is_status_1_with_a_picture(judged, here):
    status, out = judged(WRONG, "--pictures", "seen")
    assert status == 1
    assert "this is what you get when the outputs are ordered by head, not by token: a transpose is missing" in out
    assert "picture: seen/merge_heads.png" in out.replace("\\", "/")
    assert [path.name for path in (here / "seen").iterdir()] == ["merge_heads.png"]
    assert "\nsoftmax" not in out  # it is imported, not written
    assert out.endswith("1 of 2 passed\n")


def test_only_some(judged):
    status, out = judged(WRONG, "--only", "log_softmax")
    assert (status, "merge_heads" in out) == (0, False)


@pytest.mark.parametrize(
    ("text", "words", "says"),
    [
        ("def softmax(x):\n    return (", (), "SyntaxError"),
        ("import torch\nx = torch.cat(3)\n", (), "at your line 2: x = torch.cat(3)"),
        ("x = 1\n", (), "does not define any of"),
        ("def relu(x):\n    return x\n", ("--only", "gelu"), "does not define gelu"),
        ("def relu(x):\n    return x\n", ("--only", "sigmoid"), "--only sigmoid: no exercise has this name"),
        ("import sys\nsys.exit(3)\n", (), "SystemExit: 3"),
        ("raise BaseException(3)\n", (), "BaseException: 3, at your line 1"),
        ("from .beside import one\n", (), "ImportError: attempted relative import"),
        ("input()\n", (), "at your line 1: input()"),
        ("\0", (), "SyntaxError: source code string cannot contain null bytes; correct"),
    ],
)
def test_a_file_that_cannot_be_judged(judged, text, words, says):
    with pytest.raises(InputError, match=r"my_math\.py|--only") as caught:
        judged(text, *words)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


RELU = "def relu(x):\n    return x * (x > 0)\n"


@pytest.mark.parametrize(
    "text",
    [
        "\ufeff" + RELU,
        RELU.replace("\n", "\r\n"),
        "from __future__ import annotations\nimport dataclasses\n@dataclasses.dataclass\nclass A:\n    x: int\n" + RELU,
        f"import pickle\nclass A: pass\npickle.dumps(A())\n{RELU}",
        f"from beside import one\n{RELU}",
        f"{RELU}if __name__ == '__main__':\n    raise SystemExit\n",
        "import functools\ndef step(least, x):\n    return x * (x > least)\nrelu = functools.partial(step, 0)\n",
        "import functools\n@functools.lru_cache\ndef relu(x):\n    return x * (x > 0)\n",
        "class Relu:\n    def __call__(self, x):\n        return x * (x > 0)\nrelu = Relu()\n",
    ],
)
def test_a_file_in_whatever_way_it_is_written(judged, here, text):
    (here / "beside.py").write_text("one = 1\n", encoding="utf-8")
    assert "relu: passed" in judged(text)[1]


def test_a_blank_in_the_place_of_a_function(judged):
    status, out = judged("from torch import relu\nsoftmax = ...\n")
    assert status == 1
    assert "softmax: not yet\n  the blank is still there" in out and "relu" not in out


@pytest.mark.parametrize("name", ["torch.py", "numpy.py", "math.py", "random.py"])
def test_a_file_called_like_a_library(here, name):
    (here / name).write_text("import torch\n" + RELU, encoding="utf-8")
    command = [sys.executable, "-m", "minitf.check", name]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
    assert "relu: passed" in done.stdout


def test_no_such_file_and_no_python_file(here):
    for name in ("nowhere.py", "notes.txt"):
        with pytest.raises(InputError, match=name):
            check.main([name])


def test_a_file_without_end(judged, monkeypatch):
    from minitf.exercises.judge import learner_file

    monkeypatch.setattr(learner_file, "SECONDS", 0.3)
    with pytest.raises(InputError, match="does not finish"):
        judged("while True:\n    pass\n")


def test_what_cannot_be_stopped_ends_the_process(here):
    """A call that waits in C code cannot be interrupted: the command ends with a message."""
    (here / "my_math.py").write_text("import time\ndef relu(x):\n    time.sleep(10000)\n", encoding="utf-8")
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "minitf.check", "my_math.py"], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 1
    assert done.stderr.startswith("relu: not yet")
    assert time.monotonic() - start < 60


def test_what_lets_no_other_thread_run_ends_the_process(here):
    (here / "my_math.py").write_text(
        "import itertools\ndef relu(x):\n    return sum(itertools.count())\n", encoding="utf-8"
    )
    command = [sys.executable, "-m", "minitf.check", "my_math.py"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 1
    assert "Timeout" in done.stderr and 'my_math.py", line 3 in relu' in done.stderr


def test_the_readme_shows_what_it_prints(judged):
    """For an attention that omits √d_k."""
    text = (Path(check.__file__).parent.parent / "README.md").read_text(encoding="utf-8")
    block = re.search(r"^```text\n(scaled_dot_product_attention: not yet\n.*?)^```$", text, re.MULTILINE | re.DOTALL)
    forgetful = (
        "import torch\n"
        "def scaled_dot_product_attention(Q, K, V, mask=None):\n"
        "    scores = Q @ K.mT\n"
        "    A = torch.softmax(scores if mask is None else scores.masked_fill(~mask, -torch.inf), -1)\n"
        "    return A @ V, A\n"
    )
    assert judged(forgetful)[1] == block[1] + "0 of 1 passed\n"


class TestInANotebook:
    def test_every_exercise_has_its_judge(self):
        assert set(EXERCISES) <= set(dir(check))
        assert check.relu(lambda x: x * (x > 0)).passed
        assert not check.relu(abs)

    def test_another_name_lists_them(self):
        with pytest.raises(AttributeError, match=r"no exercise is called sofmax; there are: .*, softmax, "):
            check.sofmax  # noqa: B018

    def test_it_shows_itself_with_its_picture(self, capsys, monkeypatch):
        shown = []
        monkeypatch.setattr("IPython.display.display", shown.append)
        check.relu(abs)._ipython_display_()
        assert capsys.readouterr().out.startswith("relu: not yet")
        check.merge_heads(lambda X: X.sum(1))._ipython_display_()
        assert len(shown) == 1 and shown[0].data.startswith(b"\x89PNG")


def test_help_ends_with_three_examples(capsys):
    with pytest.raises(SystemExit, match="0"):
        check.main(["--help"])
    examples = capsys.readouterr().out.partition("examples:\n")[2].splitlines()
    assert len(examples) == 3 and all(line.startswith("  python -m minitf.check ") for line in examples)
