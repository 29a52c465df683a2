"""Learning-rate schedules: the learning rate at step 0, 1, …, `total` − 1 of a training run.

Each starts with a warm-up: the rate rises linearly from 0 over the first `warmup` steps (Vaswani et al. 2017, §5.3),
because Adam's moving averages are inaccurate after only a few gradients (Mosbach et al. 2021). Step 0 of a warm-up has
the rate 0, as in `transformers` and Google's code. Below, `s` counts steps after the warm-up and `n` = total − warmup.

With a minimum rate `least`, each schedule decays from η to `least` instead of to 0: the rate is least + (η − least) f,
where η f is the formula below. The warm-up does not change.
"""

import math


def constant(step: int, lr: float, total: int, warmup: int = 0, least: float = 0.0) -> float:
    """η, constant. `least` has no effect. Source: Goodfellow et al. 2016, §4.3."""
    return _rate(step, lr, warmup, 1.0, lr)


def linear(step: int, lr: float, total: int, warmup: int = 0, least: float = 0.0) -> float:
    """η (1 − s/n): linear decay to 0. Source: Devlin et al. 2019, appendix A.2; their code decays from step 0 on."""
    return _rate(step, lr, warmup, _remaining(step, total, warmup), least)


def polynomial(step: int, lr: float, total: int, warmup: int = 0, least: float = 0.0, power: float = 2.0) -> float:
    """η (1 − s/n)ᵖ, p = `power`: with p = 1 linear decay, with p > 1 faster at first.

    Source: Chen et al. 2017 (DeepLabv3), §4.1, with p = 0.9; in `transformers` p is 1 by default.
    """
    return _rate(step, lr, warmup, math.pow(_remaining(step, total, warmup), power), least)


def step(
    step: int, lr: float, total: int, warmup: int = 0, gamma: float = 0.1, parts: int = 3, least: float = 0.0
) -> float:
    """η γ^⌊parts · s/n⌋: constant in each of `parts` equal parts, multiplied by γ from one part to the next.

    Source: He et al. 2016 (ResNet), §4.2, which divides η by 10 after 32,000 and after 48,000 of 64,000 steps.
    """
    completed = parts * max(0, step - warmup) // max(1, total - warmup)
    return _rate(step, lr, warmup, math.pow(gamma, completed), least)


def exponential(step: int, lr: float, total: int, warmup: int = 0, final: float = 0.01, least: float = 0.0) -> float:
    """η final^(s/n): the same factor at every step; `final` · η at the end.

    Source: Senior et al. 2013, exponential scheduling.
    """
    return _rate(step, lr, warmup, math.pow(final, _progress(step, total, warmup)), least)


def cosine(step: int, lr: float, total: int, warmup: int = 0, least: float = 0.0) -> float:
    """η (1 + cos(π s/n)) / 2: half a cosine wave from η to 0. Source: Loshchilov & Hutter 2017 (SGDR), eq. 5.

    `least` is the paper's η_min.
    """
    return _rate(step, lr, warmup, (1.0 + math.cos(math.pi * _progress(step, total, warmup))) / 2.0, least)


def inverse_sqrt(step: int, lr: float, total: int, warmup: int = 0, least: float = 0.0) -> float:
    """η √(w/t), w the warm-up and t the step: with the warm-up, η · min(t/w, √(w/t)).

    η is the rate at the end of the warm-up; the paper's is 1/√(D w). Without a warm-up w is 1, and both w and t count
    from the first step: η / √(t + 1).
    Source: Vaswani et al. 2017, §5.3, eq. 3.
    """
    factor = math.sqrt(warmup / max(1, step)) if warmup else math.sqrt(1.0 / (step + 1))
    return _rate(step, lr, warmup, factor, least)


def _rate(step: int, lr: float, warmup: int, factor: float, least: float) -> float:
    """The rate during the warm-up; after it, least + (η − least) · `factor`."""
    return lr * (step / warmup) if step < warmup else least + (lr - least) * factor


def _progress(step: int, total: int, warmup: int) -> float:
    """s/n: the completed share of the steps after the warm-up, from 0 to 1."""
    return min(1.0, max(0.0, (step - warmup) / max(1, total - warmup)))


def _remaining(step: int, total: int, warmup: int) -> float:
    """1 − s/n, and 0 at the end of a run that consists of warm-up only."""
    return 0.0 if step >= max(total, warmup) else 1.0 - _progress(step, total, warmup)
