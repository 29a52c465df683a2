"""From an official checkpoint to a model: strict both ways, and it says everything at once."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import torch

from minitf.bert import Bert, BertConfig
from minitf.bert.heads import check_head
from minitf.checkpoints import sources
from minitf.checkpoints.fitting import fit, has_pooler, leave_out, with_labels
from minitf.checkpoints.official import OfficialFiles
from minitf.checkpoints.report import LoadReport, check_together
from minitf.checkpoints.tensors import converted, drawn
from minitf.errors import InputError
from minitf.mathematics import Mathematics, mathematics
from minitf.text.tokenizer import Tokenizer

HELD = "held"  # in the place of a head's name: the one that the checkpoint holds


def load(
    source: str | Path,
    head: str | None = None,
    num_labels: int | None = None,
    labels: tuple[str, ...] | None = None,
    math: str | Mathematics = "kernels",
    dtype: torch.dtype = torch.float32,
    device: str | torch.device = "cpu",
    offline: bool = False,
    hidden_act: str | None = None,
    verify: bool = True,
) -> Bert:
    """The model of `source` (a folder, a file, or a name that `sources.find` finds), in eval mode.

    `head` is None, "masked-lm", "next-sentence", "pretraining", "classification", "multiple-choice", "tagging" or
    "qa". A head that the checkpoint does not hold is drawn at random from torch's generator, as is one that it holds
    for another number of labels; `load_with_report` says which tensors are new. `hidden_act` replaces the config's
    activation: Google's own code computes "gelu_tanh" where its files say "gelu". `verify` checks the checksums of a
    TensorFlow checkpoint. Weights are mapped from their file where that can be: do not overwrite it in place.
    Raises CheckpointError for a checkpoint that cannot be found, read or fitted, InputError for arguments that
    cannot be.
    """
    return load_with_report(
        source, head, num_labels, labels, math, dtype, device, offline, hidden_act=hidden_act, verify=verify
    )[0]


def load_tokenizer(source: str | Path, offline: bool = False, model: Bert | None = None) -> Tokenizer:
    """The tokenizer that belongs to `source`. Raises CheckpointError, also if `model` cannot have been its model."""
    found = sources.find(source, offline=offline)
    tokenizer = OfficialFiles(found).tokenizer() if found.tensorflow else Tokenizer.from_folder(found.folder)
    if model is not None:
        check_together(tokenizer, model.config, found.folder)
    return tokenizer


def load_with_report(
    source: str | Path,
    head: str | None = None,
    num_labels: int | None = None,
    labels: tuple[str, ...] | None = None,
    math: str | Mathematics = "kernels",
    dtype: torch.dtype = torch.float32,
    device: str | torch.device = "cpu",
    offline: bool = False,
    say: Callable[[str], None] = lambda line: None,
    change: Callable[[BertConfig], BertConfig] = lambda config: config,
    from_scratch: bool = False,
    hidden_act: str | None = None,
    verify: bool = True,
) -> tuple[Bert, LoadReport]:
    """`load`, and what was loaded. `head` may be HELD; `change` may replace numbers of the config (dropout);
    `from_scratch` takes the config alone and draws every weight."""
    if head != HELD:
        check_head(head)
    _check_arguments(num_labels, labels, dtype, device)
    functions = mathematics(math)
    found = sources.find(source, offline=offline, say=say)
    try:
        files = OfficialFiles(found, verify)
        head = files.held_head() if head == HELD else head
        check_head(head, files.config.model_type)
        read = files.tensors(head) if not from_scratch else None
        state = read.state if read else {}
        config, replaced = with_labels(files.config, state, head, num_labels, labels)
        if hidden_act is not None:
            config = dataclasses.replace(config, hidden_act=hidden_act)
        with torch.device("meta"):
            model = Bert(change(config), head, functions, pooler=has_pooler(state))
        more = leave_out(model, state, files, head, replaced)
        optional = ("",) if from_scratch else ("head.", "pooler.")
        fitting, new = fit(model, state, read.unexpected if read else [], optional, replaced)
    except InputError as error:
        raise type(error)(_located(str(error), found.folder)) from error
    loaded, left_out = tuple(fitting), (*(read.left_out if read else ()), *more)
    tensors = fitting | drawn(model, new, config.initializer_range)
    # Each tensor is let go as soon as it is converted, so that no second copy of the whole model is ever held.
    del read, state, fitting
    model.load_state_dict(converted(tensors, device, dtype), assign=True)
    model = model.eval()
    report = LoadReport(
        files=files,
        config=model.config,
        head=head,
        loaded=loaded,
        new=tuple(new),
        left_out=left_out,
        parameters=sum(p.numel() for p in model.parameters()),
        size=sum(p.numel() * p.element_size() for p in model.parameters()),
    )
    return model, report


def _check_arguments(num_labels: object, labels: object, dtype: object, device: str | torch.device) -> None:
    """Raises InputError for arguments that cannot be."""
    if num_labels is not None and (isinstance(num_labels, bool) or not isinstance(num_labels, int)):
        raise InputError(f"num_labels must be a whole number, not {num_labels!r}")
    if labels is not None and (
        not isinstance(labels, tuple | list)
        or not all(isinstance(label, str) for label in labels)
        or len(set(labels)) < len(labels)
    ):
        raise InputError(f"labels must be a tuple of names, no two alike, not {labels!r}")
    if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
        raise InputError(f"dtype must be one of PyTorch's floating-point types, not {dtype!r}")
    try:
        there = torch.device(device).type != "cuda" or torch.cuda.is_available()
    except (RuntimeError, TypeError):
        raise InputError(f"device must be one that PyTorch knows, cpu or cuda, not {device!r}") from None
    if not there:
        raise InputError(f"device {device!s}: PyTorch sees no NVIDIA GPU here; use cpu")


def _located(message: str, folder: Path) -> str:
    return message if str(folder) in message else f"{folder}: {message}"
