"""The commands that a run prints can be pasted into a shell."""

import shlex
from pathlib import Path

import pytest

from minitf.cli import finetune as cli
from minitf.fine_tuning.provenance import resume_command


@pytest.fixture
def two_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": "29500"}.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize("folder", ["runs/a", "two words", "-begins-with-a-hyphen", "a'b", "/absolute"])
def test_the_command_that_resumes_a_run(folder: str) -> None:
    _, module, name, *flags = shlex.split(resume_command(Path(folder)))
    assert (module, name) == ("-m", "minitf.finetune")
    given = cli.given(flags)
    assert (given["resume"], Path(given["output"])) == (True, Path(folder))


def test_a_file_with_code_is_given_again() -> None:
    """Resuming executes no code that only the saved state names."""
    flags = shlex.split(resume_command(Path("out"), "-my math.py"))[3:]
    assert cli.given(flags)["math"] == "-my math.py"


def test_a_run_of_several_processes_is_resumed_with_the_same_number(two_processes: None) -> None:
    torchrun = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "minitf.finetune"]
    assert shlex.split(resume_command(Path("out")))[1:] == [*torchrun, "--resume", "--output", "out"]
