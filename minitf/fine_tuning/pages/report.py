"""The report of a run or an evaluation, from its report.json."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from minitf.fine_tuning.pages import classes, curves, facts, mistakes, predictions
from minitf.fine_tuning.pages.markup import document, duration, escape, isolated, navigation, number, section, table
from minitf.fine_tuning.pages.scores import measured_on, rows, score_cards

DETAILS = {"model": "Model", "data": "Data check", "parameters": "Trained parameters"}
TABLES = {"test": "test set", "valid": "validation set, which was also used to choose the epoch"}


def page(content: Mapping[str, Any], steps: Sequence[Mapping[str, Any]] = ()) -> str:
    """Format the page. `content` is report.json, `steps` are the records of the steps in metrics.jsonl."""
    parts = list(_parts(content, steps))
    body = [
        f"<header><h1>{escape(facts.title(content))}</h1>",
        _summary(content),
        score_cards(content),
        facts.facts(content),
        navigation(heading for heading, _ in parts),
        "</header>",
        *(section(heading, text) for heading, text in parts),
    ]
    return document(facts.title(content), "\n".join(body))


def _parts(content: Mapping[str, Any], steps: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    """Yield the heading and the content of each part."""
    metrics = content[measured_on(content)]
    if "slices" in content:
        yield f"Scores by {content['slices']['column']}", classes.slices(content["slices"])
    if metrics.get("confusion"):
        labels = [score["label"] for score in metrics["classes"]]
        yield "Confusion matrix", classes.confusion_matrix(labels, metrics["confusion"])
    if metrics.get("confusions"):
        yield "Most frequent confusions", classes.confusions(metrics["confusions"], metrics["classes"])
    if "predictions" in content:
        yield "Predicted and true numbers", predictions.scatter(content["predictions"])
    if metrics.get("classes"):
        yield "Scores by class", classes.class_scores(metrics["classes"])
    if "epochs" in content:
        yield "Training", _training(content, steps)
    if "calibration" in content:
        yield "Calibration", predictions.calibration(content["calibration"])
    if content.get("sentences"):
        yield "Worst mistakes", mistakes.sentence_cards(content["sentences"])
    elif content.get("mistakes"):
        yield "Worst mistakes", mistakes.mistake_cards(content["mistakes"], content["mistaken"], content["task"])
    for name, text in content.get("details", {}).items():
        yield DETAILS[name], f'<pre role="region" tabindex="0" aria-label="{DETAILS[name]}">{escape(text)}</pre>'
    yield f"Reproduce this {'run' if 'epochs' in content else 'evaluation'}", facts.origin(content)


def _summary(content: Mapping[str, Any]) -> str:
    """Say what was measured, on what, and whether the model learned."""
    count, name = f"{number(rows(content))} rows", measured_on(content)
    if "epochs" in content:
        epochs, metric = len(content["epochs"]), content["arguments"].get("metric")
        chosen = f", chosen by {isolated(metric)} on the validation set" if metric and name == "test" else ""
        what = f"Epoch {content['best_epoch']} of {epochs}{chosen}; scores on the {TABLES[name]} ({count})."
    else:
        what = f"Scores on {count}."
    baseline = f" Baseline: {isolated(content['baseline'])}." if content.get("baseline") else ""
    alert = ""
    if not content.get("learned", True):
        alert = '<p class="alert"><b>The model did not learn: it does not beat the baseline.</b></p>'
    return f'<p class="soft">Task: {isolated(content["task"])}. {what}{baseline}</p>{alert}'


def _training(content: Mapping[str, Any], steps: Sequence[Mapping[str, Any]]) -> str:
    """Draw the curves, and list the epochs."""
    epochs, best = content["epochs"], content["best_epoch"]
    scores = content.get("epoch_scores") or [{} for _ in epochs]
    names = [name for name, value in epochs[0]["valid"].items() if isinstance(value, float)]  # counts never change
    header = [
        "epoch",
        "training loss",
        *(f"validation {name.replace('_', ' ').replace('f1', 'F1')}" for name in names),
        "time",
    ]
    lines = [
        [
            number(e["epoch"]),
            number(e["train_loss"]),
            *(number(e["valid"].get(n)) for n in names),
            duration(e["seconds"]),
        ]
        for e in epochs
    ]
    bold = {n for n, e in enumerate(epochs) if e["epoch"] == best}
    shown = table("Epochs", header, lines, texts=(), best=bold, tall=len(lines) > 20, is_html=True)
    return curves.curves(epochs, scores, best, steps) + f"<details open><summary>Epochs</summary>{shown}</details>"
