"""What a run begins with, its data and its folder, and the record that it leaves. Nothing heavy is imported."""

import argparse
import dataclasses
import platform
import shlex
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from minitf import __version__, plans, report_page
from minitf.errors import InputError
from minitf.files import STATE, remove_leftovers, write_json, write_text, writing
from minitf.kinds import Kind
from minitf.text import checks, datasets
from minitf.text.datasets import Dataset

if TYPE_CHECKING:
    from minitf.experiment import Outcome
    from minitf.preparing import Ready

Splits = dict[str, Dataset]


def read_data(arguments: argparse.Namespace, kind: Kind) -> Splits:
    """All examples, read and checked before anything heavy is loaded; doubts are printed. Raises DataError."""
    if arguments.train is None:
        given = [f"--{name}" for name in ("valid", "test", "text", "pair", "label") if getattr(arguments, name)]
        if given:
            raise InputError(f"{given[0]} needs --train: without it the built-in corpus is used")
        splits = dict(zip(("train", "valid", "test"), datasets.built_in_corpus(), strict=True))
    else:
        columns = {"text": arguments.text, "pair": arguments.pair, "label": arguments.label}
        files = {name: getattr(arguments, name) for name in ("train", "valid", "test") if getattr(arguments, name)}
        splits = {name: kind.read(path, **columns) for name, path in files.items()}
        if "valid" not in splits:
            checks.refuse(kind.check(splits["train"], None, None))
            splits["train"], splits["valid"] = kind.split(splits["train"], seed=arguments.seed)
            n = len(splits["valid"].examples)
            print(
                f"no --valid: {n} {kind.rows_are} of --train, {kind.portion}, drawn by seed {arguments.seed}, validate"
            )
    findings = kind.check(splits["train"], splits.get("valid"), splits.get("test"))
    for finding in findings:
        if finding.level == "warning":
            print(f"warning: {finding.message}")
    checks.refuse(findings)
    return splits


def output_folder(arguments: argparse.Namespace, train: Dataset) -> Path:
    """Where the run will lie; nothing in it is touched yet. Raises InputError if it holds what is no earlier run."""
    if arguments.output is None:
        name = "reviews" if arguments.train is None else Path(train.path).stem
        n = 1
        while (folder := Path("runs") / f"{name}-{n}").exists():
            n += 1
        return folder
    folder = Path(arguments.output)
    check_free(folder, arguments)
    return folder


def check_free(folder: Path, arguments: argparse.Namespace) -> None:
    """Raises InputError if a run that is not resumed may not begin in `folder`."""
    if arguments.resume:
        return
    if Path(arguments.model).exists() and folder.resolve() in Path(arguments.model).resolve().parents:
        raise InputError(f"--output {folder}: --model {arguments.model} lies in it; give another folder")
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if there != folder and not there.is_dir():
        raise InputError(f"--output {folder}: cannot be written ({there} is a file); give another folder")
    with writing(folder):
        # Folders that hold no file are those of a run that was killed in its first moment.
        if folder.exists() and (not folder.is_dir() or any(not path.is_dir() for path in folder.rglob("*"))):
            if not folder.is_dir() or not _is_run(folder):
                raise InputError(f"--output {folder}: holds something that is no earlier run; give another folder")
            if not arguments.overwrite and _came_to_something(folder):
                raise InputError(
                    f"--output {folder}: holds an earlier run; --resume it, give another folder, or --overwrite"
                )


def is_saved(folder: Path) -> bool:
    """Whether there is something to resume in the folder of a run, or of one with several seeds."""
    return bool(states(folder))


def states(folder: Path) -> list[Path]:
    """The files that runs in `folder` can be resumed from: its own, or those of its seeds."""
    return [path for path in (folder / "last" / STATE, *sorted(folder.glob(f"seed-*/last/{STATE}"))) if path.is_file()]


def mend(folder: Path) -> None:
    """Remove the leftovers of an interrupted save."""
    remove_leftovers(folder)
    remove_leftovers(folder / "last")


def _is_run(folder: Path) -> bool:
    return any((part / "metrics.jsonl").is_file() for part in (folder, *folder.glob("seed-*"))) or is_saved(folder)


def _came_to_something(folder: Path) -> bool:
    """Whether there is a model or a step to lose."""
    if any((part / "best").exists() for part in (folder, *folder.glob("seed-*"))):
        return True
    if not is_saved(folder):
        return False
    from minitf.training.state import steps_behind

    return any(steps_behind(path.parent) for path in states(folder))


# What a run writes, and so what --overwrite may delete; anything else in the folder stays.
WRITTEN = ("best", "last", "metrics.jsonl", "curves.png", "report.json", "report.html")


def make_fresh(folder: Path) -> None:
    """`folder` without an earlier run: it goes now, when nothing but training is left that could fail."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        mend(folder)
        for path in states(folder):  # first, so that what is left of a run can never be resumed
            path.unlink()
        for path in (*(folder / name for name in WRITTEN), *folder.glob("seed-*")):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def data_line(splits: Splits, kind: Kind) -> str:
    """How much there is to learn from."""
    sizes = ", ".join(f"{name} {len(dataset.examples)}" for name, dataset in splits.items())
    return f"{splits['train'].path}: {sizes} {kind.unit}; in training: {kind.counts(splits['train'])}"


def command_to_use(best: Path, train: Dataset) -> str:
    """How to ask the model, as a shell takes it: with the beginning of the first training example."""
    example = train.examples[0]
    words = [interpreter(), "-m", "minitf.predict", str(best)]
    if train.pair_column is not None:
        words.append(f"--pair={_beginning(example.pair or '')}")
    text = _beginning(example.text)
    return shlex.join([*words, "--", text] if text.startswith("-") else [*words, text])


def command_line(name: str, argv: Sequence[str] | None) -> str:
    """The command that is running, as a shell takes it."""
    given = sys.argv[1:] if argv is None else argv
    return shlex.join([interpreter(), "-m", f"minitf.{name}", *map(str, given)])


def interpreter() -> str:
    """This Python as one types it from here: a path below the working folder, else `python`."""
    path, here = Path(sys.executable), Path.cwd()
    return str(path.relative_to(here)) if path.is_relative_to(here) else "python"


def _beginning(text: str, most: int = 60) -> str:
    text = " ".join(text.split())
    return text if len(text) <= most else text[:most].rpartition(" ")[0] or text[:most]


def trained_with(arguments: argparse.Namespace, kind: Kind, train: Dataset) -> dict[str, object]:
    """What `minitf.json` notes beside the model, for those who use it later."""
    return {
        "minitf": __version__,
        "task": kind.name,
        "model": arguments.model,
        "text": train.text_column,
        "pair": train.pair_column,
        "label": train.label_column,
        "max_length": arguments.max_length,
        "long_text": arguments.long_text,
        "stride": arguments.stride,
    }


def asked_for(arguments: argparse.Namespace) -> dict[str, object]:
    """The flags of a run, the same whether or not it was resumed."""
    return {name: value for name, value in vars(arguments).items() if name not in ("resume", "command")}


def versions() -> dict[str, str]:
    import torch

    return {"minitf": __version__, "python": platform.python_version(), "torch": torch.__version__}


def write_report(folder: Path, ready: "Ready", outcome: "Outcome", command: str) -> None:
    """`report.json`: everything needed to say what was done and what came out; `report.html`: the same for people."""
    arguments, splits = ready.arguments, ready.splits
    content = {
        "task": ready.kind.name,
        "command": command,
        "arguments": asked_for(arguments),
        "recipe": dataclasses.asdict(plans.recipe(arguments)),
        "versions": versions(),
        "data": {n: {"path": d.path, "rows": len(d.examples), "sha256": d.digest} for n, d in splits.items()},
        "checked": {name: counts.to_dict() for name, counts in ready.encoded.checked.items()},
        "epochs": [
            {"epoch": e.number, "train_loss": e.train_loss, "seconds": e.seconds, "valid": e.valid}
            for e in outcome.history
        ],
        "best_epoch": outcome.best.number,
        outcome.name: outcome.measured.to_dict(),
        "scores": outcome.measured.scores,
        "baseline": outcome.baseline,
        "learned": ready.task.learned(outcome.measured, ready.data[outcome.name]),
        "seconds": sum(epoch.seconds for epoch in outcome.history),
        "mistakes": [dataclasses.asdict(mistake) for mistake in outcome.mistakes],
        "mistaken": outcome.mistaken,
    }
    write_json(folder / "report.json", content)
    title = f"{Path(splits['train'].path).name}, {arguments.model}"
    content |= {"title": title, "parameters": ready.parameters}
    curves = folder / "curves.png"
    page = report_page.page(content, curves.read_bytes() if curves.is_file() else None)
    write_text(folder / "report.html", page)
