"""The scores by class, by group, and which classes are confused."""

from collections.abc import Mapping, Sequence
from typing import Any

from minitf.fine_tuning.pages.markup import escape, isolated, number, percent, scrolling, short, table

SORTABLE = 10  # with more classes, the table can be sorted
LISTED = 2000  # classes on the page
WITH_PERCENT = 20  # classes of a confusion matrix whose cells show the percentage too


def class_scores(classes: Sequence[Mapping[str, Any]]) -> str:
    """Format precision, recall and F1 of each class; of very many, the most frequent."""
    many = len(classes) > SORTABLE
    shown = sorted(classes, key=lambda c: -c["support"])[:LISTED] if len(classes) > LISTED else classes
    rows = [
        [c["label"], *(f"{c[name]:.4f}" for name in ("precision", "recall", "f1")), f"{c['support']:,}"] for c in shown
    ]
    notes = ['<span class="screen">Press a heading to sort.</span>'] if many else []
    if len(shown) < len(classes):
        notes.append(f"The {len(shown):,} most frequent of {len(classes):,}; report.json has all.")
    note = f'<p class="soft">{" ".join(notes)}</p>' if notes else ""
    header = ["class", "precision", "recall", "F1", "support"]
    return note + table("Scores by class", header, rows, sortable=many, tall=len(rows) > 2 * SORTABLE)


def confusion_matrix(labels: Sequence[str], counts: Sequence[Sequence[int]]) -> str:
    """Format the matrix; the shade of a cell is its share of the row, blue if it is right."""
    with_percent = len(labels) <= WITH_PERCENT
    names = [short(label, 40) for label in labels]
    heads = "".join(
        f'<th scope="col"><span class="isolated" title="{escape(n)}">{escape(n)}</span></th>' for n in names
    )
    rows = []
    for i, (name, row) in enumerate(zip(names, counts, strict=True)):
        total = sum(row) or 1
        cells = "".join(_cell(n, total, names[i], names[j], with_percent, right=i == j) for j, n in enumerate(row))
        head = f'<th scope="row"><span class="isolated" title="{escape(name)}">{escape(name)}</span></th>'
        rows.append(f"<tr>{head}{cells}</tr>")
    kind = "confusion" if with_percent else "confusion dense"
    content = (
        f'<table class="{kind}"><thead><tr><td class="corner"></td>{heads}</tr></thead><tbody>\n'
        + "\n".join(rows)
        + "</tbody></table>"
    )
    note = (
        "Rows: true class. Columns: predicted class. The shade is the share of the row; blue: correct, orange: wrong."
    )
    around = "wide" if len(labels) <= SORTABLE else "wide full" if with_percent else "wide matrix full"
    return f'<p class="soft">{note}</p>{scrolling(content, "Confusion matrix", kind=around)}'


def _cell(n: int, total: int, true: str, predicted: str, with_percent: bool, *, right: bool) -> str:
    if not n:
        return "<td></td>"
    share = n / total
    kind = f"{'r' if right else 'w'}{max(1, round(10 * share))}"
    if with_percent:
        return f'<td class="{kind}">{n:,}<small>{escape(percent(share))}</small></td>'
    title = escape(f"true {true}, predicted {predicted}: {n:,}, {percent(share)} of the row")
    return f'<td class="{kind}" title="{title}">{n}</td>'


def confusions(found: Sequence[Mapping[str, Any]], classes: Sequence[Mapping[str, Any]]) -> str:
    """List the most frequent confusions, with their share of the true class."""
    support = {c["label"]: c["support"] for c in classes}
    rows = [
        [c["true"], c["predicted"], f"{c['count']:,}", percent(c["count"] / (support.get(c["true"]) or c["count"]))]
        for c in found
    ]
    header = ["true", "predicted", "count", "of the true class"]
    label = "Most frequent confusions"
    return table(label, header, rows, texts=(0, 1), sortable=len(rows) > SORTABLE, tall=len(rows) > 2 * SORTABLE)


def slices(content: Mapping[str, Any]) -> str:
    """Format the score of each group, with its interval as numbers and as a bar."""
    groups, metric = content["groups"], content.get("metric", "score")
    bounds = [v for g in groups for v in (g["score"], g["low"], g["high"]) if v is not None]
    low, high = min([0.0, *bounds]), max([1.0, *bounds])
    rows = []
    for g in groups:
        known = g["low"] is not None and g["high"] is not None
        interval = f"{number(float(g['low']))} to {number(float(g['high']))}" if known else ""
        cells = [isolated(g["name"]), number(g["count"]), number(g["score"]), interval]
        rows.append([*cells, _interval_bar(g, low, high)])
    total = content.get("total", len(rows))
    note = f"The {len(rows):,} largest of {total:,} groups. " if len(rows) < total else ""
    header = [short(content["column"]), "count", metric, "95 % interval", f"{low:g} to {high:g}"]
    shown = table(f"Scores by {short(content['column'])}", header, rows, texts=(0, 4), is_html=True)
    return (f'<p class="soft">{note}</p>' if note else "") + shown


def _interval_bar(group: Mapping[str, Any], low: float, high: float) -> str:
    def x(value: float) -> str:
        return f"{4 + 152 * (value - low) / (high - low):.1f}"

    line = ""
    if group["low"] is not None and group["high"] is not None:
        line = f'<line x1="{x(group["low"])}" y1="8" x2="{x(group["high"])}" y2="8"/>'
    dot = f'<circle cx="{x(group["score"])}" cy="8" r="4"/>' if group["score"] is not None else ""
    grid = '<path class="grid" d="M4 8H156"/>'
    return f'<svg class="interval" viewBox="0 0 160 16" aria-hidden="true">{grid}{line}{dot}</svg>'
