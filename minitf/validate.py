"""Is minitf right? Walk it and `transformers` over the same sentences, tensor by tensor in the order of computation.

Forward pass, loss, gradients, and the weights after five steps of AdamW. Prints the largest difference of each tensor
and names the first one beyond rounding. Exit status 0 if all are equal, 1 if not. Needs transformers.
"""

import argparse
import io
import platform
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minitf import __version__
from minitf.cli.console import Parser, run
from minitf.files import write_bytes, write_json, writing

if TYPE_CHECKING:
    import torch

    from minitf.proof.divergence import Row
    from minitf.text.tokenizer import Tokenizer

# Of many lengths, with a negation, an accent, a number, Chinese and an unknown sign: each a row of one padded batch.
SENTENCES = (
    "No.",
    "Every equation is one short function.",
    "The soup was cold, the café was colder, and I have been back four times since March.",
    "Hardly anyone in this supposed comedy says anything funny, though to be fair they all say it very loudly.",
    "注意力机制 is Chinese for attention mechanism, and ⚗ is not in the vocabulary.",
    "He sat on the bank of the river and counted 1,234,567 ducks; not one of them counted him.",
)
LABELS = (0, 1, 1, 0, 1, 0)


def parser() -> argparse.ArgumentParser:
    p = Parser(prog="python -m minitf.validate", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("model", metavar="MODEL", help="any source that finetune takes")
    p.add_argument(
        "--dtype", choices=["float64", "float32", "bfloat16"], default="float64", help="default: %(default)s"
    )
    p.add_argument("--math", default="equations", metavar="WHICH", help="equations, kernels or a .py file")
    p.add_argument("--device", choices=["auto", "cpu", "cuda"], default="cpu", help="default: %(default)s")
    p.add_argument("--output", metavar="DIR", help="where validate.json and validate.png go (default: nowhere)")
    p.add_argument("--quiet", action="store_true", help="print the largest difference of each stage alone")
    p.add_argument("--offline", action="store_true", help="use no network")
    return p


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parser().parse_args(argv)
    import torch

    from minitf.bert.device import choose_device
    from minitf.proof.divergence import first_divergence, walk
    from minitf.proof.reference import open_pair, reference_version

    versions = f"minitf {__version__}, transformers {reference_version()}, torch {torch.__version__}"
    dtype, device = getattr(torch, arguments.dtype), choose_device(arguments.device)
    torch.manual_seed(0)  # the classifier is new: drawn here, given to both
    pair = open_pair(arguments.model, arguments.math, dtype, device, offline=arguments.offline)
    print(pair.report)
    tokenizer = pair.report.tokenizer or pair.report.files.tokenizer()  # the second says why there is none
    batch = sentences(tokenizer, pair.ours.config.longest).to(device)
    if pair.report.source.tensorflow:
        print(
            "the reference, which reads no TensorFlow, is given what minitf read: what follows checks the computation"
        )
    print(f"{versions}; {arguments.dtype}, {arguments.math}, {describe(device)}")
    S = batch.token_ids.shape[1]
    print(f"{len(SENTENCES)} sentences of {int(batch.mask.sum(1).min())} to {S} tokens in one padded batch\n")
    rows = walk(pair, batch, torch.tensor(LABELS, device=device) % pair.ours.config.num_labels)
    for line in table(rows, quiet=arguments.quiet):
        print(line)
    first = first_divergence(rows)
    if first is None:
        print(f"\nequal: {len(rows)} tensors, none beyond the rounding of {arguments.dtype}")
    else:
        print(
            f"\nDIFFERENT: the first tensor beyond the rounding of {arguments.dtype} is {first.label} ({first.stage}):"
            f" {first.relative:.1e} of its largest value, tolerance {first.tolerance:.0e}"
        )
    if arguments.output:
        write(Path(arguments.output), rows, first, vars(arguments), versions)
    return 0 if first is None else 1


def sentences(tokenizer: "Tokenizer", longest: int) -> Any:
    """The batch that both models read."""
    return tokenizer(SENTENCES, max_length=min(64, longest))


def describe(device: "torch.device") -> str:
    import torch

    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.machine()
    return f"{device.type} ({name})"


def table(rows: "Sequence[Row]", *, quiet: bool) -> list[str]:
    """The rows as text, or the worst of each stage."""
    if quiet:
        stages = dict.fromkeys(row.stage for row in rows)
        rows = [max((r for r in rows if r.stage == stage), key=lambda r: r.relative / r.tolerance) for stage in stages]
    width = max(len(row.label) for row in rows)
    lines = [f"{'stage':<9} {'tensor':<{width}}  largest difference   of its largest value"]
    for row in rows:
        mark = "" if row.fine else "   ← beyond rounding"
        lines.append(f"{row.stage:<9} {row.label:<{width}}  {row.absolute:18.1e}  {row.relative:22.1e}{mark}")
    return lines


def write(folder: Path, rows: "Sequence[Row]", first: "Row | None", arguments: dict[str, Any], versions: str) -> None:
    """`validate.json` with every row, and the error through the layers as a picture."""
    import dataclasses

    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        content = {
            "arguments": arguments,
            "versions": versions,
            "equal": first is None,
            "first_divergence": first and dataclasses.asdict(first),
            "rows": [dataclasses.asdict(row) for row in rows],
        }
        write_json(folder / "validate.json", content)
        draw(rows, folder / "validate.png", f"{arguments['model']}, {arguments['dtype']}, {arguments['math']}")


def draw(rows: "Sequence[Row]", path: Path, title: str) -> None:
    """The relative difference of every tensor, on a logarithmic scale, in the order of computation."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    stages = list(dict.fromkeys(row.stage for row in rows))
    figure = Figure(figsize=(11, 3.6), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(f"minitf and transformers: {title}", fontsize="medium")
    counts = [sum(row.stage == stage for row in rows) for stage in stages]
    axes = figure.subplots(1, len(stages), sharey=True, squeeze=False, width_ratios=counts)[0]
    smallest = 1e-18
    for axis, stage in zip(axes, stages, strict=True):
        part = [row for row in rows if row.stage == stage]
        heights = [min(max(row.relative, smallest), 1e3) for row in part]
        colours = ["#1f77b4" if row.fine else "#d62728" for row in part]
        axis.scatter(range(len(part)), heights, s=9, c=colours)
        axis.axhline(part[0].tolerance, color="0.4", linestyle="--", linewidth=1)
        axis.set(title=stage, yscale="log", xlabel="tensor")
        starts: dict[str, int] = {}
        for i, row in enumerate(part):
            pieces = row.label.split(".")
            name = f"layer {pieces[2]}" if pieces[0] == "encoder" else pieces[0]
            crowded = any(abs(i - other) < len(part) / 30 for other in starts.values())
            if name not in starts and not crowded:
                starts[name] = i
        axis.set_xticks(list(starts.values()), list(starts), rotation=60, ha="right", fontsize="x-small")
    axes[0].set_ylabel("largest difference /\nlargest value", fontsize="small")
    axes[0].annotate(
        "tolerance", (0.02, rows[0].tolerance), xycoords=("axes fraction", "data"), va="bottom", fontsize="x-small"
    )
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=110)
    write_bytes(path, picture.getvalue())


if __name__ == "__main__":
    run(main)
