"""The flags of `minitf.finetune`, and what they mean to the rooms below. Nothing heavy is imported for `--help`."""

import argparse
import dataclasses
from typing import TYPE_CHECKING, Any

from minitf.console import Parser, number

if TYPE_CHECKING:
    from minitf.bert import BertConfig
    from minitf.training.optimizer import Recipe


def parser(description: str) -> argparse.ArgumentParser:
    p = Parser(prog="python -m minitf.finetune", description=description, formatter_class=argparse.RawTextHelpFormatter)
    share, positive = number(0, 1), number(0, above=True)
    count = number(1, 1_000_000, whole=True)

    data = p.add_argument_group("data (CSV, TSV or JSON lines with a header; by extension)")
    data.add_argument("--train", metavar="FILE", help="training examples (default: the built-in corpus)")
    data.add_argument("--valid", metavar="FILE", help="validation examples (default: a stratified tenth of --train)")
    data.add_argument("--test", metavar="FILE", help="test examples, measured once, at the end (default: none)")
    data.add_argument("--text", metavar="COL", help="column of the text (default: guessed from the header)")
    data.add_argument("--pair", metavar="COL", help="column of the second text of a pair (default: none)")
    data.add_argument("--label", metavar="COL", help="column of the label (default: guessed from the header)")
    data.add_argument("--task", choices=["auto", "classification"], default="auto", help="default: %(default)s")
    data.add_argument(
        "--max-length", type=count, metavar="N", help="tokens a text is cut to (default: 128, or all the model has)"
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

    how = p.add_argument_group("training")
    how.add_argument("--epochs", type=count, default=5, metavar="N", help="default: %(default)s")
    how.add_argument("--batch-size", type=count, default=16, metavar="N", help="default: %(default)s")
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
        choices=["accuracy", "macro_f1", "loss"],
        default="accuracy",
        help="which chooses the best epoch, on the validation set (default: %(default)s)",
    )
    how.add_argument(
        "--early-stopping", type=count, metavar="N", help="stop after N epochs without a best one (default: never)"
    )
    how.add_argument("--seed", type=number(0, 2**31, whole=True), default=0, metavar="S", help="default: %(default)s")
    how.add_argument("--device", choices=["auto", "cpu", "cuda"], default="auto", help="default: %(default)s")

    out = p.add_argument_group("output")
    out.add_argument("--output", metavar="DIR", help="folder for the run (default: a fresh runs/NAME-N)")
    out.add_argument("--overwrite", action="store_true", help="replace an earlier run in --output")
    out.add_argument("--offline", action="store_true", help="use no network")
    out.add_argument("--dry-run", action="store_true", help="check everything, train nothing")
    return p


def changed(config: "BertConfig", arguments: argparse.Namespace, problem_type: str | None) -> "BertConfig":
    """The config with what the flags and the task replace."""
    numbers: dict[str, Any] = {"problem_type": problem_type}
    if arguments.dropout is not None:
        numbers |= dict.fromkeys(("hidden_dropout_prob", "attention_probs_dropout_prob"), arguments.dropout)
        numbers["classifier_dropout"] = arguments.dropout
    if arguments.hidden_act is not None:
        numbers["hidden_act"] = arguments.hidden_act
    return dataclasses.replace(config, **numbers)


def recipe(arguments: argparse.Namespace) -> "Recipe":
    """The flags as a `training.optimizer.Recipe`."""
    from minitf.training.optimizer import Recipe

    decay = arguments.weight_decay
    if decay is None:
        decay = 0.01 if arguments.optimizer == "adamw" else 0.0
    return Recipe(
        rule=arguments.optimizer,
        lr=arguments.lr,
        schedule=arguments.schedule,
        warmup=arguments.warmup,
        weight_decay=decay,
        l1=arguments.l1,
        l2=arguments.l2,
        clip=arguments.clip or None,
        bias_correction=not arguments.no_bias_correction,
    )
