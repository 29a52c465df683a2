"""Fine-tune a pre-trained BERT on a table of labelled texts: `python -m minitf.finetune --help`.

Without arguments: the default model on the built-in corpus, a few minutes on two CPU cores.
"""

import argparse
import dataclasses
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minitf import flags, kinds, runs
from minitf.console import run
from minitf.errors import InputError

if TYPE_CHECKING:
    from minitf.bert import Bert
    from minitf.checkpoints.load import LoadReport
    from minitf.mathematics import Mathematics
    from minitf.tasks.task import Task
    from minitf.text.batches import Examples
    from minitf.text.tokenizer import Tokenizer
    from minitf.training.loop import Epoch


def main(argv: Sequence[str] | None = None) -> int:
    arguments = flags.parser(__doc__ or "").parse_args(argv)
    start = time.perf_counter()
    if arguments.weight_decay and arguments.optimizer != "adamw":
        raise InputError(f"--weight-decay belongs to adamw; with --optimizer {arguments.optimizer} use --l2")
    if arguments.no_bias_correction and arguments.optimizer not in ("adam", "adamw"):
        raise InputError(f"--no-bias-correction belongs to adam and adamw, not to --optimizer {arguments.optimizer}")
    kind = kinds.choose(arguments)
    splits = runs.read_data(arguments, kind)
    folder = runs.output_folder(arguments, splits["train"])
    ready = prepare(arguments, kind, splits)
    if arguments.dry_run:
        print("dry run: everything is in order, nothing was trained")
        return 0
    runs.make_fresh(folder)
    try:
        history = train(arguments, ready, runs.trained_with(arguments, kind, splits["train"]), folder)
    except KeyboardInterrupt:
        kept = folder / "best"
        if kept.exists():
            print(f"\ninterrupted; the best epoch so far is in {kept}", file=sys.stderr)
        else:
            print("\ninterrupted before the first epoch was over: no model is kept", file=sys.stderr)
        return 130
    print(f"\n{conclude(arguments, ready, splits, history, folder)}")
    from minitf.training.report import seconds

    print(f"took {seconds(time.perf_counter() - start)}; the model is in {folder / 'best'}, its curves beside it")
    print(f"use it:  {runs.command_to_use(folder / 'best', splits['train'])}")
    return 0


@dataclasses.dataclass(frozen=True)
class Ready:
    """All that training needs, loaded and encoded."""

    model: "Bert"
    loaded: "LoadReport"
    tokenizer: "Tokenizer"
    task: "Task"
    data: "dict[str, Examples]"
    math: "Mathematics"

    def steps(self, arguments: argparse.Namespace) -> int:
        return int(arguments.epochs * -(-len(self.data["train"]) // arguments.batch_size))


def prepare(arguments: argparse.Namespace, kind: kinds.Kind, splits: runs.Splits) -> Ready:
    """Load the model, encode the texts, and say what is about to happen."""
    import torch

    from minitf.bert.device import choose_device
    from minitf.checkpoints.load import load_with_report
    from minitf.mathematics import mathematics
    from minitf.training import report
    from minitf.training.optimizer import Optimizer

    torch.manual_seed(arguments.seed)
    math = mathematics(arguments.math)
    task = kind.make(splits["train"], arguments, math)
    model, loaded = load_with_report(
        arguments.model,
        head=task.head,
        labels=task.labels or None,
        math=math,
        device=choose_device(arguments.device),
        offline=arguments.offline,
        say=print,
        change=lambda config: flags.changed(config, arguments, task.problem_type),
        from_scratch=arguments.from_scratch,
        verify=not arguments.no_verify,
    )
    print(loaded)
    tokenizer, longest = loaded.checked_tokenizer(), model.config.longest
    if arguments.max_length is None:
        arguments.max_length = min(128, longest)
    if arguments.max_length > longest:
        raise InputError(f"--max-length {arguments.max_length}: this model has learned only {longest} positions")
    data = {name: task.encode(dataset, tokenizer, arguments.max_length) for name, dataset in splits.items()}
    ready = Ready(model, loaded, tokenizer, task, data, math)

    print(runs.data_line(splits, kind))
    n, cut = len(data["train"]), sum(length == arguments.max_length for length in data["train"].lengths())
    if cut:
        print(f"  {cut} of {n} training texts fill all {arguments.max_length} tokens of --max-length: likely cut")
    recipe, steps = flags.recipe(arguments), ready.steps(arguments)
    how = f"{arguments.batch_size} texts, learning rate {arguments.lr:g}, {arguments.schedule}, seed {arguments.seed}"
    print(f"{arguments.optimizer}, {steps} steps of {how}")
    print(report.parameter_table(Optimizer(model, recipe, steps, math), loaded.parameters))
    return ready


def train(arguments: argparse.Namespace, ready: Ready, note: dict[str, Any], folder: Path) -> "list[Epoch]":
    """Train, keeping the best epoch in `folder`/best with `note` beside it, and every number in metrics.jsonl."""
    from tqdm import tqdm

    from minitf.checkpoints.save import save
    from minitf.training import loop, report
    from minitf.training.compact import CompactVocabulary, is_exact
    from minitf.training.optimizer import Optimizer

    recipe, model, data = flags.recipe(arguments), ready.model, ready.data
    vocabulary = CompactVocabulary(model.embeddings.word, data.values() if is_exact(recipe, ready.math) else None)
    data = {name: vocabulary.renumber(examples) for name, examples in data.items()}
    optimizer = Optimizer(model, recipe, ready.steps(arguments), ready.math)
    with (
        report.Journal(folder / "metrics.jsonl") as journal,
        tqdm(total=optimizer.total, unit="step", disable=None, leave=False) as bar,
    ):

        def log(record: dict[str, Any]) -> None:
            journal.step(record)
            bar.update()
            bar.set_postfix_str(f"epoch {record['epoch']}, loss {record['loss']:.3f}")

        def after_epoch(epoch: "Epoch") -> None:
            journal.epoch(epoch)
            bar.write(report.epoch_line(epoch, arguments.epochs))
            if epoch.best:
                with vocabulary.restored(optimizer):
                    save(model, ready.tokenizer, folder / "best", note)

        history = loop.train(
            model,
            ready.task,
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
    report.draw_curves(journal.steps, history, folder / "curves.png")
    return history


def conclude(
    arguments: argparse.Namespace, ready: Ready, splits: runs.Splits, history: "Sequence[Epoch]", folder: Path
) -> str:
    """Measure what was saved, the best epoch read back; write report.json; the result as text for a person."""
    from minitf.checkpoints.load import load
    from minitf.training import loop, report

    device = next(ready.model.parameters()).device
    best = load(folder / "best", head=ready.task.head, math=ready.math, device=device)
    name = "test" if "test" in splits else "valid"
    examples = ready.data[name]
    measured = ready.task.measure(loop.answer(best, ready.task, examples), examples)
    kept = max(epoch.number for epoch in history if epoch.best)
    seconds = sum(epoch.seconds for epoch in history)
    runs.write_report(folder / "report.json", arguments, splits, history, kept, seconds, {name: measured})
    scores = ", ".join(f"{what} {value:.4f}" for what, value in measured.scores.items())
    return (
        f"{name} {scores}  (epoch {kept}, chosen by {arguments.metric} on the validation set;"
        f" {ready.task.baseline(examples)})\n{report.table(measured)}"
    ).rstrip()


if __name__ == "__main__":
    run(main)
