"""Files that were lost, damaged or changed between the start of a run and its resumption, one kind after the other."""

import json
import os
import random
import shutil
import signal
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

import minitf
from minitf import finetune, predict
from minitf.errors import InputError, Interrupted
from minitf.training import loop, state
from tests.support.small_training import TINY

pytestmark = pytest.mark.usefixtures("quick_picture")
MODEL = TINY | {"num_hidden_layers": 2}
MATH = "from minitf.equations.activation import gelu as g\n\n\ndef gelu(x):\n    return g(x)\n"
STEPS = 5  # per epoch


def rows(n: int, flipped: bool = False) -> str:
    """A table of `n` texts. With flipped labels the loss rises with training, so the first epoch stays the best."""
    text = "the film was {} {}{},{}"
    words, labels = ("awful", "great"), ("pos", "neg") if flipped else ("neg", "pos")
    lines = [text.format(words[i % 2], "so " * (i % 3), i, labels[i % 2]) for i in range(n)]
    return "\n".join(["text,label", *lines]) + "\n"


@pytest.fixture
def start(write_bert, here: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """A function that starts a run of three epochs and stops it at a step, by default in the third epoch.

    `learns` is whether every epoch is better than the one before; otherwise the first is the best.
    """
    (here / "train.csv").write_text(rows(40))
    (here / "valid.csv").write_text(rows(12))
    (here / "flipped.csv").write_text(rows(12, flipped=True))
    write_bert(**MODEL)[0].rename(here / "m")

    def started(at: int = 12, learns: bool = False, **more: object) -> Path:
        settings = {"train": "train.csv", "valid": "valid.csv" if learns else "flipped.csv", "model": "m", "epochs": 3,
                    "batch_size": 8, "lr": 1e-3, "max_length": 32, "device": "cpu", "output": "out", "metric": "loss",
                    "say": lambda line: None, **more}  # fmt: skip
        update, count = loop.update, iter(range(1, 10**6))

        def interrupted(*given):
            if next(count) == at:
                os.kill(os.getpid(), signal.SIGINT)
            return update(*given)

        with monkeypatch.context() as patched:
            patched.setattr(loop, "update", interrupted)
            if at > 15 * settings.get("seeds", 1):
                minitf.fine_tune(**settings)
            else:
                with pytest.raises(Interrupted):
                    minitf.fine_tune(**settings)
        return here / settings["output"]

    return started


@pytest.fixture
def refused(run_command, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """A function that resumes a run and requires one line, status 2, no training and no changed file."""

    def resumed(*flags: object) -> str:
        before = {path: path.read_bytes() for path in Path("out").rglob("*") if path.is_file()}
        with monkeypatch.context() as patched:
            patched.setattr(loop, "update", None)
            status, out, err = run_command(finetune.main, "--resume", "--output", "out", *flags)
        (line,) = err.splitlines()
        assert status == 2, out
        assert line.startswith("minitf: ")
        assert {path: path.read_bytes() for path in Path("out").rglob("*") if path.is_file()} == before
        return line

    return resumed


@pytest.fixture
def resumes(run_command) -> Callable[..., str]:
    """A function that resumes a run to its end and returns what it prints."""

    def resumed(*flags: object) -> str:
        status, out, err = run_command(finetune.main, "--resume", "--output", "out", *flags)
        assert (status, err) == (0, "")
        return out

    return resumed


def records(journal: Path) -> list[dict]:
    """The lines of a journal without times."""
    found = [json.loads(line) for line in journal.read_text().splitlines()]
    return [{key: value for key, value in record.items() if key != "seconds"} for record in found]


def assert_same_models(run: Path, whole: Path) -> None:
    for name in ("best/model.safetensors", "best/config.json", "best/tokenizer.json"):
        assert (run / name).read_bytes() == (whole / name).read_bytes()


# metrics.jsonl --------------------------------------------------------------------------------------------------------


def flip(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 0x55]) + content[at + 1 :]


DAMAGES: dict[str, Callable[[bytes], bytes | None]] = {
    "missing": lambda content: None,
    "empty": lambda content: b"",
    "cut": lambda content: content[:100],
    "cut by a line": lambda content: b"".join(content.splitlines(True)[:-1]),
    "a damaged byte": lambda content: flip(content, 30),
    "another key": lambda content: content.replace(b'"loss"', b'"lost"', 1),
    "a missing key": lambda content: content.replace(b'"epoch": 1, ', b"", 1),
    "a value of another type": lambda content: content.replace(b'"step": 2', b'"step": [2]', 1),
    "not UTF-8": lambda content: content[:50] + b"\xff\xfe" + content[50:],
    "NUL": lambda content: bytes(len(content)),
    "additional lines at the start": lambda content: b'{"step": 1}\n[]\nnull\n' + content,
    "the first line twice": lambda content: content.splitlines(True)[0] + content,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_lost_or_damaged_journal_is_written_again(start, resumes, here: Path, damage: str) -> None:
    """The epochs are in the state; of the steps those that are still readable are kept. One warning."""
    whole, run = start(99, output="whole"), start()
    journal = run / "metrics.jsonl"
    damaged = DAMAGES[damage](journal.read_bytes())
    if damaged is None:
        journal.unlink()
    else:
        journal.write_bytes(damaged)
    out = resumes()
    lost = "out/metrics.jsonl: was lost or damaged; written again from the saved state"
    (warning,) = (line for line in out.splitlines() if line.startswith(f"warning: {lost}"))
    assert_same_models(run, whole)
    found, expected = records(journal), records(whole / "metrics.jsonl")
    assert [record for record in found if "step" not in record] == [e for e in expected if "step" not in e]
    assert [record for record in expected if record in found] == found  # in order, none twice
    assert found[-4:] == expected[-4:]
    kept = sum("step" in record for record in found) - 3  # the steps 13 to 15 are trained after the damage
    assert f"with {kept} of 12 steps" in warning
    assert lost not in resumes()  # the new file is recorded in the state


def test_a_journal_that_is_a_folder(start, refused) -> None:
    journal = start() / "metrics.jsonl"
    journal.unlink()
    journal.mkdir()
    assert "out/metrics.jsonl: is not a file; delete it" in refused()


# best/ ----------------------------------------------------------------------------------------------------------------


def lose(best: Path, what: str, here: Path) -> None:
    weights = best / "model.safetensors"
    if what == "missing":
        shutil.rmtree(best)
    elif what == "an empty folder":
        shutil.rmtree(best)
        best.mkdir()
    elif what == "a link to nothing":
        shutil.rmtree(best)
        best.symlink_to("nowhere")
    elif what == "empty weights":
        weights.write_bytes(b"")
    elif what == "truncated weights":
        weights.write_bytes(weights.read_bytes()[:-9])
    elif what == "other weights":
        shutil.copy(here / "m/model.safetensors", weights)
    elif what == "a changed byte":
        weights.write_bytes(flip(weights.read_bytes(), weights.stat().st_size - 1))
    else:
        (best / what).unlink()


LOSSES = ("missing", "an empty folder", "a link to nothing", "empty weights", "truncated weights", "other weights",
          "a changed byte", "config.json", "tokenizer.json", "minitf.json")  # fmt: skip


@pytest.mark.parametrize("what", LOSSES)
def test_a_lost_or_changed_model_of_the_best_epoch_is_refused(start, refused, here: Path, what: str) -> None:
    """The best epoch is the first, the run was stopped in the third: nothing has the weights of the first any more."""
    lose(start() / "best", what, here)
    line = refused()
    assert "out/best" in line
    assert "restore it, or start again with --overwrite" in line
    assert line == refused("--dry-run")


@pytest.mark.parametrize("what", LOSSES[:3])
@pytest.mark.parametrize("at", [10, 99])
def test_a_lost_model_is_saved_again_from_the_state(start, resumes, here: Path, at: int, what: str) -> None:
    """The state at the end of the best epoch has its weights, in the middle of a run and at its end."""
    whole, run = start(99, True, output="whole"), start(at, True)
    lose(run / "best", what, here)
    if what == "a link to nothing":
        (run / "best").unlink()
    assert "the model in out/best is saved again" in resumes()
    assert_same_models(run, whole)


def test_a_changed_model_is_not_overwritten(start, refused, resumes, here: Path) -> None:
    """Also where it could be saved again: the other model may be a person's own. Deleting it is enough."""
    whole, run = start(99, True, output="whole"), start(10, True)
    lose(run / "best", "other weights", here)
    assert "delete out/best to save it again" in refused()
    shutil.rmtree(run / "best")
    resumes()
    assert_same_models(run, whole)


@pytest.mark.parametrize("what", ["missing", "other weights"])
def test_the_model_of_a_finished_seed(start, refused, here: Path, what: str) -> None:
    """It is checked before the next seed is trained on."""
    run = start(24, seeds=2)
    assert (run / "seed-0/report.json").exists()
    lose(run / "seed-0/best", what, here)
    assert "out/seed-0/best" in refused()
    shutil.rmtree(run / "seed-0/last")
    if what == "missing":
        assert "out/seed-0/best: the model of the best epoch is missing" in refused()


def test_a_finished_seed_whose_model_can_be_saved_again(start, resumes, here: Path) -> None:
    whole, run = start(99, True, output="whole", seeds=2), start(24, True, seeds=2)
    shutil.rmtree(run / "seed-0/best")
    resumes()
    for name in ("seed-0", "seed-1"):
        assert_same_models(run / name, whole / name)


REPORTS = {
    "not written": None, "empty": "", "cut": '{"task": "cl', "another type": "[]", "no epochs": '{"best_epoch": 1}',
    "NUL": "\0" * 100,
}  # fmt: skip


@pytest.mark.parametrize("content", REPORTS.values(), ids=REPORTS)
def test_a_finished_seed_whose_report_is_lost(start, resumes, refused, content: str | None) -> None:
    """It is written again from the state; without a state a damaged one is refused."""
    run = start(18, seeds=2)
    report = run / "seed-0/report.json"
    before = report.read_text()
    if content is None:
        report.unlink()
    else:
        report.write_text(content)
        shutil.move(run / "seed-0/last", run.parent)
        assert "out/seed-0/report.json: is not a report that minitf wrote" in refused()
        shutil.move(run.parent / "last", run / "seed-0")
    resumes()
    assert json.loads(report.read_text())["epochs"] == json.loads(before)["epochs"]


def test_a_seed_that_was_killed_between_its_reports(start, resumes) -> None:
    run = start(18, seeds=2)
    page = run / "seed-0/report.html"
    page.unlink()
    resumes()
    assert page.is_file()


def test_a_run_whose_folder_is_moved_or_deleted_while_it_trains(
    start, run_command, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It ends with an error instead of a second folder that has only some of the files."""
    whole, run = start(99, True, output="whole"), start(2, True)
    update, count = loop.update, iter(range(1, 10**6))

    def moved(*given):
        if next(count) == 6:
            run.rename(here / "moved")
        return update(*given)

    with monkeypatch.context() as patched:
        patched.setattr(loop, "update", moved)
        status, _, err = run_command(finetune.main, "--resume", "--output", "out")
    assert (status, run.exists()) == (2, False)
    assert "minitf: out/metrics.jsonl: was deleted or moved during the run" in err
    assert run_command(finetune.main, "--resume", "--output", "moved")[0] == 0
    assert_same_models(here / "moved", whole)


def test_the_first_seed_has_no_state(start, resumes, here: Path) -> None:
    """Its folder still says which seed was the first."""
    run = start(24, True, seeds=2, seed=4)
    shutil.rmtree(run / "seed-4/last")
    resumes()
    assert {path.name for path in run.glob("seed-*")} == {"seed-4", "seed-5"}


def test_a_lost_or_foreign_state(start, refused, run_command, here: Path) -> None:
    """A run without its state, and folders that are not runs: one line, nothing is trained or changed."""
    run = start()
    shutil.rmtree(run / "last")
    for flags in ([], ["--train", "train.csv"]):
        assert "out/last/state.safetensors is missing; restore it, or start again with --overwrite" in refused(*flags)
    shutil.rmtree(run)
    run.mkdir()
    (run / "notes.txt").write_text("mine")
    assert "out: exists and is not a minitf run" in refused()
    (run / "seed-words/last").mkdir(parents=True)
    (run / "seed-words/last/state.safetensors").write_bytes(b"of another program")
    assert "out: exists and is not a minitf run" in refused()
    (run / "last").mkdir()
    (run / "last/state.safetensors").write_bytes(b"of another program")
    assert "out/last/state.safetensors: cannot be read" in refused()


def test_random_damage_of_the_state(start, refused, here: Path) -> None:
    """Every changed byte is found, in the header and in the tensors."""
    file, draw = start() / "last/state.safetensors", random.Random(0)
    whole = file.read_bytes()
    for _ in range(15):
        at = draw.choice([draw.randrange(4000), draw.randrange(len(whole))])
        file.write_bytes(flip(whole, at))
        refused()


# The model, the tables, math ------------------------------------------------------------------------------------------


def change(what: str, here: Path, write_bert) -> None:
    model, config = here / "m", json.loads((here / "m/config.json").read_text())
    if what == "tokenizer.json":
        found = json.loads((here / "saved.json").read_text())
        found["model"]["vocab"] |= {"film": found["model"]["vocab"]["great"], "great": found["model"]["vocab"]["film"]}
        (model / "tokenizer.json").write_text(json.dumps(found))
    elif what == "vocab.txt":
        text = (model / what).read_text()
        (model / what).write_text(text.replace("film\n", "@\n").replace("great\n", "film\n").replace("@\n", "great\n"))
    elif what == "weights":
        shutil.copy(write_bert(**MODEL, name="other", seed=1)[0] / "model.safetensors", model / "model.safetensors")
    else:
        config |= {"hidden_act": {"hidden_act": "relu"}, "dropout": {"hidden_dropout_prob": 0.5}}[what]
        (model / "config.json").write_text(json.dumps(config))


@pytest.mark.parametrize(
    ("what", "named"),
    [("vocab.txt", "its tokenizer"), ("tokenizer.json", "its tokenizer"), ("weights", "its weights"),
     ("hidden_act", "its config.json"), ("dropout", "its config.json")],
)  # fmt: skip
@pytest.mark.parametrize("seeds", [1, 2])
def test_a_changed_model_folder_is_refused(start, refused, here: Path, write_bert, what, named, seeds) -> None:
    """Also when all states are of finished seeds and the next one is not started."""
    run = start(12 if seeds == 1 else 16, seeds=seeds)
    shutil.copy(run / ("best" if seeds == 1 else "seed-0/best") / "tokenizer.json", here / "saved.json")
    if seeds == 2:
        shutil.rmtree(run / "seed-1")
    change(what, here, write_bert)
    line = refused()
    assert f"--model m: has changed since the run started ({named}); restore it, or start a new run" in line


@pytest.mark.parametrize("name", ["train.csv", "flipped.csv"])
def test_changed_tables_are_refused_also_for_the_next_seed(start, refused, here: Path, name: str) -> None:
    shutil.rmtree(start(16, seeds=2) / "seed-1")
    (here / name).write_text((here / name).read_text().replace("so ", "", 1))
    assert f"{name}: has changed since the run started" in refused()


def test_another_number_of_threads_is_warned_of(start, resumes, monkeypatch) -> None:
    """It gives other bits. So do another version and another device."""
    start()
    monkeypatch.setattr(torch, "get_num_threads", lambda: 77)
    (warning,) = (line for line in resumes().splitlines() if "started with" in line)
    assert warning == "warning: started with threads 1; resumed with threads 77: weights may differ in the last bits"


# Code -----------------------------------------------------------------------------------------------------------------


def test_a_file_with_code_is_given_again(start, refused, resumes, here: Path) -> None:
    """The run was started with it, but a state executes nothing: it may be from another person."""
    (here / "my_math.py").write_text(MATH)
    whole, _ = start(99, math="my_math.py", output="whole"), start(math="my_math.py")
    line = refused()
    assert (
        "--math: the run was started with the Python file my_math.py, and code is executed only if you give it" in line
    )
    (here / "other.py").write_text(MATH + "\nimport pathlib\n\npathlib.Path('executed').touch()\n")
    assert "--math other.py: has changed since the run started" in refused("--math", "other.py")
    assert "--math kernels: the run was started with my_math.py" in refused("--math", "kernels")
    assert "--math nowhere.py: no such file" in refused("--math", "nowhere.py")
    assert not (here / "executed").exists()
    shutil.move(here / "my_math.py", here / "moved.py")
    resumes("--math", "moved.py")
    assert_same_models(here / "out", whole)


def spoil_state(run: Path, change: Callable[[dict], object]) -> None:
    """Change the content of a saved state, with a right checksum."""
    file = run / "last/state.safetensors"
    with safe_open(file, "pt") as opened:
        tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118
        content = json.loads(opened.metadata()["state"])
    change(content["extra"])
    text = json.dumps(content)
    checksum = zlib.crc32(text.encode(), state._sum_of((name, tensors[name]) for name in sorted(tensors)))
    save_file(tensors, file, {"state": text, "crc32": str(checksum)})


@pytest.mark.parametrize("seeds", [1, 2])
def test_code_that_a_state_names_is_not_executed(start, refused, here: Path, seeds: int) -> None:
    run = start(seeds=seeds)
    code = here / "out/evil.py"
    code.write_text(f"import pathlib\n\npathlib.Path({str(here / 'executed')!r}).touch()\n{MATH}")
    spoil_state(run if seeds == 1 else run / "seed-0", lambda extra: extra["arguments"].update(math=str(code)))
    refused()
    refused("--math", "kernels")
    assert not (here / "executed").exists()


@pytest.mark.parametrize(
    "change",
    [
        lambda extra: extra.clear(),
        lambda extra: extra.pop("inputs"),
        lambda extra: extra.update(arguments=[1]),
        lambda extra: extra.update(more=1),
        lambda extra: extra["arguments"].update(epochs="many"),
        lambda extra: extra["arguments"].update(model=["m"]),
        lambda extra: extra["arguments"].update(imports="os"),
        lambda extra: extra["arguments"].update(task="my_module.Task"),
        lambda extra: extra.update(best=None),
    ],
)
def test_a_state_with_other_content_is_refused(start, refused, change) -> None:
    spoil_state(start(), change)
    refused()


def test_code_that_a_saved_model_names_is_not_executed(start, run_command, here: Path) -> None:
    best = start() / "best"
    (best / "evil.py").write_text(f"import pathlib\n\npathlib.Path({str(here / 'executed')!r}).touch()\n{MATH}")
    for name in ("minitf.json", "config.json", "tokenizer_config.json"):
        content = json.loads((best / name).read_text())
        content |= {"math": str(best / "evil.py"), "auto_map": {"AutoModel": "evil.Model"}, "code": "evil.py"}
        (best / name).write_text(json.dumps(content))
    run_command(predict.main, best, "so great")
    assert not (here / "executed").exists()


# Paths ----------------------------------------------------------------------------------------------------------------


def test_the_same_files_at_other_paths(start, run_command, here: Path, monkeypatch) -> None:
    """From another working folder: the message says what to give, and the files with the same content are accepted."""
    whole, _ = start(99, test="train.csv", output="whole"), start(test="train.csv")
    (here / "elsewhere").mkdir()
    monkeypatch.chdir(here / "elsewhere")
    flags = ["--resume", "--output", here / "out"]
    for name, path in (("train", "train.csv"), ("valid", "flipped.csv"), ("test", "train.csv"), ("model", "m")):
        status, _, err = run_command(finetune.main, *flags)
        assert status == 2
        (line,) = err.splitlines()
        expected = f"--{name} {path}: does not exist in this working folder; give --{name} with the path of the same"
        assert expected in line
        flags += [f"--{name}", here / path]
    assert run_command(finetune.main, *flags)[::2] == (0, "")
    assert_same_models(here / "out", whole)


def test_other_files_at_other_paths_are_refused(start, refused, here: Path, write_bert) -> None:
    start()
    shutil.copy(here / "train.csv", here / "copy.tsv")
    assert "--train copy.tsv: the run was started with train.csv" in refused("--train", "copy.tsv")
    expected = "--train valid.csv: the run was started with train.csv, which has other content"
    assert expected in refused("--train", "valid.csv")
    other = write_bert(**MODEL, name="other", seed=1)[0]
    expected = f"--model {other}: the run was started with m, which has other content (its weights)"
    assert expected in refused("--model", other)
    assert "--test train.csv: the run was started with None" in refused("--test", "train.csv")


def test_records_and_files_are_different_inputs(start, here: Path) -> None:
    records = [{"text": f"so {('awful', 'great')[i % 2]} {i}", "label": ("neg", "pos")[i % 2]} for i in range(40)]
    start(train=records)
    with pytest.raises(InputError, match=r"`train`: the run was started with 40 records from Python"):
        minitf.fine_tune(resume=True, output="out")
    with pytest.raises(InputError, match=r"`train` train.csv: the run was started with 40 records"):
        minitf.fine_tune(resume=True, output="out", train="train.csv")
    with pytest.raises(InputError, match=r"`train` 40 records: has changed since the run started"):
        minitf.fine_tune(resume=True, output="out", train=records[::-1], say=lambda line: None)
    minitf.fine_tune(resume=True, output="out", train=records, say=lambda line: None)
