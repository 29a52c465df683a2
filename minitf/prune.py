"""Remove attention heads or weights of a fine-tuned model and measure the effect.

The work is in `minitf.fine_tuning.pruning`. The flags are in `minitf.cli.prune`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from minitf.cli import prune as cli
from minitf.cli.console import flags_in_errors, run, say, say_error
from minitf.cli.shared import labelled, model_options

if TYPE_CHECKING:
    from minitf.fine_tuning.pruning import Prunable
    from minitf.tasks.base import Metrics


@flags_in_errors
def main(argv: Sequence[str] | None = None) -> int:
    arguments = cli.parser().parse_args(argv)
    cli.check(arguments)
    from minitf.fine_tuning.pruning import open_prunable

    by_heads = arguments.heads is not None or arguments.sweep == "heads"
    options, table, size = model_options(arguments), labelled(arguments), arguments.batch_size
    prunable = open_prunable(arguments.model, table, options, say_error, size, by_heads=by_heads)
    if arguments.sweep:
        sweep(prunable, arguments.sweep, arguments.output and Path(arguments.output))
        return 0
    before = prunable.measure()
    if by_heads:
        removed = prunable.remove_heads(arguments.heads)
        say(f"heads removed (layer.head): {', '.join(map(str, prunable.order[: arguments.heads]))}")
    else:
        removed = prunable.remove_weights(arguments.weights)
    compare(prunable, removed, before)
    if arguments.output:
        save_pruned(prunable, Path(arguments.output))
    return 0


def compare(prunable: "Prunable", removed: int, before: "Metrics") -> None:
    """Print the scores before and after."""
    after, (zero, total) = prunable.measure(), prunable.sizes()
    say(f"{removed:,} weights set to 0; {zero:,} of {total:,} are 0 now")
    for name, score in before.scores.items():
        say(f"  {name:<12} {score:.4f} → {after.scores[name]:.4f}")
    opened = prunable.opened
    where = f"({opened.table.path}; {opened.task.baseline(opened.examples)})"
    say(f"  {'loss':<12} {before.loss:.4f} → {after.loss:.4f}   {where}")


def save_pruned(prunable: "Prunable", folder: Path) -> None:
    """Save the pruned model with the metadata of the original model."""
    from minitf.checkpoints.save import save

    opened = prunable.opened
    save(opened.model, opened.tokenizer, folder, dict(opened.metadata) or None)
    say(f"the pruned model is in {folder}")


def sweep(prunable: "Prunable", what: str, picture: Path | None) -> None:
    """Print the scores for growing removed shares; draw them if `picture` is given."""
    from minitf.fine_tuning.pruning import draw_sweep

    rows = []
    for share, scores in prunable.sweep():
        rows.append((share, scores))
        if len(rows) == 1:
            say(f"{what} removed  " + "  ".join(f"{name:>10}" for name in scores))
        say(f"{share:>{len(what) + 8}.0%}  " + "  ".join(f"{value:10.4f}" for value in scores.values()))
    if picture:
        draw_sweep(rows, what, picture)
        say(f"drawn: {picture}")


if __name__ == "__main__":
    run(main)
