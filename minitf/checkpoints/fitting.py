"""Check that the tensors of a checkpoint match a model, and decide which to leave out or initialize anew."""

import dataclasses
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from minitf.bert import BertConfig
from minitf.bert.heads import LABELLED
from minitf.checkpoints.pytorch import LARGEST_JSON
from minitf.checkpoints.renaming import Table
from minitf.datasets.config_values import default_labels
from minitf.errors import CheckpointError, InputError
from minitf.files import to_json

# Types that need no scale; those of eight bits and less need one, which no checkpoint of BERT has.
FLOATING_TYPES = (torch.float64, torch.float32, torch.float16, torch.bfloat16)


class NoHeadError(CheckpointError):
    """The checkpoint does not have the requested head, and the size of a new one is not known."""


def with_labels(
    config: BertConfig,
    state: dict[str, Tensor],
    head: str | None,
    num_labels: int | None,
    labels: tuple[str, ...] | None,
) -> tuple[BertConfig, tuple[str, ...]]:
    """Return the config with its final labels, and the names of the head's tensors that do not fit them."""
    if labels is not None and num_labels is not None and len(labels) != num_labels:
        raise InputError(f"{len(labels)} label names for num_labels = {num_labels}")
    if num_labels is not None and num_labels < 1:
        raise InputError(f"num_labels must be at least 1, not {num_labels}")
    if head not in LABELLED:
        if head is not None and (labels is not None or num_labels is not None):
            raise InputError(f"a {head} head has no labels; leave num_labels and labels out")
        return dataclasses.replace(config, labels=()), ()
    weight = state.get("head.W.weight")
    stored = weight.shape[0] if weight is not None and weight.dim() == 2 else None
    wanted = len(labels) if labels is not None else num_labels
    if wanted is None:
        _check_names(config, stored)
        wanted = stored if stored is not None else config.num_labels
    if wanted < 1:
        raise NoHeadError("has no classifier: fine-tune it first (python -m minitf.finetune), or give label names")
    if labels is not None:
        _check_size(labels)
    fits = stored in (None, wanted)
    if labels is None:
        same = wanted == config.num_labels
        labels = config.labels if same else default_labels(wanted)
    elif stored == wanted == config.num_labels and config.labels != default_labels(wanted):
        fits = set(labels) == set(config.labels)  # a row that was trained for one label is not renamed to another
        if fits:
            index = {label: i for i, label in enumerate(config.labels)}
            order = [index[label] for label in labels]
            for name in ("head.W.weight", "head.W.bias"):
                if name in state and len(state[name]) == wanted:
                    state[name] = state[name][order]
    return dataclasses.replace(config, labels=tuple(labels)), () if fits else ("head.W.weight", "head.W.bias")


def _check_names(config: BertConfig, rows: int | None) -> None:
    """Raise CheckpointError if the names in the config cannot be those of the classifier's `rows` outputs."""
    names = config.labels
    if rows is None or names == default_labels(len(names)):
        return
    if len(names) != rows:
        raise CheckpointError(
            f"config.json: id2label has {len(names)} names, but the classifier has {rows} outputs; correct id2label"
        )


def _check_size(labels: Sequence[str]) -> None:
    """Raise InputError if a config.json with these labels would be too large to be read."""
    # Each label is written twice, with its number and some 20 other characters.
    if len(to_json(list(labels), indent=None).encode()) * 2 + 40 * len(labels) + 10_000 > LARGEST_JSON:
        raise InputError(
            f"the {len(labels):,} labels have {sum(map(len, labels)):,} characters, too many for config.json: if"
            " another column has the labels, name it with `label`; otherwise merge or shorten labels"
        )


def leave_out(
    model: nn.Module, state: dict[str, Tensor], table: Table, head: str | None, replaced: tuple[str, ...]
) -> list[str]:
    """Delete from `state` the tensors of a pooler that the model lacks, and `replaced`; return the official names."""
    pooler = getattr(model, "pooler", None)
    names = [name for name in state if name in replaced or (pooler is None and name.startswith("pooler."))]
    for name in names:
        del state[name]
    return [table.official_name(name, head) for name in names]


def has_pooler(state: Mapping[str, Tensor]) -> bool:
    return not state or any(name.startswith("pooler.") for name in state)


def fit(
    model: nn.Module,
    state: dict[str, Tensor],
    unexpected: list[str],
    optional: tuple[str, ...],
    replaced: tuple[str, ...] = (),
) -> tuple[dict[str, Tensor], list[str]]:
    """Return the tensors that fit, and the names of those to initialize. One error lists everything that is wrong."""
    expected = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    absent = [name for name in expected if name not in state]
    missing = {name for name in absent if not name.startswith(optional)}
    # An incomplete pooler or head is an error: it is initialized whole or not at all.
    for part in ("head.", "pooler."):
        of_part = {name for name in expected if name.startswith(part)} - set(replaced)
        if not of_part <= set(absent):
            missing |= of_part & set(absent)
    problems = [f"missing: {name} {list(expected[name])}" for name in expected if name in missing]
    problems += [f"unexpected: {name}" for name in unexpected]
    problems += [f"unexpected: {name} {list(state[name].shape)}" for name in state if name not in expected]
    for name, tensor in state.items():
        if name in expected and tuple(tensor.shape) != expected[name]:
            problems.append(f"wrong shape: {name} is {list(tensor.shape)}, must be {list(expected[name])}")
        elif tensor.dtype not in FLOATING_TYPES:
            problems.append(f"wrong type: {name} is {tensor.dtype}, must be floating-point")
    if unexpected and not state:
        model_type = getattr(model.config, "model_type", "")
        some = ", ".join(unexpected[:3])
        raise CheckpointError(
            f"none of the {len(unexpected)} tensors has a name of {model_type} ({some}, …);"
            " were they saved with a prefix, or from another kind of model?"
        )
    if problems:
        raise CheckpointError("the weights do not fit config.json:\n  " + "\n  ".join(problems))
    return {name: state[name] for name in expected if name in state}, absent
