"""A trained model and a labelled table that it is to be judged by: what evaluate and prune have in common."""

import argparse
import dataclasses
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minitf import kinds
from minitf.checkpoints.metadata import read_metadata
from minitf.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from minitf.bert import Bert, BertConfig
    from minitf.mathematics import Mathematics
    from minitf.tasks.task import Metrics, Task
    from minitf.text.batches import Examples
    from minitf.text.tokenizer import Tokenizer


@dataclasses.dataclass(frozen=True)
class Judged:
    """A model, and the table as it reads it."""

    model: "Bert"
    tokenizer: "Tokenizer"
    note: Mapping[str, Any]  # of finetune, {} for another model
    kind: kinds.Kind
    table: kinds.Table
    task: "Task"
    examples: "Examples"

    def answers(self, batch_size: int) -> "Sequence[Tensor]":
        """The model's answers to the table."""
        from minitf.training import loop

        return loop.answer(self.model, self.task, self.examples, batch_size)

    def measure(self, batch_size: int) -> "Metrics":
        """How good they are."""
        return self.task.measure(self.answers(batch_size), self.examples)


def add_flags(p: argparse.ArgumentParser, count: Callable[[str], float]) -> None:
    """What both commands are told of the model and the table."""
    p.add_argument("model", metavar="DIR", help="a run's best/, or any source of a model with a trained head")
    p.add_argument("--data", metavar="FILE", required=True, help="labelled examples, in any format that finetune takes")
    p.add_argument("--task", choices=sorted(kinds.KINDS), help="default: what the model was trained for")
    p.add_argument("--text", metavar="COL", help="column of the text (default: as in training)")
    p.add_argument("--pair", metavar="COL", help="column of the second text of a pair (default: as in training)")
    p.add_argument("--label", metavar="COL", help="column of the label (default: as in training)")
    p.add_argument("--max-length", type=count, metavar="N", help="tokens a text is cut to (default: as in training)")
    p.add_argument("--batch-size", type=count, default=64, metavar="N", help="default: %(default)s")
    p.add_argument("--math", default="kernels", metavar="WHICH", help="equations, kernels or a .py file")
    p.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto", help="default: %(default)s")
    p.add_argument("--offline", action="store_true", help="use no network")


def open_judged(
    arguments: argparse.Namespace, around: "Callable[[Mathematics], Mathematics]" = lambda math: math
) -> Judged:
    """Read, check, load, encode; `around` may lay functions over the model's mathematics. Raises InputError."""
    note = read_metadata(Path(arguments.model))
    kind = kinds.KINDS.get(arguments.task or note.get("task") or "")
    table = _read(kind, arguments, note) if kind else None  # a mistake in it is told before anything heavy

    from minitf.bert.device import choose_device
    from minitf.checkpoints.load import STORED_HEAD, load_with_report
    from minitf.mathematics import mathematics

    math = around(mathematics(arguments.math))
    model, loaded = load_with_report(
        arguments.model,
        head=STORED_HEAD,
        math=math,
        device=choose_device(arguments.device),
        offline=arguments.offline,
        say=lambda line: print(line, file=sys.stderr),
    )
    tokenizer = loaded.checked_tokenizer()
    kind = kind or kinds.KINDS[kind_of(arguments.model, model.head_name, model.config)]
    if table is None:
        table = _read(kind, arguments, note)
    task = kind.saved(model.config, note, math)
    if task.head != model.head_name:
        raise InputError(f"{arguments.model}: {kind.name} needs a {task.head} head; this one's is {model.head_name}")
    length = arguments.max_length or note.get("max_length") or min(kind.max_length, model.config.longest)
    if length > model.config.longest:
        raise InputError(f"--max-length {length}: this model has learned only {model.config.longest} positions")
    examples = task.encode(table, tokenizer, length)
    return Judged(model, tokenizer, note, kind, table, task, examples)


def _read(kind: kinds.Kind, arguments: argparse.Namespace, note: Mapping[str, Any]) -> Any:
    """The table. Of columns only those are noted that can be chosen: words and questions stand where they do."""
    names = ("text", "pair", "label")
    noted = {name: None if name in kind.idle else note.get(name) for name in names}
    return kind.read(arguments.data, **{name: getattr(arguments, name) or noted[name] for name in names})


def kind_of(source: str, head: str | None, config: "BertConfig") -> str:
    """What a model without a note of finetune's was trained for, by its head. Raises InputError."""
    if head == "classification":
        known = {"multi_label_classification": "multilabel", "regression": "regression"}
        return known.get(config.problem_type or "", "regression" if config.num_labels == 1 else "classification")
    if head not in kinds.KINDS:
        raise InputError(f"{source}: has no head that answers ({head or 'it has none'}); fine-tune it first")
    return head
