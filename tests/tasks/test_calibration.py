"""Calibration in ten bins, against a loop over the definition."""

import pytest
import torch

from minitf.tasks.calibration import calibration


def expected_error(p: list[float], right: list[bool]) -> float:
    """Σ nᵦ/n |shareᵦ − mean probabilityᵦ| (Guo et al. 2017), the bins being (0, 0.1], (0.1, 0.2] …"""
    total = 0.0
    for b in range(10):
        inside = [i for i, x in enumerate(p) if b / 10 < x <= (b + 1) / 10 or (b == 0 and x == 0.0)]
        if inside:
            share = sum(right[i] for i in inside) / len(inside)
            total += len(inside) / len(p) * abs(share - sum(p[i] for i in inside) / len(inside))
    return total


@pytest.mark.parametrize("n", [1, 7, 500])
def test_the_error_is_that_of_the_definition(n: int) -> None:
    generator = torch.Generator().manual_seed(n)
    p, right = torch.rand(n, generator=generator, dtype=torch.float64), torch.rand(n, generator=generator) < 0.5
    found = calibration(p, right, "x", "y")
    assert found["error"] == pytest.approx(expected_error(p.tolist(), right.tolist()))
    assert sum(b["count"] for b in found["bins"]) == n
    assert len(found["bins"]) == 10


def test_probabilities_at_the_borders() -> None:
    found = calibration(torch.tensor([0.0, 1.0, 1.0]), torch.tensor([0, 1, 0]), "x", "y")
    assert [b["count"] for b in found["bins"]] == [1, *[0] * 8, 2]
    assert found["bins"][9] == {"low": 0.9, "high": 1.0, "count": 2, "probability": 1.0, "share": 0.5}


def test_perfect_calibration_has_no_error() -> None:
    p = torch.tensor([0.75] * 4)
    assert calibration(p, torch.tensor([1, 1, 1, 0]), "x", "y")["error"] == 0.0
