"""Fine-tune a pre-trained BERT on a table of labelled texts: `python -m minitf.finetune --help`.

Without arguments: the default model on the built-in corpus, a few minutes on two CPU cores.
"""

import argparse
import json
import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minitf import __version__, flags
from minitf.console import run
from minitf.errors import InputError
from minitf.text import checks, datasets
from minitf.text.datasets import Dataset

if TYPE_CHECKING:
    from minitf.training.metrics import ClassificationMetrics

Splits = dict[str, Dataset]


def main(argv: Sequence[str] | None = None) -> int:
    arguments = flags.parser(__doc__ or "").parse_args(argv)
    start = time.perf_counter()
    if arguments.weight_decay and arguments.optimizer != "adamw":
        raise InputError(f"--weight-decay belongs to adamw; with --optimizer {arguments.optimizer} use --l2")
    splits = read_data(arguments)
    folder = output_folder(arguments, splits["train"])
    try:
        result = finetune(arguments, splits, folder)
    except KeyboardInterrupt:
        kept = folder / "best"
        print(
            f"\ninterrupted; the best epoch so far is in {kept}" if kept.exists() else "\ninterrupted", file=sys.stderr
        )
        return 130
    if arguments.dry_run:
        return 0
    from minitf.training.report import seconds

    print(f"\n{result}")
    print(f"took {seconds(time.perf_counter() - start)}; the model is in {folder / 'best'}, its curves beside it")
    example = splits["train"].examples[0].text.replace('"', "'")
    print(f'use it:  python -m minitf.predict {folder / "best"} "{example[:60]}"')
    return 0


def read_data(arguments: argparse.Namespace) -> Splits:
    """All examples, read and checked before anything heavy is loaded; doubts are printed. Raises DataError."""
    if arguments.train is None:
        given = [f"--{name}" for name in ("valid", "test", "text", "pair", "label") if getattr(arguments, name)]
        if given:
            raise InputError(f"{given[0]} needs --train: without it the built-in corpus is used")
        splits = dict(zip(("train", "valid", "test"), datasets.built_in_corpus(), strict=True))
    else:
        columns = {"text": arguments.text, "pair": arguments.pair, "label": arguments.label}
        files = {name: getattr(arguments, name) for name in ("train", "valid", "test") if getattr(arguments, name)}
        splits = {name: datasets.read_table(path, **columns) for name, path in files.items()}
        if "valid" not in splits:
            splits["train"], splits["valid"] = datasets.split(splits["train"], seed=arguments.seed)
            n = len(splits["valid"].examples)
            print(f"no --valid: {n} rows of --train, a tenth of each class, drawn by seed {arguments.seed}, validate")
    findings = checks.check_classification(splits["train"], splits.get("valid"), splits.get("test"))
    for finding in findings:
        if finding.level == "warning":
            print(f"warning: {finding.message}")
    checks.refuse(findings)
    return splits


def output_folder(arguments: argparse.Namespace, train: Dataset) -> Path:
    """The run's folder, made and empty. Raises InputError rather than touch what is no earlier run."""
    if arguments.output is None:
        name = "reviews" if arguments.train is None else Path(train.path).stem
        n = 1
        while (folder := Path("runs") / f"{name}-{n}").exists():
            n += 1
    else:
        folder = Path(arguments.output)
    try:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            if not folder.is_dir() or not (folder / "metrics.jsonl").is_file():
                raise InputError(f"--output {folder}: holds something that is no earlier run; give another folder")
            if not arguments.overwrite:
                raise InputError(f"--output {folder}: holds an earlier run; give another folder, or --overwrite")
            if not arguments.dry_run:
                shutil.rmtree(folder)
        if not arguments.dry_run:
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--output {folder}: cannot be written ({error.strerror}); give another folder") from None
    return folder


def finetune(arguments: argparse.Namespace, splits: Splits, folder: Path) -> str:
    """Load, train, keep the best epoch, measure it; returns the result as text for a person."""
    import torch
    from tqdm import tqdm

    from minitf.bert.device import choose_device
    from minitf.checkpoints import load, save
    from minitf.mathematics import mathematics
    from minitf.tasks.classification import Classification, balanced_weights
    from minitf.training import loop, report
    from minitf.training.optimizer import Optimizer

    torch.manual_seed(arguments.seed)
    labels = checks.label_names(splits["train"])
    math = mathematics(arguments.math)
    model, loaded = load.load_with_report(
        arguments.model,
        head=Classification.head,
        labels=labels,
        math=math,
        device=choose_device(arguments.device),
        offline=arguments.offline,
        say=print,
        change=lambda config: flags.changed(config, arguments),
        from_scratch=arguments.from_scratch,
    )
    print(loaded)
    tokenizer = load.load_tokenizer(loaded.source.folder)
    longest = model.config.max_position_embeddings
    if arguments.max_length > longest:
        raise InputError(f"--max-length {arguments.max_length}: this model has learned only {longest} positions")
    task = Classification(labels, math=math)
    data = {name: task.encode(dataset, tokenizer, arguments.max_length) for name, dataset in splits.items()}
    if arguments.class_weights == "balanced":
        weights = balanced_weights(data["train"].targets.tolist(), len(labels))
        task = Classification(labels, weights.float(), math)
    print(data_line(splits, labels))
    cut = sum(length == arguments.max_length for length in data["train"].lengths())
    if cut:
        print(
            f"  {cut} of {len(data['train'].tokens)} training texts fill --max-length {arguments.max_length}: likely cut"
        )
    steps = arguments.epochs * -(-len(data["train"].tokens) // arguments.batch_size)
    optimizer = Optimizer(model, flags.recipe(arguments), steps, math)
    print(
        f"{arguments.optimizer}, {steps} steps, learning rate {arguments.lr:g} {arguments.schedule}, seed {arguments.seed}"
    )
    print(report.parameter_table(optimizer, loaded.parameters))
    if arguments.dry_run:
        print("dry run: everything is in order, nothing was trained")
        return ""

    extra = {
        "minitf": __version__,
        "task": "classification",
        "model": arguments.model,
        "text": splits["train"].text_column,
        "pair": splits["train"].pair_column,
        "label": splits["train"].label_column,
        "max_length": arguments.max_length,
    }
    journal = report.Journal(folder / "metrics.jsonl")
    start = time.perf_counter()
    with tqdm(total=steps, unit="step", disable=None, leave=False) as bar:

        def log(record: dict[str, Any]) -> None:
            journal.step(record)
            bar.update()
            bar.set_postfix_str(f"epoch {record['epoch']}, loss {record['loss']:.3f}")

        def after_epoch(epoch: loop.Epoch) -> None:
            journal.epoch(epoch)
            bar.write(report.epoch_line(epoch, arguments.epochs))
            if epoch.best:
                save.save(model, tokenizer, folder / "best", extra)

        history = loop.train(
            model,
            task,
            data["train"],
            data["valid"],
            optimizer,
            epochs=arguments.epochs,
            batch_size=arguments.batch_size,
            seed=arguments.seed,
            metric=arguments.metric,
            patience=arguments.early_stopping,
            log=log,
            after_epoch=after_epoch,
        )
    trained = time.perf_counter() - start
    journal.close()
    report.draw_curves(journal.steps, history, folder / "curves.png")

    # What is measured is what was saved: the best epoch, read back.
    best = load.load(folder / "best", head=Classification.head, math=math, device=next(model.parameters()).device)
    name = "test" if "test" in data else "valid"
    measured = task.measure(loop.answer(best, task, data[name]), data[name].targets)
    kept = max(epoch.number for epoch in history if epoch.best)
    write_report(folder / "report.json", arguments, splits, history, measured, name, kept, trained)
    majority = max(data[name].targets.bincount().tolist()) / len(data[name].targets)
    chosen = f"epoch {kept}, chosen by {arguments.metric} on the validation set"
    return (
        f"{name} accuracy {measured.accuracy:.4f}, macro F1 {measured.macro_f1:.4f}  ({chosen};"
        f" always guessing one class: {majority:.4f})\n{report.class_table(measured)}"
    )


def data_line(splits: Splits, labels: Sequence[str]) -> str:
    sizes = ", ".join(f"{name} {len(dataset.examples)}" for name, dataset in splits.items())
    counts = [sum(e.label == label for e in splits["train"].examples) for label in labels]
    classes = ", ".join(f"{label} {n}" for label, n in zip(labels, counts, strict=True))
    return f"{splits['train'].path}: {sizes} texts; in training: {classes}"


def write_report(
    path: Path,
    arguments: argparse.Namespace,
    splits: Splits,
    history: Sequence[Any],
    measured: "ClassificationMetrics",
    name: str,
    kept: int,
    trained: float,
) -> None:
    """`report.json`: everything needed to say what was done and what came out."""
    import platform

    import torch

    content = {
        "arguments": vars(arguments),
        "versions": {"minitf": __version__, "python": platform.python_version(), "torch": torch.__version__},
        "data": {n: {"path": d.path, "rows": len(d.examples), "sha256": d.digest} for n, d in splits.items()},
        "epochs": [
            {"epoch": e.number, "train_loss": e.train_loss, "seconds": e.seconds, "valid": e.valid.to_dict()}
            for e in history
        ],
        "best_epoch": kept,
        name: measured.to_dict(),
        "seconds": trained,
    }
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    run(main)
