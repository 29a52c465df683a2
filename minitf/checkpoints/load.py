"""Load a model from an official checkpoint. Every tensor must match, and one error lists all that do not."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from minitf.bert import Bert
from minitf.bert.heads import check_head
from minitf.checkpoints import sources
from minitf.checkpoints.fitting import fit, leave_out
from minitf.checkpoints.kinds import Model, check_model
from minitf.checkpoints.official import OfficialFiles
from minitf.checkpoints.report import LoadReport, tokenizer_for
from minitf.checkpoints.tensors import all_finite, convert_tensors, initialize
from minitf.errors import CheckpointError, InputError
from minitf.mathematics import Mathematics, mathematics
from minitf.text.sequence_tokenizer import SequenceTokenizer, any_from_folder
from minitf.text.tokenizer import Tokenizer

M = TypeVar("M", bound=nn.Module)

STORED_HEAD = "stored"  # as the name of a head: the one that the checkpoint has


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
    revision: str | None = None,
) -> Model:
    """Load the model of `source` (a folder, a file, or a name that `sources.find` finds), in eval mode.

    `config.json` decides which model it is: a Bert (bert, roberta, xlm-roberta, distilbert), an EncoderDecoder (marian,
    bart, t5) or a DecoderModel (gpt2). The last two have one head, the logits of the next token; leave `head`, the
    labels and `hidden_act` out. The head of a Bert is None, "masked-lm", "next-sentence", "pretraining",
    "classification", "multiple-choice", "tagging" or "qa". A head that the checkpoint does not have, or has for another
    number of labels, is initialized with torch's random generator; `load_with_report` lists the new tensors.
    `hidden_act` replaces the activation function of the config: Google's own code computes "gelu_tanh" where its files
    say "gelu". `verify` checks the checksums of a TensorFlow checkpoint. `revision` is the branch, tag or commit of a
    name on the hub. Weights are mapped from their file where possible: do not overwrite it in place.

    Raises CheckpointError for a checkpoint that cannot be found, read or loaded, InputError for invalid arguments.
    """
    model, _ = load_with_report(
        source,
        head,
        num_labels,
        labels,
        math,
        dtype,
        device,
        offline,
        hidden_act=hidden_act,
        verify=verify,
        revision=revision,
    )
    return model


def load_model(source: str | Path, only: type[M], head: str | None = None, **settings: Any) -> tuple[M, LoadReport]:
    """Load a model of the class `only` as `load_with_report` does. Raises InputError for another model."""
    model, report = load_with_report(source, head, only=only, **settings)
    assert isinstance(model, only)
    return model, report


def load_tokenizer(
    source: str | Path, offline: bool = False, model: Bert | None = None, revision: str | None = None
) -> Tokenizer | SequenceTokenizer:
    """Load the tokenizer of `source`: a SequenceTokenizer for Marian, BART, T5 and GPT-2.

    Raises CheckpointError, also if it does not match `model`.
    """
    found = sources.find(source, offline=offline, revision=revision)
    tokenizer = OfficialFiles(found).tokenizer() if found.tensorflow else any_from_folder(found.folder)
    return tokenizer if model is None else tokenizer_for(model.config, tokenizer, found.folder)


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
    change: Callable[[Any], Any] = lambda config: config,
    from_scratch: bool = False,
    hidden_act: str | None = None,
    verify: bool = True,
    revision: str | None = None,
    only: type[nn.Module] | None = None,
) -> tuple[Model, LoadReport]:
    """Load as `load` does; also return a report of what was loaded.

    `head` may be STORED_HEAD. `say` is called before each download. `change` may replace values of the config
    (dropout). `from_scratch` reads only the config and initializes every weight. `only` is the class of model that
    is needed: another one is refused before its weights are read.
    """
    if not (stored := head == STORED_HEAD):
        check_head(head)
    _check_arguments(num_labels, labels, dtype, device)
    functions = mathematics(math)
    found = sources.find(source, offline=offline, say=say, revision=revision)
    try:
        files = OfficialFiles(found, verify)
        kind = files.kind
        if only is not None:
            check_model(kind, files.config, only)
        head = kind.choose_head(files.stored_head() if stored else head, files.config)
        read = files.tensors(head) if not from_scratch else None
        state = read.state if read else {}
        config, replaced = kind.prepare(files.config, state, head, num_labels, labels)
        if hidden_act is not None:
            config = kind.with_activation(config, hidden_act)
        with torch.device("meta"):
            model = kind.build(change(config), head, functions, state)
        more_left_out = leave_out(model, state, files.table, head, replaced)
        optional = ("",) if from_scratch else ("head.", "pooler.")
        fitting, new = fit(model, state, read.unexpected if read else [], optional, replaced)
    except InputError as error:
        raise type(error)(_with_folder(str(error), found.folder)) from error
    loaded, left_out = tuple(fitting), (*(read.left_out if read else ()), *more_left_out)
    tensors = fitting | initialize(model, new, config.initializer_range)
    # Each tensor is freed as soon as it is converted, so there is never a second copy of the whole model.
    del read, state, fitting
    converted = convert_tensors(tensors, device, dtype)
    _check_finite(converted, loaded, found.folder)
    model.load_state_dict(converted, assign=True)
    weights = [p.numel() for p in model.parameters()], [p.numel() * p.element_size() for p in model.parameters()]
    report = LoadReport(files, model.config, head, loaded, tuple(new), left_out, *map(sum, weights))
    if stored:
        report.check_head()
    return model.eval(), report


def _check_finite(tensors: dict[str, Tensor], loaded: tuple[str, ...], folder: Path) -> None:
    """Raise CheckpointError if a loaded tensor has NaN or infinite values: every prediction would be NaN, too."""
    broken = [name for name in loaded if not all_finite(tensors[name])]
    if broken:
        some = ", ".join(broken[:3]) + (f" and {len(broken) - 3} more" if len(broken) > 3 else "")
        raise CheckpointError(
            f"{folder}: has NaN or infinite weights ({some}): the training that saved them diverged, or their type"
            " has too small a range; use an earlier checkpoint"
        )


def _check_arguments(num_labels: object, labels: object, dtype: object, device: str | torch.device) -> None:
    """Raise InputError for invalid arguments."""
    if num_labels is not None and (isinstance(num_labels, bool) or not isinstance(num_labels, int)):
        raise InputError(f"num_labels must be an integer, not {num_labels!r}")
    if labels is not None and (
        not isinstance(labels, tuple | list)
        or not all(isinstance(label, str) for label in labels)
        or len(set(labels)) < len(labels)
    ):
        raise InputError(f"labels must be a tuple of different names, not {labels!r}")
    if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
        raise InputError(f"dtype must be a floating-point type of PyTorch, not {dtype!r}")
    try:
        available = torch.device(device).type != "cuda" or torch.cuda.is_available()
    except (RuntimeError, TypeError):
        raise InputError(f"`device` must be cpu or cuda, not {device!r}") from None
    if not available:
        raise InputError(f"`device` {device!s}: PyTorch finds no NVIDIA GPU; use cpu")


def _with_folder(message: str, folder: Path) -> str:
    return message if str(folder) in message else f"{folder}: {message}"
