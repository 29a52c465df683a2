"""What can a fine-tuned model do without? `python -m minitf.prune DIR --data FILE --heads N --output PRUNED`.

--heads takes away the N attention heads that the loss on FILE minds least (Michel et al. 2019), --weights the smallest
SHARE of the encoder's weights (Han et al. 2015). Prints the scores before and after; PRUNED opens like any model. What
is taken away becomes 0: the model is not smaller or faster, but shows what its task needs. --sweep shows it for many N.
"""

import argparse
import copy
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from minitf import judging
from minitf.cli.console import Parser, number, run
from minitf.errors import InputError
from minitf.training.figure import new_figure, save_figure

if TYPE_CHECKING:
    from torch import Tensor

    from minitf.bert.pruning import Head, HeadGates
    from minitf.judging import Judged

SWEEP = tuple(tenths / 10 for tenths in range(10))  # shares that --sweep tries


def parser() -> argparse.ArgumentParser:
    p = Parser(prog="python -m minitf.prune", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    judging.add_flags(p, number(1, whole=True))
    what = p.add_mutually_exclusive_group(required=True)
    what.add_argument("--heads", type=number(1, 10_000, whole=True), metavar="N", help="attention heads to take away")
    what.add_argument("--weights", type=number(0, 0.999, above=True), metavar="SHARE", help="of the encoder's matrices")
    what.add_argument("--sweep", choices=["heads", "weights"], help="scores at 0 %%, 10 %% … 90 %%; saves no model")
    p.add_argument("--output", metavar="DIR", help="the pruned model; with --sweep a picture, .png or .svg")
    return p


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parser().parse_args(argv)
    check(arguments)
    from minitf.bert.pruning import Head, HeadGates, zero_heads, zero_smallest, zeros
    from minitf.checkpoints.save import save

    gates = HeadGates()
    by_heads = arguments.heads is not None or arguments.sweep == "heads"
    judged = judging.open_judged(arguments, gates.over if by_heads else lambda math: math)
    judged.model.eval()
    order: list[Head] = ranked(judged, gates, arguments.batch_size) if by_heads else []
    if arguments.sweep:
        sweep(arguments, judged, order)
        return 0
    if arguments.heads is not None and arguments.heads > len(order):
        raise InputError(f"--heads {arguments.heads}: at most {len(order)}, for every layer keeps one")
    before = judged.measure(arguments.batch_size)
    if by_heads:
        taken = order[: arguments.heads]
        count = zero_heads(judged.model, taken)
        print(f"heads taken away (layer.head): {', '.join(map(str, taken))}")
    else:
        count = zero_smallest(judged.model, arguments.weights)
    after = judged.measure(arguments.batch_size)
    total = sum(p.numel() for p in judged.model.parameters())
    print(f"{count:,} weights set to 0; {zeros(judged.model):,} of {total:,} are 0 now")
    for name, score in before.scores.items():
        print(f"  {name:<12} {score:.4f} → {after.scores[name]:.4f}")
    measured_on = f"({judged.table.path}; {judged.task.baseline(judged.examples)})"
    print(f"  {'loss':<12} {before.loss:.4f} → {after.loss:.4f}   {measured_on}")
    if arguments.output:
        save(judged.model, judged.tokenizer, Path(arguments.output), dict(judged.note) or None)
        print(f"the pruned model is in {arguments.output}")
    return 0


def check(arguments: argparse.Namespace) -> None:
    """Raises InputError for an --output that cannot be."""
    if arguments.output is None:
        return
    output = Path(arguments.output)
    if arguments.sweep:
        if output.suffix.lower() not in (".png", ".svg"):
            raise InputError(f"--output {output}: with --sweep the ending must be .png or .svg")
    elif output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise InputError(f"--output {output}: is there already; give another folder")


def ranked(judged: "Judged", gates: "HeadGates", batch_size: int) -> "list[Head]":
    """The heads in the order in which they are taken away."""
    from minitf.bert.pruning import least_important

    importance = head_importance(judged, gates, batch_size)
    return least_important(importance, importance.numel())


def head_importance(judged: "Judged", gates: "HeadGates", batch_size: int) -> "Tensor":
    """The mean over the examples of |∂loss/∂ξ| for each head's gate ξ, `[L, H]`. Source: Michel et al. 2019, eq. 2."""
    import torch

    from minitf.text.batches import by_length

    task, examples, model = judged.task, judged.examples, judged.model
    device, total = next(model.parameters()).device, None
    for indices in by_length(examples.lengths(), batch_size):
        batch, targets = examples.batch(indices)
        batch, targets = batch.to(device), targets.to(device)
        gates.fresh()
        with torch.enable_grad():
            loss = task.loss(task.logits(model, batch), targets) * task.weight(targets)  # the sum over the examples
        loss.backward()
        model.zero_grad()
        found = gates.sensitivity()
        total = found if total is None else total + found
    gates.fresh()
    assert total is not None
    return total / len(examples)


def sweep(arguments: argparse.Namespace, judged: "Judged", order: "list[Head]") -> None:
    """The scores with more and more taken away, as a table and, if asked for, a picture."""
    from minitf.bert.pruning import zero_heads, zero_smallest

    kept = copy.deepcopy(judged.model.state_dict())
    rows: list[tuple[float, dict[str, float]]] = []
    names: list[str] = []
    for share in SWEEP:
        judged.model.load_state_dict(kept)
        if arguments.sweep == "heads":
            zero_heads(judged.model, order[: round(share * len(order))])
        else:
            zero_smallest(judged.model, share)
        metrics = judged.measure(arguments.batch_size)
        rows.append((share, {**metrics.scores, "loss": metrics.loss}))
        if not names:
            names = list(rows[0][1])
            print(f"{arguments.sweep} away  " + "  ".join(f"{name:>10}" for name in names))
        print(f"{share:>12.0%}  " + "  ".join(f"{rows[-1][1][name]:10.4f}" for name in names), flush=True)
    if arguments.output:
        draw(rows, arguments.sweep, Path(arguments.output))
        print(f"drawn: {arguments.output}")


def draw(rows: "list[tuple[float, dict[str, float]]]", what: str, path: Path) -> None:
    """The scores over the share that was taken away."""
    figure = new_figure(5.5, 3.5)
    axes = figure.subplots()
    for n, name in enumerate(name for name in rows[0][1] if name != "loss"):
        style = ("s-", "^--", "o-.")[n % 3]
        axes.plot([100 * share for share, _ in rows], [scores[name] for _, scores in rows], style, label=name)
    axes.set(xlabel=f"{what} taken away, %", ylabel="score")
    axes.legend()
    save_figure(figure, path)


if __name__ == "__main__":
    run(main)
