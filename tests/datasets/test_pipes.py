"""A pipe, device, socket or folder as a table is refused at once, in every command and format."""

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import transformers

from minitf import attend, evaluate, finetune, predict, prune
from minitf.datasets.dataset import read_table
from minitf.errors import DataError
from minitf.tasks import registry

TINY = {"num_hidden_layers": 1, "hidden_size": 8, "num_attention_heads": 2, "intermediate_size": 8}


@pytest.fixture(autouse=True)
def alarm() -> Iterator[None]:
    """A test that waits for ever would never fail."""

    def ring(*_: object) -> None:
        raise TimeoutError("waits for a pipe")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def special(folder: Path, kind: str, ending: str) -> Path:
    path = folder / f"t{ending}"
    if kind == "fifo":
        os.mkfifo(path)
    elif kind == "link":
        os.mkfifo(folder / "pipe")
        path.symlink_to(folder / "pipe")
    elif kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "folder":
        path.mkdir()
    else:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(os.path.relpath(path))
    return path


@pytest.mark.parametrize("kind", ["fifo", "link", "device", "folder", "socket"])
@pytest.mark.parametrize("task", sorted(registry.SPECS))
def test_every_format(here: Path, kind: str, task: str) -> None:
    endings = {"tagging": (".conll",), "qa": (".json",)}.get(task, (".csv", ".tsv", ".jsonl"))
    for n, ending in enumerate(endings):
        (here / str(n)).mkdir()
        with pytest.raises(DataError, match="is a folder" if kind == "folder" else "is a pipe or a device"):
            registry.SPECS[task].read(special(here / str(n), kind, ending))


@pytest.mark.parametrize("command", [finetune, predict, evaluate, prune, attend])
def test_every_command(run_command, write_bert, here: Path, command) -> None:
    folder, _ = write_bert(transformers.BertForSequenceClassification, **TINY)
    (here / "good.csv").write_text("text,label\n" + "a good film,x\na bad film,y\n" * 4)
    pipe = special(here, "fifo", ".csv")
    calls = {
        finetune: [["--model", folder, *pair] for pair in (
            ["--train", pipe], ["--train", "good.csv", "--valid", pipe], ["--train", "good.csv", "--test", pipe],
        )],
        predict: [[folder, "--input", pipe], [folder, "--embed", "--input", pipe]],
        evaluate: [[folder, "--data", pipe]],
        prune: [[folder, "--data", pipe, "--heads", 1]],
        attend: [[folder, "--input", pipe, "--view", "summary", "--output", "a.svg"]],
    }  # fmt: skip
    for argv in calls[command]:
        status, _, err = run_command(command.main, *argv)
        assert status == 2
        (line,) = err.splitlines()
        assert line == f"minitf: {pipe}: is a pipe or a device, and a table is read twice: save it as a file"


def test_standard_input_that_is_a_file(tmp_path: Path) -> None:
    """A file is read, whatever its name: here a link, as /dev/stdin is one."""
    (tmp_path / "t").write_text("text,label\na,x\nb,y\n")
    (tmp_path / "stdin.csv").symlink_to(tmp_path / "t")
    assert read_table(tmp_path / "stdin.csv").texts == ["a", "b"]
