"""The result of an evaluation for the terminal, and as a report in .html or .json."""

from pathlib import Path
from typing import Any

from minitf.datasets.lines import named
from minitf.datasets.strings import cut
from minitf.files import to_json, write_text
from minitf.fine_tuning.evaluation import MOST, Evaluation
from minitf.fine_tuning.pages.report import page
from minitf.fine_tuning.provenance import now, versions
from minitf.visible import visible


def result_lines(result: Evaluation, most: int) -> str:
    """Format the result for the terminal, with the `most` worst mistakes."""
    scores = ", ".join(f"{name} {value:.4f}" for name, value in result.metrics.scores.items())
    lines = [f"{result.table.path}: {scores}  ({len(result.table.examples)} examples; {result.baseline})"]
    lines += filter(None, [result.metrics.table()])
    if result.slices is not None:
        lines += result.slices.lines(result.spec.unit)
    if shown := result.mistakes[:most]:
        lines.append(f"\nthe {len(shown)} worst of {len(result.mistakes)} mistakes:")
        for m in shown:
            text = " ".join(m.text.split()) + ("" if m.pair is None else f" ‖ {' '.join(m.pair.split())}")
            lines.append(f"  {named(m.row)}: {visible(m.true)}, predicted {visible(m.said)}: {cut(text, 100)}")
    return "\n".join(lines)


def write_report(path: Path, result: Evaluation, model: str, command: str) -> None:
    """Write a report in the format of the file's ending."""
    table = result.table
    content: dict[str, Any] = {
        "title": f"{Path(table.path).name}, {model}",
        "model": model,
        "task": result.spec.name,
        "command": command,
        "versions": versions(),
        "data": {"data": {"path": table.path, "rows": len(table.examples), "sha256": table.digest}},
        "test": result.metrics.to_dict(),
        "scores": dict(result.metrics.scores),
        "baseline": result.baseline,
        "mistakes": [mistake.to_dict() for mistake in result.mistakes[:MOST]],
        "mistaken": len(result.mistakes),
        **result.details,
        "seconds": result.seconds,
        "finished": now(),
        "machine": dict(result.machine),
    }
    if result.slices is not None:
        content["slices"] = result.slices.to_dict()
    write_text(path, to_json(content) if path.suffix.lower() == ".json" else page(content))
