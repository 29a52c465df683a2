"""Report a comparison with the reference: a table, a conclusion, and files."""

import dataclasses
import platform
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from minitf.files import write_json, writing
from minitf.proof.divergence import Row, first_divergence
from minitf.proof.figure import DARK, draw
from minitf.training.figure import warned


def device_name(device: torch.device) -> str:
    """Return the kind of device and the name of the processor."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    return f"{device.type} ({name})"


def table(rows: Sequence[Row], *, worst_only: bool = False) -> list[str]:
    """Format the rows as lines; with `worst_only`, the row of each stage that is nearest to its tolerance."""
    if worst_only:
        stages = dict.fromkeys(row.stage for row in rows)
        rows = [max((r for r in rows if r.stage == stage), key=lambda r: r.relative / r.tolerance) for stage in stages]
    width = max(len(row.label) for row in rows)
    lines = [f"{'stage':<9} {'tensor':<{width}}  largest difference   of its largest value"]
    for row in rows:
        mark = "" if row.within_tolerance else "   ← beyond rounding"
        lines.append(f"{row.stage:<9} {row.label:<{width}}  {row.absolute:18.1e}  {row.relative:22.1e}{mark}")
    return lines


def conclusion(rows: Sequence[Row], dtype: str) -> str:
    """Say whether all tensors are equal up to rounding, or name the first that is not."""
    first = first_divergence(rows)
    if first is None:
        return f"equal: {len(rows)} tensors, none beyond the rounding of {dtype}"
    return (
        f"DIFFERENT: the first tensor beyond the rounding of {dtype} is {first.label} ({first.stage}):"
        f" {first.relative:.1e} of its largest value, tolerance {first.tolerance:.0e}"
    )


def write_report(
    folder: Path, rows: Sequence[Row], settings: Mapping[str, Any], versions: str, say: Callable[[str], None]
) -> None:
    """Write `validate.json` with every row, and the differences from layer to layer: `validate.png`, and
    `validate-dark.png` for dark pages."""
    first = first_divergence(rows)
    content = {
        "arguments": dict(settings),
        "versions": versions,
        "equal": first is None,
        "first_divergence": first and dataclasses.asdict(first),
        "rows": [dataclasses.asdict(row) for row in rows],
    }
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "validate.json", content)
        with warned(say, "validate.png"):
            title = f"{settings['model']}, {settings['dtype']}, {settings['math']}"
            draw(rows, folder / "validate.png", title)
            draw(rows, folder / "validate-dark.png", title, DARK)
