"""From an official checkpoint to a model: strict both ways, and it says everything at once."""

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor

from minitf.bert import Bert, BertConfig
from minitf.bert.heads import HEADS
from minitf.checkpoints import names, pytorch, sources
from minitf.errors import CheckpointError, InputError
from minitf.mathematics import Mathematics, mathematics
from minitf.text.tokenizer import Tokenizer


class NoHeadError(CheckpointError):
    """The head asked for is not in the checkpoint, and nothing says how large a new one should be."""


@dataclasses.dataclass(frozen=True)
class LoadReport:
    """What went where: tensors of the model by our names, tensors and keys of the files by the official ones."""

    source: sources.Source
    loaded: tuple[str, ...]
    new: tuple[str, ...]  # drawn at random: the files do not hold them
    left_out: tuple[str, ...]  # in the files, no part of the model asked for
    ignored_keys: tuple[str, ...]  # of config.json; they change nothing
    parameters: int
    activation: str

    def __str__(self) -> str:
        count = f"{len(self.loaded)} tensors loaded, {self.parameters:,} parameters, {self.activation}"
        lines = [f"{self.source.name}: {count}; from {self.source.origin}"]
        if self.new:
            lines.append(f"  new, drawn at random, to be trained: {', '.join(self.new)}")
        if self.left_out:
            lines.append(f"  left out on purpose: {_some(self.left_out)}")
        if self.ignored_keys:
            lines.append(f"  keys of config.json that change nothing: {', '.join(self.ignored_keys)}")
        return "\n".join(lines)


def load(
    source: str | Path,
    head: str | None = None,
    num_labels: int | None = None,
    labels: tuple[str, ...] | None = None,
    math: str | Mathematics = "kernels",
    dtype: torch.dtype = torch.float32,
    device: str | torch.device = "cpu",
    offline: bool = False,
) -> Bert:
    """The model of `source` (a folder, or a name that `sources.find` finds), in eval mode.

    `head` is None or "classification". A head that the checkpoint does not hold is drawn at random from torch's
    generator, as is one that it holds for another number of labels; `load_with_report` says which tensors are new.
    Raises CheckpointError for a checkpoint that cannot be found, read or fitted, InputError for arguments that
    cannot be.
    """
    return load_with_report(source, head, num_labels, labels, math, dtype, device, offline)[0]


def load_tokenizer(source: str | Path, offline: bool = False, model: Bert | None = None) -> Tokenizer:
    """The tokenizer that belongs to `source`. Raises CheckpointError, also if `model` has no row for some word."""
    folder = sources.find(source, offline=offline).folder
    tokenizer = Tokenizer.from_folder(folder)
    if model is not None and tokenizer.highest_id >= model.config.vocab_size:
        raise CheckpointError(
            f"{folder}: the vocabulary numbers its words up to {tokenizer.highest_id}, the model has rows for"
            f" {model.config.vocab_size}: they do not belong together"
        )
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
) -> tuple[Bert, LoadReport]:
    """`load`, and what was loaded. `change` may replace numbers of the config (dropout, hidden_act);
    `from_scratch` takes the config alone and draws every weight."""
    if head is not None and head not in HEADS:
        raise InputError(f"no head is called {head!r}; there are: {', '.join(HEADS)}")
    _check_arguments(num_labels, labels, dtype, device)
    functions = mathematics(math)
    found = sources.find(source, offline=offline, say=say)
    try:
        config, ignored = BertConfig.from_dict(pytorch.read_config(found.folder))
        state, left_out, unexpected = _renamed({} if from_scratch else pytorch.read_tensors(found.folder))
        config, state, more = _with_labels(config, state, head, num_labels, labels)
        with torch.device("meta"):
            model = Bert(change(config), head, functions, pooler=head is not None or _has_pooler(state))
        fitting, new = _fit(model, state, unexpected, optional=("",) if from_scratch else ("head.", "pooler."))
    except InputError as error:
        raise type(error)(_located(str(error), found.folder)) from error
    tensors = _drawn(model, new, config.initializer_range) | fitting
    # Each tensor on its own, so that no second copy of the whole model is ever held.
    model.load_state_dict({name: t.to(device=device, dtype=dtype) for name, t in _owned(tensors)}, assign=True)
    model = model.eval()
    report = LoadReport(
        source=found,
        loaded=tuple(fitting),
        new=tuple(new),
        left_out=(*left_out, *more),
        ignored_keys=ignored,
        parameters=sum(p.numel() for p in model.parameters()),
        activation=model.config.activation,
    )
    return model, report


def _check_arguments(num_labels: object, labels: object, dtype: object, device: str | torch.device) -> None:
    """Raises InputError for arguments that cannot be."""
    if num_labels is not None and (isinstance(num_labels, bool) or not isinstance(num_labels, int)):
        raise InputError(f"num_labels must be a whole number, not {num_labels!r}")
    if labels is not None and (not isinstance(labels, tuple | list) or len(set(labels)) < len(labels)):
        raise InputError(f"labels must be a tuple of names, no two alike, not {labels!r}")
    if not isinstance(dtype, torch.dtype) or not dtype.is_floating_point:
        raise InputError(f"dtype must be one of PyTorch's floating-point types, not {dtype!r}")
    try:
        there = torch.device(device).type != "cuda" or torch.cuda.is_available()
    except (RuntimeError, TypeError):
        raise InputError(f"device must be one that PyTorch knows, cpu or cuda, not {device!r}") from None
    if not there:
        raise InputError(f"device {device!s}: PyTorch sees no NVIDIA GPU here; use cpu")


def _renamed(official: dict[str, Tensor]) -> tuple[dict[str, Tensor], list[str], list[str]]:
    """The tensors by our names; the official names left out on purpose; those that are nothing of BERT's."""
    state: dict[str, Tensor] = {}
    left_out, unexpected = [], []
    for name, tensor in official.items():
        known, our_name = names.ours(name)
        if not known or our_name in state:
            unexpected.append(name)
        elif our_name is None:
            left_out.append(name)
        else:
            state[our_name] = tensor
    return state, left_out, unexpected


def _with_labels(
    config: BertConfig,
    state: dict[str, Tensor],
    head: str | None,
    num_labels: int | None,
    labels: tuple[str, ...] | None,
) -> tuple[BertConfig, dict[str, Tensor], list[str]]:
    """The config with its final labels, the state without a head that does not serve them, and the names dropped."""
    if labels is not None and num_labels is not None and len(labels) != num_labels:
        raise InputError(f"{len(labels)} label names for num_labels = {num_labels}")
    if num_labels is not None and num_labels < 1:
        raise InputError(f"num_labels must be at least 1, not {num_labels}")
    weight = state.get("head.W.weight")
    held = weight.shape[0] if weight is not None and weight.dim() == 2 else None
    wanted = len(labels) if labels is not None else num_labels
    if wanted is None:
        wanted = held if held is not None else config.num_labels
    if head is not None and wanted < 1:
        raise NoHeadError("holds no classifier: fine-tune it first (python -m minitf.finetune), or name the labels")
    if labels is None:
        same = wanted == config.num_labels
        labels = config.labels if same else tuple(f"LABEL_{i}" for i in range(wanted))
    config = dataclasses.replace(config, labels=labels if head is not None else ())
    if head is not None and held in (None, wanted):
        return config, state, []
    return (
        config,
        {name: tensor for name, tensor in state.items() if not name.startswith("head.")},
        [names.theirs(name) for name in state if name.startswith("head.")],
    )


def _has_pooler(state: dict[str, Tensor]) -> bool:
    return not state or any(name.startswith("pooler.") for name in state)


def _fit(
    model: Bert, state: dict[str, Tensor], unexpected: list[str], optional: tuple[str, ...]
) -> tuple[dict[str, Tensor], list[str]]:
    """The tensors that fit, and the names of those to be drawn; one error lists all that is wrong."""
    expected = {name: tuple(p.shape) for name, p in model.named_parameters()}
    absent = [name for name in expected if name not in state]
    missing = {name for name in absent if not name.startswith(optional)}
    # Half of a pooler or a head is no pooler: draw it whole or not at all.
    for part in ("head.", "pooler."):
        of_part = {name for name in expected if name.startswith(part)}
        if not of_part <= set(absent):
            missing |= of_part & set(absent)
    wrong = [f"missing: {name} {list(expected[name])}" for name in expected if name in missing]
    wrong += [f"unexpected: {name}" for name in unexpected]
    wrong += [f"unexpected: {name} {list(state[name].shape)}" for name in state if name not in expected]
    for name, tensor in state.items():
        if name in expected and tuple(tensor.shape) != expected[name]:
            wrong.append(f"misshapen: {name} is {list(tensor.shape)}, must be {list(expected[name])}")
        elif not tensor.is_floating_point():
            wrong.append(f"misshapen: {name} holds {tensor.dtype}, must hold real numbers")
    if wrong:
        raise CheckpointError("the weights do not fit config.json:\n  " + "\n  ".join(wrong))
    return {name: state[name] for name in expected if name in state}, absent


def _owned(tensors: dict[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """Each tensor in memory of its own: a file may give two names to one, and training one must not move the other."""
    seen: set[int] = set()
    for name, tensor in tensors.items():
        memory = tensor.untyped_storage().data_ptr()
        yield name, tensor.clone() if memory in seen else tensor
        seen.add(memory)


def _drawn(model: Bert, new: list[str], std: float) -> dict[str, Tensor]:
    """Fresh values for the parameters named `new`; only these draw random numbers."""
    drawn = {}
    for name, parameter in model.named_parameters():
        if name in new:
            tensor = torch.empty(parameter.shape)
            if name.endswith(".gamma"):
                tensor.fill_(1.0)
            elif name.endswith((".bias", ".beta")):
                tensor.zero_()
            else:
                torch.nn.init.trunc_normal_(tensor, std=std, a=-2.0 * std, b=2.0 * std)
            drawn[name] = tensor
    return drawn


def _located(message: str, folder: Path) -> str:
    return message if str(folder) in message else f"{folder}: {message}"


def _some(items: list[str] | tuple[str, ...], most: int = 6) -> str:
    more = f" and {len(items) - most} more" if len(items) > most else ""
    return ", ".join(items[:most]) + more
