"""Common advice for fine-tuning a BERT on few examples, and its effect here: one change at a time, five seeds.

    python -m benchmarks.folklore --data FOLDER        # FOLDER has GLUE's SST-2; under two hours on two cores

Every row is `python -m minitf.finetune` with the usual recipe and one change, on the same 1,000 sentences. The score is
the accuracy of the model after the last epoch on the whole development set, which is not used to choose anything. The
difference from the usual recipe is taken seed by seed. With --work, finished rows are kept: a run that was stopped does
not train them again. As many rows as there are cores are trained at once, one thread each, so the results do not
depend on the number of cores.
"""

import argparse
import concurrent.futures
import contextlib
import dataclasses
import functools
import io
import json
import multiprocessing
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from benchmarks import record
from benchmarks.confidence import interval
from minitf import finetune

SEEDS = (0, 1, 2, 3, 4)
THREADS = 1  # of each process
USUAL = ("--epochs", "3", "--batch-size", "16", "--lr", "5e-5", "--metric", "loss")


@dataclasses.dataclass(frozen=True)
class Claim:
    """A claim about fine-tuning, and the flags that test it."""

    name: str
    flags: tuple[str, ...]
    claimed: str
    source: str

    @property
    def slug(self) -> str:
        """The name for files."""
        return self.name.replace(" ", "-").replace(":", "").replace(",", "")


CLAIMS = (
    Claim("the usual recipe", (), "", "bias correction, warm-up 0.1, decay 0.01, dropout 0.1"),
    Claim("no bias correction", ("--no-bias-correction",), "runs fail on few examples", "Mosbach et al. 2021"),
    Claim("no warm-up", ("--warmup", "0"), "training is less stable", "Mosbach et al. 2021"),
    Claim(
        "neither of the two",
        ("--no-bias-correction", "--warmup", "0"),
        "the worst of both",
        "Mosbach et al. 2021; Zhang et al. 2021",
    ),
    Claim("longer: 10 epochs", ("--epochs", "10"), "better and more stable on few examples", "Mosbach et al. 2021"),
    Claim("embeddings frozen", ("--freeze", "embeddings"), "costs little", "Lee et al. 2019"),
    Claim("lower half frozen", ("--freeze", "3"), "keeps nine tenths of the quality", "Lee et al. 2019"),
    Claim("only the head trained", ("--freeze", "all"), "how much worse depends on the task", "Peters et al. 2019"),
    *(
        Claim(
            f"only the head, rate {rate}",
            ("--freeze", "all", "--lr", rate),
            "a head alone needs a larger rate",
            "not planned: added after the row above",
        )
        for rate in ("1e-3", "1e-2")
    ),
    Claim("gradual unfreezing", ("--unfreeze", "gradual"), "forgets less", "Howard & Ruder 2018"),
    Claim("layer decay 0.9", ("--layer-lr-decay", "0.9"), "better", "Sun et al. 2019; Howard & Ruder 2018"),
    Claim("top layer re-initialized", ("--reinit-top", "1"), "better on few examples", "Zhang et al. 2021"),
    Claim("no dropout", ("--dropout", "0"), "overfits", "Srivastava et al. 2014"),
    Claim("dropout 0.2", ("--dropout", "0.2"), "overfits less", "Srivastava et al. 2014"),
    Claim("L1 1e-6", ("--l1", "1e-6"), "overfits less", "Tibshirani 1996"),
    Claim("L2 1e-4", ("--l2", "1e-4"), "overfits less", "Krogh & Hertz 1991"),
    Claim("label smoothing 0.1", ("--label-smoothing", "0.1"), "better", "Szegedy et al. 2016; Müller et al. 2019"),
    Claim(
        "words deleted and swapped", ("--augment", "delete=0.1,swap=0.1"), "better on few examples", "Wei & Zou 2019"
    ),
    Claim("from scratch", ("--from-scratch",), "pre-training is essential", "Devlin et al. 2019"),
)


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(prog="python -m benchmarks.folklore", description=__doc__)
    p.add_argument("--data", type=Path, required=True, metavar="FOLDER")
    p.add_argument("--sentences", type=int, default=1000)
    p.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    p.add_argument("--only", type=int, help="number of rows, for a trial")
    p.add_argument("--work", type=Path, help="folder for finished rows (default: a temporary one)")
    p.add_argument("--processes", type=int, default=os.cpu_count(), help="rows at once (default: one for each core)")
    p.add_argument("--name", default="folklore", help="of the record")
    return p


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parser().parse_args(argv)
    surroundings = record.surroundings()
    with contextlib.ExitStack() as stack:
        work = arguments.work or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        work.mkdir(parents=True, exist_ok=True)
        lines = (arguments.data / "train.tsv").read_text(encoding="utf-8").splitlines(keepends=True)
        (work / "train.tsv").write_text("".join(lines[: 1 + arguments.sentences]), encoding="utf-8")
        pool = stack.enter_context(
            concurrent.futures.ProcessPoolExecutor(
                arguments.processes, multiprocessing.get_context("spawn"), torch.set_num_threads, (THREADS,)
            )
        )
        submitted = [
            pool.submit(record.once, work / f"{claim.slug}.json", functools.partial(measured, claim, arguments, work))
            for claim in CLAIMS[: arguments.only]
        ]
        rows = [row.result() for row in submitted]
    usual = rows[0]["accuracy"]
    for row in rows:
        differences = [100 * (a - b) for a, b in zip(row["accuracy"], usual, strict=True)]
        row["mean"] = statistics.fmean(row["accuracy"])
        row["sd"] = statistics.stdev(row["accuracy"]) if len(usual) > 1 else 0.0
        row["difference_points"] = statistics.fmean(differences)
        row["confidence_95_points"] = list(interval(differences)) if row is not rows[0] and len(usual) > 1 else None
    path = record.write(
        arguments.name,
        {
            **surroundings,
            "processes": arguments.processes,
            "threads": THREADS,
            "usual": USUAL,
            "sentences": arguments.sentences,
            "rows": rows,
        },
    )
    print(f"{table(rows)}\nwritten: {path.name}")
    return 0


def measured(claim: Claim, arguments: argparse.Namespace, work: Path) -> dict[str, Any]:
    """Train with each seed; return the accuracies after the last epoch."""
    accuracies, losses, start = [], [], time.perf_counter()
    folder = work / f"run-{claim.slug}"
    for seed in arguments.seeds:
        shutil.rmtree(folder, ignore_errors=True)
        words = ["--train", work / "train.tsv", "--valid", arguments.data / "dev.tsv", "--output", folder]
        with contextlib.redirect_stdout(io.StringIO()):
            status = finetune.main([str(w) for w in (*words, *USUAL, *claim.flags, "--seed", seed)])
        if status:
            raise RuntimeError(f"{claim.name}, seed {seed}: status {status}")
        epochs = json.loads((folder / "report.json").read_text(encoding="utf-8"))["epochs"]
        accuracies.append(epochs[-1]["valid"]["accuracy"])
        losses.append(epochs[-1]["train_loss"])
    shutil.rmtree(folder, ignore_errors=True)
    row = {
        **dataclasses.asdict(claim),
        "accuracy": accuracies,
        "train_loss": losses,
        "seconds": round(time.perf_counter() - start, 1),
    }
    print(f"{claim.name}: {100 * statistics.fmean(accuracies):.1f} ({row['seconds']:.0f} s)", flush=True)
    return row


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Format the rows in Markdown, for docs/results.md."""
    lines = ["| | claimed | accuracy, mean ± sd | lowest | difference, 95 % |", "|---|---|---|---|---|"]
    for row in rows:
        claim = f"{row['claimed']} ({row['source']})" if row["claimed"] else row["source"]
        bounds = row["confidence_95_points"]
        gap = "" if bounds is None else f"{row['difference_points']:+.1f} [{bounds[0]:+.1f}, {bounds[1]:+.1f}]"
        score = f"{100 * row['mean']:.1f} ± {100 * row['sd']:.1f} | {100 * min(row['accuracy']):.1f}"
        lines.append(f"| {row['name']} | {claim} | {score} | {gap} |")
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
