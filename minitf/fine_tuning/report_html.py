"""`report.html`: the result of a run or an evaluation in one file that needs no network and runs no script.

All content is escaped, bidirectional controls act only in the cell that has them, and the page forbids scripts and
network access by its Content-Security-Policy.
"""

import base64
import html
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any

STYLE = """
:root { color-scheme: light dark; --ink: #1c1e21; --soft: #5c6370; --paper: #fff; --card: #f6f7f9; --line: #d9dce1;
  --blue: 33 102 172; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e7ea; --soft: #9aa1ad; --paper: #15171a; --card: #1e2126;
  --line: #363b43; --blue: 116 173 226; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 0 auto;
  max-width: 62rem; padding: 2rem 1.25rem 4rem; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.1rem; margin: 2.5rem 0 .6rem; }
p { margin: .4rem 0; } .soft { color: var(--soft); }
.scores { display: flex; flex-wrap: wrap; gap: .75rem; margin: 1.2rem 0; }
.score { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .7rem 1.1rem; }
.score b { display: block; font-size: 1.6rem; font-variant-numeric: tabular-nums; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .3rem .7rem; border-bottom: 1px solid var(--line); text-align: right; vertical-align: top; }
h1, th, td, pre { unicode-bidi: isolate; }
th { font-weight: 600; color: var(--soft); } th:first-child, td:first-child, .text { text-align: left; }
td { white-space: nowrap; } .wide { overflow-x: auto; }
td.text { min-width: 18rem; white-space: normal; overflow-wrap: anywhere; }
.confusion td { text-align: center; min-width: 3rem; } .best td { font-weight: 600; }
details { margin: .8rem 0; } summary { cursor: pointer; }
pre { background: var(--card); border: 1px solid var(--line); border-radius: .5rem; padding: .8rem 1rem;
  overflow-x: auto; font: 13px/1.45 ui-monospace, monospace; }
img { max-width: 100%; background: #fff; border: 1px solid var(--line); border-radius: .5rem; }
"""
DETAILS = {"model": "Model", "data": "Data check", "parameters": "Trained parameters"}
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def page(content: Mapping[str, Any], curves: bytes | None = None) -> str:
    """Format the page. `content` is report.json with a `title` and, of a run, `details` (texts by their heading).

    `curves` is a PNG.
    """
    measured_on = "test" if "test" in content else "valid"
    metrics = content[measured_on]
    parts = [f"<h1>{_e(content['title'])}</h1>", _summary(content, measured_on), _scores(content["scores"])]
    if "epochs" in content:
        parts += ["<h2>Training</h2>"]
        if curves is not None:
            data = base64.b64encode(curves).decode()
            parts.append(f'<img alt="Loss, validation scores and learning rate" src="data:image/png;base64,{data}">')
        parts.append(_epochs(content["epochs"], content["best_epoch"]))
    if "slices" in content:
        parts += [f"<h2>Scores by {_e(content['slices']['column'])}</h2>", _slices(content["slices"])]
    if metrics.get("classes"):
        parts += ["<h2>Scores by class</h2>", _classes(metrics["classes"])]
    if metrics.get("confusion"):
        labels = [score["label"] for score in metrics["classes"]]
        parts += ["<h2>Confusion matrix</h2>", _confusion(labels, metrics["confusion"])]
    if metrics.get("confusions"):
        rows = [[c["true"], c["predicted"], str(c["count"])] for c in metrics["confusions"]]
        parts += ["<h2>Most frequent confusions</h2>", _table(["true", "predicted", "count"], rows)]
    if content.get("mistakes"):
        parts += ["<h2>Worst mistakes</h2>", _mistakes(content["mistakes"], content["mistaken"])]
    for name, text in content.get("details", {}).items():
        parts += [f"<h2>{DETAILS[name]}</h2>", f"<pre>{_e(text)}</pre>"]
    parts += [f"<h2>Reproduce this {'run' if 'epochs' in content else 'evaluation'}</h2>", _origin(content)]
    body = "\n".join(parts)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{_e(content['title'])}</title>\n<style>{STYLE}</style></head>\n<body>\n{body}\n</body></html>\n"
    )


def _summary(content: Mapping[str, Any], measured_on: str) -> str:
    tables = {"test": "the test set", "valid": "the validation set, which also chose the epoch"}
    what = f"epoch {content['best_epoch']} on {tables[measured_on]}" if "best_epoch" in content else "evaluation"
    baseline = f"; <bdi>{_e(content['baseline'])}</bdi>" if content.get("baseline") else ""
    failed = "" if content.get("learned", True) else " <b>The model did not learn: it does not beat the baseline.</b>"
    return f'<p class="soft">{_e(content["task"])}: {_e(what)}{baseline}.{failed}</p>'


def _scores(scores: Mapping[str, float]) -> str:
    cards = (f'<div class="score">{_e(name)}<b>{value:.4f}</b></div>' for name, value in scores.items())
    return f'<div class="scores">{"".join(cards)}</div>'


def _epochs(epochs: Sequence[Mapping[str, Any]], best: int) -> str:
    names = [name for name, value in epochs[0]["valid"].items() if isinstance(value, int | float)]
    header = ["epoch", "train loss", *(f"valid {name.replace('_', ' ')}" for name in names), "seconds"]
    rows = [
        [str(e["epoch"]), f"{e['train_loss']:.4f}", *(f"{e['valid'][n]:.4f}" for n in names), f"{e['seconds']:.0f}"]
        for e in epochs
    ]
    return _table(header, rows, best={n for n, e in enumerate(epochs) if e["epoch"] == best})


def _slices(slices: Mapping[str, Any]) -> str:
    """Format the scores of the groups."""
    rows = [
        [
            g["name"],
            str(g["count"]),
            f"{g['score']:.4f}",
            "" if g["low"] is None else f"{g['low']:.4f} to {g['high']:.4f}",
        ]
        for g in slices["groups"]
    ]
    note = f"The {len(rows)} largest of {slices['total']} groups." if len(rows) < slices["total"] else ""
    return f'<p class="soft">{note}</p>' + _table([slices["column"], "count", slices["metric"], "95 % interval"], rows)


def _classes(classes: Sequence[Mapping[str, Any]]) -> str:
    rows = [
        [c["label"], f"{c['precision']:.4f}", f"{c['recall']:.4f}", f"{c['f1']:.4f}", str(c["support"])]
        for c in classes
    ]
    return _table(["class", "precision", "recall", "F1", "support"], rows)


def _confusion(labels: Sequence[str], counts: Sequence[Sequence[int]]) -> str:
    """Format the confusion matrix; the shade of a cell is its share of the row."""
    head = "".join(f"<th>{_e(label)}</th>" for label in labels)
    rows = []
    for label, row in zip(labels, counts, strict=True):
        total = sum(row) or 1
        cells = "".join(f'<td style="background: rgb(var(--blue) / {0.75 * n / total:.2f})">{n}</td>' for n in row)
        rows.append(f"<tr><th>{_e(label)}</th>{cells}</tr>")
    return (
        f'<p class="soft">Rows: true class. Columns: predicted class.</p><div class="wide"><table class="confusion">'
        f"<tr><th></th>{head}</tr>{''.join(rows)}</table></div>"
    )


def _mistakes(mistakes: Sequence[Mapping[str, Any]], mistaken: int) -> str:
    rows = []
    for m in mistakes:
        text = m["text"] if m["pair"] is None else f"{m['text']} ‖ {m['pair']}"
        rows.append([str(m["row"]), text, m["true"], m["said"], f"{m['loss']:.3f}"])
    note = f"{len(mistakes)} of {mistaken}, with the largest loss first. Check whether the model or the label is wrong."
    return f'<p class="soft">{note}</p>' + _table(["row", "text", "true", "predicted", "loss"], rows, text=1)


def _origin(content: Mapping[str, Any]) -> str:
    parts = [f"<pre>{_e(content['command'])}</pre>"] if content.get("command") else []
    parts.append(f"<p>{_e(', '.join(f'{name} {version}' for name, version in content['versions'].items()))}</p>")
    rows = [[name, d["path"], str(d["rows"]), d["sha256"]] for name, d in content["data"].items()]
    parts.append(_table(["data", "file", "rows", "SHA-256"], rows))
    if "arguments" in content:
        settings = [[name, "" if value is None else str(value)] for name, value in sorted(content["arguments"].items())]
        table = _table(["setting", "value"], settings, text=1)
        parts.append(f"<details><summary>All settings</summary>{table}</details>")
    return "".join(parts)


def _table(
    header: Sequence[str], rows: Iterable[Sequence[str]], text: int | None = None, best: Container[int] = ()
) -> str:
    """Format a table; column `text` is wide, the rows in `best` are bold."""
    heads = ("<th class=text>" if i == text else "<th>" for i in range(len(header)))
    lines = ["<tr>" + "".join(f"{th}{_e(name)}</th>" for th, name in zip(heads, header, strict=True)) + "</tr>"]
    for n, row in enumerate(rows):
        mark = ' class="best"' if n in best else ""
        opens = ("<td class=text>" if i == text else "<td>" for i in range(len(row)))
        cells = "".join(f"{td}{_e(cell)}</td>" for td, cell in zip(opens, row, strict=True))
        lines.append(f"<tr{mark}>{cells}</tr>")
    return f'<div class="wide"><table>{"".join(lines)}</table></div>'


def _e(text: object) -> str:
    return html.escape(str(text))
