"""Prepare tensors for a model: give each its own memory, convert its type, initialize those that are new."""

import collections
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

from minitf.bert import Bert


def convert_tensors(tensors: dict[str, Tensor], device: str | torch.device, dtype: torch.dtype) -> dict[str, Tensor]:
    """Convert the tensors and empty the dict, in several threads, because PyTorch transposes a matrix on one core."""

    def convert(item: tuple[str, Tensor]) -> tuple[str, Tensor]:
        name, tensor = item
        return name, tensor.to(device=device, dtype=dtype).contiguous()

    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        return dict(pool.map(convert, _pop_unshared(tensors)))


def _pop_unshared(tensors: dict[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """Take each tensor out of the dict, as a copy if it shares its memory with an earlier one.

    A file may give two names to one tensor, and training one must not change the other. (The memory may be the mapped
    file: writes stay in this process, but overwriting the file in place changes the model.)
    """
    seen: set[int] = set()
    counts = collections.Counter(tensor.untyped_storage().data_ptr() for tensor in tensors.values())
    for name in list(tensors):
        tensor = tensors.pop(name)
        address = tensor.untyped_storage().data_ptr()
        # Freed memory may be allocated again at the same address, so only shared addresses are remembered.
        yield name, tensor.clone() if address in seen else tensor
        if counts[address] > 1:
            seen.add(address)


def all_finite(tensor: Tensor) -> bool:
    """Whether the tensor has neither NaN nor infinite values. Needs no memory of the tensor's size."""
    if not tensor.numel():
        return True
    low, high = tensor.aminmax()  # both are NaN if any value is
    return bool(low.isfinite() & high.isfinite())


def initialize(model: Bert, new: list[str], std: float) -> dict[str, Tensor]:
    """Return initial values for the parameters named `new`; no others draw random numbers."""
    tensors = {}
    for name, parameter in model.named_parameters():
        if name in new:
            tensor = torch.empty(parameter.shape)
            if name.endswith(".gamma"):
                tensor.fill_(1.0)
            elif name.endswith((".bias", ".beta")):
                tensor.zero_()
            else:
                torch.nn.init.trunc_normal_(tensor, std=std, a=-2.0 * std, b=2.0 * std)
            tensors[name] = tensor
    return tensors
