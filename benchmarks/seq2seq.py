"""New encoder-decoders on the generated data: exact match on patterns that training never had, and the time of a run.

    python -m benchmarks.seq2seq --choose    train each of RECIPES once; compare by the validation part alone
    python -m benchmarks.seq2seq             measure the recipes in minitf/datasets/built_in.py, on the test part
    python -m benchmarks.seq2seq --table     print the table of results/seq2seq.json for docs/results.md

The first writes results/seq2seq-recipes.json and never reads the test part. The second writes results/seq2seq.json:
five seeds of `dates` and of `numbers`. For each seed it has what teacher forcing measures beside what the model
generates. Each run is a new process, whose whole time is measured.
"""

import argparse
import json
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import record
from benchmarks.first_run import finetune
from minitf.datasets.built_in import BUILT_IN, PARTS, built_in_source

NAME = "seq2seq"
DATA = ("dates", "numbers")
SCORES = ("exact_match", "chrf", "token_accuracy", "sequence_accuracy", "unfinished", "loss")
# Changes of the recipe of each data set.
RECIPES = {
    "dates": ({}, {"lr": 1e-3}, {"epochs": 3}, {"layers": 1}),
    "numbers": ({}, {"lr": 1e-3}, {"dropout": 0.1}, {"width": 128, "heads": 4}),
}


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(
        prog="python -m benchmarks.seq2seq", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    p.add_argument("--choose", action="store_true", help="compare recipes on the validation part")
    p.add_argument("--table", action="store_true", help="print the table of the record")
    p.add_argument("--data", nargs="+", choices=DATA, default=list(DATA))
    p.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    p.add_argument("--flags", default="", help="more flags for every run, such as '--width 16' for a quick trial")
    p.add_argument("--name", default=NAME, help="of the record")
    return p


def flags_of(recipe: Mapping[str, Any]) -> list[str]:
    """Return the settings as flags."""
    names = {key: f"--{key.replace('_', '-')}" for key in recipe}
    return [names[key] if value is True else f"{names[key]}={value}" for key, value in recipe.items()]


def compare(name: str, flags: Sequence[str]) -> list[dict[str, Any]]:
    """Train with each recipe on the training part alone; return their validation scores, the best first."""
    with tempfile.TemporaryDirectory() as folder:
        tables = []
        for part in PARTS[:2]:
            path = Path(folder) / f"{name}-{part}.jsonl"
            rows = built_in_source(name, part)
            assert isinstance(rows, list)
            path.write_text("".join(json.dumps(dict(row)) + "\n" for row in rows), encoding="utf-8")
            tables += [f"--{part}", path]
        found = []
        for change in RECIPES[name]:
            recipe = {**BUILT_IN[name].recipe, **change}
            done = finetune("--task", "seq2seq", *tables, *flags_of(recipe), *flags)
            valid = {score: done["report"]["valid"][score] for score in SCORES}
            found.append({"data": name, "change": change, **valid, "seconds": done["seconds"]})
            print(found[-1], flush=True)
    return sorted(found, key=lambda row: -row["exact_match"])


def measure(name: str, seeds: Sequence[int], *flags: str) -> list[dict[str, Any]]:
    """Train on the built-in data with each seed; return the scores on the test part."""
    runs = []
    for seed in seeds:
        done = finetune("--train", name, "--task", "seq2seq", "--from-scratch", "--seed", seed, *flags)
        test, groups = done["report"]["test"], done["report"]["slices"]["groups"]
        forms = {group["name"]: group["score"] for group in groups}
        runs.append(
            {"seed": seed, **{score: test[score] for score in SCORES}, "forms": forms, "seconds": done["seconds"]}
        )
        print(runs[-1], flush=True)
    return runs


def summary(runs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    exact = [run["exact_match"] for run in runs]
    return {
        "mean": statistics.mean(exact),
        "sd": statistics.stdev(exact) if len(exact) > 1 else 0.0,
        "lowest": min(exact),
        "seconds": statistics.median(run["seconds"] for run in runs),
        "longest": max(run["seconds"] for run in runs),
    }


def table(content: Mapping[str, Any]) -> str:
    """Format a record as a Markdown table: shares in percent, a row for each seed."""
    lines = [
        "| data | seed | exact match | chrF | teacher-forced: tokens | teacher-forced: whole texts | seconds |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, runs in content["runs"].items():
        for run in runs:
            shares = [run[score] for score in ("exact_match", "chrf", "token_accuracy", "sequence_accuracy")]
            cells = [name, run["seed"], *(f"{100 * share:.2f}" for share in shares), f"{run['seconds']:.0f}"]
            lines.append(f"| {' | '.join(map(str, cells))} |")
    for name, found in content["summary"].items():
        lines += [
            "",
            f"{name}: exact match {100 * found['mean']:.2f} % (mean), {100 * found['lowest']:.2f} % (lowest);",
        ]
        lines += [f"{found['seconds']:.0f} s a run (median), {found['longest']:.0f} s (longest)."]
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parser().parse_args(argv)
    if arguments.table:
        print(table(json.loads((record.RESULTS / f"{arguments.name}.json").read_text(encoding="utf-8"))))
        return 0
    content, flags = record.surroundings(), arguments.flags.split()  # now, since the commit may change during the runs
    if arguments.choose:
        rows = {name: compare(name, flags) for name in arguments.data}
        path = record.write(f"{arguments.name}-recipes", {**content, "recipes": rows})
    else:
        runs = {name: measure(name, arguments.seeds, *flags) for name in arguments.data}
        content |= {"recipes": {name: dict(BUILT_IN[name].recipe) for name in runs}, "runs": runs}
        content["summary"] = {name: summary(found) for name, found in runs.items()}
        path = record.write(arguments.name, content)
        print(table(content))
    print(f"written: {path.name}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
