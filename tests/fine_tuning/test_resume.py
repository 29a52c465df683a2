"""Runs that are killed, interrupted, or stopped by a full disk, and two in one folder: a resumed run has the same bits.

A run is killed by SIGKILL in a fork of this process, because starting Python takes longer than the run.
"""

import contextlib
import errno
import json
import os
import random
import re
import resource
import shlex
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from minitf import finetune, predict
from minitf.errors import InputError
from minitf.fine_tuning import folder as folders
from minitf.training import loop, state
from tests.support.small_training import TINY

WORDS = {"pos": ("great", "good", "loved", "not bad"), "neg": ("awful", "bad", "hated", "not good")}


pytestmark = pytest.mark.usefixtures("quick_picture")


@pytest.fixture
def here(here: Path) -> Path:
    write_table(here / "train.csv", 40)
    write_table(here / "valid.csv", 12, "again , ")
    return here


def write_table(path: Path, n: int, mark: str = "") -> None:
    rows = [(("neg", "pos")[i % 2], i) for i in range(n)]
    lines = [
        f'"{mark}the film was {WORDS[label][i // 2 % 4]}{" , so very" * (i % 5)} {i}",{label}' for label, i in rows
    ]
    path.write_text("\n".join(["text,label", *lines]) + "\n")


@pytest.fixture
def flags(write_bert, here: Path) -> list[str]:
    """Three epochs of five steps, with dropout, gradual unfreezing and accumulation; saved every two steps."""
    tiny = write_bert(**(TINY | {"num_hidden_layers": 2}))[0]
    return shlex.split(
        f"--train train.csv --valid valid.csv --model {tiny} --epochs 3 --batch-size 4 --accumulate 2 --max-length 32"
        " --lr 1e-3 --metric loss --freeze embeddings --unfreeze gradual --save-every 2 --device cpu --seed 3"
    )


def forked(body: Callable[[], int], wait: float | None = None) -> tuple[int, str]:
    """Run `body` in another process, killed after `wait` seconds; return its status (−9: killed) and its output."""
    read, write = os.pipe()
    sys.stdout.flush()
    child = os.fork()
    if child == 0:  # pragma: no cover
        os.dup2(write, 1)
        os.dup2(write, 2)
        sys.stdout, sys.stderr = os.fdopen(1, "w", 1), os.fdopen(2, "w", 1)
        status = 1
        try:
            status = body()
        except InputError as error:
            print(f"minitf: {error}", file=sys.stderr)
            status = 2
        except BaseException:
            traceback.print_exc()
        finally:
            with contextlib.suppress(BaseException):
                sys.stdout.flush()
            os._exit(status)
    os.close(write)
    if wait is not None:
        time.sleep(wait)
        os.kill(child, signal.SIGKILL)
    with os.fdopen(read, "rb") as pipe:
        output = pipe.read().decode()
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), output


def run(*flags: object) -> int:
    return finetune.main([str(flag) for flag in flags])


def digest(folder: Path) -> dict[str, object]:
    """All that a run leaves, without times and paths."""

    def timeless(value):
        if isinstance(value, dict):
            left_out = ("seconds", "finished", "output", "command", "prediction_command", "attention_command")
            return {k: timeless(v) for k, v in value.items() if k not in left_out}
        return [timeless(v) for v in value] if isinstance(value, list) else value

    found: dict[str, object] = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        name = str(path.relative_to(folder))
        if path.name == "state.safetensors":
            tensors = {n: t.flatten().view(torch.uint8).numpy().tobytes() for n, t in load_file(path).items()}
            content = timeless(state._content(path.parent))
            found[name] = tensors, {k: v for k, v in content.items() if k != "extra"}
        elif path.suffix == ".jsonl":
            found[name] = [timeless(json.loads(line)) for line in path.read_text().splitlines()]
        elif path.name == "report.json":
            found[name] = timeless(json.loads(path.read_text()))
        elif path.name == "report.html":  # without its command, its folder, dates and durations
            differing = r'<pre class="command">.*?</pre>|<tr><td[^>]*>output</td>.*?</tr>|<time .*?</time>'
            page = re.sub(differing, "", path.read_text())
            found[name] = page
        else:
            found[name] = path.read_bytes()
    return found


def assert_same(found: dict[str, object], expected: dict[str, object]) -> None:
    assert found.keys() == expected.keys()
    for name in expected:
        assert found[name] == expected[name], name


@pytest.fixture
def expected(flags: list[str], here: Path) -> dict[str, object]:
    """The result of the run that is not stopped."""
    status, output = forked(lambda: run(*flags, "--output", "whole"))
    assert status == 0, output
    found = digest(here / "whole")
    assert set(found) >= {"best/model.safetensors", "last/state.safetensors", "metrics.jsonl", "report.json"}
    return found


# Killed ---------------------------------------------------------------------------------------------------------------

# The functions with which a run changes files.
CALLS = ((os, "replace"), (os, "rename"), (os, "fsync"), (os, "unlink"), (os, "mkdir"), (shutil, "rmtree"))


def before_each_call(act: Callable[[int], None]) -> None:
    """Call `act(n)` before the n-th of these calls, from now on."""
    count = iter(range(10**6))

    def watched(call: Callable) -> Callable:
        def watching(*given, **more):
            act(next(count))
            return call(*given, **more)

        return watching

    for module, name in CALLS:
        setattr(module, name, watched(getattr(module, name)))


def test_killed_at_every_change_of_the_disk(flags: list[str], here: Path, expected) -> None:
    """Between any two changes; the resumed run is killed too, and then runs to its end."""

    def counting() -> int:
        before_each_call(lambda n: (here / "count").write_text(str(n + 1)) and None)
        return run(*flags, "--output", "counted")

    assert forked(counting)[0] == 0
    calls = int((here / "count").read_text())
    assert calls > 30
    draw = random.Random(0)
    # All of them would take a minute: every sixth, from a random one, and the first ones.
    for at in sorted({0, 1, 2, 3, *range(draw.randrange(6), calls, 6)}):

        def killed(at: int = at) -> int:
            before_each_call(lambda n: os.kill(os.getpid(), signal.SIGKILL) if n == at else None)
            return run(*flags, "--output", "out")

        def again(more: int = draw.randrange(20)) -> int:
            before_each_call(lambda n: os.kill(os.getpid(), signal.SIGKILL) if n == more else None)
            return run(*flags, "--output", "out", "--resume")

        shutil.rmtree(here / "out", ignore_errors=True)
        assert forked(killed)[0] == -9
        if not (here / "out").exists():
            continue
        assert forked(again)[0] in (-9, 0)
        status, output = forked(lambda: run(*flags, "--output", "out", "--resume"))
        assert status == 0, output
        assert_same(digest(here / "out"), expected)


def test_killed_at_random_moments(flags: list[str], here: Path, expected) -> None:
    """Saving is made slow, so that half of the moments are during it."""

    def slow(call: Callable) -> Callable:
        def slowly(*given, **more):
            time.sleep(0.01)
            done = call(*given, **more)
            time.sleep(0.01)
            return done

        return slowly

    def slowed() -> None:
        for module, name in ((os, "replace"), (os, "rename"), (state, "save_file")):
            setattr(module, name, slow(getattr(module, name)))

    start = time.monotonic()
    assert forked(lambda: slowed() or run(*flags, "--output", "slow"))[0] == 0
    duration = time.monotonic() - start
    draw, killed = random.Random(1), 0
    for n in range(4):
        out = here / f"out-{n}"
        status, _ = forked(lambda out=out: slowed() or run(*flags, "--output", out), draw.uniform(0, duration))
        killed += status == -9
        if out.exists():
            status, output = forked(lambda out=out: run(*flags, "--output", out, "--resume"))
            assert status == 0, output
            assert_same(digest(out), expected)
    assert killed >= 2


def test_killed_while_a_file_is_half_written(flags: list[str], here: Path, expected) -> None:
    """Half a state, half a model, half a line of the journal: none of them is used."""

    def half(name: str, at: int) -> None:
        from minitf.checkpoints import save
        from minitf.fine_tuning.journal import Journal

        count = iter(range(10**6))

        def torn(tensors, path, *more, **others):
            if next(count) == at:
                Path(path).write_bytes(b"half of it" * 50)
                os.kill(os.getpid(), signal.SIGKILL)
            return true(tensors, path, *more, **others)

        def torn_line(journal, event):
            if next(count) == at:
                journal._file.write('{"step": 7, "lo')
                journal._file.flush()
                os.kill(os.getpid(), signal.SIGKILL)
            return true(journal, event)

        if name == "journal":
            true = Journal.write
            Journal.write = torn_line
        else:
            module = {"state": state, "best": save}[name]
            true = module.save_file
            module.save_file = torn

    for name, at in (("state", 0), ("state", 3), ("best", 1), ("journal", 9)):
        shutil.rmtree(here / "out", ignore_errors=True)
        assert forked(lambda name=name, at=at: half(name, at) or run(*flags, "--output", "out"))[0] == -9
        status, output = forked(lambda: run(*flags, "--output", "out", "--resume"))
        assert status == 0, output
        assert_same(digest(here / "out"), expected)


def test_leftovers_of_a_save(tmp_path: Path) -> None:
    """After a kill at each step of replacing best/: the earlier one stays, or the new one is complete."""
    for there, old, half in ((1, 0, 1), (0, 1, 1), (1, 1, 0), (1, 0, 0), (0, 0, 1)):
        folder = tmp_path / f"{there}{old}{half}"
        for name, wanted in (("best", there), (".best-0123abcd-old", old), (".best-0123abcd", half)):
            if wanted:
                (folder / name).mkdir(parents=True)
                (folder / name / "model").write_text(name)
        (folder / ".report.json-00000077").write_text("{")
        (folder / ".curves.png-00000077").write_text("half")
        (folder / ".notes").write_text("of the user")
        folders.remove_all_leftovers(folder)
        left = {path.name for path in folder.iterdir()}
        assert left == ({"best", ".notes"} if there or old else {".notes"})
        if left > {".notes"}:
            assert (folder / "best" / "model").read_text() == ("best" if there else ".best-0123abcd-old")


# Interrupted ----------------------------------------------------------------------------------------------------------


def signalled_at(monkeypatch: pytest.MonkeyPatch, *steps: int) -> None:
    """Send Ctrl-C during these steps."""
    update, count = loop.update, iter(range(1, 10**6))

    def interrupted(*given):
        if next(count) in steps:
            os.kill(os.getpid(), signal.SIGINT)
        return update(*given)

    monkeypatch.setattr(loop, "update", interrupted)


@pytest.mark.parametrize("at", [1, 5, 7, 15])
def test_ctrl_c_saves_and_prints_how_to_resume(
    run_command, flags: list[str], here: Path, expected, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    """During an epoch, in its last step, in the last step of all; the printed command works."""
    with monkeypatch.context() as patched:
        signalled_at(patched, at)
        status, _, err = run_command(finetune.main, *flags, "--output", "a run")
    assert status == 130
    assert "stopping after this step" in err
    assert ("the best epoch so far is in a run/best\n" in err) == (at >= 5)
    what, _, line = err.splitlines()[-1].partition("; resume with:  ")
    assert what == f"interrupted at step {at} of 15"
    command = shlex.split(line)
    assert command[1:] == ["-m", "minitf.finetune", "--resume", "--output", "a run"]
    status, out, err = run_command(finetune.main, *command[3:])
    assert (status, err) == (0, "")
    assert f"resumed at step {at} of 15" in out
    started = shlex.join(["python", "-m", "minitf.finetune", *flags, "--output", "a run"])
    assert json.loads((here / "a run/report.json").read_text())["command"] == started  # not that which resumed
    assert_same(digest(here / "a run"), expected)


def test_a_real_ctrl_c(flags: list[str], here: Path, expected) -> None:
    """In another process, as from a shell."""
    source = Path(finetune.__file__).parent.parent
    program = f"""
import signal, sys, time
sys.path.insert(0, {str(source)!r})
signal.signal(signal.SIGINT, signal.default_int_handler)  # the process of the tests may ignore it
import torch
torch.set_num_threads(1)  # as in the tests: another number of threads gives other bits
from minitf import finetune
from minitf.cli import console
from minitf.training import loop
update = loop.update
loop.update = lambda *given: (time.sleep(0.2), update(*given))[1]
console.run(lambda _: finetune.main(sys.argv[1:]))
"""
    process = subprocess.Popen(
        [sys.executable, "-c", program, *flags, "--output", "out"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    journal = here / "out/metrics.jsonl"
    until(lambda: journal.exists() and journal.read_text().count("\n") >= 2, process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert "resume with:" in err
    status, output = forked(lambda: run("--resume", "--output", "out"))
    assert status == 0, output
    assert_same(digest(here / "out"), expected)


def until(happened: Callable[[], bool], process: subprocess.Popen, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end
        time.sleep(0.01)


def test_ctrl_c_twice_does_not_wait(
    run_command, flags: list[str], here: Path, expected, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The current step is lost; the state that was saved before it remains."""
    update, count = loop.update, iter(range(1, 10**6))

    def interrupted(*given):
        if next(count) == 8:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)  # immediately: the same Ctrl-C, passed on
            time.sleep(0.6)
            os.kill(os.getpid(), signal.SIGINT)
            raise AssertionError("it did not stop at once")
        return update(*given)

    with monkeypatch.context() as patched:
        patched.setattr(loop, "update", interrupted)
        status, _, err = run_command(finetune.main, *flags, "--output", "out")
    assert status == 130
    assert err.count("stopping after this step; press Ctrl-C again to stop at once") == 1
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    status, out, _ = run_command(finetune.main, "--resume", "--output", "out")
    assert status == 0
    assert "resumed at step 6 of 15, in epoch 2" in out  # --save-every 2
    assert_same(digest(here / "out"), expected)


def test_an_ignored_ctrl_c_stays_ignored(run_command, flags: list[str], here: Path, monkeypatch) -> None:
    """A run that a script starts in the background continues."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        signalled_at(monkeypatch, 3)
        assert run_command(finetune.main, *flags, "--output", "out")[0] == 0
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_before_anything_is_saved(run_command, flags: list[str], here: Path, expected) -> None:
    """A run that was killed at its start starts again if its flags are given again; otherwise it is an error."""
    (here / "out/last").mkdir(parents=True)
    status, _, err = run_command(finetune.main, "--resume", "--output", "out")
    assert status == 2
    assert err == "minitf: --resume: nothing is saved in out yet; give the other settings to start again\n"
    status, out, _ = run_command(finetune.main, *flags, "--resume", "--output", "out")
    assert status == 0
    assert "nothing is saved in out yet: the run starts again" in out
    assert_same(digest(here / "out"), expected)


# What is resumed ------------------------------------------------------------------------------------------------------


def stopped(run_command, flags: list[str], monkeypatch: pytest.MonkeyPatch, at: int = 7) -> None:
    with monkeypatch.context() as patched:
        signalled_at(patched, at)
        assert run_command(finetune.main, *flags, "--output", "out")[0] == 130


def test_a_finished_run(run_command, flags: list[str], here: Path, expected, monkeypatch) -> None:
    """It is not trained; it is evaluated again, and its files stay the same."""
    assert run_command(finetune.main, *flags, "--output", "out")[0] == 0
    monkeypatch.setattr(loop, "update", None)
    status, out, _ = run_command(finetune.main, "--resume", "--output", "out")
    assert status == 0
    assert "resumed at step 15 of 15, after the last epoch: nothing is left to train" in out
    assert "valid accuracy" in out
    assert_same(digest(here / "out"), expected)


@pytest.mark.parametrize(
    "more", ["--augment delete=0.3,swap=0.2 --long-text windows --max-length 12", "--freeze all", "--l2 1e-4"]
)
def test_other_runs(run_command, flags: list[str], here: Path, monkeypatch, more: str) -> None:
    """Augmentation, windows, only the head, a penalty (which needs the whole word embedding)."""
    flags = [flag for flag in flags if flag not in ("--freeze", "embeddings", "--unfreeze", "gradual")] + more.split()
    assert run_command(finetune.main, *flags, "--output", "whole")[0] == 0
    stopped(run_command, flags, monkeypatch)
    status, _, err = run_command(finetune.main, "--resume", "--output", "out")
    assert (status, err) == (0, "")
    assert_same(digest(here / "out"), digest(here / "whole"))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--lr", "1e-4"], "--lr 0.0001: the run was started with 0.001; leave it out, or start a new run"),
        (["--epochs", "4"], "--epochs 4: the run was started with 3"),
        (["--seeds", "2"], "--seeds 2: the run was started with 1"),
        (["--train", "valid.csv"], "--train valid.csv: the run was started with train.csv"),
        (["--from-scratch"], "--from-scratch True: the run was started with False"),
        (["--seed", "0"], "--seed 0: the run was started with 3"),
        (["--metric", "accuracy"], "--metric accuracy: the run was started with loss"),
    ],
)
def test_other_settings_are_refused(run_command, flags, here: Path, monkeypatch, given, message: str) -> None:
    stopped(run_command, flags, monkeypatch)
    before = digest(here / "out")
    status, _, err = run_command(finetune.main, "--resume", "--output", "out", *given)
    assert status == 2
    (line,) = err.splitlines()
    assert message in line
    assert_same(digest(here / "out"), before)


def test_the_same_settings_and_those_that_may_differ(run_command, flags, here: Path, monkeypatch, expected) -> None:
    """A default may be given: the run had --warmup 0.1 without the flag."""
    stopped(run_command, flags, monkeypatch)
    more = ("--warmup", "0.1", "--offline", "--save-every", "1", "--max-length", "32")
    status, _, err = run_command(finetune.main, *flags, *more, "--resume", "--output", "out")
    assert (status, err) == (0, "")
    found, wanted = digest(here / "out"), dict(expected)
    for name in ("save_every", "offline"):
        for report in (found["report.json"], wanted["report.json"]):
            report["arguments"].pop(name)
    del found["report.html"], wanted["report.html"]  # they have these settings too
    assert_same(found, wanted)


@pytest.mark.parametrize("name", ["train.csv", "valid.csv", "model"])
def test_changed_data_and_weights_are_refused(
    run_command, flags, here: Path, monkeypatch, write_bert, name: str
) -> None:
    stopped(run_command, flags, monkeypatch)
    if name == "model":  # the state does not have the frozen embeddings
        write_bert(**(TINY | {"num_hidden_layers": 2}), seed=1)
    else:
        (here / name).write_text((here / name).read_text().replace("very", "so", 1))
    before = digest(here / "out")
    status, _, err = run_command(finetune.main, "--resume", "--output", "out")
    assert status == 2
    (line,) = err.splitlines()
    assert "has changed since the run started" in line
    assert (name if name != "model" else "--model") in line
    assert_same(digest(here / "out"), before)


def test_a_damaged_state_is_refused(run_command, flags, here: Path, monkeypatch) -> None:
    """A damaged metrics.jsonl is not: see `test_resume_changes`."""
    stopped(run_command, flags, monkeypatch)
    file = Path("out/last/state.safetensors")
    file.write_bytes(file.read_bytes()[:-9])
    status, _, err = run_command(finetune.main, "--resume", "--output", "out")
    assert status == 2
    (line,) = err.splitlines()
    assert str(file) in line


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["--resume"], "--resume needs --output, the folder of the run"),
        (["--resume", "--output", "nowhere"], "--resume: nowhere is not the folder of a run"),
        (["--resume", "--output", "train.csv"], "--resume: train.csv is not the folder of a run"),
    ],
)
def test_nothing_to_resume(run_command, here: Path, given: list[str], message: str) -> None:
    status, out, err = run_command(finetune.main, *given)
    assert (status, out) == (2, "")
    (line,) = err.splitlines()
    assert message in line


def test_a_run_of_an_earlier_version_is_refused(run_command, flags: list[str], here: Path, monkeypatch) -> None:
    """In one line; the run stays as it is. `overwrite` still replaces it."""
    with monkeypatch.context() as patched:
        patched.setattr(state, "VERSION", 1)
        stopped(run_command, flags, monkeypatch)
    before = {path: path.read_bytes() for path in (here / "out").rglob("*") if path.is_file()}
    for given in (["--resume"], ["--resume", *flags]):
        status, _, err = run_command(finetune.main, *given, "--output", "out")
        assert status == 2
        (line,) = err.splitlines()
        assert "out/last/state.safetensors: was saved by another version of minitf" in line
        assert "start again with --overwrite" in line
    assert {path: path.read_bytes() for path in (here / "out").rglob("*") if path.is_file()} == before
    assert run_command(finetune.main, *flags, "--overwrite", "--output", "out")[0] == 0


# Two runs in one folder -----------------------------------------------------------------------------------------------


@contextlib.contextmanager
def at_work(flags: list[str]) -> Iterator[int]:
    """Start another process that trains in `out`."""
    child = os.fork()
    if child == 0:  # pragma: no cover
        sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115
        loop.update = lambda *given: time.sleep(60)
        with contextlib.suppress(BaseException):
            run(*flags, "--output", "out")
        os._exit(1)
    end = time.monotonic() + 30
    while not Path("out/last/state.safetensors").exists():
        assert time.monotonic() < end
        time.sleep(0.01)
    try:
        yield child
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


@pytest.mark.parametrize("more", [[], ["--overwrite"], ["--resume"]])
def test_two_in_one_folder(run_command, flags: list[str], here: Path, more: list[str], expected) -> None:
    """The second is refused and changes nothing; after the first is killed the lock is gone."""
    with at_work(flags):
        before = {path: path.read_bytes() for path in (here / "out").rglob("*") if path.is_file()}
        status, _, err = run_command(finetune.main, *flags, *more, "--output", "out")
        assert status == 2
        (line,) = err.splitlines()
        assert line.startswith("minitf: --output out: another process is using it")
        assert {path: path.read_bytes() for path in (here / "out").rglob("*") if path.is_file()} == before
    status, _, err = run_command(finetune.main, *flags, "--resume", "--output", "out")
    assert (status, err) == (0, "")
    assert_same(digest(here / "out"), expected)


def test_another_run_was_faster(run_command, flags: list[str], here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both find the folder free; when the second is prepared, the first has finished. Its run stays."""
    lock = folders.locked

    def late(folder: Path):
        with monkeypatch.context() as patched:
            patched.setattr(folders, "locked", lock)
            assert run(*flags, "--output", folder) == 0
        return lock(folder)

    monkeypatch.setattr(folders, "locked", late)
    status, _, err = run_command(finetune.main, *flags, "--seed", "9")
    assert status == 2
    assert "has an earlier run" in err
    assert json.loads((here / "runs/train-1/report.json").read_text())["arguments"]["seed"] == 3


def test_a_file_system_without_locks(run_command, flags: list[str], here: Path, monkeypatch) -> None:
    def unlocked(*given):
        raise OSError(errno.ENOLCK, "no locks available")

    monkeypatch.setattr(folders.fcntl, "flock", unlocked)
    assert run_command(finetune.main, *flags, "--output", "out")[0] == 0


# A full disk ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("at", [2, 4, 9])
def test_no_space_for_the_state(run_command, flags, here: Path, monkeypatch, expected, at: int) -> None:
    """safetensors has written a part of the file; when there is space again, the run is resumed."""
    true, count = state.save_file, iter(range(1, 10**6))

    def full(tensors, path, *more):
        if next(count) == at:
            Path(path).write_bytes(b"a part")
            raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")
        return true(tensors, path, *more)

    with monkeypatch.context() as patched:
        patched.setattr(state, "save_file", full)
        status, _, err = run_command(finetune.main, *flags, "--output", "out")
    assert status == 2
    (line,) = err.splitlines()
    assert f"{Path('out/last/state.safetensors')}: cannot be written (no space left on the disk)" in line
    assert [path.name for path in (here / "out/last").iterdir()] == ["state.safetensors"]
    state.read_extra(here / "out/last")
    assert run_command(finetune.main, "--resume", "--output", "out")[0] == 0
    assert_same(digest(here / "out"), expected)


def test_a_limit_on_the_size_of_files(flags: list[str], here: Path, expected) -> None:
    """The system stops the writing of the first state."""
    size = (here / "whole/last/state.safetensors").stat().st_size
    small = (here / "whole/best/model.safetensors").stat().st_size
    assert small < size

    def limited(most: int, *more: str) -> int:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
        return run(*flags, *more, "--output", "out")

    status, output = forked(lambda: limited(small // 2))
    assert status == 2, output
    assert output.splitlines()[-1].startswith("minitf: out/last/state.safetensors: cannot be written (")
    assert list((here / "out/last").iterdir()) == []
    status, output = forked(lambda: run(*flags, "--resume", "--output", "out"))
    assert status == 0, output
    assert_same(digest(here / "out"), expected)


def test_a_full_disk(flags: list[str], here: Path, expected) -> None:
    """A small real one: it has space for a model and a state, but not for a second model."""
    disk = here / "disk"
    disk.mkdir()
    best = sum(path.stat().st_size for path in (here / "whole/best").iterdir())
    last = (here / "whole/last/state.safetensors").stat().st_size
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={best + 2 * last - 4096}", "tmpfs", disk], check=False
    )
    if mounted.returncode:
        pytest.skip("only root can mount a small disk; test_a_limit_on_the_size_of_files needs no root")
    try:
        status, output = forked(lambda: run(*flags, "--output", disk / "out"))
        assert status == 2, output
        line = output.splitlines()[-1]
        assert line.startswith(f"minitf: {disk}/out/")
        assert "no space left on the disk" in line
        state.read_extra(disk / "out/last")
        if (disk / "out/best").exists():
            assert predict.main([str(disk / "out/best"), "good"]) == 0
        assert subprocess.run(["mount", "-o", "remount,size=64m", disk], check=False).returncode == 0
        status, output = forked(lambda: run("--resume", "--output", disk / "out"))
        assert status == 0, output
        assert_same(digest(disk / "out"), expected)
    finally:
        subprocess.run(["umount", "-l", disk], check=True)
