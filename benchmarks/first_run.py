"""The first command, `python -m minitf.finetune` without flags, on the built-in reviews: accuracy by kind, and time.

    python -m benchmarks.first_run --choose    train each of RECIPES once; compare by validation accuracy alone
    python -m benchmarks.first_run             measure the recipe in minitf/datasets/built_in.py, on the test part
    python -m benchmarks.first_run --table     print the table of results/first-run.json for docs/results.md

The first writes results/first-run-recipes.json and never reads the test part. The second writes results/first-run.json:
five seeds, beside always one class, a bag of words, and the same network from scratch. Each run is a new process, whose
whole time is measured.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import record
from benchmarks.corpus import bag_of_words, majority
from benchmarks.golden import environment
from minitf.datasets.built_in import BUILT_IN, DEFAULT, built_in_file
from minitf.datasets.dataset import built_in_corpus
from minitf.datasets.groups import with_groups

NAME = "first-run"
RECIPES = (
    {"lr": 5e-5, "epochs": 3},
    {"lr": 1e-4, "epochs": 2},
    {"lr": 1e-4, "epochs": 3},
    {"lr": 1e-4, "epochs": 4},
    {"lr": 2e-4, "epochs": 2},
    {"lr": 2e-4, "epochs": 3},
)
KINDS = ("plain", "contrast", "facts", "negation", "irony")
ROWS = {
    "majority": "always one class",
    "bag of words": "bag of words: logistic regression on words and word pairs",
    "from scratch": "the same network from scratch",
    "fine-tuned": "the first command",
}


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(
        prog="python -m benchmarks.first_run", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("--choose", action="store_true", help="compare recipes on the validation part")
    p.add_argument("--table", action="store_true", help="print the table of the record")
    p.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    p.add_argument("--flags", default="", help="more flags for every run, such as '--model DIR' for a quick trial")
    p.add_argument("--name", default=NAME, help="of the record")
    return p


def finetune(*flags: object) -> dict[str, Any]:
    """Run the command in an empty folder; return its report and the seconds of the whole process."""
    with tempfile.TemporaryDirectory() as folder:
        words = [sys.executable, "-m", "minitf.finetune", "--output", "run", *map(str, flags)]
        start = time.perf_counter()
        subprocess.run(words, cwd=folder, env=surroundings(), check=True, stdout=subprocess.DEVNULL)
        seconds = time.perf_counter() - start
        report = json.loads((Path(folder) / "run" / "report.json").read_text(encoding="utf-8"))
    return {"report": report, "seconds": round(seconds, 1)}


def surroundings() -> dict[str, str]:
    """The environment of a run: the minitf of this checkout, and the usual number of threads."""
    fixed = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "PYTHONHASHSEED")
    return {name: value for name, value in environment().items() if name not in fixed}


def compare(flags: Sequence[str]) -> list[dict[str, Any]]:
    """Train with each recipe on the training part alone; return their validation accuracies, the best first."""
    tables = [word for part in ("train", "valid") for word in (f"--{part}", built_in_file(DEFAULT, part))]
    rows = []
    for recipe in RECIPES:
        done = finetune(*tables, *(f"--{name}={value}" for name, value in recipe.items()), *flags)
        rows.append({**recipe, "valid accuracy": done["report"]["valid"]["accuracy"], "seconds": done["seconds"]})
        print(rows[-1], flush=True)
    return sorted(rows, key=lambda row: -row["valid accuracy"])


def measure(seeds: Sequence[int], *flags: str) -> list[dict[str, Any]]:
    """Run the first command with each seed; return the accuracies on the test part."""
    runs = []
    for seed in seeds:
        done = finetune("--seed", seed, *flags)
        report = done["report"]
        kinds = {group["name"]: group["score"] for group in report["slices"]["groups"]}
        accuracy = report["test"]["accuracy"]
        runs.append({"seed": seed, "accuracy": accuracy, "kinds": kinds, "seconds": done["seconds"]})
        print(runs[-1], flush=True)
    return runs


def without_training() -> dict[str, dict[str, Any]]:
    """The accuracies of one class and of a bag of words."""
    test = with_groups(built_in_corpus(DEFAULT)[2], built_in_file(DEFAULT, "test"), "kind")
    found = {}
    for name, right in (("majority", majority(DEFAULT)), ("bag of words", bag_of_words(DEFAULT))):
        kinds = {
            kind: statistics.mean(r for r, e in zip(right, test.examples, strict=True) if e.group == kind)
            for kind in KINDS
        }
        found[name] = {"mean": statistics.mean(right), "kinds": kinds}
    return found


def summary(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    scores = [run["accuracy"] for run in runs]
    return {
        "mean": statistics.mean(scores),
        "sd": statistics.stdev(scores) if len(scores) > 1 else 0.0,
        "lowest": min(scores),
        "kinds": {kind: statistics.mean(run["kinds"][kind] for run in runs) for kind in KINDS},
        "seconds": statistics.median(run["seconds"] for run in runs),
    }


def table(content: Mapping[str, Any]) -> str:
    """Format a record as a Markdown table: accuracies in percent."""
    lines = [f"| | all | sd | lowest | {' | '.join(KINDS)} |", f"|---|{'---|' * (3 + len(KINDS))}"]
    for name, title in ROWS.items():
        row = content["summary"][name]
        numbers = [row["mean"], row.get("sd"), row.get("lowest"), *(row["kinds"][kind] for kind in KINDS)]
        lines.append(f"| {title} | {' | '.join('' if n is None else f'{100 * n:.1f}' for n in numbers)} |")
    settings = ", ".join(f"`--{name} {value:g}`" for name, value in content["recipe"].items())
    seconds = content["summary"]["fine-tuned"]["seconds"]
    return "\n".join([*lines, "", f"The recipe: {settings}. The first command takes {seconds:.0f} s (median)."])


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parser().parse_args(argv)
    if arguments.table:
        print(table(json.loads((record.RESULTS / f"{arguments.name}.json").read_text(encoding="utf-8"))))
        return 0
    content, flags = record.surroundings(), arguments.flags.split()  # now, since the commit may change during the runs
    if arguments.choose:
        path = record.write(f"{arguments.name}-recipes", {**content, "recipes": compare(flags)})
    else:
        rows = {"from scratch": ["--from-scratch"], "fine-tuned": []}
        runs = {name: measure(arguments.seeds, *own, *flags) for name, own in rows.items()}
        numbers = without_training() | {name: summary(found) for name, found in runs.items()}
        content |= {"recipe": dict(BUILT_IN[DEFAULT].recipe), "summary": numbers, "runs": runs}
        path = record.write(arguments.name, content)
        print(table(content))
    print(f"written: {path.name}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
