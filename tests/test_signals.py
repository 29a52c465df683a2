"""SIGTERM and SIGHUP save what Ctrl-C saves; a command without a state leaves no half output; so for a broken pipe."""

import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import transformers

from minitf import attend, convert, evaluate, files, finetune, generate, predict, prune, search
from minitf.training import loop, state
from tests.support.small_training import TINY
from tests.support.transformer_models import write_with_characters

pytestmark = pytest.mark.usefixtures("quick_picture")


@pytest.fixture
def flags(write_bert, here: Path) -> list[str]:
    rows = [f"the film was {('awful', 'great')[i % 2]} {i},{('neg', 'pos')[i % 2]}" for i in range(24)]
    for name, part in (("train", rows), ("valid", rows[:6])):
        (here / f"{name}.csv").write_text("\n".join(["text,label", *(f"{name} {row}" for row in part)]) + "\n")
    tiny = write_bert(**(TINY | {"num_hidden_layers": 1}))[0]
    return shlex.split(
        f"--model {tiny} --train train.csv --valid valid.csv --epochs 2 --batch-size 8 --max-length 16 --lr 1e-3"
        " --metric loss --device cpu"
    )


def signalled_at(monkeypatch: pytest.MonkeyPatch, step: int, number: int) -> None:
    """Send the signal during this step."""
    update, count = loop.update, iter(range(1, 10**6))

    def signalled(*given):
        if next(count) == step:
            os.kill(os.getpid(), number)
        return update(*given)

    monkeypatch.setattr(loop, "update", signalled)


def results(folder: Path) -> tuple[bytes, list[object]]:
    """The best model, and the losses of all steps."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return (folder / "best/model.safetensors").read_bytes(), [line.get("loss") for line in lines]


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGHUP, 129), (signal.SIGINT, 130)])
@pytest.mark.parametrize("at", [2, 3, 5])
def test_a_run_that_is_asked_to_end_saves_and_says_how_to_resume(
    run_command, flags: list[str], here: Path, monkeypatch, number: int, status: int, at: int
) -> None:
    assert run_command(finetune.main, *flags, "--output", "whole")[0] == 0
    with monkeypatch.context() as patched:
        signalled_at(patched, at, number)
        found, _, err = run_command(finetune.main, *flags, "--output", "out")
    assert found == status
    what, _, line = err.splitlines()[-1].partition("; resume with:  ")
    assert what == f"interrupted at step {at} of 6"
    found, out, err = run_command(finetune.main, *shlex.split(line)[3:])
    assert (found, err) == (0, "")
    assert f"resumed at step {at} of 6" in out
    assert results(here / "out") == results(here / "whole")


def test_several_seeds_and_a_search_are_asked_to_end(run_command, flags: list[str], here: Path, monkeypatch) -> None:
    for main, more in ((finetune.main, ["--seeds", "2"]), (search.main, ["--trials", "2", "--space", "warmup=0,0.5"])):
        with monkeypatch.context() as patched:
            signalled_at(patched, 8, signal.SIGTERM)  # in the second run
            status, _, err = run_command(main, *flags, *more, "--output", main.__module__)
        assert status == 143
        (line,) = (line for line in err.splitlines() if "resume with:  " in line)
        if main is finetune.main:
            assert line.startswith("interrupted at step 2 of 6 of seed-1; ")
        status, _, err = run_command(main, *shlex.split(line.partition("resume with:  ")[2])[3:])
        assert (status, err) == (0, ""), main.__module__


@pytest.mark.parametrize("more", ["--seeds 2", "--trials 2 --space warmup=0,0.5", "--learning-curve 0.5,1"])
def test_a_signal_during_the_last_save_of_a_run_ends_the_command(
    run_command, flags: list[str], here: Path, monkeypatch, more: str
) -> None:
    """The next run does not start."""
    main, save, count = finetune.main if "--seeds" in more else search.main, state.save_state, iter(range(1, 10**6))

    def signalled(*given):
        if next(count) == 3:  # the first is before the first step, then one for each epoch
            os.kill(os.getpid(), signal.SIGTERM)
        return save(*given)

    monkeypatch.setattr(state, "save_state", signalled)
    status, _, err = run_command(main, *flags, *shlex.split(more), "--output", "out")
    assert (status, next(count)) == (143, 4), err


def test_a_learning_curve_is_asked_to_end(run_command, flags: list[str], here: Path, monkeypatch) -> None:
    signalled_at(monkeypatch, 2, signal.SIGTERM)
    status, _, err = run_command(search.main, *flags, "--learning-curve", "0.5,1", "--output", "out")
    assert status == 143
    assert err.splitlines()[-1] == "interrupted"


def test_a_learning_curve_that_was_killed_leaves_no_temporary_files(run_command, flags: list[str], here: Path) -> None:
    leftover = here / "out/.minitf-run.json-0123abcd"
    leftover.parent.mkdir()
    leftover.touch()
    assert run_command(search.main, *flags, "--learning-curve", "1", "--output", "out")[0] == 0
    assert not leftover.exists()


@pytest.fixture
def classifier(write_bert, here: Path) -> Path:
    (here / "table.csv").write_text("text,label\ngood,LABEL_0\nbad,LABEL_1\ngood film,LABEL_0\n")
    write_with_characters(here / "decoder", "gpt2")
    return write_bert(transformers.BertForSequenceClassification, name="classifier", num_labels=2)[0]


COMMANDS = {
    "predict": (predict.main, "{} --input table.csv --text text --output out.csv"),
    "evaluate": (evaluate.main, "{} --data table.csv --output out.json"),
    "prune": (prune.main, "{} --data table.csv --weights 0.5 --output out"),
    "attend": (attend.main, "{} 'good film' --output out.html"),
    "convert": (convert.main, "{} out"),
    "generate": (generate.main, "decoder --input table.csv --max-length 5 --max-new-tokens 2 --output out.csv"),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_that_is_asked_to_end_while_it_writes_leaves_no_half_output(
    run_command, classifier: Path, here: Path, monkeypatch, command: str
) -> None:
    main, line = COMMANDS[command]
    before = sorted(path.name for path in here.iterdir())
    monkeypatch.setattr(files, "sync", lambda path: os.kill(os.getpid(), signal.SIGTERM))
    status, _, err = run_command(main, *shlex.split(line.format(classifier)))
    assert (status, err.splitlines()[-1:]) == (143, ["interrupted"])
    assert sorted(path.name for path in here.iterdir()) == before


# Standard output and standard error that cannot be written ------------------------------------------------------------


def test_a_run_whose_reader_leaves_saves_and_is_resumed(run_command, flags: list[str], here: Path, monkeypatch) -> None:
    """`finetune | head -3`: the state of the step at which the line could not be printed."""
    assert run_command(finetune.main, *flags, "--output", "whole")[0] == 0
    printed = []

    def broken(line: str) -> None:
        printed.append(line)
        if line.startswith("step"):
            raise BrokenPipeError

    with monkeypatch.context() as patched:
        patched.setattr(finetune, "say", broken)
        status, _, err = run_command(finetune.main, *flags, "--verbose", "--output", "out")
    assert (status, err) == (141, "")
    assert printed[-1].startswith("step")
    status, out, _ = run_command(finetune.main, "--resume", "--output", "out")
    assert status == 0
    assert "resumed at step" in out
    assert results(here / "out") == results(here / "whole")


def shell(line: str) -> tuple[int, str]:
    """Run a line in a shell; `python` is this one. Return the status of its first command, and standard error."""
    environment = os.environ | {"PYTHONPATH": str(Path(finetune.__file__).parents[1])}
    program = f'python() {{ {shlex.quote(sys.executable)} "$@"; }}\n{line}\nexit ${{PIPESTATUS[0]}}'
    done = subprocess.run(["bash", "-c", program], capture_output=True, text=True, env=environment, check=False)
    return done.returncode, done.stderr


@pytest.mark.parametrize("buffering", ["", "-u"])
@pytest.mark.parametrize("arguments", ["finetune --help", "predict {} good"])
@pytest.mark.parametrize(
    ("redirection", "status", "lines"),
    [
        ("| true", 141, 0),
        (">/dev/full", 2, 1),
        (">&-", 2, 1),
        ("2>&- >/dev/null", 0, 0),
        ("3>&1 >/dev/null 2>&3 3>&- | true", 0, 0),
        (">&- 2>&-", 2, 0),
    ],
)
def test_output_without_a_reader(
    classifier: Path, buffering: str, arguments: str, redirection: str, status: int, lines: int
) -> None:
    """One line or none: no traceback, and no "Exception ignored"."""
    if redirection == "| true":
        redirection = "| (exec <&-; sleep 0)"
    found, err = shell(f"python {buffering} -m minitf.{arguments.format(classifier)} {redirection}")
    assert (found, err.count("\n")) == (status, lines), err
    assert lines == 0 or "cannot be written" in err or "no space left" in err
