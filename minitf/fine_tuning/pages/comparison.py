"""Several runs or evaluations on one page: scores with intervals, curves, settings that differ."""

import dataclasses
import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from minitf.fine_tuning.pages import facts
from minitf.fine_tuning.pages.charts import Axes, Line, draw_line, extent, figure, finite, legend, swatch
from minitf.fine_tuning.pages.curves import ONE_EPOCH, score_range
from minitf.fine_tuning.pages.markup import (
    MISSING,
    document,
    duration,
    escape,
    file_name,
    isolated,
    navigation,
    number,
    section,
    short,
    table,
)
from minitf.fine_tuning.pages.scores import measured_on, rows, with_interval

# Settings in which two runs always differ, or that do not change the result.
UNIMPORTANT = {"output", "overwrite", "resume", "verbose", "save_every", "offline", "dry_run"}
Report = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Entry:
    """One of the compared runs: the reports of its seeds (or its only report), and the name of each seed."""

    name: str
    reports: tuple[Report, ...]
    seeds: tuple[str, ...]
    diverged: tuple[str, ...] = ()  # seeds without a report

    @property
    def first(self) -> Report:
        return self.reports[0]


def page(entries: Sequence[Entry]) -> str:
    """Format the comparison."""
    runs = [e for e in entries if "epochs" in e.first]
    parts = [("Scores", _scores(entries))]
    if runs:
        parts.append(("Curves", _curves(entries)))
        parts.append(("Settings that differ", _settings(runs)))
    parts.append(("Data", _data(entries)))
    parts.append(("Date, time and machine", _machines(entries)))
    count = len(entries) if len(entries) > 1 else len(entries[0].reports)
    title = f"Comparison of {count} {'runs' if len(runs) == len(entries) else 'reports'}"
    notes = "".join(f'<p class="alert">{note}</p>' for note in _notes(entries))
    body = [f"<header><h1>{title}</h1>", notes, navigation(name for name, _ in parts), "</header>"]
    return document(title, "\n".join([*body, *(section(name, text) for name, text in parts)]))


def _notes(entries: Sequence[Entry]) -> Iterator[str]:
    """Say why scores cannot be compared, and which runs failed."""
    reports = [report for entry in entries for report in entry.reports]
    tasks = sorted({str(report["task"]) for report in reports})
    common = _common(reports)
    if len(tasks) > 1:
        shared = f"only {', '.join(map(isolated, common))} is compared" if common else "they have no score in common"
        yield f"The reports are of different tasks ({', '.join(map(isolated, tasks))}): {shared}."
    elif missing := sorted({name for report in reports for name in report["scores"]} - set(common)):
        yield f"Not all reports have these scores, which are left out: {', '.join(map(isolated, missing))}."
    if len({_measured_data(report)["sha256"] for report in reports}) > 1:
        yield "The scores are measured on different data: a difference between them may come from the data."
    if any(measured_on(r) == "valid" for r in reports):
        yield "Validation scores are too high, because they were used to choose the epoch; compare runs on a test set."
    for entry in entries:
        failed = [seed for seed, r in zip(entry.seeds, entry.reports, strict=True) if not r.get("learned", True)]
        if failed:
            which = f" ({', '.join(map(isolated, failed))})" if failed != [""] else ""
            yield f"{isolated(entry.name)}{which} did not learn: no better than the baseline."
        if entry.diverged:
            yield f"{isolated(entry.name)}: {', '.join(map(isolated, entry.diverged))} diverged and is not counted."


def _common(reports: Sequence[Report]) -> list[str]:
    """Return the names of the scores that all reports have."""
    return [name for name in reports[0]["scores"] if all(name in report["scores"] for report in reports)]


def _measured_data(report: Report) -> Mapping[str, Any]:
    data: Mapping[str, Any] = report["data"].get(measured_on(report)) or report["data"]["data"]
    return data


def _scores(entries: Sequence[Entry]) -> str:
    """Format a row for each entry: a score with its interval, or the mean and standard deviation of the seeds."""
    names = _common([report for entry in entries for report in entry.reports])
    lines = []
    for n, entry in enumerate(entries):
        best = str(entry.first.get("best_epoch", MISSING)) if len(entry.reports) == 1 else MISSING
        measured = {"test": "test", "valid": "validation"}[measured_on(entry.first)]
        on = (f"{measured}, " if "epochs" in entry.first else "") + f"{number(rows(entry.first))} rows"
        key = f"{swatch(Line(entry.name, (), n))} {isolated(entry.name)}"
        lines.append([key, *(escape(_score(entry, name)) for name in names), str(len(entry.reports)), best, on])
    if len(entries) == 1 and len(entries[0].reports) > 1:
        lines += _seed_rows(entries[0], names)
    header = ["run", *names, "seeds", "best epoch", "measured on"]
    note = "In brackets: 95 % interval (Wilson for proportions, else bootstrap). ±: standard deviation of the seeds."
    return table("Scores", header, lines, texts=(0, len(header) - 1), is_html=True) + f'<p class="soft">{note}</p>'


def _seed_rows(entry: Entry, names: Sequence[str]) -> list[list[str]]:
    return [
        [isolated(seed), *(escape(with_interval(r, n)) for n in names), "1", str(r.get("best_epoch", MISSING)), ""]
        for seed, r in zip(entry.seeds, entry.reports, strict=True)
    ]


def _score(entry: Entry, name: str) -> str:
    """Format a score of one entry."""
    if len(entry.reports) == 1:
        return with_interval(entry.first, name)
    values = [float(report["scores"][name]) for report in entry.reports]
    return f"{statistics.fmean(values):.4f} ± {statistics.stdev(values):.4f}"


def _curves(entries: Sequence[Entry]) -> str:
    """Draw the validation loss and each common score of all runs over the epochs."""
    runs = [report for entry in entries for report in entry.reports if "epochs" in report]
    if all(len(report["epochs"]) == 1 for report in runs):
        return f'<p class="soft">{ONE_EPOCH}</p>'
    names = [n for n in runs[0]["epoch_scores"][0] if all(n in r["epoch_scores"][0] for r in runs)]
    charts = []
    if len({report["task"] for report in runs}) == 1:
        charts.append(_chart(entries, "Validation loss", lambda r: [e["valid"]["loss"] for e in r["epochs"]]))
    for name in names:
        charts.append(_chart(entries, f"Validation {name}", _by_epoch(name)))
    return f'<div class="charts">{"".join(charts)}</div>'


def _by_epoch(name: str) -> Callable[[Report], list[float | None]]:
    return lambda report: [scores[name] for scores in report["epoch_scores"]]


def _chart(entries: Sequence[Entry], title: str, values: Callable[[Report], list[float | None]]) -> str:
    """Draw one line for each report; the seeds of a run have the same colour."""
    lines = []
    for n, entry in enumerate(entries):
        for seed, report in zip(entry.seeds, entry.reports, strict=True):
            if "epochs" not in report:
                continue
            points = finite((e["epoch"], y) for e, y in zip(report["epochs"], values(report), strict=True))
            who = " ".join(filter(None, (short(entry.name), seed)))
            titles = [f"{who}, epoch {x:g}: {number(float(y))}" for x, y in points]
            lines.append(Line(entry.name, points, n, titles, in_legend=seed == entry.seeds[0]))
    found = [y for line in lines for _, y in line.points]
    last = max([1.0, *(x for line in lines for x, _ in line.points)])
    is_loss = title.endswith("loss")
    axes = Axes((1.0, last) if last > 1 else (0.5, 1.5), (0.0, extent(found)[1]) if is_loss else score_range(found))
    several = any(len(entry.reports) > 1 for entry in entries)
    drawing = axes.draw("epoch", "", whole=True) + "".join(draw_line(axes, line, thin=several) for line in lines)
    return figure(title, f"{len(lines)} runs", drawing, legend(lines))


def _settings(runs: Sequence[Entry]) -> str:
    """Format the settings in which the runs differ, a column per run."""
    arguments = [entry.first["arguments"] for entry in runs]
    names = sorted({name for each in arguments for name in each} - UNIMPORTANT)
    shown = [{name: facts.setting(each.get(name)) for name in names} for each in arguments]
    lines = [[name, *(each[name] or MISSING for each in shown)] for name in names if len({e[name] for e in shown}) > 1]
    if not lines:
        return '<p class="soft">None: the runs have the same settings.</p>'
    header = ["setting", *(short(entry.name, 40) for entry in runs)]
    return table("Settings that differ", header, lines, texts=range(len(header)))


def _data(entries: Sequence[Entry]) -> str:
    """Format the tables of all entries."""
    lines = [
        [isolated(entry.name), escape(name), file_name(d["path"]), number(d["rows"]), escape(str(d["sha256"])[:12])]
        for entry in entries
        for name, d in entry.first["data"].items()
    ]
    return table("Data", ["run", "table", "file", "rows", "SHA-256"], lines, texts=(0, 1, 2, 4), is_html=True)


def _machines(entries: Sequence[Entry]) -> str:
    """Format when each entry was made, how long it took and on what machine."""
    lines = []
    for entry in entries:
        for seed, report in zip(entry.seeds, entry.reports, strict=True):
            name = isolated(" ".join(filter(None, (entry.name, seed))))
            date = facts.moment(report["finished"]) if "finished" in report else MISSING
            seconds = duration(float(report["seconds"])) if "seconds" in report else MISSING
            where = isolated(facts.machine(report["machine"])) if "machine" in report else MISSING
            versions = isolated(", ".join(f"{k} {v}" for k, v in report["versions"].items()))
            lines.append([name, date, seconds, where, versions])
    header = ["run", "finished", "time", "machine", "versions"]
    return table("Date, time and machine", header, lines, texts=(0, 1, 3, 4), is_html=True)
