"""What comes before the first step: the model loaded, the texts encoded and checked, and all of it told."""

import argparse
import dataclasses
import functools
from collections.abc import Callable
from typing import TYPE_CHECKING

from minitf import augmenting, data_check, kinds, plans, runs
from minitf.errors import InputError

if TYPE_CHECKING:
    from minitf.bert import Bert
    from minitf.checkpoints.report import LoadReport
    from minitf.mathematics import Mathematics
    from minitf.tasks.task import Task
    from minitf.text.batches import Examples
    from minitf.text.token_checks import TokenCounts
    from minitf.text.tokenizer import Tokenizer
    from minitf.training.optimizer import Optimizer
    from minitf.training.strategy import Strategy
    from minitf.training.workers import Workers


@dataclasses.dataclass(frozen=True)
class Encoded:
    """The tables as the model reads them, whatever the seed."""

    data: "dict[str, Examples]"
    checked: "dict[str, TokenCounts]"


@dataclasses.dataclass(frozen=True)
class Ready:
    """All that training needs, loaded and encoded."""

    arguments: argparse.Namespace
    kind: kinds.Kind
    splits: runs.Splits
    model: "Bert"
    loaded: "LoadReport"
    tokenizer: "Tokenizer"
    task: "Task"
    encoded: "Encoded"
    math: "Mathematics"
    strategy: "Strategy"
    drawn: "Callable[[int], Examples] | None"  # the training texts as an epoch learns from them, where they are changed
    digest: str  # of the weights that were loaded

    @property
    def data(self) -> "dict[str, Examples]":
        return self.encoded.data

    @property
    def layers(self) -> int:
        return len(self.model.encoder.layers)

    @property
    def steps(self) -> int:
        size = self.arguments.batch_size * self.arguments.accumulate
        return int(self.arguments.epochs * -(-len(self.data["train"]) // size))

    def optimizer(self) -> "Optimizer":
        """A fresh one, for what the strategy ever trains."""
        from minitf.training.optimizer import Optimizer
        from minitf.training.strategy import freeze

        freeze(self.model, self.layers, self.strategy.frozen)
        recipe = plans.recipe(self.arguments)
        return Optimizer(self.model, recipe, self.steps, self.math, self.strategy.scale(self.layers))

    @functools.cached_property
    def parameters(self) -> str:
        """Which parameters move, when, and how fast, as a table; to be asked for before training."""
        from minitf.training import groups

        optimizer = self.optimizer()
        rows = groups.groups(self.model, optimizer, self.strategy, self.layers, self.arguments.epochs)
        return groups.parameter_table(rows, optimizer.recipe.weight_decay)


def prepare(
    arguments: argparse.Namespace,
    kind: kinds.Kind,
    splits: runs.Splits,
    workers: "Workers",
    say: Callable[[str], None] = print,
    encoded: Encoded | None = None,
) -> Ready:
    """Load the model, encode the texts, and say what is about to happen; `encoded` is of a run with another seed."""
    import torch

    from minitf.bert.device import choose_device
    from minitf.bert.reinitialize import reinitialize_top
    from minitf.checkpoints.load import load_with_report
    from minitf.mathematics import mathematics
    from minitf.training import state
    from minitf.training.precision import choose_precision
    from minitf.training.workers import local_device

    torch.manual_seed(arguments.seed)
    device = local_device(choose_device(arguments.device))
    choose_precision(arguments.precision, device)
    math = mathematics(arguments.math)
    task = kind.make(splits["train"], arguments, math)
    model, loaded = load_with_report(
        arguments.model,
        head=task.head,
        labels=task.labels or None,
        math=math,
        device=device,
        offline=arguments.offline,
        say=say,
        change=lambda config: plans.changed(config, arguments, task.problem_type),
        from_scratch=arguments.from_scratch,
        verify=not arguments.no_verify,
    )
    say(str(loaded))
    L = len(model.encoder.layers)
    strategy = plans.strategy(arguments, L)
    digest = state.digest(model, loaded.loaded)
    reinitialize_top(model, strategy.reinitialized)
    if workers.rank:
        torch.manual_seed(arguments.seed + (workers.rank << 32))  # its own dropout; the first draws as one alone would
    tokenizer, longest = loaded.checked_tokenizer(), model.config.longest
    if arguments.max_length is None:
        arguments.max_length = min(kind.max_length, longest)
    if arguments.max_length > longest:
        raise InputError(f"--max-length {arguments.max_length}: this model has learned only {longest} positions")
    if encoded is None:
        data = {name: task.encode(dataset, tokenizer, arguments.max_length) for name, dataset in splits.items()}
        encoded = Encoded(data, data_check.counts(arguments, kind, splits, tokenizer))
    told: list[str] = []
    drawn = augmenting.drawing(arguments, splits["train"], task, tokenizer, math, told.append)
    ready = Ready(arguments, kind, splits, model, loaded, tokenizer, task, encoded, math, strategy, drawn, digest)

    say(runs.data_line(splits, kind))
    for line in (*data_check.lines(arguments, kind, splits, tokenizer, encoded.checked, longest), *told):
        say(line)
    for note in encoded.data["train"].notes():
        say(f"  {note}")
    say(f"{arguments.optimizer}, {ready.steps} steps of {_how(arguments, kind.step)}")
    say(ready.parameters)
    for doubt in plans.doubts(arguments):
        say(f"warning: {doubt}")
    return ready


def _how(arguments: argparse.Namespace, what: str) -> str:
    size = f"{arguments.batch_size} {what}"
    if arguments.accumulate > 1:
        size = f"{arguments.accumulate} × {size}"
    return f"{size}, learning rate {arguments.lr:g}, {arguments.schedule}, seed {arguments.seed}"
