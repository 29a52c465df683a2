"""Bad input to `finetune` and `predict`: status 2, one line on standard error that names the cause, nothing written.

Errors in tables are tested one by one in `datasets/` and `tasks/`, errors in checkpoints in `checkpoints/`; here, that
each of them is printed in this form. Commands in processes of their own are in `cli/test_console.py`.
"""

import builtins
import csv
import errno
import hashlib
import io
import json
import os
import shutil
from pathlib import Path

import pytest
import torch
import transformers
from safetensors import SafetensorError

from minitf import finetune, predict
from minitf.checkpoints import catalogue

TINY = {"num_hidden_layers": 1, "hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 24}
NO_SPACE = os.strerror(errno.ENOSPC)


@pytest.fixture(autouse=True)
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder for weights, so that no name is found."""
    monkeypatch.setenv("MINITF_WEIGHTS", str(tmp_path / "weights"))
    return tmp_path / "weights"


@pytest.fixture
def tiny(write_bert) -> Path:
    return write_bert(**TINY)[0]


@pytest.fixture
def classifier(write_bert) -> Path:
    return write_bert(transformers.BertForSequenceClassification, name="classifier", **TINY)[0]


@pytest.fixture
def command(run_command):
    return run_command


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def refusal(command, here: Path):
    """A function that returns the one line of a command that fails; nothing in the working folder may change."""

    def call(main, *argv: object) -> str:
        before = contents(here)
        status, _, err = command(main, *argv)
        assert status == 2
        (line,) = err.splitlines()
        assert line.startswith("minitf: ")
        assert contents(here) == before
        return line.removeprefix("minitf: ")

    return call


def rows(n: int = 24, mark: str = "") -> list[tuple[str, str]]:
    """Texts of two alternating classes, all different."""
    return [(f"{mark}the {('film', 'food')[i % 2]} was {'so ' * (i // 2)}good", "ab"[i % 2]) for i in range(n)]


def write_table(path: Path, table: list[tuple[str, ...]], header: tuple[str, ...] | None = ("text", "label")) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *table] if header else table)
    return path


@pytest.fixture
def train(here: Path) -> Path:
    return write_table(here / "train.csv", rows())


@pytest.fixture
def good(train: Path, tiny: Path) -> list[str]:
    """Flags of a run that succeeds."""
    return ["--train", str(train), "--model", str(tiny), "--max-length", "32", "--epochs", "1", "--device", "cpu"]


def test_the_flags_of_a_run_that_succeeds(command, here: Path, good: list[str]) -> None:
    assert command(finetune.main, *good, "--output", here / "out")[0] == 0


# Tables ---------------------------------------------------------------------------------------------------------------

BAD_TABLES = {
    "no header": (b"the film was so very good,a\nthe film was bad,b\n", ["t.csv", "the first line must name the col"]),
    "empty": (b"", ["t.csv", "is empty"]),
    "blank": (b"\n \n\n", ["t.csv", "is empty"]),
    "header alone": (b"text,label\n", ["t.csv", "a header and no row"]),
    "an empty text": (b"text,label\ngood,a\nbad,b\n,b\nso,a\n", ["t.csv:4", "empty"]),
    "a blank text": (b"text,label\ngood,a\n  ,b\nbad,b\n", ["t.csv:3", "empty"]),
    "an empty label": (b"text,label\ngood,a\nbad,\n", ["t.csv:3", "empty"]),
    "not UTF-8": ("text,label\ngood,a\ncafé,b\n".encode("latin-1"), ["t.csv:3", "0xe9", "UTF-8"]),
    "UTF-16": ("text,label\ngood,a\nbad,b\n".encode("utf-16"), ["t.csv: is UTF-16", "UTF-8"]),
    "a comma too many": (b"text,label\ngood,a\nso, so,b\n", ["t.csv:3", "2 columns", "this row has 3"]),
    "quoting": (b'text,label\n"good,a\nbad,b\n', ["t.csv:2", "quot"]),
}  # fmt: skip


@pytest.mark.parametrize("table", ["train", "valid", "test"])
@pytest.mark.parametrize("kind", BAD_TABLES)
def test_a_bad_table(refusal, here: Path, tiny: Path, train: Path, table: str, kind: str) -> None:
    """In each of the three files; the error is reported before the model is searched for."""
    content, expected = BAD_TABLES[kind]
    (here / "t.csv").write_bytes(content)
    files = {"train": train, "valid": write_table(here / "v.csv", rows(8, "so ")), table: here / "t.csv"}
    argv = [x for name, path in files.items() for x in (f"--{name}", path)]
    line = refusal(finetune.main, *argv, "--model", "no-such-model")
    for part in expected:
        assert part in line


@pytest.mark.parametrize("kind", [kind for kind in BAD_TABLES if kind != "an empty label"])
def test_a_bad_table_to_predict(refusal, here: Path, classifier: Path, kind: str) -> None:
    content, expected = BAD_TABLES[kind]
    (here / "t.csv").write_bytes(content)
    line = refusal(predict.main, classifier, "--input", "t.csv", "--output", "out.csv")
    for part in expected:
        assert part in line


@pytest.mark.parametrize("flag", ["--train", "--valid", "--test"])
def test_a_missing_file(refusal, here: Path, good: list[str], flag: str) -> None:
    line = refusal(finetune.main, *good, flag, here / "trian.csv")
    assert f"trian.csv: no such file (did you mean {str(here / 'train.csv')!r}?)" in line


def test_a_missing_file_to_predict(refusal, here: Path, classifier: Path) -> None:
    assert "absent.csv: no such file" in refusal(predict.main, classifier, "--input", "absent.csv")


def test_a_table_of_unknown_kind(refusal, here: Path, good: list[str]) -> None:
    (here / "table.xlsx").write_bytes(b"PK")
    line = refusal(finetune.main, *good, "--train", "table.xlsx")
    assert "table.xlsx" in line
    assert ".csv" in line


def test_a_folder_for_a_table(refusal, here: Path, good: list[str]) -> None:
    assert f"{here}: is a folder" in refusal(finetune.main, *good, "--train", here)


@pytest.mark.parametrize("flag", ["--text", "--pair", "--label"])
def test_an_unknown_column(refusal, here: Path, good: list[str], flag: str) -> None:
    line = refusal(finetune.main, *good, flag, "labl")
    for part in ("train.csv", "no column 'labl' (did you mean 'label'?)", "'text', 'label'"):
        assert part in line


def test_an_unknown_column_to_predict(refusal, here: Path, train: Path, classifier: Path) -> None:
    line = refusal(predict.main, classifier, "--input", train, "--text", "txt")
    assert "no column 'txt' (did you mean 'text'?)" in line


def test_one_class_only(refusal, here: Path, good: list[str]) -> None:
    table = write_table(here / "one.csv", [(text, "praise") for text, _ in rows()])
    line = refusal(finetune.main, *good, "--train", table)
    assert "one.csv" in line
    assert "every row has the label 'praise'" in line


@pytest.mark.parametrize("flag", ["--valid", "--test"])
def test_a_label_unseen_in_training(refusal, here: Path, good: list[str], flag: str) -> None:
    table = write_table(here / "other.csv", [("so", "a"), ("not so", "c")])
    line = refusal(finetune.main, *good, flag, table)
    for part in ("other.csv:3", "no training row has the label 'c'", "a, b"):
        assert part in line


@pytest.mark.parametrize("table", [[("good", "a")], [("good", "a"), ("bad", "b")]])
def test_too_few_rows(refusal, here: Path, good: list[str], table: list[tuple[str, str]]) -> None:
    line = refusal(finetune.main, *good, "--train", write_table(here / "few.csv", table))
    assert "few.csv" in line
    assert "too few" in line


@pytest.mark.parametrize("flag", ["--valid", "--test", "--text", "--pair", "--label"])
def test_flags_that_need_train(refusal, train: Path, flag: str) -> None:
    """The built-in corpus has its own parts and columns."""
    assert f"{flag} needs --train" in refusal(finetune.main, flag, train)


# Checkpoints ----------------------------------------------------------------------------------------------------------


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def spoil(path: Path) -> None:
    path.write_bytes(b"\xff" * path.stat().st_size)


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [cut, spoil, empty])
@pytest.mark.parametrize("name", ["model.safetensors", "pytorch_model.bin"])
def test_damaged_weights(refusal, good: list[str], classifier: Path, tiny: Path, name: str, damage) -> None:
    for folder in (tiny, classifier):
        if name == "pytorch_model.bin":
            torch.save({"weight": torch.zeros(1000)}, folder / name)
            (folder / "model.safetensors").unlink()
        damage(folder / name)
    for line in (refusal(finetune.main, *good), refusal(predict.main, classifier, "good")):
        assert name in line
        assert "truncated or corrupt" in line


def test_weights_that_do_not_fit(refusal, good: list[str], tiny: Path, classifier: Path) -> None:
    """The config.json of another model: one line with the first wrong tensors."""
    for folder in (tiny, classifier):
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps(config | {"intermediate_size": 40, "num_hidden_layers": 2}))
    for line in (refusal(finetune.main, *good), refusal(predict.main, classifier, "good")):
        assert "do not fit config.json" in line
        assert "encoder.layers.0.ffn.W_1" in line


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json"])
def test_damaged_settings(refusal, good: list[str], classifier: Path, tiny: Path, name: str) -> None:
    for folder in (tiny, classifier):
        cut(folder / name)
    for line in (refusal(finetune.main, *good), refusal(predict.main, classifier, "good")):
        assert name in line


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "vocab.txt"])
def test_a_folder_that_lacks_a_file(refusal, good: list[str], classifier: Path, tiny: Path, name: str) -> None:
    for folder in (tiny, classifier):
        (folder / name).unlink()
    for line, folder in (
        (refusal(finetune.main, *good), tiny),
        (refusal(predict.main, classifier, "good"), classifier),
    ):
        assert str(folder) in line
        assert name in line


def test_a_vocabulary_of_another_model(refusal, good: list[str], classifier: Path, tiny: Path) -> None:
    """More tokens than the model has vectors: an error, also if no text has one of them."""
    for folder in (tiny, classifier):
        with (folder / "vocab.txt").open("a") as file:
            file.write("zebra\nzest\n")
    for line in (refusal(finetune.main, *good), refusal(predict.main, classifier, "zest")):
        assert "vocab" in line


def test_a_wrong_digest(refusal, good: list[str], tiny: Path, weights: Path) -> None:
    """Another file with the name of the default model's: an error with both digests and what to delete."""
    folder = weights / "all-MiniLM-L6-v2"
    shutil.copytree(tiny, folder)
    found = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    pinned = catalogue.look_up("all-MiniLM-L6-v2").sha256
    before = contents(weights)
    for line in (
        refusal(finetune.main, *good, "--model", "all-MiniLM-L6-v2"),
        refusal(finetune.main, *good[:2]),
        refusal(predict.main, "all-MiniLM-L6-v2", "good"),
    ):
        for part in (str(folder / "model.safetensors"), found, pinned, "delete"):
            assert part in line
    assert contents(weights) == before


@pytest.mark.parametrize("name", ["bert-base-uncaset", "nobody/nothing"])
def test_an_unknown_model_offline(refusal, good: list[str], weights: Path, name: str) -> None:
    """One line with what was tried and what to do."""
    for line in (
        refusal(finetune.main, *good, "--model", name, "--offline"),
        refusal(predict.main, name, "good", "--offline"),
    ):
        for part in (name, str(weights / name), "the hub", "--offline"):
            assert part in line
    assert ("did you mean bert-base-uncased?" in line) is (name == "bert-base-uncaset")


@pytest.mark.parametrize("name", ["./absent", "", "a b", "train.csv"])
def test_what_can_be_no_model(refusal, good: list[str], name: str) -> None:
    line = refusal(finetune.main, *good, "--model", name)
    assert repr(name) in line
    assert "folder" in line


# Flags ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        *(("--lr", value) for value in ("0", "-1e-5", "nan", "inf", "fast")),
        *(("--batch-size", value) for value in ("0", "-1", "2.5", "many")),
        *(("--epochs", value) for value in ("0", "-1", "1.5")),
        *(("--dropout", value) for value in ("1.5", "1", "-0.1", "nan")),
        *(("--warmup", value) for value in ("1.5", "-0.1", "nan")),
        *(("--weight-decay", value) for value in ("-0.1", "nan", "inf")),
        *((flag, value) for flag in ("--l1", "--l2", "--clip") for value in ("-1", "nan")),
        *(("--max-length", value) for value in ("0", "-1")),
        *(("--seed", value) for value in ("-1", "0.5", "99999999999")),
        ("--early-stopping", "0"),
        ("--optimizer", "sgd"),
        ("--schedule", "wave"),
        ("--device", "tpu"),
        ("--metric", "beauty"),
        ("--class-weights", "yes"),
        ("--hidden-act", "swish"),
        ("--task", "poetry"),
    ],
)
def test_a_value_that_cannot_be(refusal, good: list[str], flag: str, value: str) -> None:
    line = refusal(finetune.main, *good, f"{flag}={value}")
    assert f"argument {flag}: " in line
    assert value in line
    assert "--help" in line


def test_a_metric_of_another_task(refusal, good: list[str]) -> None:
    line = refusal(finetune.main, *good, "--metric", "f1")
    assert "--metric f1" in line
    assert "classification has the metrics accuracy, macro_f1, matthews, loss" in line


@pytest.mark.parametrize("main", [finetune.main, predict.main])
def test_an_unknown_flag(refusal, classifier: Path, main) -> None:
    line = refusal(main, *([classifier, "good"] if main is predict.main else []), "--learning-speed", "fast")
    assert "--learning-speed" in line


@pytest.mark.parametrize(("flag", "value"), [("--batch-size", "0"), ("--device", "tpu"), ("--max-length", "x")])
def test_a_value_that_cannot_be_to_predict(refusal, classifier: Path, flag: str, value: str) -> None:
    assert f"argument {flag}: " in refusal(predict.main, classifier, "good", flag, value)


@pytest.mark.parametrize("optimizer", ["gd", "momentum", "rmsprop", "adam"])
def test_decoupled_decay_without_adamw(refusal, good: list[str], optimizer: str) -> None:
    line = refusal(finetune.main, *good, "--optimizer", optimizer, "--weight-decay", "0.1")
    for part in ("--weight-decay", "adamw", optimizer, "--l2"):
        assert part in line


@pytest.mark.parametrize("optimizer", ["gd", "momentum", "rmsprop"])
def test_bias_correction_without_adam(refusal, good: list[str], optimizer: str) -> None:
    """It would be ignored silently."""
    line = refusal(finetune.main, *good, "--optimizer", optimizer, "--no-bias-correction")
    assert "--no-bias-correction" in line


def test_more_tokens_than_positions(refusal, good: list[str], classifier: Path) -> None:
    for line in (
        refusal(finetune.main, *good, "--max-length", "65"),
        refusal(predict.main, classifier, "good", "--max-length", "65"),
    ):
        assert "--max-length 65" in line
        assert "64" in line


@pytest.mark.parametrize("length", ["1", "2"])
def test_no_room_for_a_text(refusal, good: list[str], classifier: Path, length: str) -> None:
    for line in (
        refusal(finetune.main, *good, "--max-length", length),
        refusal(predict.main, classifier, "good", "--max-length", length),
    ):
        assert f"max-length {length}" in line.replace("_", "-")


def test_no_gpu(refusal, good: list[str], classifier: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    for line in (
        refusal(finetune.main, *good, "--device", "cuda"),
        refusal(predict.main, classifier, "good", "--device", "cuda"),
    ):
        assert "--device cuda" in line
        assert "--device cpu" in line


@pytest.mark.parametrize(
    ("choice", "content", "expected"),
    [
        ("kernel", None, "give equations, kernels, or a Python file"),
        ("absent.py", None, "no such file"),
        ("own.py", "x = 1\n", "defines none of"),
        ("own.py", "def gelu(x:\n    return x\n", "own.py:1: SyntaxError"),
        ("own.py", "import nothing_of_that_name\n", "nothing_of_that_name"),
    ],
)
def test_a_file_that_is_no_mathematics(
    refusal, here: Path, good: list[str], classifier: Path, choice: str, content: str | None, expected: str
) -> None:
    if content is not None:
        (here / choice).write_text(content)
    for line in (
        refusal(finetune.main, *good, "--math", choice),
        refusal(predict.main, classifier, "good", "--math", choice),
    ):
        assert f"--math {choice}" in line
        assert expected in line


def test_a_rate_at_which_the_loss_is_lost(command, here: Path, good: list[str]) -> None:
    """Only training can find this. A model that was saved before is complete."""
    status, _, err = command(finetune.main, *good, "--lr", "1e30", "--warmup", "0", "--epochs", "3", "--output", "out")
    assert status == 2
    (line,) = err.splitlines()
    assert "the loss is nan at step" in line
    assert "--lr" in line
    assert set(contents(here)) == {
        "train.csv",
        "out/minitf-run.json",
        "out/metrics.jsonl",
        "out/last/state.safetensors",
    }


# Where it is to be written --------------------------------------------------------------------------------------------


def test_output_holds_something_else(refusal, here: Path, good: list[str]) -> None:
    """--overwrite does not touch a folder that is not an earlier run."""
    (here / "thesis").mkdir()
    (here / "thesis" / "chapter.tex").write_text("years of work")
    for flags in ([], ["--overwrite"]):
        line = refusal(finetune.main, *good, "--output", "thesis", *flags)
        assert "--output thesis" in line
        assert "exists and is not a minitf run (it has " in line


def test_output_holds_an_earlier_run(command, refusal, here: Path, good: list[str]) -> None:
    assert command(finetune.main, *good, "--output", "out")[0] == 0
    line = refusal(finetune.main, *good, "--output", "out")
    assert "--output out" in line
    assert "--overwrite" in line


@pytest.mark.parametrize("flags", [[], ["--overwrite"]])
@pytest.mark.parametrize("output", ["notes.txt", "notes.txt/out"])
def test_output_is_a_file(refusal, here: Path, good: list[str], output: str, flags: list[str]) -> None:
    (here / "notes.txt").write_text("to be kept")
    assert f"--output {output}" in refusal(finetune.main, *good, "--output", output, *flags)


@pytest.mark.parametrize(
    "spoilt",
    ["--model absent --offline", "--max-length 65", "--math absent.py", "--train absent.csv"],
)
def test_an_earlier_run_survives_bad_input(command, refusal, here: Path, good: list[str], spoilt: str) -> None:
    """--overwrite deletes nothing before everything else is checked."""
    assert command(finetune.main, *good, "--output", "out")[0] == 0
    refusal(finetune.main, *good, "--output", "out", "--overwrite", *spoilt.split())


@pytest.mark.parametrize("flags", [["--output", "out"], []])
def test_no_permission_for_the_folder(
    refusal, here: Path, good: list[str], monkeypatch: pytest.MonkeyPatch, flags: list[str]
) -> None:
    """Tests may run as root, who may write everywhere, so the error of the system is simulated."""
    make = Path.mkdir

    def forbidden(path: Path, *arguments, **more) -> None:
        if here in path.absolute().parents:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        make(path, *arguments, **more)

    monkeypatch.setattr(Path, "mkdir", forbidden)
    line = refusal(finetune.main, *good, *flags)
    folder = "out" if flags else Path("runs/train-1")
    assert line.startswith(f"{folder}: cannot be written (Permission denied)")


def full_disk(monkeypatch: pytest.MonkeyPatch, *names: str, code: int = errno.ENOSPC) -> None:
    """Writing to a file of these names fails as on a full disk: the error does not name the file."""

    def opened(file, mode="r", *arguments, **more):
        stream = true_open(file, mode, *arguments, **more)
        if set(mode) & set("wax+") and isinstance(file, str | Path) and any(name in Path(file).name for name in names):
            stream.write = refuse
        return stream

    def refuse(_):
        raise OSError(code, os.strerror(code))

    true_open = io.open
    monkeypatch.setattr(io, "open", opened)
    monkeypatch.setattr(builtins, "open", opened)


@pytest.mark.parametrize("name", ["config.json", "minitf.json", "vocab.txt", "tokenizer_config.json"])
def test_no_space_for_best(command, here: Path, good: list[str], monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    full_disk(monkeypatch, name)
    status, _, err = command(finetune.main, *good, "--output", "out")
    assert status == 2
    (line,) = err.splitlines()
    assert f"{Path('out/best')}: cannot be written (no space left on the disk)" in line
    assert {path.name for path in (here / "out").iterdir()} == {"minitf-run.json", "metrics.jsonl", "last"}


def test_no_space_for_the_weights(command, here: Path, good: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The error of safetensors, after it has written a part. The best/ of an earlier epoch stays complete."""
    saves = []

    def full(tensors, path, **more):
        saves.append(path)
        if len(saves) > 1:
            Path(path).write_bytes(b"a part")
            raise SafetensorError(f"Error while serializing: I/O error: {NO_SPACE} (os error 28)")
        return save_file(tensors, path, **more)

    from minitf.checkpoints import save

    save_file = save.save_file
    monkeypatch.setattr(save, "save_file", full)
    flags = ("--epochs", 9, "--metric", "loss", "--lr", "1e-3", "--dropout", 0, "--output", "out")
    status, _, err = command(finetune.main, *good, *flags)
    assert status == 2
    (line,) = err.splitlines()
    assert f"{Path('out/best')}: cannot be written (no space left on the disk)" in line
    assert {path.name for path in (here / "out").iterdir()} == {"minitf-run.json", "metrics.jsonl", "best", "last"}
    assert command(predict.main, "out/best", "good")[0] == 0


@pytest.mark.parametrize("name", ["metrics.jsonl", "curves.png", "report.json"])
def test_no_space_for_the_record(
    command, here: Path, good: list[str], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """The line names the file. A complete best/ stays."""
    full_disk(monkeypatch, name)
    status, _, err = command(finetune.main, *good, "--output", "out")
    assert status == 2
    (line,) = err.splitlines()
    assert "no space left on the disk" in line
    assert name in line
    if name == "metrics.jsonl":
        assert contents(here / "out").get(name, b"") == b""
    else:
        assert contents(here / "out").get(name) is None  # no file rather than half of one
        assert command(predict.main, "out/best", "good")[0] == 0


def test_no_space_for_the_predictions(command, here: Path, classifier: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    full_disk(monkeypatch, "out.csv")
    status, _, err = command(predict.main, classifier, "good", "--output", "out.csv")
    assert status == 2
    (line,) = err.splitlines()
    assert "no space left on the disk" in line
    assert "out.csv" in line
    assert contents(here) == {}


@pytest.mark.parametrize("there", [False, True])
def test_predictions_are_written_completely_or_not_at_all(
    command, here: Path, classifier: Path, monkeypatch: pytest.MonkeyPatch, there: bool
) -> None:
    """Ctrl-C leaves no incomplete table, and an earlier one unchanged."""
    if there:
        (here / "out.csv").write_text("of yesterday")
    before, calls = contents(here), []
    softmax = torch.Tensor.softmax

    def interrupted(self, *arguments, **more):
        calls.append(1)
        if len(calls) > 1:
            raise KeyboardInterrupt
        return softmax(self, *arguments, **more)

    monkeypatch.setattr(torch.Tensor, "softmax", interrupted)
    status, _, _ = command(predict.main, classifier, *["good"] * 9, "--batch-size", 3, "--output", "out.csv")
    assert (status, len(calls)) == (130, 2)
    assert contents(here) == before


def test_no_permission_for_the_predictions(
    refusal, here: Path, classifier: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def opened(file, mode="r", *arguments, **more):
        if "w" in mode and str(here) in str(Path(file).absolute()):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(file))
        return true_open(file, mode, *arguments, **more)

    true_open = io.open
    monkeypatch.setattr(io, "open", opened)
    monkeypatch.setattr(builtins, "open", opened)
    line = refusal(predict.main, classifier, "good", "--output", "out.csv")
    assert line.startswith("out.csv: cannot be written")
    assert "Permission denied" in line


def test_overwrite_deletes_only_what_a_run_writes(command, here: Path, good: list[str]) -> None:
    """A user's table in the folder of an earlier run is not deleted."""
    assert command(finetune.main, *good, "--output", "out")[0] == 0
    (here / "out" / "mine.csv").write_text("text,label\n")
    assert command(finetune.main, *good, "--output", "out", "--overwrite")[0] == 0
    assert (here / "out" / "mine.csv").read_text() == "text,label\n"


def test_the_model_is_in_the_output_folder(command, refusal, here: Path, good: list[str]) -> None:
    assert command(finetune.main, *good, "--output", "out")[0] == 0
    line = refusal(finetune.main, *good, "--model", "out/best", "--output", "out", "--overwrite")
    assert "--model out/best" in line


@pytest.mark.parametrize("flags", [["--dry-run"], []])
def test_an_output_below_a_file(refusal, here: Path, good: list[str], flags: list[str]) -> None:
    (here / "file").write_text("")
    assert "file" in refusal(finetune.main, *good, "--output", "file/run", *flags)


@pytest.mark.parametrize(
    "noted", ['{"max_length": "x"}', '{"max_length": -5}', '{"max_length": 1.5}', '{"text": 5}', '["x"]', '{"pair": 1}']
)
def test_damaged_metadata_beside_the_model(refusal, classifier: Path, noted: str) -> None:
    (classifier / "minitf.json").write_text(noted)
    assert "minitf.json" in refusal(predict.main, classifier, "good")


def test_a_folder_of_the_default_models_name(refusal, here: Path, good: list[str], tiny: Path) -> None:
    """A name of the catalogue means the catalogued model, also if a folder has this name."""
    shutil.copytree(tiny, here / "all-MiniLM-L6-v2")
    line = refusal(finetune.main, *good[:2])
    assert "./all-MiniLM-L6-v2" in line
