"""Tensors on their way into a model: each with memory of its own, converted, and those that are new drawn."""

import collections
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from minitf.bert import Bert


def converted(tensors: dict[str, Tensor], device: str | torch.device, dtype: torch.dtype) -> dict[str, Tensor]:
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


def drawn(model: Bert, new: list[str], std: float) -> dict[str, Tensor]:
    """Fresh values for the parameters named `new`; only these draw random numbers."""
    found = {}
    for name, parameter in model.named_parameters():
        if name in new:
            tensor = torch.empty(parameter.shape)
            if name.endswith(".gamma"):
                tensor.fill_(1.0)
            elif name.endswith((".bias", ".beta")):
                tensor.zero_()
            else:
                torch.nn.init.trunc_normal_(tensor, std=std, a=-2.0 * std, b=2.0 * std)
            found[name] = tensor
    return found
