"""The flags of `minitf.finetune`. Nothing heavy is imported for `--help`."""

import argparse
from collections.abc import Sequence
from typing import Any

from minitf.cli.console import Parser, number
from minitf.errors import InputError
from minitf.text import augment
from minitf.training.metrics import HIGHER_IS_BETTER


def parse(description: str, argv: Sequence[str] | None) -> argparse.Namespace:
    """The flags as they are given, with their defaults."""
    return parser(description).parse_args(argv)


def given(description: str, argv: Sequence[str] | None) -> dict[str, Any]:
    """Those flags alone that are given."""
    p = parser(description)
    for action in p._actions:
        action.default = argparse.SUPPRESS
    return vars(p.parse_args(argv))


def check(arguments: argparse.Namespace) -> None:
    """Raises InputError for flags that do not go together."""
    if arguments.weight_decay and arguments.optimizer != "adamw":
        raise InputError(f"--weight-decay belongs to adamw; with --optimizer {arguments.optimizer} use --l2")
    if arguments.no_bias_correction and arguments.optimizer not in ("adam", "adamw"):
        raise InputError(f"--no-bias-correction belongs to adam and adamw, not to --optimizer {arguments.optimizer}")
    if arguments.from_scratch and (arguments.freeze is not None or arguments.unfreeze):
        raise InputError("--from-scratch draws every weight, and --freeze would keep some as drawn; leave one out")
    if arguments.freeze == "all" and arguments.unfreeze:
        raise InputError("--freeze all leaves nothing for --unfreeze to unfreeze; leave one out")
    if arguments.seeds > 1 and arguments.dry_run:
        raise InputError("--dry-run trains nothing, so it needs no --seeds")


def parser(description: str) -> argparse.ArgumentParser:
    p = Parser(prog="python -m minitf.finetune", description=description, formatter_class=argparse.RawTextHelpFormatter)
    share, positive = number(0, 1), number(0, above=True)
    count = number(1, 1_000_000, whole=True)

    data = p.add_argument_group(
        "data (by extension: CSV, TSV or JSON lines with a header; CoNLL columns; SQuAD's JSON)"
    )
    data.add_argument("--train", metavar="FILE", help="training examples (default: the built-in corpus)")
    data.add_argument("--valid", metavar="FILE", help="validation examples (default: a stratified tenth of --train)")
    data.add_argument("--test", metavar="FILE", help="test examples, measured once, at the end (default: none)")
    data.add_argument("--text", metavar="COL", help="column of the text (default: guessed from the header)")
    data.add_argument("--pair", metavar="COL", help="column of the second text of a pair (default: none)")
    data.add_argument("--label", metavar="COL", help="column of the label (default: guessed from the header)")
    data.add_argument(
        "--task",
        choices=["auto", "classification", "multilabel", "regression", "tagging", "qa"],
        default="auto",
        help="default: auto, as the labels are: a|b are several, 2.5 a number, others classes",
    )
    data.add_argument(
        "--max-length",
        type=count,
        metavar="N",
        help="tokens a text is cut to, or read at once (default: 128, qa 384, or all the model has)",
    )
    data.add_argument(
        "--long-text",
        choices=["truncate", "head-tail", "windows"],
        default="truncate",
        help="of a longer text: its beginning, beginning and end,\nor all in windows whose logits are averaged"
        " (default: %(default)s)",
    )
    data.add_argument(
        "--stride",
        type=number(0, 1_000_000, whole=True),
        metavar="N",
        help="tokens that a window shares with the one before (default: a third)",
    )

    data.add_argument(
        "--augment",
        type=augmentation,
        metavar="WHAT",
        help="change training texts: delete=P,swap=P,replace=P, P the chance of each word (default: do not)",
    )
    data.add_argument(
        "--augment-share", type=share, default=0.5, metavar="P", help="chance of a text to be changed (default: 0.5)"
    )

    model = p.add_argument_group("model")
    model.add_argument(
        "--model", default="all-MiniLM-L6-v2", metavar="M", help="folder, Google's zip, or name (default: %(default)s)"
    )
    model.add_argument("--from-scratch", action="store_true", help="take the model's shape, not its weights")
    model.add_argument(
        "--hidden-act", choices=["gelu", "gelu_tanh", "relu"], help="activation (default: the checkpoint's)"
    )
    model.add_argument(
        "--dropout", type=number(0, 0.99), metavar="P", help="rate everywhere (default: the checkpoint's)"
    )
    model.add_argument(
        "--math", default="kernels", metavar="WHICH", help="equations, kernels or a .py file (default: %(default)s)"
    )

    model.add_argument("--no-verify", action="store_true", help="do not check a TensorFlow checkpoint's checksums")

    model.add_argument(
        "--freeze",
        type=frozen,
        metavar="WHAT",
        help="embeddings, N (the lowest N layers too) or all (but the head, which wants a larger --lr, as 1e-2)",
    )
    model.add_argument("--unfreeze", choices=["gradual"], help="epoch by epoch from the top, all in the last one")
    model.add_argument(
        "--layer-lr-decay", type=number(0, 1, above=True), default=1.0, metavar="ξ", help="rate by layer: η ξ^(L − ℓ)"
    )
    model.add_argument(
        "--reinit-top", type=number(0, 1000, whole=True), default=0, metavar="N", help="draw the top N layers anew"
    )

    how = p.add_argument_group("training")
    how.add_argument("--epochs", type=count, default=5, metavar="N", help="default: %(default)s")
    how.add_argument("--batch-size", type=count, default=16, metavar="N", help="default: %(default)s")
    how.add_argument(
        "--accumulate", type=count, default=1, metavar="N", help="batches learned from as one (default: 1)"
    )
    how.add_argument(
        "--optimizer", choices=["gd", "momentum", "rmsprop", "adam", "adamw"], default="adamw", help="default: adamw"
    )
    how.add_argument("--lr", type=positive, default=5e-5, metavar="η", help="highest learning rate (default: 5e-5)")
    how.add_argument(
        "--schedule",
        choices=["constant", "linear", "step", "exponential", "cosine"],
        default="linear",
        help="how the rate falls after the warm-up (default: %(default)s)",
    )
    how.add_argument(
        "--warmup", type=share, default=0.1, metavar="SHARE", help="share of the steps in which it rises (default: 0.1)"
    )
    how.add_argument(
        "--weight-decay", type=number(0), metavar="λ", help="decoupled decay, adamw only (default: 0.01 there)"
    )
    how.add_argument("--l1", type=number(0), default=0.0, metavar="λ", help="penalty λ‖θ‖₁ (default: 0)")
    how.add_argument("--l2", type=number(0), default=0.0, metavar="λ", help="penalty λ‖θ‖₂² (default: 0)")
    how.add_argument(
        "--clip", type=number(0), default=1.0, metavar="C", help="longest gradient; 0 for any (default: 1)"
    )
    how.add_argument("--no-bias-correction", action="store_true", help="Adam as in Google's BERT code")
    how.add_argument(
        "--label-smoothing",
        type=number(0, 0.99),
        default=0.0,
        metavar="ε",
        help="share given to all classes (default: 0)",
    )
    how.add_argument(
        "--class-weights", choices=["none", "balanced"], default="none", help="weigh rare classes up (default: none)"
    )
    how.add_argument(
        "--metric",
        choices=sorted(HIGHER_IS_BETTER),
        help="which chooses the best epoch, on the validation set\n(default: accuracy, micro_f1, pearson or f1, by the"
        " task)",
    )
    how.add_argument(
        "--early-stopping", type=count, metavar="N", help="stop after N epochs without a best one (default: never)"
    )
    how.add_argument("--seed", type=number(0, 2**31, whole=True), default=0, metavar="S", help="default: %(default)s")
    how.add_argument(
        "--seeds",
        type=number(1, 1000, whole=True),
        default=1,
        metavar="N",
        help="train N times, from --seed S on",
    )
    how.add_argument(
        "--precision", choices=["fp32", "bf16", "fp16"], default="fp32", help="of the products (default: %(default)s)"
    )
    how.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto", help="default: %(default)s")

    out = p.add_argument_group("output")
    out.add_argument("--output", metavar="DIR", help="folder for the run (default: a fresh runs/NAME-N)")
    out.add_argument("--overwrite", action="store_true", help="replace an earlier run in --output")
    out.add_argument("--resume", action="store_true", help="go on with the run in --output; other flags are its own")
    out.add_argument("--save-every", type=count, metavar="N", help="save every N steps too (default: every epoch)")
    out.add_argument("--offline", action="store_true", help="use no network")
    out.add_argument("--dry-run", action="store_true", help="check everything, train nothing")
    return p


def augmentation(text: str) -> str:
    """An argparse type: what `text.augment.parse` reads."""
    try:
        augment.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{error}; give delete=0.1,swap=0.1,replace=0.1 or a part of it") from None
    return text


def frozen(text: str) -> str:
    """An argparse type: `embeddings`, a number of layers, or `all`."""
    if text not in ("embeddings", "all") and not (text.isascii() and text.isdigit() and int(text) <= 1000):
        raise argparse.ArgumentTypeError(f"must be embeddings, a number of layers, or all, not {text!r}")
    return text
