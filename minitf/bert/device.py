"""Where a model computes."""

import torch

from minitf.errors import InputError


def choose_device(choice: str) -> torch.device:
    """The device meant by --device auto, cpu or cuda. Raises InputError for a GPU that is not there."""
    if choice == "cuda" and not torch.cuda.is_available():
        raise InputError("--device cuda: PyTorch sees no NVIDIA GPU here; use --device cpu")
    return torch.device("cuda" if choice != "cpu" and torch.cuda.is_available() else "cpu")
