"""The flags of strategies, precision and seeds through `finetune.main`, and flags that contradict each other."""

import json
import os
import shlex
import signal
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from minitf import finetune
from minitf.fine_tuning.journal import Journal
from minitf.fine_tuning.manifest import Manifest
from minitf.tasks.classification.task import Classification
from minitf.training import loop
from tests.support.small_training import TINY

L = 3


pytestmark = pytest.mark.usefixtures("quick_picture")


@pytest.fixture
def here(here: Path) -> Path:
    both = [(("awful", "neg"), ("great", "pos"))[i % 2] for i in range(40)]
    rows = [f"the film was {word} {'so very ' * (i % 3)}{i},{label}" for i, (word, label) in enumerate(both)]
    (here / "train.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    return here


@pytest.fixture
def folder(write_bert) -> Path:
    return write_bert(**(TINY | {"num_hidden_layers": L}))[0]


@pytest.fixture
def flags(folder: Path, here: Path) -> list[str]:
    return shlex.split(
        f"--train train.csv --model {folder} --epochs 2 --batch-size 8 --lr 1e-3 --device cpu --metric loss"
    )


@pytest.fixture
def run(run_command, flags: list[str]):
    """A function that runs fine-tuning without an error and returns its output."""

    def call(*more: object) -> str:
        status, out, err = run_command(finetune.main, *flags, *more)
        assert (status, err) == (0, "")
        return out

    return call


def part(name: str) -> str:
    """Return the part of the model to which a tensor of the saved file belongs."""
    words = name.removeprefix("bert.").split(".")
    return f"layer {int(words[2]) + 1}" if words[0] == "encoder" else words[0]


PARTS = ["embeddings", "layer 1", "layer 2", "layer 3", "pooler", "classifier"]


def moved(folder: Path, best: Path) -> set[str]:
    """Return the parts whose weights differ from the checkpoint's; the saved model must have all tensors."""
    before, after = load_file(folder / "model.safetensors"), load_file(best / "model.safetensors")
    before = {name if name.startswith("bert.") else f"bert.{name}": tensor for name, tensor in before.items()}
    assert set(after) == {*before, "classifier.weight", "classifier.bias"}
    assert all(after[name].shape == tensor.shape for name, tensor in before.items())
    changed = {part(name) for name, tensor in before.items() if not torch.equal(after[name], tensor)}
    return changed | {"classifier"}


@pytest.mark.parametrize(("what", "frozen"), [("embeddings", 1), ("0", 1), ("1", 2), ("3", 4), ("all", 5)])
def test_freeze(run, here: Path, folder: Path, what: str, frozen: int) -> None:
    """Frozen parts are saved unchanged; the parameter table and the check of the first update agree."""
    out = run("--freeze", what, "--output", "out")
    assert moved(folder, here / "out/best") == set(PARTS[frozen:])
    n = sum((5, 16, 16, 16, 2)[:frozen])  # tensors of each part
    assert f"{57 - n} tensors changed, {n} did not, as planned" in out
    assert out.count(" frozen\n") == 1 + (frozen > 1) + (frozen > 4)  # layers that are alike share a line


def test_gradual_unfreezing(run, here: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tensors that have changed after each of five epochs: layer by layer from the top."""
    snapshots: list[set[str]] = []
    write = Journal.write

    def watched(journal, event) -> None:
        write(journal, event)
        if isinstance(event, loop.Step):
            return
        models[0].eval()
        now = {name: p.detach().clone() for name, p in models[0].named_parameters() if "word" not in name}
        changed = {name for name, p in now.items() if not torch.equal(p, start.get(name, p))}
        snapshots.append({f"layer {int(name.split('.')[2]) + 1}" if "layers" in name else name.split(".")[0]
                          for name in changed})  # fmt: skip

    models: list[torch.nn.Module] = []
    start: dict[str, torch.Tensor] = {}
    train = loop.train

    def watching(model, *given, **more):
        models.append(model)
        start.update({name: p.detach().clone() for name, p in model.named_parameters() if "word" not in name})
        return train(model, *given, **more)

    monkeypatch.setattr(Journal, "write", watched)
    monkeypatch.setattr(loop, "train", watching)
    out = run("--unfreeze", "gradual", "--epochs", 5, "--output", "out")
    ours = ["embeddings", "layer 1", "layer 2", "layer 3", "pooler", "head"]
    assert snapshots == [set(ours[at:]) for at in (4, 3, 2, 1, 0)]
    for at, title in enumerate(("embeddings", "layer 1", "layer 2", "layer 3")):
        (line,) = (line for line in out.splitlines() if line.startswith(f"  {title} "))
        assert f"from epoch {5 - at}" in line


def test_rates_by_layer(run, here: Path) -> None:
    out = run("--layer-lr-decay", 0.5, "--output", "out")
    table = out[out.index("  group ") : out.index("  trained: ")].splitlines()[1:]
    rates = {line[2:16].strip(): line.split()[-1] for line in table}
    assert rates["embeddings"] == "0.000125"
    assert rates["layer 1"] == "0.00025"
    assert rates["layer 2"] == "0.0005"
    assert rates["layer 3"] == rates["pooler"] == rates["head"] == "0.001"


def test_reinit_top(run, here: Path, folder: Path) -> None:
    """At a rate near 0 the lower layers are the checkpoint's; the seed initializes the top ones."""
    found = []
    for seed in (1, 1, 2):
        out = f"out-{len(found)}"
        run("--reinit-top", 2, "--lr", 1e-30, "--weight-decay", 0, "--seed", seed, "--output", out, "--epochs", 1)
        assert moved(folder, here / out / "best") == {"layer 2", "layer 3", "pooler", "classifier"}
        found.append(load_file(here / out / "best/model.safetensors")["bert.encoder.layer.2.output.dense.weight"])
    assert torch.equal(found[0], found[1])
    assert not torch.equal(found[0], found[2])
    assert 0.015 < found[0].std() < 0.02


@pytest.mark.parametrize(
    ("given", "warned"),
    [
        ("--freeze all --lr 5e-5", True),
        ("--freeze all --lr 5e-5 --optimizer adam", True),
        ("--freeze all --lr 1e-2", False),
        ("--freeze all --lr 5e-5 --optimizer gd", False),
        ("--freeze 3 --lr 5e-5", False),
    ],
)
def test_a_head_alone_needs_a_larger_rate(run, given: str, warned: bool) -> None:
    warning = "warning: --freeze all trains the head alone, which learns slowly at --lr 5e-05; try 1e-2\n"
    assert (warning in run("--dry-run", *given.split())) == warned


def test_bf16(run, here: Path) -> None:
    losses = []
    for name in ("fp32", "bf16"):
        run("--precision", name, "--freeze", 1, "--output", name)
        records = map(json.loads, (here / name / "metrics.jsonl").read_text().splitlines())
        losses.append([record["loss"] for record in records if "step" in record])
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], abs=0.1)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("--freeze 99", "--freeze 99: this model has 3 layers; give fewer, or all"),
        ("--freeze 4", "--freeze 4: this model has 3 layers"),
        ("--freeze some", "must be embeddings, a number of layers, or all, not 'some'"),
        ("--freeze -1", "--freeze"),
        ("--freeze 1001", "must be embeddings, a number of layers, or all, not '1001'"),
        ("--freeze all --unfreeze gradual", "--freeze all leaves nothing for --unfreeze"),
        ("--freeze 3 --unfreeze gradual", "--freeze leaves nothing for --unfreeze"),
        ("--unfreeze sudden", "--unfreeze"),
        (
            "--from-scratch --freeze 1",
            "--from-scratch initializes all weights randomly, and --freeze would not train them",
        ),
        ("--from-scratch --unfreeze gradual", "--from-scratch initializes all weights"),
        ("--reinit-top 4", "--reinit-top 4: this model has 3 layers; give fewer"),
        ("--reinit-top 1 --freeze 3", "--reinit-top 1 re-initializes layers that --freeze would not train"),
        ("--reinit-top 1 --freeze all", "--reinit-top 1 re-initializes layers that --freeze would not train"),
        ("--layer-lr-decay 0", "must be a number above 0 and at most 1, not 0"),
        ("--layer-lr-decay 1.1", "must be a number above 0 and at most 1"),
        ("--label-smoothing 1", "must be a number of at least 0 and at most 0.99"),
        ("--accumulate 0", "must be a whole number of at least 1"),
        ("--save-every 0", "must be a whole number of at least 1"),
        ("--precision fp16", "--precision fp16 needs a GPU"),
        ("--precision fp8", "--precision"),
        ("--seeds 2 --dry-run", "--dry-run trains nothing, so it needs no --seeds"),
        ("--seeds 0", "must be a whole number of at least 1"),
        ("--optimizer gd --weight-decay 0.1", "--weight-decay is for adamw only"),
        ("--optimizer gd --no-bias-correction", "--no-bias-correction is for adam and adamw"),
    ],
)
def test_what_is_refused(run_command, run, flags: list[str], here: Path, given: str, expected: str) -> None:
    """Status 2 and one line; an earlier run stays unchanged, also with --overwrite."""
    Manifest(here / "out").add("metrics.jsonl")
    (here / "out/best").mkdir()
    (here / "out/metrics.jsonl").write_text("{}\n")
    for more in ([], ["--seeds", "2"] if "--seeds" not in given else []):
        status, _, err = run_command(
            finetune.main, *flags, "--overwrite", "--output", "out", *more, *given.split()
        )  # fmt: skip
        assert status == 2
        (line,) = err.splitlines()
        assert line.startswith("minitf: ")
        assert expected in line
        assert {path.name for path in (here / "out").iterdir()} == {"minitf-run.json", "best", "metrics.jsonl"}


def test_several_processes_need_one_folder(run_command, flags, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("RANK", "0"), ("WORLD_SIZE", "2"), ("MASTER_ADDR", "localhost"), ("MASTER_PORT", "29500")):
        monkeypatch.setenv(name, value)
    status, _, err = run_command(finetune.main, *flags)
    assert (status, err) == (2, "minitf: several processes need one --output\n")


def test_world_size_without_torchrun(run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some batch systems set WORLD_SIZE for their own purposes."""
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.delenv("RANK", raising=False)
    run("--output", "out")


@pytest.mark.parametrize(
    ("rank", "count", "named"),
    [
        ("x", "2", "RANK=x"),
        ("0", "y", "WORLD_SIZE=y"),
        ("2", "2", "RANK=2"),
        ("0", "", "WORLD_SIZE="),
        ("0", "2", "MASTER_ADDR"),
    ],
)
def test_an_environment_that_torchrun_does_not_make(
    run_command, flags, monkeypatch: pytest.MonkeyPatch, rank: str, count: str, named: str
) -> None:
    monkeypatch.setenv("RANK", rank)
    monkeypatch.setenv("WORLD_SIZE", count)
    monkeypatch.delenv("MASTER_ADDR", raising=False)
    status, _, err = run_command(finetune.main, *flags, "--output", "out")
    (line,) = err.splitlines()
    assert status == 2
    assert named in line
    assert "torchrun" in line


def test_out_of_memory(run_command, flags: list[str], here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One line that proposes a smaller batch size with the same steps."""
    step, count = loop.update, iter(range(100))

    def full(*given):
        if next(count) == 2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB.\nGPU 0 has …")
        return step(*given)

    monkeypatch.setattr(loop, "update", full)
    status, _, err = run_command(finetune.main, *flags, "--accumulate", "3", "--output", "out")
    assert status == 2
    (line,) = err.splitlines()
    assert line.startswith("minitf: out of GPU memory with --batch-size 8")
    assert "try --batch-size 4 with --accumulate 6 (the same steps)" in line


# Seeds ----------------------------------------------------------------------------------------------------------------


def report(folder: Path) -> dict:
    return json.loads((folder / "report.json").read_text())


def test_seeds(run, here: Path) -> None:
    """Each run is that of its seed, bit for bit, except for the validation rows, which are those of the first."""
    out = run("--seeds", 3, "--seed", 4, "--output", "out")
    assert {path.name for path in (here / "out").iterdir()} == {
        "minitf-run.json",
        "seed-4",
        "seed-5",
        "seed-6",
        "report.json",
    }
    assert "no --valid given: holding out 4 of 40 training texts (10 % of each class, seed 4)" in out
    assert out.count("holding out") == 1
    written = report(here / "out")
    own = {name: report(here / "out" / name) for name in ("seed-4", "seed-5", "seed-6")}
    assert written["values"] == {name: found["valid"]["loss"] for name, found in own.items()}
    assert written["mean"] == pytest.approx(sum(written["values"].values()) / 3)
    assert [found["arguments"]["seed"] for found in own.values()] == [4, 5, 6]
    assert written["failed"] == [name for name, found in own.items() if not found["learned"]]
    assert len({(here / "out" / name / "best/model.safetensors").read_bytes() for name in own}) == 3
    for name in own:
        (line,) = (line for line in out.splitlines() if line.startswith(f"{name}: "))
        assert line == f"{name}: valid loss {written['values'][name]:.4f}"
    run("--seed", 4, "--output", "alone")
    alone, among = (here / name / "best/model.safetensors" for name in ("alone", "out/seed-4"))
    assert alone.read_bytes() == among.read_bytes()


def test_runs_that_fail_to_learn(run, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs that are no better than the baseline."""
    values = iter([True, False, True])
    monkeypatch.setattr(Classification, "learned", lambda *given: next(values))
    out = run("--seeds", 3, "--output", "out")
    assert "failed to learn (no better than the baseline): seed-1: try a lower --lr" in out
    assert report(here / "out")["failed"] == ["seed-1"]


def test_the_tables_are_encoded_once_for_all_seeds(run, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The token ids do not depend on the seed."""
    encode, encoded = Classification.encode, []
    monkeypatch.setattr(
        Classification, "encode", lambda self, table, *more: (encoded.append(1), encode(self, table, *more))[1]
    )
    run("--seeds", 3, "--output", "out")
    assert len(encoded) == 2  # train and valid


def diverging(monkeypatch: pytest.MonkeyPatch, *seeds: int) -> None:
    train = loop.train

    def spoilt(model, task, data, optimizer, plan, *more):
        if plan.seed in seeds:
            with torch.no_grad():
                model.head.W.weight[0] = float("nan")
        return train(model, task, data, optimizer, plan, *more)

    monkeypatch.setattr(loop, "train", spoilt)


def test_one_seed_diverges(run, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others continue, and the run is reported as diverged."""
    diverging(monkeypatch, 1)
    out = run("--seeds", 3, "--output", "out")
    assert "diverged: the loss is nan at step 1 (the weight head.W.weight has NaN since an earlier step)" in out
    written = report(here / "out")
    assert list(written["values"]) == ["seed-0", "seed-2"]
    assert written["diverged"]["seed-1"].startswith("the loss is nan at step 1")
    assert "seed-1 diverged and is not counted" in out


def test_all_seeds_diverge(run_command, flags: list[str], here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    diverging(monkeypatch, 0, 1)
    status, _, err = run_command(finetune.main, *flags, "--seeds", "2", "--output", "out")
    assert status == 2
    (line,) = err.splitlines()
    assert line.startswith("minitf: all 2 seeds diverged; the first: the loss is nan at step 1")


@pytest.mark.parametrize("at", [3, 13, 20, 29])
def test_seeds_are_resumed(run_command, run, flags, here: Path, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """Ctrl-C in the first, second or third run: finished runs stay, the others continue bit for bit."""
    run("--seeds", 3, "--output", "whole")
    step, count = loop.update, iter(range(1, 10**6))

    def taken(*given):
        if next(count) == at:
            os.kill(os.getpid(), signal.SIGINT)
        return step(*given)

    with monkeypatch.context() as patched:
        patched.setattr(loop, "update", taken)
        status, _, err = run_command(finetune.main, *flags, "--seeds", "3", "--output", "out")
    assert status == 130
    assert "--resume --output out" in err
    done = {path: path.stat().st_mtime_ns for path in here.glob("out/seed-*/report.json")}
    assert len(done) == (at - 1) // 10
    status, out, err = run_command(finetune.main, "--resume", "--output", "out")
    assert (status, err) == (0, "")
    assert f"resumed at step {(at - 1) % 10 + 1} of 10" in out
    for name in ("seed-0", "seed-1", "seed-2"):
        whole, part = (here / root / name / "best/model.safetensors" for root in ("whole", "out"))
        assert whole.read_bytes() == part.read_bytes()
    assert all(path.stat().st_mtime_ns == before for path, before in done.items())
    assert report(here / "out") == report(here / "whole")
    # One of them cannot be resumed alone: its folder has no information on the others.
    status, _, err = run_command(finetune.main, "--resume", "--output", "out/seed-1")
    assert status == 2
    assert "out/seed-1 is one of 3 seeds; give --output out" in err


def test_an_earlier_run_is_deleted_only_after_all_checks(run_command, run, flags, here: Path) -> None:
    run("--seeds", 2, "--output", "out")
    before = {path: path.read_bytes() for path in (here / "out").rglob("*") if path.is_file()}
    for spoilt in (["--model", "absent", "--offline"], ["--freeze", "9"]):
        status, _, _ = run_command(finetune.main, *flags, "--seeds", "2", "--output", "out", "--overwrite", *spoilt)
        assert status == 2
        assert {path: path.read_bytes() for path in (here / "out").rglob("*") if path.is_file()} == before
    status, _, err = run_command(finetune.main, *flags, "--seeds", "2", "--output", "out")
    assert status == 2
    assert "has an earlier run" in err
    run("--seeds", 2, "--seed", 5, "--output", "out", "--overwrite")
    assert {path.name for path in (here / "out").iterdir()} == {"minitf-run.json", "seed-5", "seed-6", "report.json"}
