"""What would more training data bring? The same run on growing shares of it."""

import argparse
import dataclasses
import random
import shutil
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from minitf import experiment, kinds, learning, runs
from minitf.cli.console import number
from minitf.errors import InputError
from minitf.files import write_json
from minitf.training import searching


def shares(text: str) -> list[float]:
    """`0.1,0.5,1` as numbers. Raises InputError."""
    parse = number(0, 1, above=True)
    try:
        return sorted({parse(part) for part in text.split(",")})
    except argparse.ArgumentTypeError as error:
        raise InputError(f"--learning-curve {text}: each share {error}") from None


def learning_curve(
    parts: Sequence[float], arguments: argparse.Namespace, kind: kinds.Kind, splits: runs.Splits, folder: Path
) -> None:
    """Train on growing shares of the training rows, each holding the one before; with --seeds several times each."""
    from minitf.training.workers import ALONE

    if (folder / "learning-curve.json").exists() and not arguments.overwrite:
        raise InputError(f"--output {folder}: holds a learning curve; give another folder, or --overwrite")
    train = splits["train"].examples
    order = random.Random(arguments.seed).sample(range(len(train)), len(train))
    table = "test" if "test" in splits else "valid"
    rows: list[dict[str, Any]] = []
    for share in parts:
        chosen = sorted(order[: max(2, round(share * len(train)))])
        part = dataclasses.replace(splits["train"], examples=tuple(train[i] for i in chosen))
        values = []
        for seed in range(arguments.seed, arguments.seed + arguments.seeds):
            own = argparse.Namespace(**{**vars(arguments), "seed": seed, "seeds": 1})
            place = folder / f"share-{share:g}-seed-{seed}"
            outcome = experiment.run(own, kind, {**splits, "train": part}, place, ALONE, say=learning.silent)
            assert outcome is not None
            values.append(float(outcome.measured.to_dict()[arguments.metric]))
            for weights in ("best", "last"):
                shutil.rmtree(place / weights, ignore_errors=True)
        mean, sd = statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else 0.0
        rows.append({"share": share, "rows": len(chosen), "mean": mean, "sd": sd, "values": values})
        print(f"{share:6.0%}  {len(chosen):8,} rows  {table} {arguments.metric} {mean:.4f} ± {sd:.4f}", flush=True)
    content = {"metric": arguments.metric, "measured on": table, "shares": rows}
    write_json(folder / "learning-curve.json", content)
    searching.draw_learning_curve(rows, f"{table} {arguments.metric}", folder / "learning-curve.png")
    print(f"drawn: {folder / 'learning-curve.png'}")
