"""Real data beside `transformers`: the same recipe, batches and seeds for each task; the scores after the last epoch.

    python -m benchmarks.tasks --data FOLDER cola stsb wnut17          # three seeds each
    python -m benchmarks.tasks --data FOLDER sst2 squad imdb           # one

FOLDER holds a folder for each data set. With --work, seeds that a killed run had finished are not trained again. With
--equal-draws minitf computes its last layer for every token, so that a classifier draws as much dropout as the
reference's does, and each number is the same one: what is left of a difference would be a difference of the programs.
Both models start from the same weights, the new head's included, and see the same batches in the same order; dropout
is drawn by each on its own. minitf trains through `training.loop.train`; after every few steps of it the reference
takes as many, so both meet the same load and their times can be compared. Nothing is chosen on the development set:
what counts is the model after the last epoch.
"""

import argparse
import contextlib
import copy
import dataclasses
import functools
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import torch
import transformers
from torch import Tensor, nn

from benchmarks import record
from benchmarks.sst2 import interval
from minitf.checkpoints.load import load_with_report
from minitf.cli import finetune
from minitf.mathematics import KERNELS
from minitf.proof.reference import copy_new
from minitf.tasks import registry
from minitf.tasks.base import Task
from minitf.tasks.whole_text.encoding import mean_of_windows
from minitf.text.batches import Batch, Examples, by_length, shuffled
from minitf.training import loop
from minitf.training.compact_vocabulary import CompactVocabulary
from minitf.training.optimizer import Optimizer, Recipe

TURN = 8  # steps that one side takes before the other
WARM_UP = 2  # turns not timed
MODEL = "all-MiniLM-L6-v2"


@dataclasses.dataclass(frozen=True)
class Row:
    """One data set and its recipe, fixed beforehand."""

    task: str
    train: str
    dev: str
    metric: str
    epochs: int
    lr: float
    batch_size: int = 32
    max_length: int = 128
    seeds: tuple[int, ...] = (0, 1, 2)
    most: int | None = None  # of the training examples, the first after a shuffle by the seed
    most_dev: int | None = None
    words: tuple[str, ...] = ()  # more flags of finetune
    prepare: Callable[[Path, Path], None] = lambda source, target: target.write_bytes(source.read_bytes())


def with_header(source: Path, target: Path) -> None:
    """CoLA's files have none."""
    target.write_text("source\tlabel\tmark\tsentence\n" + source.read_text(encoding="utf-8"), encoding="utf-8")


IMDB = Row("classification", "imdb/train-5k.tsv", "imdb/test-5k.tsv", "accuracy", 2, 5e-5, 16, 128, (0,), 1000, 1000)
ROWS = {
    "cola": Row("classification", "cola/train.tsv", "cola/dev.tsv", "matthews", 3, 1e-4, prepare=with_header),
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
        ("--stride", "128"),
    ),
    "imdb-truncate": IMDB,
    "imdb-head-tail": dataclasses.replace(IMDB, words=("--long-text", "head-tail")),
    "imdb-windows": dataclasses.replace(IMDB, words=("--long-text", "windows", "--stride", "16")),
}
GROUPS = {"imdb": ("imdb-truncate", "imdb-head-tail", "imdb-windows")}


def parser() -> argparse.ArgumentParser:
    p = argparse.ArgumentParser(prog="python -m benchmarks.tasks", description=__doc__)
    p.add_argument("rows", nargs="+", choices=[*ROWS, *GROUPS], metavar="ROW")
    p.add_argument("--data", type=Path, required=True, metavar="FOLDER")
    p.add_argument("--seeds", type=int, nargs="+", help="fewer for a trial")
    p.add_argument("--most", type=int, help="training examples, fewer for a trial")
    p.add_argument("--work", type=Path, help="where finished seeds are kept")
    p.add_argument("--suffix", default="", help="of the records' names")
    p.add_argument("--equal-draws", action="store_true", help="task-ROW-equal-draws.json: compute the whole last layer")
    return p


@contextlib.contextmanager
def equal_draws() -> Iterator[None]:
    """Classifiers compute the whole last layer, and draw dropout for all of it."""
    with mock.patch.object(texts, "logits_of_first_token", lambda model, *batch: model(*batch).logits):
        yield


class Reference:
    """The same recipe with `transformers` and PyTorch's fused AdamW: the loop that their users write."""

    def __init__(self, model: Any, row: Row, task: Task, examples: Examples, batches: list[list[int]]):
        self.model, self.task, self.examples, self.batches = model, task, examples, batches
        self.many = examples.windows is not None
        decayed = [p for p in model.parameters() if p.dim() > 1]
        others = [p for p in model.parameters() if p.dim() == 1]
        groups = [{"params": decayed, "weight_decay": 0.01}, {"params": others, "weight_decay": 0.0}]
        self.optimizer = torch.optim.AdamW(groups, lr=row.lr, fused=True)
        self.schedule = transformers.get_linear_schedule_with_warmup(
            self.optimizer, round(0.1 * len(batches)), len(batches)
        )
        self.done = 0

    def steps(self, n: int) -> None:
        self.model.train()
        for indices in self.batches[self.done : self.done + n]:
            batch, targets = self.examples.batch(indices)
            loss = self.loss(batch, targets)
            loss.item()  # logged at every step, as minitf does
            loss.backward()
            nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimizer.step()
            self.schedule.step()
            self.optimizer.zero_grad()
            self.done += 1

    def loss(self, batch: Batch, targets: Tensor) -> Tensor:
        """The library's own, but for the mean over windows, which it does not have."""
        given = {"input_ids": batch.token_ids, "token_type_ids": batch.segment_ids, "attention_mask": batch.mask}
        if self.task.name == "qa":
            loss = self.model(**given, start_positions=targets[:, 0], end_positions=targets[:, 1]).loss
        elif self.many:
            loss = nn.functional.cross_entropy(mean_of_windows(self.model(**given).logits, batch), targets)
        else:
            labels = targets.float() if self.task.name == "regression" else targets
            loss = self.model(**given, labels=labels).loss
        return loss

    @torch.no_grad()
    def answers(self, examples: Examples) -> list[Tensor]:
        self.model.eval()
        rows: dict[int, Tensor] = {}
        for indices in by_length(examples.lengths(), 32):
            batch, _ = examples.batch(indices)
            out = self.model(input_ids=batch.token_ids, token_type_ids=batch.segment_ids, attention_mask=batch.mask)
            logits = torch.stack([out.start_logits, out.end_logits], -1) if self.task.name == "qa" else out.logits
            if self.many:
                logits = mean_of_windows(logits, batch)
            rows.update(zip(indices, self.task.answers(logits, batch), strict=True))
        return [rows[i] for i in range(len(examples))]


CLASSES = {
    "classification": transformers.BertForSequenceClassification,
    "regression": transformers.BertForSequenceClassification,
    "tagging": transformers.BertForTokenClassification,
    "qa": transformers.BertForQuestionAnswering,
}


def one_seed(row: Row, train: Any, dev: Any, seed: int) -> dict[str, Any]:
    """Train both, turn by turn; the scores on dev and the seconds of each turn."""
    torch.manual_seed(seed)
    order = torch.randperm(len(train.examples), generator=torch.Generator().manual_seed(seed)).tolist()
    chosen = [train.examples[i] for i in sorted(order[: row.most])]
    train = dataclasses.replace(train, examples=tuple(chosen))
    kind = registry.KINDS[row.task]
    arguments = finetune.parse("", ["--task", row.task, *row.words])
    task = kind.make(train, arguments, KERNELS)
    model, report = load_with_report(MODEL, task.head, labels=task.labels or None, math=KERNELS)
    tokenizer = report.checked_tokenizer()
    more: dict[str, Any] = {"problem_type": "regression"} if row.task == "regression" else {}
    if task.labels:
        more["num_labels"] = len(task.labels)
    theirs = CLASSES[row.task].from_pretrained(report.source.folder, **more)
    copy_new(model, theirs, report.new)
    examples, development = (task.encode(table, tokenizer, row.max_length) for table in (train, dev))

    batches = [b for e in range(1, row.epochs + 1) for b in shuffled(examples.lengths(), row.batch_size, seed, e)]
    reference = Reference(copy.deepcopy(theirs), row, task, examples, batches)
    vocabulary = CompactVocabulary(model.embeddings.word, [examples, development])
    optimizer = Optimizer(model, Recipe(lr=row.lr), len(batches), KERNELS)
    turns: list[tuple[float, float]] = []
    states = {"theirs": torch.get_rng_state()}
    start = time.perf_counter()

    def theirs_now(logged: dict[str, Any]) -> None:
        nonlocal start
        if logged["step"] % TURN and logged["step"] != len(batches):
            return
        took = time.perf_counter() - start
        states["ours"] = torch.get_rng_state()
        torch.set_rng_state(states["theirs"])
        start = time.perf_counter()
        reference.steps(min(TURN, len(batches) - reference.done))
        turns.append((took, time.perf_counter() - start))
        states["theirs"] = torch.get_rng_state()
        torch.set_rng_state(states["ours"])
        start = time.perf_counter()

    few = vocabulary.renumber(development)
    history = loop.train(
        model,
        task,
        vocabulary.renumber(examples),
        few,
        optimizer,
        epochs=row.epochs,
        batch_size=row.batch_size,
        seed=seed,
        metric=row.metric,
        log=theirs_now,
    )
    measured = task.measure(reference.answers(development), development).to_dict()
    timed = turns[WARM_UP:-1] or turns
    result = {
        "seed": seed,
        "train": len(train.examples),
        "dev": len(dev.examples),
        "minitf": _numbers(history[-1].valid),
        "transformers": _numbers(measured),
        "median_speed_ratio": statistics.median(t / o for o, t in timed),
        "seconds": [round(sum(o for o, _ in turns), 1), round(sum(t for _, t in turns), 1)],
    }
    print(
        f"seed {seed}: {row.metric} minitf {result['minitf'][row.metric]:.4f}, transformers"
        f" {result['transformers'][row.metric]:.4f}; speed ratio {result['median_speed_ratio']:.3f}",
        flush=True,
    )
    return result


def _numbers(metrics: dict[str, Any]) -> dict[str, float]:
    return {name: value for name, value in metrics.items() if isinstance(value, int | float)}


def one_row(name: str, arguments: argparse.Namespace) -> None:
    surroundings = record.surroundings()
    name, row = name + "-equal-draws" * arguments.equal_draws, ROWS[name]
    row = dataclasses.replace(row, seeds=tuple(arguments.seeds or row.seeds), most=arguments.most or row.most)
    kind = registry.KINDS[row.task]
    with tempfile.TemporaryDirectory() as folder:
        tables = []
        for path in (row.train, row.dev):
            copied = Path(folder) / path.replace("/", "-")
            row.prepare(arguments.data / path, copied)
            columns = {"text": "sentence", "label": "label"} if row.train == "cola/train.tsv" else {}
            tables.append(kind.read(str(copied), **{"text": None, "pair": None, "label": None, **columns}))
        train, dev = tables
        dev = dataclasses.replace(dev, examples=dev.examples[: row.most_dev])
        runs = []
        for seed in row.seeds:
            kept = arguments.work / f"{name}-{seed}.json" if arguments.work else None
            runs.append(record.once(kept, functools.partial(one_seed, row, train, dev, seed)))
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
