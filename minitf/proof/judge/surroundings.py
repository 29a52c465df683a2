"""What a call may not leave behind: output, warnings, settings of whole libraries, the next random numbers."""

import contextlib
import os
import random
import warnings
from collections.abc import Iterator

import numpy as np
import torch


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    with (
        open(os.devnull, "w", encoding="utf-8", errors="replace") as nowhere,
        warnings.catch_warnings(),
        contextlib.redirect_stdout(nowhere),
        np.errstate(all="ignore"),
    ):
        warnings.simplefilter("ignore")
        yield


@contextlib.contextmanager
def same_settings() -> Iterator[None]:
    """What a learner's function sets for all of PyTorch holds until it has answered."""
    dtype, gradients = torch.get_default_dtype(), torch.is_grad_enabled()
    try:
        yield
    finally:
        torch.set_default_dtype(dtype)
        torch.set_grad_enabled(gradients)


@contextlib.contextmanager
def same_draws() -> Iterator[None]:
    """Random numbers from one seed, PyTorch's, NumPy's and Python's; those of others are left as they were."""
    of_numpy, of_python = np.random.get_state(), random.getstate()
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            np.random.seed(0)
            random.seed(0)
            yield
    finally:
        np.random.set_state(of_numpy)
        random.setstate(of_python)
