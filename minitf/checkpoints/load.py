"""From an official checkpoint to a model: strict both ways, and it says everything at once."""

import collections
import dataclasses
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import torch
from torch import Tensor

from minitf.bert import Bert, BertConfig
from minitf.bert.heads import LABELLED, check_head
from minitf.checkpoints import sources
from minitf.checkpoints.official import OfficialFiles
from minitf.checkpoints.report import LoadReport, check_together
from minitf.errors import CheckpointError, InputError
from minitf.mathematics import Mathematics, mathematics
from minitf.text.tokenizer import Tokenizer

# Types of numbers that are what they say; those of eight bits and less need a scale that no checkpoint of BERT has.
REAL = (torch.float64, torch.float32, torch.float16, torch.bfloat16)
HELD = "held"  # in the place of a head's name: the one that the checkpoint holds


class NoHeadError(CheckpointError):
    """The head asked for is not in the checkpoint, and nothing says how large a new one should be."""


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
        config, replaced = _with_labels(files.config, state, head, num_labels, labels)
        if hidden_act is not None:
            config = dataclasses.replace(config, hidden_act=hidden_act)
        with torch.device("meta"):
            model = Bert(change(config), head, functions, pooler=_has_pooler(state))
        more = _leave_out(model, state, files, head, replaced)
        optional = ("",) if from_scratch else ("head.", "pooler.")
        fitting, new = _fit(model, state, read.unexpected if read else [], optional, replaced)
    except InputError as error:
        raise type(error)(_located(str(error), found.folder)) from error
    loaded, left_out = tuple(fitting), (*(read.left_out if read else ()), *more)
    tensors = fitting | _drawn(model, new, config.initializer_range)
    # Each tensor is let go as soon as it is converted, so that no second copy of the whole model is ever held.
    del read, state, fitting
    model.load_state_dict(_converted(tensors, device, dtype), assign=True)
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


def _with_labels(
    config: BertConfig,
    state: dict[str, Tensor],
    head: str | None,
    num_labels: int | None,
    labels: tuple[str, ...] | None,
) -> tuple[BertConfig, tuple[str, ...]]:
    """The config with its final labels, and the tensors of the head that serve another number of them."""
    if labels is not None and num_labels is not None and len(labels) != num_labels:
        raise InputError(f"{len(labels)} label names for num_labels = {num_labels}")
    if num_labels is not None and num_labels < 1:
        raise InputError(f"num_labels must be at least 1, not {num_labels}")
    if head not in LABELLED:
        if head is not None and (labels is not None or num_labels is not None):
            raise InputError(f"a {head} head has no labels; leave num_labels and labels out")
        return dataclasses.replace(config, labels=()), ()
    weight = state.get("head.W.weight")
    held = weight.shape[0] if weight is not None and weight.dim() == 2 else None
    wanted = len(labels) if labels is not None else num_labels
    if wanted is None:
        wanted = held if held is not None else config.num_labels
    if wanted < 1:
        raise NoHeadError("holds no classifier: fine-tune it first (python -m minitf.finetune), or name the labels")
    fits = held in (None, wanted)
    if labels is None:
        same = wanted == config.num_labels
        labels = config.labels if same else tuple(f"LABEL_{i}" for i in range(wanted))
    elif held == wanted == config.num_labels and config.labels != tuple(f"LABEL_{i}" for i in range(wanted)):
        fits = set(labels) == set(config.labels)  # a row that was trained to say one thing is not renamed to another
        if fits:
            order = [config.labels.index(label) for label in labels]
            for name in ("head.W.weight", "head.W.bias"):
                if name in state and len(state[name]) == wanted:
                    state[name] = state[name][order]
    return dataclasses.replace(config, labels=tuple(labels)), () if fits else ("head.W.weight", "head.W.bias")


def _leave_out(
    model: Bert, state: dict[str, Tensor], files: OfficialFiles, head: str | None, replaced: tuple[str, ...]
) -> list[str]:
    """Take out of `state` what this model has no part for, and what is to be drawn anew; their official names."""
    out = [name for name in state if name in replaced or (model.pooler is None and name.startswith("pooler."))]
    for name in out:
        del state[name]
    return [files.table.theirs(name, head) for name in out]


def _has_pooler(state: dict[str, Tensor]) -> bool:
    return not state or any(name.startswith("pooler.") for name in state)


def _fit(
    model: Bert,
    state: dict[str, Tensor],
    unexpected: list[str],
    optional: tuple[str, ...],
    replaced: tuple[str, ...] = (),
) -> tuple[dict[str, Tensor], list[str]]:
    """The tensors that fit, and the names of those to be drawn; one error lists all that is wrong."""
    expected = {name: tuple(p.shape) for name, p in model.named_parameters()}
    absent = [name for name in expected if name not in state]
    missing = {name for name in absent if not name.startswith(optional)}
    # Half of a pooler or a head is no pooler: draw it whole or not at all.
    for part in ("head.", "pooler."):
        of_part = {name for name in expected if name.startswith(part)} - set(replaced)
        if not of_part <= set(absent):
            missing |= of_part & set(absent)
    wrong = [f"missing: {name} {list(expected[name])}" for name in expected if name in missing]
    wrong += [f"unexpected: {name}" for name in unexpected]
    wrong += [f"unexpected: {name} {list(state[name].shape)}" for name in state if name not in expected]
    for name, tensor in state.items():
        if name in expected and tuple(tensor.shape) != expected[name]:
            wrong.append(f"misshapen: {name} is {list(tensor.shape)}, must be {list(expected[name])}")
        elif tensor.dtype not in REAL:
            wrong.append(f"misshapen: {name} holds {tensor.dtype}, must hold real numbers")
    if unexpected and not state:
        some = ", ".join(unexpected[:3])
        raise CheckpointError(
            f"none of the {len(unexpected)} tensors is named as a {model.config.model_type}'s are ({some}, …);"
            " were they saved under a prefix, or from another kind of model?"
        )
    if wrong:
        raise CheckpointError("the weights do not fit config.json:\n  " + "\n  ".join(wrong))
    return {name: state[name] for name in expected if name in state}, absent


def _converted(tensors: dict[str, Tensor], device: str | torch.device, dtype: torch.dtype) -> dict[str, Tensor]:
    """The tensors as the model has them, several at a time, for PyTorch transposes a matrix on one core alone."""

    def convert(named: tuple[str, Tensor]) -> tuple[str, Tensor]:
        name, tensor = named
        return name, tensor.to(device=device, dtype=dtype).contiguous()

    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        return dict(pool.map(convert, _owned(tensors)))


def _owned(tensors: dict[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """Each tensor, taken out of the dict, sharing its memory with no other.

    A file may give two names to one, and training one must not move the other. (The memory may be the file's, mapped:
    written to it stays in this process, but a file that is overwritten in place changes the model.)
    """
    seen: set[int] = set()
    shared = collections.Counter(tensor.untyped_storage().data_ptr() for tensor in tensors.values())
    for name in list(tensors):
        tensor = tensors.pop(name)
        memory = tensor.untyped_storage().data_ptr()
        # Memory that is let go may be given out again, under the same address: only what is shared is remembered.
        yield name, tensor.clone() if memory in seen else tensor
        if shared[memory] > 1:
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
