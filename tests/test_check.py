"""`python -m minitf.check`: a file judged, its status, its pictures, and files that cannot be judged."""

import subprocess
import sys
import time

import pytest

from minitf import check
from minitf.errors import InputError
from minitf.proof.exercises import EXERCISES

RIGHT = """
import torch

def softmax(x):
    return torch.nan_to_num(torch.softmax(x, -1))

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
    assert "this is what you get when the heads' answers are laid out head by head: a transpose is missing" in out
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
        ("def relu(x):\n    return x\n", ("--only", "sigmoid"), "--only sigmoid: no exercise is called that"),
        ("import sys\nsys.exit(3)\n", (), "SystemExit: 3"),
    ],
)
def test_a_file_that_cannot_be_judged(judged, text, words, says):
    with pytest.raises(InputError, match=r"my_math\.py|--only") as caught:
        judged(text, *words)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_such_file_and_no_python_file(here):
    for name in ("nowhere.py", "notes.txt"):
        with pytest.raises(InputError, match=name):
            check.main([name])


def test_a_file_without_end(judged, monkeypatch):
    from minitf.proof.judge import opening

    monkeypatch.setattr(opening, "SECONDS", 0.3)
    with pytest.raises(InputError, match="does not come to an end"):
        judged("while True:\n    pass\n")


def test_what_cannot_be_stopped_ends_the_process(here):
    """A call that waits in C hears nothing: the command ends all the same, with a message."""
    (here / "my_math.py").write_text("import time\ndef relu(x):\n    time.sleep(10000)\n", encoding="utf-8")
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "minitf.check", "my_math.py"], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 1
    assert done.stderr.startswith("relu: not yet")
    assert time.monotonic() - start < 60


class TestInANotebook:
    def test_every_exercise_has_its_judge(self):
        assert set(EXERCISES) <= set(dir(check))
        assert check.relu(lambda x: x * (x > 0)).passed
        assert not check.relu(abs)

    def test_another_name_lists_them(self):
        with pytest.raises(AttributeError, match="no exercise is called sofmax; there are: adam"):
            check.sofmax  # noqa: B018

    def test_it_shows_itself_with_its_picture(self, capsys, monkeypatch):
        shown = []
        display = pytest.importorskip("IPython.display")
        monkeypatch.setattr(display, "display", shown.append)
        check.relu(abs)._ipython_display_()
        assert capsys.readouterr().out.startswith("relu: not yet")
        check.merge_heads(lambda X: X.sum(1))._ipython_display_()
        assert len(shown) == 1 and shown[0].data.startswith(b"\x89PNG")
