"""Every command that opens a model by its name on the hub opens the requested revision."""

import importlib
from pathlib import Path

import pytest

from minitf.checkpoints import sources
from minitf.errors import InputError

COMMANDS = {
    "finetune": ["--train", "t.csv", "--model", "org/name"],
    "search": ["--train", "t.csv", "--model", "org/name", "--output", "out"],
    "predict": ["org/name", "text", "--embed"],
    "generate": ["org/name", "text"],
    "evaluate": ["org/name", "--data", "t.csv", "--task", "classification"],
    "validate": ["org/name"],
    "convert": ["org/name", "out"],
    "attend": ["org/name", "text", "--output", "a.png"],
    "prune": ["org/name", "--data", "t.csv", "--task", "classification", "--heads", "1", "--output", "out"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_it_opens_the_requested_revision(run_command, here: Path, monkeypatch, name):
    def find(source, *arguments, revision=None, **settings):
        raise InputError(f"{source} at {revision}")

    monkeypatch.setattr(sources, "find", find)
    (here / "t.csv").write_text("text,label\n" + "".join(f"word {i},{'ab'[i % 2]}\n" for i in range(40)))
    main = importlib.import_module(f"minitf.{name}").main
    status, _, err = run_command(main, *COMMANDS[name], "--revision", "v1.2")
    assert status == 2
    assert err.splitlines()[-1] == "minitf: org/name at v1.2"
