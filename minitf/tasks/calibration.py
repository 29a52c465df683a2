"""Calibration: whether, among predictions with probability p, a proportion p is correct."""

from typing import Any

import torch
from torch import Tensor

BINS = 10


def calibration(probabilities: Tensor, right: Tensor, x: str, y: str) -> dict[str, Any]:
    """Summarize predictions in ten bins of equal width; `probabilities [n]`, `right [n]`. `x` and `y` name the axes.

    The expected calibration error is Σ nᵦ/n · |shareᵦ − mean probabilityᵦ| over the bins (Guo et al. 2017, eq. 3). A
    probability on the border of two bins is in the lower one.
    """
    p, right = probabilities.double(), right.double()
    borders = torch.linspace(0.0, 1.0, BINS + 1, dtype=torch.float64)
    index = (torch.bucketize(p, borders) - 1).clamp(0, BINS - 1)
    counts = torch.bincount(index, minlength=BINS).double()
    some = counts.clamp(min=1.0)
    mean = torch.bincount(index, weights=p, minlength=BINS) / some
    share = torch.bincount(index, weights=right, minlength=BINS) / some
    bins = [
        {"low": n / BINS, "high": (n + 1) / BINS, "count": int(count), "probability": float(m), "share": float(s)}
        for n, (count, m, s) in enumerate(zip(counts, mean, share, strict=True))
    ]
    error = float((counts / len(p) * (share - mean).abs()).sum())
    return {"error": error, "x": x, "y": y, "bins": bins}
