"""Choose the device."""

import torch

from minitf.errors import InputError


def choose_device(choice: str) -> torch.device:
    """Return the device for `choice`: auto, cpu or cuda. Raises InputError for cuda without a GPU."""
    if choice == "cuda" and not torch.cuda.is_available():
        raise InputError("`device` cuda: PyTorch sees no NVIDIA GPU here; use `device` cpu")
    return torch.device("cuda" if choice != "cpu" and torch.cuda.is_available() else "cpu")
