"""Each task on real data beside `transformers`: the same recipe, batches and seeds; the scores after the last epoch.

    python -m benchmarks.tasks --data FOLDER cola stsb wnut17          # three seeds each
    python -m benchmarks.tasks --data FOLDER sst2 squad imdb           # one seed

FOLDER has a folder for each data set. With --work, finished seeds are kept: a run that was stopped does not train them
again. Both models start from the same weights, also of the new head, and see the same batches in the same order;
each draws its own dropout. They train alternately (`side_by_side`). Nothing is chosen on the development set: the
model after the last epoch is measured.

With --equal-draws minitf computes its last layer for every token. Then a classifier draws the same dropout as the
reference's, so any remaining difference is between the programs.
"""

import argparse
import contextlib
import copy
import dataclasses
import functools
import json
import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import torch
import transformers

from benchmarks import record
from benchmarks.confidence import interval
from benchmarks.side_by_side import WARM_UP, Reference, Turn, alternate
from minitf.bert import Bert
from minitf.checkpoints.load import load_with_report
from minitf.checkpoints.report import LoadReport
from minitf.mathematics import KERNELS
from minitf.proof.reference import copy_new
from minitf.tasks import registry
from minitf.tasks.base import Metrics, Task
from minitf.tasks.spec import Table, TaskSettings
from minitf.tasks.whole_text import encoding
from minitf.text.batches import Examples, shuffled
from minitf.training import loop
from minitf.training.compact_vocabulary import CompactVocabulary
from minitf.training.loop import Epoch, Plan, TrainingData
from minitf.training.optimizer import Optimizer, Recipe

MODEL = "all-MiniLM-L6-v2"
DEFAULT = TaskSettings()
CLASSES = {
    "classification": transformers.BertForSequenceClassification,
    "regression": transformers.BertForSequenceClassification,
    "tagging": transformers.BertForTokenClassification,
    "qa": transformers.BertForQuestionAnswering,
}


def copy_file(source: Path, target: Path) -> None:
    target.write_bytes(source.read_bytes())


def add_header(source: Path, target: Path) -> None:
    """Copy a file of CoLA, and add a header, because these files have none."""
    target.write_text("source\tlabel\tmark\tsentence\n" + source.read_text(encoding="utf-8"), encoding="utf-8")


@dataclasses.dataclass(frozen=True)
class Row:
    """One data set and its recipe, fixed before the runs."""

    task: str
    train: str
    dev: str
    metric: str
    epochs: int
    lr: float
    batch_size: int = 32
    max_length: int = 128
    seeds: tuple[int, ...] = (0, 1, 2)
    most: int | None = None  # training examples: the first after a shuffle by the seed
    most_dev: int | None = None
    settings: TaskSettings = DEFAULT
    prepare: Callable[[Path, Path], None] = copy_file


IMDB = Row("classification", "imdb/train-5k.tsv", "imdb/test-5k.tsv", "accuracy", 2, 5e-5, 16, 128, (0,), 1000, 1000)
ROWS = {
    "cola": Row("classification", "cola/train.tsv", "cola/dev.tsv", "matthews", 3, 1e-4, prepare=add_header),
    "stsb": Row("regression", "stsb/train.tsv", "stsb/dev.tsv", "pearson", 3, 1e-4),
    "wnut17": Row("tagging", "wnut17/train.conll", "wnut17/test.conll", "f1", 3, 1e-4),
    "sst2": Row("classification", "sst2/train.tsv", "sst2/dev.tsv", "accuracy", 1, 5e-5, seeds=(0,)),
    "squad": Row(
        "qa",
        "squad/train-90-articles.json",
        "squad/dev-v1.1.json",
        "f1",
        2,
        1e-4,
        16,
        384,
        (0,),
        2000,
        1000,
        TaskSettings(stride=128),
    ),
    "imdb-truncate": IMDB,
    "imdb-head-tail": dataclasses.replace(IMDB, settings=TaskSettings("head-tail")),
    "imdb-windows": dataclasses.replace(IMDB, settings=TaskSettings("windows", 16)),
}
GROUPS = {"imdb": ("imdb-truncate", "imdb-head-tail", "imdb-windows")}


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(prog="python -m benchmarks.tasks", description=__doc__)
    p.add_argument("rows", nargs="+", choices=[*ROWS, *GROUPS], metavar="ROW")
    p.add_argument("--data", type=Path, required=True, metavar="FOLDER")
    p.add_argument("--seeds", type=int, nargs="+", help="fewer for a trial")
    p.add_argument("--most", type=int, help="training examples, fewer for a trial")
    p.add_argument("--work", type=Path, help="folder for finished seeds")
    p.add_argument("--suffix", default="", help="of the records' names")
    p.add_argument("--equal-draws", action="store_true", help="task-ROW-equal-draws.json: compute the whole last layer")
    return p


@contextlib.contextmanager
def equal_draws() -> Iterator[None]:
    """Make classifiers compute the whole last layer, and draw dropout for all of it."""
    with mock.patch.object(encoding, "logits_of_first_token", lambda model, *batch: model(*batch).logits):
        yield


def one_seed(row: Row, train: Table, dev: Table, seed: int) -> dict[str, Any]:
    """Train both alternately; return the scores on `dev` and the seconds."""
    torch.manual_seed(seed)
    order = torch.randperm(len(train.examples), generator=torch.Generator().manual_seed(seed)).tolist()
    chosen = [train.examples[i] for i in sorted(order[: row.most])]
    train = dataclasses.replace(train, examples=tuple(chosen))
    task = registry.SPECS[row.task].create(train, row.settings, KERNELS)
    model, report = load_with_report(MODEL, task.head, labels=task.labels or None, math=KERNELS)
    theirs = open_reference(row, task, model, report)
    tokenizer = report.checked_tokenizer()
    examples, development = (task.encode(table, tokenizer, row.max_length) for table in (train, dev))
    history, turns, measured = train_both(row, task, model, theirs, examples, development, seed)
    timed = turns[WARM_UP:-1] or turns
    result = {
        "seed": seed,
        "train": len(train.examples),
        "dev": len(dev.examples),
        "minitf": _numbers(history[-1].valid),
        "transformers": _numbers(measured.to_dict()),
        "median_speed_ratio": statistics.median(t / o for o, t in timed),
        "seconds": [round(sum(o for o, _ in turns), 1), round(sum(t for _, t in turns), 1)],
    }
    print(
        f"seed {seed}: {row.metric} minitf {result['minitf'][row.metric]:.4f}, transformers"
        f" {result['transformers'][row.metric]:.4f}; speed ratio {result['median_speed_ratio']:.3f}",
        flush=True,
    )
    return result


def open_reference(row: Row, task: Task, model: Bert, report: LoadReport) -> Any:
    """The model of `transformers`, with the same new weights."""
    options: dict[str, Any] = {"problem_type": "regression"} if row.task == "regression" else {}
    if task.labels:
        options["num_labels"] = len(task.labels)
    theirs = CLASSES[row.task].from_pretrained(report.source.folder, **options)
    copy_new(model, theirs, report.new)
    return copy.deepcopy(theirs)


def train_both(
    row: Row, task: Task, model: Bert, theirs: Any, examples: Examples, development: Examples, seed: int
) -> tuple[list[Epoch], list[Turn], Metrics]:
    """The history of minitf, the seconds of each turn, and the metrics of the reference."""
    batches = [b for e in range(1, row.epochs + 1) for b in shuffled(examples.lengths(), row.batch_size, seed, e)]
    recipe = Recipe(lr=row.lr)
    reference = Reference(theirs, recipe, task, examples, batches)
    vocabulary = CompactVocabulary(model.embeddings.word, [examples, development])
    optimizer = Optimizer(model, recipe, len(batches), KERNELS)
    data = TrainingData(vocabulary.renumber(examples), vocabulary.renumber(development))
    plan = Plan(row.epochs, row.batch_size, seed, metric=row.metric)
    history, turns = alternate(loop.train(model, task, data, optimizer, plan), reference)
    return history, turns, task.measure(reference.predict_logits(development, batch_size=32), development)


def _numbers(metrics: dict[str, Any]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if isinstance(value, int | float)}


def one_row(name: str, arguments: argparse.Namespace) -> None:
    """Run all seeds of a row and write its record."""
    surroundings = record.surroundings()
    name, row = name + "-equal-draws" * arguments.equal_draws, ROWS[name]
    row = dataclasses.replace(row, seeds=tuple(arguments.seeds or row.seeds), most=arguments.most or row.most)
    with tempfile.TemporaryDirectory() as folder:
        train, dev = read_tables(row, arguments.data, Path(folder))
    runs = []
    for seed in row.seeds:
        cache = arguments.work / f"{name}-{seed}.json" if arguments.work else None
        runs.append(record.once(cache, functools.partial(one_seed, row, train, dev, seed)))
    differences = [100 * (r["minitf"][row.metric] - r["transformers"][row.metric]) for r in runs]
    means = {side: statistics.mean(r[side][row.metric] for r in runs) for side in ("minitf", "transformers")}
    summary = {
        "metric": row.metric,
        "mean": means,
        "mean_difference_points": statistics.mean(differences),
        "confidence_95_points": list(interval(differences)) if len(runs) > 1 else None,
        "median_speed_ratio": statistics.median(r["median_speed_ratio"] for r in runs),
    }
    recipe = {k: v for k, v in dataclasses.asdict(row).items() if k != "prepare"}
    path = record.write(
        f"task-{name}{arguments.suffix}", {**surroundings, "recipe": recipe, "summary": summary, "runs": runs}
    )
    print(f"{name}: {json.dumps(summary)}; written: {path.name}", flush=True)


def read_tables(row: Row, data: Path, folder: Path) -> tuple[Table, Table]:
    """The training and development tables; their prepared copies are written to `folder`."""
    tables = []
    for path in (row.train, row.dev):
        copied = folder / path.replace("/", "-")
        row.prepare(data / path, copied)
        columns = {"text": "sentence", "label": "label"} if row.prepare is add_header else {}
        tables.append(
            registry.SPECS[row.task].read(str(copied), **{"text": None, "pair": None, "label": None, **columns})
        )
    train, dev = tables
    return train, dataclasses.replace(dev, examples=dev.examples[: row.most_dev])


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parser().parse_args(argv)
    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    with equal_draws() if arguments.equal_draws else contextlib.nullcontext():
        for name in arguments.rows:
            for row in GROUPS.get(name, (name,)):
                one_row(row, arguments)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
