"""`--by`: the groups partition the rows, and the score of each is that of its rows alone; for every task."""

import csv
import json
import random
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

import minitf
from minitf import evaluate, finetune
from minitf.fine_tuning.slices import MOST

pytestmark = pytest.mark.usefixtures("quick_picture")
WORDS = ("the", "film", "was", "great", "awful", "so", "very", "never", "again", "hotel")
CITIES = ("Rome", "Oslo", " Oslo ", "", "Łódź <b>", "a, b")
TASKS = ("classification", "pairs", "multilabel", "regression", "tagging", "qa")


def rows(task: str, n: int = 40, seed: int = 1) -> list[dict[str, str]]:
    """Random rows; each text has 0 to 3 unknown words."""
    draw = random.Random(seed)
    found = []
    for i in range(n):
        words = draw.choices(WORDS, k=draw.randint(2, 9)) + ["zzz"] * draw.choice((0, 0, 1, 2, 3))
        draw.shuffle(words)
        label = {
            "multilabel": "|".join(draw.sample(("a", "b", "c"), draw.randint(1, 2))),
            "regression": f"{draw.gauss(0, 1):.3f}",
        }.get(task, ("a", "b", "c")[i % 3])
        row = {"text": " ".join(words), "label": label, "city": draw.choice(CITIES)}
        found.append({"text1": row.pop("text"), "text2": "the hotel", **row} if task == "pairs" else row)
    return found


def write(path: Path, task: str, table: list[dict[str, str]]) -> Path:
    """Write the rows in the format of the task; the tags and answers depend on the text alone."""
    if task == "tagging":
        tags = {"hotel": "B-PLACE", "film": "B-WORK", "great": "I-WORK"}
        sentences = ["\n".join(f"{word} {tags.get(word, 'O')}" for word in row["text"].split()) for row in table]
        path = path.with_suffix(".conll")
        path.write_text("\n\n".join(sentences) + "\n")
    elif task == "qa":
        answers = [[{"text": row["text"].split()[-1], "answer_start": row["text"].rindex(" ") + 1}] for row in table]
        paragraphs = [
            {"context": row["text"], "qas": [{"id": str(i), "question": "was it ?", "answers": answer}]}
            for i, (row, answer) in enumerate(zip(table, answers, strict=True))
        ]
        path = path.with_suffix(".json")
        path.write_text(json.dumps({"data": [{"title": "t", "paragraphs": paragraphs}]}))
    else:
        path = path.with_suffix(".csv")
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, list(table[0]))
            writer.writeheader()
            writer.writerows(table)
    return path


def group(by: str, row: dict[str, str]) -> str:
    text = row.get("text", row.get("text1", ""))
    if by == "unknown":
        return ("0", "1", "2+")[min(text.split().count("zzz"), 2)]
    return row[by].strip() or "(empty)"


@pytest.fixture
def train(write_bert: Callable[..., tuple[Path, object]], here: Path, run_command) -> Callable[..., str]:
    """Train a tiny model in the folder `run` with `test` as its test set; return what it prints."""
    tiny, _ = write_bert(num_hidden_layers=1, hidden_size=16, num_attention_heads=2, intermediate_size=24)

    def call(task: str, *flags: str, test: list[dict[str, str]] | None = None) -> str:
        tables = ["--train", str(write(here / "train", task, rows(task, 48, seed=2)))]
        tables += [] if test is None else ["--test", str(write(here / "test", task, test))]
        usual = ["--model", str(tiny), "--output", "run", "--epochs", "1", "--lr", "1e-3", "--device", "cpu"]
        status, out, err = run_command(finetune.main, *usual, *tables, *flags)
        assert (status, err) == (0, "")
        return out

    return call


def slices(path: str) -> dict:
    return json.loads(Path(path).read_text())["slices"]


@pytest.mark.parametrize("task", TASKS)
def test_a_group_has_the_score_of_its_rows_alone(train, run_command, here: Path, task: str) -> None:
    """In the report of the run and in that of `evaluate`; the groups partition the rows, the largest first."""
    table = rows(task)
    columns = ("unknown",) if task in ("tagging", "qa") else ("city", "unknown")
    train(task, "--by", columns[0], test=table)
    data = here / ("test.conll" if task == "tagging" else "test.json" if task == "qa" else "test.csv")
    for by in columns:
        status, out, err = run_command(
            evaluate.main, "run/best", "--data", data, "--by", by, "--output", "e.json", "--device", "cpu"
        )
        assert (status, err) == (0, "")
        found = slices("e.json")
        counts = Counter(group(by, row) for row in table)
        assert {g["name"]: g["count"] for g in found["groups"]} == counts
        assert found["total"] == len(counts)
        order = [g["name"] for g in found["groups"]]
        assert order == sorted(counts, key=lambda name: name if by == "unknown" else (-counts[name], name))
        for g in found["groups"]:
            alone = write(here / "alone", task, [row for row in table if group(by, row) == g["name"]])
            score = minitf.score("run/best", data=alone, device="cpu").scores[found["metric"]]
            assert g["score"] == pytest.approx(score, abs=1e-6)
            if g["low"] is not None:
                assert g["low"] - 1e-9 <= g["score"] <= g["high"] + 1e-9
            assert f"{g['count']:>5}  " in out
    Path("page.html").unlink(missing_ok=True)
    run_command(evaluate.main, "run/best", "--data", data, "--by", columns[0], "--output", "page.html")
    for page in ("run/report.html", "page.html"):
        assert re.search(rf"<h2[^>]*>Scores by {columns[0]}</h2>", Path(page).read_text())
    assert "<b>" not in re.findall(r"<td>Łódź.*?</td>", Path("page.html").read_text() + "<td>Łódź</td>")[0]
    run_command(evaluate.main, "run/best", "--data", data, "--by", columns[0], "--output", "e.json")
    assert slices("run/report.json") == slices("e.json")


@pytest.mark.parametrize("task", ["pairs", "tagging", "qa"])
def test_the_groups_of_lengths(train, here: Path, task: str) -> None:
    """Four groups of about the same size that do not overlap; together they are all rows."""
    out = train(task, "--by", "length", test=rows(task, 60))
    found = slices("run/report.json")
    assert sum(g["count"] for g in found["groups"]) == 60
    assert 2 <= len(found["groups"]) <= 4
    bounds = [int(n) for g in found["groups"] for n in re.findall(r"\d+", g["name"])[:2]]
    assert bounds == sorted(bounds)
    assert found["groups"][0]["name"] in out


def test_validation_rows_that_are_held_out(train, here: Path) -> None:
    """Without a test set the groups are those of the validation rows, which are a part of the training table."""
    train("classification", "--by", "city")
    found = slices("run/report.json")
    held_out = json.loads(Path("run/report.json").read_text())["data"]["valid"]["rows"]
    assert sum(g["count"] for g in found["groups"]) == held_out < 48


def test_records_and_seeds_from_python(train, here: Path) -> None:
    """Missing cells, numbers and several seeds: the groups are in the report of each seed."""
    train("classification")
    model = str(json.loads(Path("run/report.json").read_text())["arguments"]["model"])
    records = [{"text": f"the film {i}", "label": "ab"[i % 2], "year": 1.0 if i % 4 else None} for i in range(24)]
    settings = {"model": model, "epochs": 1, "device": "cpu", "say": lambda line: None}
    minitf.fine_tune(train=records, valid=records, by="year", seeds=2, output="seeds", **settings)
    for seed in (0, 1):
        groups = slices(f"seeds/seed-{seed}/report.json")["groups"]
        assert [(g["name"], g["count"]) for g in groups] == [("1", 18), ("(empty)", 6)]


def test_without_by_there_are_no_groups(train) -> None:
    train("classification", test=rows("classification"))
    assert "slices" not in json.loads(Path("run/report.json").read_text())


def test_many_groups(train, run_command, here: Path) -> None:
    """The 60 largest, and a sentence that says so."""
    table = [{**row, "city": f"c{min(i, 69)}"} for i, row in enumerate(rows("classification", 80))]
    out = train("classification", "--by", "city", test=table)
    found = slices("run/report.json")
    assert (len(found["groups"]), found["total"]) == (MOST, 70)
    assert (found["groups"][0]["name"], found["groups"][0]["count"]) == ("c69", 11)
    assert "  the 12 largest of 70 groups" in out.splitlines()
    assert "The 60 largest of 70 groups." in Path("run/report.html").read_text()
    _, out, _ = run_command(evaluate.main, "run/best", "--data", "test.csv", "--by", "city")
    assert "  the 60 largest of 70 groups" in out.splitlines()


def test_a_column_called_length_is_that_column(train, here: Path) -> None:
    table = [{**row, "length": "long"} for row in rows("classification")]
    train("classification", "--by", "length", test=table)
    assert [g["name"] for g in slices("run/report.json")["groups"]] == ["long"]


@pytest.mark.parametrize(
    ("task", "by", "message"),
    [
        ("classification", "cities", "test.csv: no column 'cities' (did you mean 'city'?)"),
        ("regression", "lenght", "(did you mean 'length'?)"),
        ("tagging", "city", "test.conll: `by` 'city': it has no columns for groups; give length or unknown"),
        ("qa", "title", "test.json: `by` 'title': it has no columns for groups; give length or unknown"),
    ],
)
def test_a_column_that_does_not_exist(train, run_command, here: Path, task: str, by: str, message: str) -> None:
    """One line and status 2, before anything is trained."""
    train(task, test=rows(task))
    data = str(next(here.glob("test.*")))
    for main, flags in (
        (evaluate.main, ("run/best", "--data", data)),
        (finetune.main, ("--train", data, "--test", data, "--output", "new")),
    ):
        status, _, err = run_command(main, *flags, "--by", by)
        assert status == 2
        assert message.replace("`by`", "--by") in err
        assert err.count("\n") == 1
        assert not Path("new").exists()


def test_a_list_in_the_column(train, run_command, here: Path) -> None:
    records = [{"text": "the film", "label": "a", "city": ["x"]}] * 3
    Path("lists.jsonl").write_text("\n".join(map(json.dumps, records)))
    train("classification")
    status, _, err = run_command(evaluate.main, "run/best", "--data", "lists.jsonl", "--by", "city")
    assert (status, err.count("\n")) == (2, 1)
    assert "lists.jsonl:1: column 'city' has the value ['x']" in err
