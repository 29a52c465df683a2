"""Built-in data by name: what it brings along, in every command that trains, and what is refused beside it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import minitf
from minitf import finetune, search
from minitf.datasets.built_in import BUILT_IN, DEFAULT, built_in_name
from minitf.datasets.dataset import built_in_corpus
from minitf.fine_tuning.built_in_recipe import recipe_line, with_recipe
from minitf.fine_tuning.config import FineTuneConfig, field_of

pytestmark = pytest.mark.usefixtures("quick_picture")
RECIPE = BUILT_IN[DEFAULT].recipe
SIZES = {"reviews": "train 2000, valid 500, test 500 texts", "hard-reviews": "train 800, valid 200, test 200 texts"}


@pytest.fixture
def small(write_bert: Callable[..., tuple[Path, object]], here: Path) -> list[str]:
    """The flags of a run that takes a second."""
    tiny, _ = write_bert(num_hidden_layers=1, hidden_size=16, num_attention_heads=2, intermediate_size=24)
    return ["--model", str(tiny), "--device", "cpu", "--batch-size", "200"]


def report(folder: str) -> dict:
    return json.loads((Path(folder) / "report.json").read_text())


@pytest.mark.parametrize(("train", "name"), [(None, "reviews"), ("reviews", "reviews"), ("hard-reviews",) * 2])
def test_the_recipe_and_the_groups_belong_to_the_data(run_command, small, train: str | None, name: str) -> None:
    """They are in the settings of the run, so that its report and `--resume` have them."""
    status, out, err = run_command(finetune.main, *small, *(("--train", train) if train else ()))
    assert (status, err) == (0, "")
    assert f"built-in {name}/train: {SIZES[name]}" in out
    found = report(f"runs/{name}-1")
    recipe = BUILT_IN[name].recipe
    for setting in ("lr", "epochs"):
        assert found["arguments"][setting] == recipe.get(setting, field_of(setting).default)
    assert found["arguments"]["train"] == train
    lines = [line for line in out.splitlines() if line.startswith("recipe")]
    assert len(lines) == bool(recipe)
    assert all(f"--{setting} {value:g}" in lines[0] for setting, value in recipe.items())
    if BUILT_IN[name].by is None:
        assert "slices" not in found
        return
    groups = {g["name"]: g for g in found["slices"]["groups"]}
    assert {name: g["count"] for name, g in groups.items()} == {
        "plain": 350, "contrast": 44, "facts": 42, "negation": 34, "irony": 30,
    }  # fmt: skip
    right = sum(round(g["count"] * g["score"]) for g in groups.values())
    assert right / 500 == found["test"]["accuracy"]
    assert sum(line.startswith(("  plain ", "  irony ")) for line in out.splitlines()) == 2


@pytest.mark.parametrize("given", [{"lr": 5e-5}, {"epochs": 1}, {"lr": 1e-3, "epochs": 2, "by": "domain"}])
def test_a_setting_that_is_given_is_kept(given: dict[str, object]) -> None:
    """Also if it is the usual default."""
    config = FineTuneConfig.of(**with_recipe(given)).settings()
    assert {name: config[name] for name in {*RECIPE, *given}} == RECIPE | given


@pytest.mark.parametrize("train", ["reviews.csv", [{"text": "a", "label": "b"}]])
def test_users_tables_have_no_recipe(train: object) -> None:
    given = {"train": train}
    assert with_recipe(given) == given
    assert recipe_line(FineTuneConfig.of(**given)) is None
    assert (FineTuneConfig().recipe.lr, FineTuneConfig().recipe.epochs) == (5e-5, 5)


def test_a_file_of_that_name_is_meant(here: Path) -> None:
    Path("reviews").mkdir()
    assert built_in_name("reviews") == "reviews"
    Path("hard-reviews").write_text("text,label\n")
    assert built_in_name("hard-reviews") is None
    assert built_in_name(None) == DEFAULT


@pytest.mark.parametrize("name", list(BUILT_IN))
@pytest.mark.parametrize("flag", ["--valid", "--test", "--text", "--pair", "--label"])
def test_other_tables_beside_it_are_refused(run_command, here: Path, name: str, flag: str) -> None:
    status, out, err = run_command(finetune.main, "--train", name, flag, "x")
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert f"{flag} needs --train with your examples: {name!r} is not a file" in err


@pytest.mark.parametrize(("typed", "meant"), [("review", "reviews"), ("hard_reviews", "hard-reviews")])
@pytest.mark.parametrize("flags", [(), ("--task", "classification")])
def test_a_mistyped_name(run_command, here: Path, typed: str, meant: str, flags: tuple[str, ...]) -> None:
    status, out, err = run_command(finetune.main, "--train", typed, *flags)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert f"{typed}: no such file (did you mean {meant!r}?)" in err


def test_another_task_is_refused(run_command, here: Path) -> None:
    status, out, err = run_command(finetune.main, "--task", "tagging")
    assert (status, out, err) == (2, "", "minitf: --task tagging: the built-in reviews are for classification\n")


def test_resume(run_command, small, here: Path) -> None:
    """The settings of the recipe are those of the run; another value is refused."""
    flags = ("--train", "reviews", "--output", "out")
    assert run_command(finetune.main, *small, *flags)[0] == 0
    before = report("out")
    status, out, err = run_command(finetune.main, "--resume", "--output", "out")
    assert (status, err) == (0, "")
    assert "nothing is left to train" in out
    assert report("out")["test"] == before["test"]
    assert run_command(finetune.main, "--resume", "--output", "out", "--lr", RECIPE["lr"], "--by", "domain")[0] == 0
    assert report("out")["slices"]["total"] == 20
    status, _, err = run_command(finetune.main, "--resume", "--output", "out", "--lr", "3e-4")
    assert status == 2
    assert "the run was started with 0.0001" in err


def test_from_python(small, here: Path) -> None:
    lines: list[str] = []
    run = minitf.fine_tune(
        train="hard-reviews", model=small[1], epochs=1, device="cpu", batch_size=200, say=lines.append
    )
    assert run is not None
    assert run.folder == Path("runs/hard-reviews-1")
    assert any(SIZES["hard-reviews"] in line for line in lines)


def test_search_and_learning_curve(run_command, small, here: Path) -> None:
    """The recipe holds for the settings that are not searched."""
    space = ("--method", "grid", "--space", "lr=1e-5,1e-3", "--epochs", "1")
    status, out, err = run_command(search.main, *small, *space, "--output", "study")
    assert (status, err) == (0, "")
    assert "recipe" not in out  # all of it is searched or given
    assert [report(f"study/run-{n}")["arguments"]["lr"] for n in (0, 1)] in ([1e-5, 1e-3], [1e-3, 1e-5])
    curve = ("--train", "reviews", "--learning-curve", "0.1", "--output", "curve")
    status, out, err = run_command(search.main, *small, *curve)
    assert (status, err) == (0, "")
    assert "recipe of the built-in reviews: --lr" in out
    assert report("curve/share-0.1-seed-0")["arguments"]["epochs"] == RECIPE["epochs"]


def test_the_parts_are_read_by_name() -> None:
    for name in BUILT_IN:
        for table, part in zip(built_in_corpus(name), ("train", "valid", "test"), strict=True):
            assert table.path == f"built-in {name}/{part}"
