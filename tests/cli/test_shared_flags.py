"""The flags that every command shares do in each of them what they say, on a tiny classifier in Google's layout."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
import transformers

from minitf import attend, evaluate, finetune, generate, predict, prune, search, validate
from tests.support import google_layout
from tests.support.small_training import TINY
from tests.support.tiny import write_vocabulary
from tests.support.transformer_models import write_with_characters

pytestmark = pytest.mark.usefixtures("quick_picture")

Outcome = str  # what a command prints or writes, without what differs between two equal calls


@pytest.fixture
def google(write_bert, here: Path) -> Path:
    """A classifier in Google's layout. The trained labels of such a checkpoint have no names."""
    _, model = write_bert(transformers.BertForSequenceClassification, **TINY)
    folder = google_layout.write(here / "google", model, slots=False)
    write_vocabulary(folder)
    rows = [f"the film was {'very ' * (i % 5)}{('good', 'bad')[i % 2]} {i},LABEL_{i % 2}" for i in range(24)]
    (here / "t.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    return folder


@pytest.fixture
def outcome(run_command, google: Path, here: Path) -> Callable[..., Outcome]:
    """Call a command with flags; return what it prints, and the page of `attend`."""
    decoder = write_with_characters(here / "decoder", "gpt2", n_positions=64)
    run = ("--train", "t.csv", "--model", google, "--epochs", 1, "--device", "cpu", "--overwrite", "--verbose")
    commands = {
        "finetune": (finetune.main, *run, "--output", "run"),
        "search": (search.main, *run, "--output", "curve", "--learning-curve", "1"),
        "predict": (predict.main, google, "the film was good"),
        "evaluate": (evaluate.main, google, "--data", "t.csv"),
        "prune": (prune.main, google, "--data", "t.csv", "--weights", 0.1),
        "attend": (attend.main, google, "the film was good", "--output", "maps.html"),
        "validate": (validate.main, google),
        "generate": (generate.main, decoder, "12 June 2004", "--max-new-tokens", 9, "--beams", 2, "--n-best", 2),
    }

    def call(command: str, *flags: object, status: int = 0) -> Outcome:
        found, out, err = run_command(*commands[command], *flags)
        assert found == status, err
        if command == "attend" and not status:
            out += (here / "maps.html").read_text()
        return err if status else re.sub(r"\d+ s\b", "", out)

    return call


COMMANDS = ("finetune", "search", "predict", "evaluate", "prune", "attend", "validate")
ALL = (*COMMANDS, "generate")  # which has no --hidden-act, and no model in Google's layout


@pytest.mark.parametrize("command", COMMANDS)
def test_hidden_act_changes_the_result(outcome, command: str) -> None:
    assert outcome(command, "--hidden-act", "gelu") == outcome(command)
    assert outcome(command, "--hidden-act", "relu") != outcome(command)


@pytest.mark.parametrize("command", COMMANDS)
def test_no_verify_opens_a_damaged_checkpoint(outcome, google: Path, command: str) -> None:
    shard = google / "bert_model.ckpt.data-00000-of-00001"
    content = bytearray(shard.read_bytes())
    content[1000] ^= 1
    shard.write_bytes(content)
    assert "wrong checksum" in outcome(command, status=2)
    outcome(command, "--no-verify")


@pytest.mark.parametrize("command", ALL)
def test_max_length_is_checked_against_the_positions(outcome, command: str) -> None:
    assert re.match(
        r"minitf: --max-length 65: the model has only 64 positions\n$", outcome(command, "--max-length", 65, status=2)
    )
    assert outcome(command, "--max-length", 5) != outcome(command)


@pytest.mark.parametrize("command", ALL)
def test_math_can_be_a_file(outcome, here: Path, command: str) -> None:
    (here / "mine.py").write_text("import torch\ndef gelu(x):\n    return torch.zeros_like(x)\ngelu_tanh = gelu\n")
    if command == "validate":
        outcome(command, "--math", "mine.py", status=1)
    else:
        assert outcome(command, "--math", "mine.py") != outcome(command)
    assert "--math absent.py: no such file" in outcome(command, "--math", "absent.py", status=2)


@pytest.mark.parametrize("command", ALL)
def test_a_device_that_is_not_there(outcome, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert "--device cuda" in outcome(command, "--device", "cuda", status=2)
    outcome(command, "--device", "cpu")


@pytest.mark.parametrize("command", ALL)
def test_offline_is_accepted(outcome, command: str) -> None:
    assert outcome(command, "--offline") == outcome(command)
