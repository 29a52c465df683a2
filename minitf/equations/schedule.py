"""Learning-rate schedules: the learning rate at step 0, 1, …, `total` − 1 of a training run.

Each starts with a warm-up: the rate rises linearly from 0 over the first `warmup` steps (Vaswani et al. 2017, §5.3),
because Adam's moving averages are inaccurate after only a few gradients (Mosbach et al. 2021). Step 0 of a warm-up has
the rate 0, as in `transformers` and Google's code. Below, `s` counts steps after the warm-up and `n` = total − warmup.
"""

import math


def constant(step: int, lr: float, total: int, warmup: int = 0) -> float:
    """η, constant."""
    return lr * _warmup_factor(step, warmup)


def linear(step: int, lr: float, total: int, warmup: int = 0) -> float:
    """η (1 − s/n): linear decay to 0. Source: Devlin et al. 2019, appendix A.2; their code decays from step 0 on."""
    return lr * _warmup_factor(step, warmup) * (1.0 - _progress(step, total, warmup))


def step(step: int, lr: float, total: int, warmup: int = 0, gamma: float = 0.1, parts: int = 3) -> float:
    """η γ^⌊parts · s/n⌋: constant in each of `parts` equal parts, multiplied by γ from one part to the next."""
    completed = parts * max(0, step - warmup) // max(1, total - warmup)
    return lr * _warmup_factor(step, warmup) * math.pow(gamma, completed)


def exponential(step: int, lr: float, total: int, warmup: int = 0, final: float = 0.01) -> float:
    """η final^(s/n): the same factor at every step; `final` · η at the end."""
    return lr * _warmup_factor(step, warmup) * math.pow(final, _progress(step, total, warmup))


def cosine(step: int, lr: float, total: int, warmup: int = 0) -> float:
    """η (1 + cos(π s/n)) / 2: half a cosine wave from η to 0. Source: Loshchilov & Hutter 2017 (SGDR), eq. 5."""
    return lr * _warmup_factor(step, warmup) * (1.0 + math.cos(math.pi * _progress(step, total, warmup))) / 2.0


def _warmup_factor(step: int, warmup: int) -> float:
    return step / warmup if step < warmup else 1.0


def _progress(step: int, total: int, warmup: int) -> float:
    """s/n: the completed share of the steps after the warm-up, from 0 to 1."""
    return min(1.0, max(0.0, (step - warmup) / max(1, total - warmup)))
