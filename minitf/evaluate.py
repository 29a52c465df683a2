"""How good is a fine-tuned model on a table of its own? `python -m minitf.evaluate DIR --data FILE`.

DIR is a run's best/, or any model with a trained head. Prints the scores, what the simplest guess would reach, each
class by itself and the worst mistakes; --output writes a report as .html or .json.
"""

import argparse
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minitf import judging, kinds, runs
from minitf.cli.console import Parser, number, run
from minitf.errors import InputError
from minitf.files import to_json, write_text
from minitf.report_page import page
from minitf.tasks.mistakes import Mistake, worst

if TYPE_CHECKING:
    from minitf.tasks.task import Metrics


def parser() -> argparse.ArgumentParser:
    p = Parser(prog="python -m minitf.evaluate", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    count = number(1, whole=True)
    judging.add_flags(p, count)
    p.add_argument("--mistakes", type=number(0, whole=True), default=10, metavar="N", help="to print (default: 10)")
    p.add_argument("--output", metavar="FILE", help="a report, .html or .json (default: none)")
    return p


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What a model's answers to a table come to."""

    kind: kinds.Kind
    table: kinds.Table
    metrics: "Metrics"
    baseline: str
    mistakes: list[Mistake]  # the largest loss first


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parser().parse_args(argv)
    output = arguments.output and Path(arguments.output)
    if output and output.suffix.lower() not in (".html", ".json"):
        raise InputError(f"--output {output}: the ending must be .html or .json")
    found = evaluate(arguments)
    print(in_words(found, arguments.mistakes))
    if output:
        content = report(found, arguments, runs.command_line("evaluate", argv))
        write_text(output, to_json(content) if output.suffix.lower() == ".json" else page(content))
        print(f"\nwritten: {output}")
    return 0


def evaluate(arguments: argparse.Namespace) -> Evaluation:
    """Read, check, load, answer, measure. Raises InputError."""
    judged = judging.open_judged(arguments)
    task, examples, table = judged.task, judged.examples, judged.table
    answers = judged.answers(arguments.batch_size)
    mistakes = task.mistakes(answers, examples, table)
    metrics, baseline = task.measure(answers, examples), task.baseline(examples)
    return Evaluation(judged.kind, table, metrics, baseline, worst(mistakes, len(mistakes)))


def in_words(found: Evaluation, most: int) -> str:
    """The result for a person."""
    from minitf.training import report

    scores = ", ".join(f"{name} {value:.4f}" for name, value in found.metrics.scores.items())
    lines = [f"{found.table.path}: {scores}  ({len(found.table.examples)} examples; {found.baseline})"]
    lines += filter(None, [report.table(found.metrics)])
    shown = found.mistakes[:most]
    if shown:
        lines.append(f"\nthe worst of {len(found.mistakes)} mistakes")
        for m in shown:
            text = " ".join(m.text.split()) + ("" if m.pair is None else f" ‖ {' '.join(m.pair.split())}")
            lines.append(f"  row {m.row}: {m.true}, said {m.said}: {text if len(text) <= 100 else text[:99] + '…'}")
    return "\n".join(lines)


def report(found: Evaluation, arguments: argparse.Namespace, command: str) -> dict[str, Any]:
    """What the report holds."""
    table = found.table
    return {
        "title": f"{Path(table.path).name}, {arguments.model}",
        "task": found.kind.name,
        "command": command,
        "versions": runs.versions(),
        "data": {"data": {"path": table.path, "rows": len(table.examples), "sha256": table.digest}},
        "test": found.metrics.to_dict(),
        "scores": dict(found.metrics.scores),
        "baseline": found.baseline,
        "mistakes": [dataclasses.asdict(mistake) for mistake in found.mistakes[:100]],
        "mistaken": len(found.mistakes),
    }


if __name__ == "__main__":
    run(main)
