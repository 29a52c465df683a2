"""The commands for the tasks that generate text: a new model is trained, resumed, evaluated, and opened again."""

import csv
import json
from pathlib import Path

import pytest
import torch
import transformers

import minitf
from minitf import evaluate, finetune, predict, prune
from minitf.datasets.generated_dates import FORMS
from minitf.errors import InputError
from minitf.fine_tuning.built_in_recipe import with_recipe
from tests.support.transformer_models import write_with_characters

pytestmark = pytest.mark.usefixtures("quick_picture")
NEW = ("--from-scratch", "--layers", "1", "--width", "16", "--device", "cpu", "--lr", "0.01")


@pytest.fixture
def pairs(here: Path) -> Path:
    with Path("pairs.csv").open("w", newline="") as file:
        out = csv.writer(file)
        out.writerows([("source", "target"), *((f"say {n}", f"{n} said") for n in range(40))])
    return Path("pairs.csv")


def report(folder: str) -> dict:
    return json.loads((Path(folder) / "report.json").read_text())


def test_seq2seq(run_command, pairs: Path) -> None:
    """Train, evaluate, predict; `transformers` generates the same."""
    status, out, err = run_command(finetune.main, "--train", pairs, "--epochs", "2", *NEW, "--output", "run")
    assert (status, err) == (0, "")
    assert "--task auto: seq2seq, because it has the columns 'source' and 'target'" in out
    assert "new encoder-decoder: 1 layers each, width 16, 1 heads" in out
    found = report("run")
    assert found["arguments"]["width"] == 16
    assert list(found["scores"]) == ["exact match", "chrF", "teacher-forced accuracy"]
    assert "a new model" in (Path("run") / "report.html").read_text()
    status, out, err = run_command(evaluate.main, "run/best", "--data", pairs)
    assert status == 0 and "pairs.csv was used to train this model" in err
    assert "teacher-forced: tokens" in out
    scores = minitf.score("run/best", data=str(pairs), device="cpu")
    assert f"exact match {scores.exact_match:.4f}" in out
    status, out, err = run_command(predict.main, "run/best", "--input", pairs, "--output", "out.csv")
    assert status == 0
    with Path("out.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["text"] for row in rows] == [f"say {n}" for n in range(40)]
    assert scores.exact_match == sum(row["generated"] == f"{n} said" for n, row in enumerate(rows)) / 40
    alone = minitf.predictor("run/best", device="cpu")(["say 7"])
    assert alone == [{"text": "say 7", "generated": rows[7]["generated"]}]

    tokenizer = transformers.AutoTokenizer.from_pretrained("run/best")
    model = transformers.AutoModelForSeq2SeqLM.from_pretrained("run/best")
    assert type(model).__name__ == "MarianMTModel"
    ids = model.generate(**tokenizer("say 7", return_tensors="pt"), num_beams=1, do_sample=False, max_new_tokens=128)
    assert tokenizer.decode(ids[0], skip_special_tokens=True) == rows[7]["generated"]


def test_language_model(run_command, here: Path) -> None:
    Path("story.txt").write_text("\n\n".join(f"Once upon a time there were {n} bears." for n in range(20)))
    flags = ("--train", "story.txt", "--task", "language-model", "--epochs", "2", *NEW, "--output", "run")
    status, out, err = run_command(finetune.main, *flags)
    assert (status, err) == (0, "")
    assert "perplexity" in out
    scores = minitf.score("run/best", data="story.txt", device="cpu")
    status, out, err = run_command(evaluate.main, "run/best", "--data", "story.txt")
    assert status == 0 and "story.txt was used to train this model" in err
    assert f"perplexity {scores.perplexity:.4f}" in out
    status, out, err = run_command(predict.main, "run/best", "Once upon")
    assert (status, out.count("\n")) == (0, 2)
    model = transformers.AutoModelForCausalLM.from_pretrained("run/best")
    tokenizer = transformers.AutoTokenizer.from_pretrained("run/best")
    ids = tokenizer("Once upon", return_tensors="pt").input_ids
    with torch.no_grad():
        theirs = model(ids).logits
    torch.testing.assert_close(minitf.load("run/best")(ids).logits, theirs, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", ["marian", "bart", "t5"])
def test_official_models(run_command, here: Path, kind: str) -> None:
    """A model that `transformers` wrote is fine-tuned, resumed, and opened there again with what is not trained."""
    for name, numbers in (("pairs.csv", range(40)), ("held_out.csv", range(40, 50))):
        Path(name).write_text("source,target\n" + "".join(f"{n} June,{n}.6\n" for n in numbers))
    write_with_characters(here / "model", kind)
    flags = ("--train", "pairs.csv", "--model", "model", "--output", "run", "--device", "cpu", "--epochs", "1")
    assert run_command(finetune.main, *flags)[::2] == (0, "")
    assert run_command(finetune.main, "--resume", "--output", "run")[::2] == (0, "")
    assert run_command(evaluate.main, "run/best", "--data", "held_out.csv")[::2] == (0, "")
    before, after = (transformers.AutoModelForSeq2SeqLM.from_pretrained(folder) for folder in ("model", "run/best"))
    if kind != "t5":
        assert before.final_logits_bias.any()
        assert torch.equal(after.final_logits_bias, before.final_logits_bias)
    assert not torch.equal(next(after.parameters()), next(before.parameters()))


@pytest.mark.parametrize("kind", ["marian", "t5"])
@pytest.mark.parametrize("command", ["finetune", "evaluate"])
def test_models_that_cannot_generate_are_refused_before_any_work(
    run_command, pairs: Path, here: Path, kind: str, command: str
) -> None:
    write_with_characters(here / "model", kind)
    for name in ("config.json", "generation_config.json"):
        stated = json.loads((here / "model" / name).read_text())
        (here / "model" / name).write_text(json.dumps(stated | {"eos_token_id": None}))
    if command == "finetune":
        status, _, err = run_command(finetune.main, "--train", pairs, "--model", "model", "--output", "run")
    else:
        status, _, err = run_command(evaluate.main, "model", "--data", pairs, "--task", "seq2seq")
    assert (status, err) == (2, "minitf: model: has no end token (eos_token_id), so that no output would end\n")
    assert not (here / "run/metrics.jsonl").exists()


def test_resumed_to_the_same_weights(run_command, pairs: Path) -> None:
    flags = ("--train", pairs, *NEW, "--epochs", "3")
    assert run_command(finetune.main, *flags, "--output", "whole")[0] == 0
    steps = []

    def stop(line: str) -> None:
        steps.append(line)
        if line.strip().startswith("2/3"):
            raise OSError("the terminal is gone")

    settings = {"train": str(pairs), "from_scratch": True, "layers": 1, "width": 16, "device": "cpu"}
    with pytest.raises(OSError, match="terminal"):
        minitf.fine_tune(**settings, lr=0.01, epochs=3, output="part", say=stop)
    status, out, _ = run_command(finetune.main, "--resume", "--output", "part")
    assert status == 0
    assert "resumed at step" in out
    assert (Path("part/best/model.safetensors")).read_bytes() == Path("whole/best/model.safetensors").read_bytes()
    status, _, err = run_command(finetune.main, "--resume", "--output", "part", "--width", "32")
    assert status == 2
    assert "the run was started with 16" in err


def test_seeds(run_command, pairs: Path) -> None:
    flags = ("--train", pairs, *NEW, "--epochs", "1", "--seeds", "2", "--output", "run")
    assert run_command(finetune.main, *flags)[0] == 0
    first, second = (report(f"run/seed-{seed}")["valid"] for seed in (0, 1))
    assert first["loss"] != second["loss"]


def test_other_tasks_and_models_are_refused(run_command, pairs: Path) -> None:
    cases = [
        (("--task", "seq2seq"), "give a --model of the kind encoder-decoder, or --from-scratch"),
        (("--task", "seq2seq", "--width", "16"), "--width is a size of a new model: give --from-scratch"),
        (("--task", "seq2seq", *NEW, "--pair", "x"), "--pair has no meaning for --task seq2seq"),
        (("--task", "seq2seq", *NEW, "--heads", "3"), "--width 16 must be even and a multiple of --heads 3"),
        (("--task", "classification", "--label", "target", "--text", "source", *NEW), "--layers is a size"),
    ]
    for flags, message in cases:
        status, _, err = run_command(finetune.main, "--train", pairs, *flags)
        assert (status, err.count("\n")) == (2, 1), flags
        assert message in err


def test_the_recipe_of_dates() -> None:
    """It makes a new model, unless another model is given."""
    assert with_recipe({"train": "dates"})["from_scratch"] is True
    assert with_recipe({"train": "dates", "width": 32})["width"] == 32
    assert with_recipe({"train": "dates", "model": "some"}) == {"train": "dates", "model": "some", "by": "form"}


def test_what_needs_an_encoder_refuses_it(run_command, pairs: Path) -> None:
    assert run_command(finetune.main, "--train", pairs, "--epochs", "1", *NEW, "--output", "run")[0] == 0
    status, _, err = run_command(prune.main, "run/best", "--data", pairs, "--heads", "1", "--output", "pruned")
    assert (status, err.count("\n")) == (2, 1)
    rows = [{"source": "a", "target": "b"}, {"source": "c", "target": "d"}]
    with pytest.raises(InputError, match="this needs an encoder"):
        minitf.score("run/best", data=rows, task="classification", text="source", label="target")


def test_built_in_dates(run_command, here: Path) -> None:
    """Its recipe, except what is given; the scores of each form in the report."""
    sizes = ("--width", "8", "--heads", "1", "--layers", "1", "--epochs", "1", "--batch-size", "1000")
    status, out, err = run_command(finetune.main, "--train", "dates", *sizes, "--device", "cpu", "--output", "run")
    assert (status, err) == (0, "")
    assert "recipe of the built-in dates: --from-scratch, --lr 0.002, --metric exact_match" in out
    assert "built-in dates/train: train 20000, valid 500, test 1000 pairs" in out
    found = report("run")
    assert found["slices"]["column"] == "form"
    assert {group["name"] for group in found["slices"]["groups"]} == set(FORMS)
    assert sum(group["count"] for group in found["slices"]["groups"]) == 1000
    assert found["test"].keys() >= {"exact_match", "token_accuracy", "sequence_accuracy"}
    best = json.loads((Path("run/best") / "minitf.json").read_text())
    assert (best["task"], best["model"], best["text"], best["label"]) == ("seq2seq", None, "source", "target")
