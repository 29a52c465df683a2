"""Save and restore the state of a run: weights, optimizer, progress and random states, in one file.

The order of the data, the learning rate and the augmentation depend only on the seed and the step; they are not saved.
The file is a safetensors file with everything that is not a tensor as JSON in its header. It is written atomically.
"""

import dataclasses
import hashlib
import json
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor, nn

from minitf.checkpoints.safetensors_files import open_safetensors
from minitf.errors import InputError
from minitf.files import STATE as FILE
from minitf.files import make_folder, replacing, temporary_folder, writing
from minitf.training.loop import Epoch, Progress
from minitf.training.optimizer import Optimizer
from minitf.training.precision import Half, Precision
from minitf.training.workers import ALONE, Workers

VERSION = 3


def save_state(
    folder: Path,
    optimizer: Optimizer,
    progress: Progress,
    extra: Mapping[str, Any],
    precision: Precision,
    workers: Workers = ALONE,
) -> None:
    """Write `folder`/state.safetensors; `extra` is JSON for `read_extra`.

    All processes call it, and the first one writes. Raises InputError if the disk is full or cannot be written to.
    """
    random_states = workers.gathered([_random_state()])
    if not workers.first:
        return
    tensors = {f"weights/{name}": p.detach() for name, p in optimizer.parameters.items()}
    plain: dict[str, dict[str, Any]] = {}
    for name, state in optimizer.state.items():
        tensors |= {f"optimizer/{name}/{key}": value for key, value in state.items() if isinstance(value, Tensor)}
        plain[name] = {key: value for key, value in state.items() if not isinstance(value, Tensor)}
    for rank, states in enumerate(random_states):
        tensors |= {f"random/{rank}/{device}": value for device, value in states.items()}
    content = {
        "version": VERSION,
        "steps": optimizer.steps,
        "shrinkage": optimizer.shrinkage,
        "optimizer": plain,
        "progress": dataclasses.asdict(progress),
        "scale": [precision.scale, precision.good] if isinstance(precision, Half) else None,
        "extra": extra,
    }
    with writing(folder):
        make_folder(folder)
    # safetensors writes into a temporary file of its own beside its target.
    with replacing(folder / FILE) as temporary, temporary_folder(folder / FILE) as inner:
        tensors, text = {k: t.contiguous() for k, t in tensors.items()}, json.dumps(content)
        sums = zlib.crc32(text.encode(), _sum_of((name, tensors[name]) for name in sorted(tensors)))
        save_file(tensors, inner / FILE, {"state": text, "crc32": str(sums)})
        os.rename(inner / FILE, temporary)


def read_extra(folder: Path) -> dict[str, Any]:
    """Return the `extra` of a saved state. Raises InputError."""
    with _readable(folder):
        extra: dict[str, Any] = _content(folder)["extra"]
        return extra


def read_progress(folder: Path) -> Progress:
    """Return the progress of a saved state. Raises InputError."""
    with _readable(folder):
        return _progress(_content(folder))


def saved_steps(folder: Path) -> int:
    """Return the number of steps of a saved state. Raises InputError."""
    return int(_content(folder)["steps"])


def restore_state(folder: Path, optimizer: Optimizer, precision: Precision, workers: Workers = ALONE) -> Progress:
    """Restore weights, optimizer, precision and random state in place; return the progress.

    Raises InputError if the state is damaged, or of another model or number of processes.
    """
    content = _content(folder)
    with _readable(folder), open_safetensors(folder / FILE, "pt") as file:
        names = set(file.keys())
        header = file.metadata()
        checksum = zlib.crc32(header["state"].encode(), _sum_of((n, file.get_tensor(n)) for n in sorted(names)))
        if header["crc32"] != str(checksum):
            raise ValueError("wrong checksum")
        saved = {name.partition("/")[2] for name in names if name.startswith("weights/")}
        if saved != set(optimizer.parameters):
            raise InputError(f"{folder}: the saved state is of another model; start again with `overwrite`")
        with torch.no_grad():
            for name, p in optimizer.parameters.items():
                weights = file.get_tensor(f"weights/{name}")
                if weights.shape != p.shape:
                    raise InputError(f"{folder}: the saved {name} has another shape; start again with `overwrite`")
                p.copy_(weights)
                optimizer.state[name] = dict(content["optimizer"][name])
                for key in (k for k in names if k.startswith(f"optimizer/{name}/")):
                    optimizer.state[name][key.rpartition("/")[2]] = file.get_tensor(key).to(p.device)
        if sum(name.startswith("random/") and name.endswith("/cpu") for name in names) != workers.count:
            raise InputError(f"{folder}: was saved by another number of processes; resume with the same number")
        torch.set_rng_state(file.get_tensor(f"random/{workers.rank}/cpu"))
        if torch.cuda.is_available() and f"random/{workers.rank}/cuda" in names:
            torch.cuda.set_rng_state(file.get_tensor(f"random/{workers.rank}/cuda"))
        optimizer.steps, optimizer.shrinkage = content["steps"], content["shrinkage"]
        if isinstance(precision, Half) and content["scale"]:
            precision.scale, precision.good = content["scale"]
        return _progress(content)


def _progress(content: Mapping[str, Any]) -> Progress:
    at = content["progress"]
    return Progress([Epoch(**epoch) for epoch in at["history"]], at["losses"], at["seconds"])


def _sum_of(tensors: Iterable[tuple[str, Tensor]]) -> int:
    """Compute a checksum of the names and all bits of the tensors."""
    checksum = 0
    for name, tensor in tensors:
        checksum = zlib.crc32(name.encode(), checksum)
        checksum = zlib.crc32(_bytes(tensor), checksum)
    return checksum


def digest(model: nn.Module, names: Iterable[str]) -> str:
    """Return the SHA-256 of these weights and buffers."""
    weights, sha256 = {**dict(model.named_parameters()), **dict(model.named_buffers())}, hashlib.sha256()
    for name in sorted(names):
        sha256.update(_bytes(weights[name]))
    return sha256.hexdigest()


def _bytes(tensor: Tensor) -> memoryview:
    return tensor.detach().cpu().flatten().view(torch.uint8).numpy().data


def _content(folder: Path) -> dict[str, Any]:
    with _readable(folder), open_safetensors(folder / FILE, "np") as file:
        content: dict[str, Any] = json.loads((file.metadata() or {})["state"])
        if content["version"] != VERSION:
            raise InputError(
                f"{folder / FILE}: was saved by another version of minitf, and only that one can resume it; start again"
                " with `overwrite`"
            )
        return content


@contextmanager
def _readable(folder: Path) -> Iterator[None]:
    """Turn the errors of a damaged file inside the block into InputError."""
    try:
        yield
    except InputError:
        raise
    except PermissionError as error:
        raise InputError(f"{folder / FILE}: cannot be read ({error.strerror}); correct its permissions") from None
    except (OSError, SafetensorError, ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        why = f"{type(error).__name__}: {error}".replace("`", "'")  # backticks are for settings
        raise InputError(f"{folder / FILE}: cannot be read ({why}); start again with `overwrite`") from None


def _random_state() -> dict[str, Tensor]:
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        states["cuda"] = torch.cuda.get_rng_state()
    return states
