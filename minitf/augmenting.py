"""Augmentation for a run: what --augment means, made ready, told with examples, and drawn anew in each epoch."""

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from minitf.errors import InputError
from minitf.text import augment
from minitf.text.datasets import Dataset

if TYPE_CHECKING:
    from minitf.mathematics import Mathematics
    from minitf.tasks.task import Task
    from minitf.text.batches import Examples
    from minitf.text.tokenizer import Tokenizer


def drawing(
    arguments: argparse.Namespace,
    train: Any,
    task: "Task",
    tokenizer: "Tokenizer",
    math: "Mathematics",
    say: Callable[[str], None],
) -> "Callable[[int], Examples] | None":
    """From an epoch's number to the texts that it learns from; None without --augment.

    Raises InputError for a task that judges no whole texts, or a checkpoint that cannot replace a word.
    """
    if arguments.augment is None:
        return None
    if not isinstance(train, Dataset):
        raise InputError(f"--augment changes whole texts, and --task {task.name} judges parts of them; leave it out")
    how = augment.parse(arguments.augment, arguments.augment_share)
    fill = _masked_language_model(arguments, math, say) if how.replace else None

    def changed(epoch: int) -> Dataset:
        return augment.augmented(train, how, arguments.seed, epoch, fill)

    first = changed(1)  # told here, and learned from later
    chances = ", ".join(f"{name} {getattr(how, name):g}" for name in augment.NAMES if getattr(how, name))
    say(f"augmentation: each epoch changes a training text with a chance of {how.share:g}, each word of it: {chances}")
    for before, after in augment.examples_of(train, first):
        say(f"  {_short(before)}\n    → {_short(after)}")

    def drawn(epoch: int) -> "Examples":
        return task.encode(first if epoch == 1 else changed(epoch), tokenizer, arguments.max_length)

    return drawn


def _masked_language_model(
    arguments: argparse.Namespace, math: "Mathematics", say: Callable[[str], None]
) -> augment.Fill:
    """The same checkpoint, as it was pre-trained: it stays so while its other self learns."""
    from minitf.bert.device import choose_device
    from minitf.checkpoints.load import load_with_report
    from minitf.tasks.fill_in import MaskedLanguageModel
    from minitf.training.workers import local_device

    model, loaded = load_with_report(
        arguments.model,
        head="masked-lm",
        math=math,
        device=local_device(choose_device(arguments.device)),
        offline=arguments.offline,
        say=say,
        verify=not arguments.no_verify,
    )
    if any(name.startswith("head.") for name in loaded.new) or loaded.checked_tokenizer().mask_id is None:
        raise InputError(
            f"--augment replace: {arguments.model} has no masked-LM head to find other words with; leave replace out,"
            " or take a model as it was pre-trained, bert-base-uncased say"
        )
    return MaskedLanguageModel(model, loaded.checked_tokenizer(), arguments.max_length)


def _short(text: str, most: int = 100) -> str:
    text = " ".join(text.split())
    return text if len(text) <= most else text[: most - 1] + "…"
