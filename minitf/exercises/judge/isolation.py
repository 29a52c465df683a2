"""Keep a call from leaving anything behind: output, warnings, global settings, the state of random generators."""

import contextlib
import os
import random
import warnings
from collections.abc import Iterator

import numpy as np
import torch


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Discard what the block prints and warns."""
    with (
        open(os.devnull, "w", encoding="utf-8", errors="replace") as nowhere,
        warnings.catch_warnings(),
        contextlib.redirect_stdout(nowhere),
        np.errstate(all="ignore"),
    ):
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def restored_settings() -> Iterator[None]:
    """Restore PyTorch's default type and gradient mode after the block."""
    dtype, gradients = torch.get_default_dtype(), torch.is_grad_enabled()
    try:
        yield
    finally:
        torch.set_default_dtype(dtype)
        torch.set_grad_enabled(gradients)


@contextlib.contextmanager
def fixed_seeds() -> Iterator[None]:
    """Seed PyTorch, NumPy and Python's `random` for the block, and restore their states after it."""
    numpy_state, python_state = np.random.get_state(), random.getstate()
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            np.random.seed(0)
            random.seed(0)
            yield
    finally:
        np.random.set_state(numpy_state)
        random.setstate(python_state)
