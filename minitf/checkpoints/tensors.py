"""Prepare tensors for a model: give each its own memory, convert its type, initialize those that are new."""

import collections
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor, nn

from minitf.checkpoints.renaming import PARTS, Table


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


def initialize(model: nn.Module, new: list[str], std: float) -> dict[str, Tensor]:
    """Return initial values for the tensors named `new`; no others draw random numbers."""
    tensors = {}
    for name, old in model.state_dict().items():
        if name in new:
            tensor = torch.empty(old.shape)
            if name.endswith(".gamma"):
                tensor.fill_(1.0)
            elif name.endswith((".bias", ".beta")):
                tensor.zero_()
            else:
                torch.nn.init.trunc_normal_(tensor, std=std, a=-2.0 * std, b=2.0 * std)
            tensors[name] = tensor
    return tensors


def divide(table: Table, official: Mapping[str, Tensor]) -> Iterator[tuple[str, Tensor]]:
    """Yield the tensors of a file by official name; of a tensor that holds three of minitf's, the three parts."""
    for name, tensor in official.items():
        if table.is_fused(name) and tensor.dim():
            yield from zip((name + part for part in PARTS), tensor.tensor_split(3, dim=-1), strict=True)
        else:
            yield name, tensor


def to_official(table: Table, state: Mapping[str, Tensor], head: str | None) -> dict[str, Tensor]:
    """Return minitf's tensors with the names and shapes that a file with this head has."""
    named: dict[str, Tensor] = {}
    for our_name, tensor in state.items():
        official, transposed = table.official_row(our_name, head)
        named[official] = tensor.T if transposed else tensor
    parted = {name.removesuffix(PARTS[0]) for name in named if name.endswith(PARTS[0])}
    fused = {name: torch.cat([named[name + part] for part in PARTS], dim=-1) for name in parted}
    whole = {name: tensor.contiguous() for name, tensor in named.items() if not name.endswith(PARTS)}
    return whole | dict(sorted(fused.items()))
