"""A learning curve: the same run on growing shares of the training data."""

import dataclasses
import random
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from minitf.errors import InputError
from minitf.files import remove_leftovers, write_json
from minitf.fine_tuning.config import FineTuneConfig
from minitf.fine_tuning.data import Decisions, Splits
from minitf.fine_tuning.folder import WEIGHTS, check_manifest
from minitf.fine_tuning.manifest import Manifest
from minitf.fine_tuning.settings import Number
from minitf.fine_tuning.single import run_in
from minitf.fine_tuning.terminal import Say, epoch_lines, silent
from minitf.training.figure import warned
from minitf.training.workers import ALONE
from minitf.tuning import figures

COMMAND = "learning curve"  # in the manifest


def shares(text: str) -> list[float]:
    """Parse shares such as `0.1,0.5,1`, sorted. Raises InputError."""
    values = Number(0, 1, above=True)
    try:
        return sorted({values.parse(part) for part in text.split(",")})
    except ValueError as error:
        raise InputError(f"`learning_curve` {text}: each share {error}") from None


def learning_curve(
    parts: Sequence[float],
    config: FineTuneConfig,
    decisions: Decisions,
    splits: Splits,
    folder: Path,
    say: Say = print,
) -> None:
    """Train on growing shares of the training rows, once for each seed. Each share contains the previous one.

    Raises InputError if `folder` already has a learning curve.
    """
    if (folder / "learning-curve.json").exists() and not config.output.overwrite:
        raise InputError(f"`output` {folder}: has a learning curve; `overwrite` it, or choose another folder")
    check_manifest(folder, COMMAND)
    remove_leftovers(folder)
    manifest = Manifest(folder, COMMAND)
    manifest.add("learning-curve.json", "learning-curve.png")
    train, metric = splits["train"].examples, decisions.metric
    order = random.Random(config.recipe.seed).sample(range(len(train)), len(train))
    table = "test" if "test" in splits else "valid"
    rows: list[dict[str, Any]] = []
    for share in parts:
        chosen = sorted(order[: max(2, round(share * len(train)))])
        part = dataclasses.replace(splits["train"], examples=tuple(train[i] for i in chosen))
        values = _values(share, config, decisions, {**splits, "train": part}, manifest, say)
        mean, sd = statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else 0.0
        rows.append({"share": share, "rows": len(chosen), "mean": mean, "sd": sd, "values": values})
        spread = f" ± {sd:.4f}" if len(values) > 1 else ""
        say(f"{share:6.0%}  {len(chosen):8,} rows  {table} {metric} {mean:.4f}{spread}")
    write_json(folder / "learning-curve.json", {"metric": metric, "measured on": table, "shares": rows})
    with warned(say, "learning-curve.png"):
        figures.draw_learning_curve(rows, f"{table} {metric}", folder / "learning-curve.png")
        say(f"written: {folder / 'learning-curve.png'}")


def _values(
    share: float, config: FineTuneConfig, decisions: Decisions, splits: Splits, manifest: Manifest, say: Say
) -> list[float]:
    """Return the metric of a run with each seed; the weights of these runs are deleted."""
    values = []
    for seed in range(config.recipe.seed, config.recipe.seed + config.recipe.seeds):
        place, report = manifest.folder / f"share-{share:g}-seed-{seed}", epoch_lines(config, say)
        manifest.add_run(place.name)
        run = run_in(place, config.replace(seed=seed, seeds=1), decisions, splits, ALONE, silent, on_epoch=report)
        assert run is not None
        values.append(float(run.metrics[decisions.metric]))
        Manifest(place).remove_files(WEIGHTS)
    return values
