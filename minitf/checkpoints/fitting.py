"""Whether the tensors of a checkpoint are those of a model, all of them; and what of them is left out or drawn anew."""

import dataclasses

import torch
from torch import Tensor

from minitf.bert import Bert, BertConfig
from minitf.bert.heads import LABELLED
from minitf.checkpoints.official import OfficialFiles
from minitf.errors import CheckpointError, InputError

# Types of numbers that are what they say; those of eight bits and less need a scale that no checkpoint of BERT has.
REAL = (torch.float64, torch.float32, torch.float16, torch.bfloat16)


class NoHeadError(CheckpointError):
    """The head asked for is not in the checkpoint, and nothing says how large a new one should be."""


def with_labels(
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


def leave_out(
    model: Bert, state: dict[str, Tensor], files: OfficialFiles, head: str | None, replaced: tuple[str, ...]
) -> list[str]:
    """Take out of `state` what this model has no part for, and what is to be drawn anew; their official names."""
    out = [name for name in state if name in replaced or (model.pooler is None and name.startswith("pooler."))]
    for name in out:
        del state[name]
    return [files.table.theirs(name, head) for name in out]


def has_pooler(state: dict[str, Tensor]) -> bool:
    return not state or any(name.startswith("pooler.") for name in state)


def fit(
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
