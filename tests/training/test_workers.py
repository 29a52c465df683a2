"""Two processes under torchrun: the weights of one process, each text evaluated once, one that writes, no deadlock.

Starting torchrun takes seconds, so one start trains all plans of `distributed_driver`.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from minitf.training import state
from minitf.training.workers import ALONE
from tests.support.distributed_driver import PLANS, train
from tests.support.small_training import QUIET, TINY, farthest

DRIVER = Path(__file__).parent.parent / "support" / "distributed_driver.py"


def torchrun(*arguments: object, **more) -> subprocess.Popen:
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone", DRIVER]
    return subprocess.Popen(
        [str(word) for word in (*command, *arguments)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        **more,
    )


def ended(process: subprocess.Popen, seconds: float = 100.0) -> tuple[int, str, str]:
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise AssertionError(f"timeout: {process.communicate()}") from None
    return process.returncode, out, err


def test_the_weights_of_one_process(write_bert, tmp_path: Path) -> None:
    """In float64, without dropout; also the losses; each text is evaluated by one of the two processes."""
    folder = write_bert(**(TINY | QUIET | {"num_hidden_layers": 2}))[0]
    status, _, err = ended(torchrun(tmp_path, "trainings", folder, cwd=tmp_path))
    assert status == 0, err
    results = json.loads((tmp_path / "results.json").read_text())
    for name, plan in PLANS.items():
        expected, losses, seen = train(str(folder), ALONE, plan)
        first, second = (load_file(tmp_path / f"{name}-{rank}.safetensors") for rank in (0, 1))
        assert all(torch.equal(first[n], second[n]) for n in first)  # the same bits in both
        assert farthest(first, expected) <= 1e-10, name
        assert results[name]["losses"] == pytest.approx(losses, rel=1e-12)
        assert sum(results[name]["seen"]) == seen == 3 * 70
        assert min(results[name]["seen"]) > 0
        # Without a gradient in any process there is no weight decay either. A penalty has a gradient.
        assert torch.equal(first["idle"], torch.ones(2)) == (name != "penalties")
        assert not torch.equal(first["touched"], torch.ones(2))
    random_states = [n for n in load_file(tmp_path / "last" / state.FILE) if n.startswith("random/")]
    assert sorted(random_states) == ["random/0/cpu", "random/1/cpu"]


@pytest.fixture
def flags(write_bert, tmp_path: Path) -> list[str]:
    rows = [
        f"the film was {('bad', 'good')[i % 2]} {'so very ' * (i % 5)}{i},{('neg', 'pos')[i % 2]}" for i in range(40)
    ]
    (tmp_path / "train.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    (tmp_path / "valid.csv").write_text("\n".join(["text,label", *(f"again {row}" for row in rows[:9])]) + "\n")
    tiny = write_bert(**TINY)[0]
    return (
        f"--train train.csv --valid valid.csv --model {tiny} --epochs 2 --batch-size 6 --lr 1e-3 --max-length 32"
        " --save-every 1 --device cpu"
    ).split()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_ctrl_c_or_sigterm_and_resume(flags: list[str], tmp_path: Path, number: int) -> None:
    """torchrun passes signals on, so each process gets them twice; all save together; the resumed run is the same."""
    whole = torchrun("-", "finetune", *flags, "--output", "whole", cwd=tmp_path)
    part = torchrun("-", "slow", *flags, "--output", "part", cwd=tmp_path)
    journal, end = tmp_path / "part/metrics.jsonl", time.monotonic() + 90
    while not journal.exists() or journal.read_text().count("\n") < 3:
        assert part.poll() is None, part.communicate()
        assert time.monotonic() < end
        time.sleep(0.05)
    os.killpg(part.pid, number)  # as a terminal and Slurm do: to all of them
    status, out, err = ended(part)
    assert status != 0
    assert err.count("resume with:") == 1, err
    assert err.count("stopping after this step") == 1
    status, out, err = ended(whole)
    assert status == 0, err
    assert out.count("use it:") == out.count("\n   2/2  ") == 1  # only one process prints
    steps = state.saved_steps(tmp_path / "part/last")
    assert 3 <= steps < 14
    status, out, err = ended(torchrun("-", "finetune", "--resume", "--output", "part", cwd=tmp_path))
    assert status == 0, err
    assert f"resumed at step {steps} of 14" in out
    first, second = (load_file(tmp_path / name / "best/model.safetensors") for name in ("whole", "part"))
    assert all(torch.equal(first[n], second[n]) for n in first)
    first, second = (load_file(tmp_path / name / "last" / state.FILE) for name in ("whole", "part"))
    assert all(torch.equal(first[n], second[n]) for n in first)


def test_a_process_that_fails_ends_all(flags: list[str], tmp_path: Path) -> None:
    """With its message, and without a timeout."""
    start = time.monotonic()
    status, _, err = ended(torchrun("-", "fail", *flags, "--output", "out", cwd=tmp_path))
    assert status != 0
    assert "minitf: the second process fails" in err
    assert time.monotonic() - start < 60
