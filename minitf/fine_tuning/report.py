"""The report of a run: evaluate the best epoch, write report.json and report.html, format the result."""

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from minitf import __version__
from minitf.errors import InputError
from minitf.files import write_json, write_text
from minitf.fine_tuning import provenance
from minitf.fine_tuning.journal import read_steps
from minitf.fine_tuning.models import load_kind
from minitf.fine_tuning.new_model import NewModel
from minitf.fine_tuning.pages import report as report_page
from minitf.fine_tuning.pages.scores import measured_on, printed_scores
from minitf.fine_tuning.result import Outcome, Run
from minitf.fine_tuning.setup import TrainingSetup, optimizer_recipe
from minitf.fine_tuning.slices import score_interval, slices_of
from minitf.fine_tuning.terminal import Strong
from minitf.tasks.base import worst
from minitf.tasks.inference import predict_logits
from minitf.tasks.regression.metrics import RegressionMetrics
from minitf.training.loop import Epoch

WORST = 20  # mistakes in the report
SHOWN_GROUPS = 12  # on the terminal, unless `verbose` is set
RUN_KEYS = ("scores", "baseline", "learned", "prediction_command", "attention_command")  # of report.json


def conclude(setup: TrainingSetup, history: list[Epoch], folder: Path) -> Outcome:
    """Load the best epoch, evaluate it on the test set (without one on the validation set), write the reports."""
    if not (folder / "best").is_dir():  # its name could be one on the hub, which `load` would fetch
        raise InputError(f"{folder / 'best'}: was moved or deleted during the run; move it back and `resume` the run")
    best, _ = load_kind(setup.spec.model, folder / "best", head=setup.task.head, math=setup.math, device=setup.device)
    name = "test" if "test" in setup.splits else "valid"
    examples = setup.encoded.examples[name]
    logits = predict_logits(best, setup.task, examples)
    mistakes = setup.task.mistakes(logits, examples, setup.splits[name])
    metrics = setup.task.measure(logits, examples)
    run = Run(
        folder=folder,
        history=tuple(history),
        measured_on=name,
        metrics=metrics.to_dict(),
        scores=dict(metrics.scores),
        baseline=setup.task.baseline(examples),
        learned=setup.task.learned(metrics, examples),
        prediction_command=provenance.prediction_command(folder / "best", setup.splits["train"]),
        attention_command=provenance.attention_command(folder / "best", setup.splits["train"]),
    )
    scores, metric = setup.task.example_scores(logits, examples), next(iter(run.scores))
    details = setup.task.report_details(logits, examples, setup.splits[name], WORST)
    details |= {"intervals": {metric: score_interval(scores)}}
    slices = slices_of(setup.config.output.by, scores, metric, setup.spec, setup.splits[name], setup.tokenizer)
    outcome = Outcome(run, metrics, worst(mistakes, WORST), len(mistakes), details, slices)
    write_report(folder, setup, outcome)
    return outcome


def result_lines(outcome: Outcome, metric: str, unit: str, *, in_full: bool) -> Iterator[str]:
    """Yield the lines of the result for the terminal; `in_full` adds the metrics' own table."""
    run = outcome.run
    scores = printed_scores(run.scores, run.metrics)
    yield Strong(f"{run.measured_on} " + ", ".join(f"{name} {value:.4f}" for name, value in scores.items()))
    yield f"  epoch {run.best_epoch.number}, chosen by {metric} on the validation set; {run.baseline}"
    if outcome.slices is not None:
        yield from outcome.slices.lines(unit, *(() if in_full else (SHOWN_GROUPS,)))
    if in_full and (table := outcome.metrics.table()):
        yield table
    if not run.learned:
        yield Strong("The model did not learn: it is no better than this baseline.")
        if isinstance(outcome.metrics, RegressionMetrics) and outcome.metrics.is_far_from_zero:
            yield (
                "  A new head predicts about 0, and the numbers are far from it: try `lr` 3e-4, more `epochs`, or scale"
                " the column."
            )
        else:
            yield "  Train again with several `seeds` (some fail, Mosbach et al. 2021), more `epochs` or another `lr`."


def metadata(setup: TrainingSetup) -> dict[str, object]:
    """Return the content of `minitf.json`, saved with the model: what the other commands need to use it."""
    train, data = setup.splits["train"], setup.config.data
    return {
        "minitf": __version__,
        "task": setup.spec.name,
        "model": None if isinstance(setup.loaded, NewModel) else setup.config.model.model,
        "text": train.text_column,
        "pair": train.pair_column,
        "label": train.label_column,
        "max_length": setup.max_length,
        "long_text": data.long_text,
        "stride": data.stride,
    }


def write_report(folder: Path, setup: TrainingSetup, outcome: Outcome) -> None:
    """Write `report.json` for programs, and `report.html` with the same content for people."""
    run, splits = outcome.run, setup.splits
    content: dict[str, Any] = {
        "task": setup.spec.name,
        "command": setup.command,
        "arguments": setup.settings(),
        "recipe": dataclasses.asdict(optimizer_recipe(setup.config.recipe)),
        "versions": provenance.versions(),
        "data": {n: {"path": d.path, "rows": len(d.examples), "sha256": d.digest} for n, d in splits.items()},
        "checked": {name: counts.to_dict() for name, counts in setup.encoded.counts.items()},
        "epochs": [
            {"epoch": e.number, "train_loss": e.train_loss, "seconds": e.seconds, "valid": e.valid} for e in run.history
        ],
        "epoch_scores": [epoch.scores for epoch in run.history],
        "best_epoch": run.best_epoch.number,
        run.measured_on: run.metrics,
        "scores": run.scores,
        "baseline": run.baseline,
        "learned": run.learned,
        "prediction_command": run.prediction_command,
        "attention_command": run.attention_command,
        "seconds": sum(epoch.seconds for epoch in run.history),
        "mistakes": [mistake.to_dict() for mistake in outcome.mistakes],
        "mistaken": outcome.mistaken,
        **outcome.details,
        "details": dataclasses.asdict(setup.description),
        "finished": provenance.now(),
        "machine": provenance.machine(setup.device),
    }
    if outcome.slices is not None:
        content["slices"] = outcome.slices.to_dict()
    write_json(folder / "report.json", content)
    write_text(folder / "report.html", report_page.page(content, read_steps(folder / "metrics.jsonl")))


def read_run(folder: Path, metric: str) -> Run:
    """Read the result of a finished run from its report.json. Only the best epoch is marked `best`.

    Raises InputError if the file cannot be read, or has no result by `metric`.
    """
    path = folder / "report.json"
    remedy = "restore it, or start again with `overwrite`"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        run = _from_report(folder, content)
        for number in (run.metrics[metric], run.best_epoch.valid[metric]):
            float(number)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); {remedy}") from None
    except (ValueError, LookupError, TypeError, AttributeError, StopIteration, RecursionError):
        raise InputError(f"{path}: is not a report that minitf wrote; {remedy}") from None
    return run


def _from_report(folder: Path, content: Any) -> Run:
    name = measured_on(content)
    best, epochs = content["best_epoch"], zip(content["epochs"], content["epoch_scores"], strict=True)
    return Run(
        folder=folder,
        history=tuple(
            Epoch(e["epoch"], e["train_loss"], e["valid"], scores, e["epoch"] == best, e["seconds"])
            for e, scores in epochs
        ),
        measured_on=name,
        metrics=content[name],
        **{key: content[key] for key in RUN_KEYS},
    )
