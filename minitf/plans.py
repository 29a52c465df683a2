"""What the flags of `minitf.finetune` mean to the rooms below: a config, a strategy, a recipe."""

import argparse
import dataclasses
from typing import TYPE_CHECKING, Any

from minitf.errors import InputError

if TYPE_CHECKING:
    from minitf.bert import BertConfig
    from minitf.training.optimizer import Recipe
    from minitf.training.strategy import Strategy


def changed(config: "BertConfig", arguments: argparse.Namespace, problem_type: str | None) -> "BertConfig":
    """The config with what the flags and the task replace."""
    numbers: dict[str, Any] = {"problem_type": problem_type}
    if arguments.dropout is not None:
        numbers |= dict.fromkeys(("hidden_dropout_prob", "attention_probs_dropout_prob"), arguments.dropout)
        numbers["classifier_dropout"] = arguments.dropout
    if arguments.hidden_act is not None:
        numbers["hidden_act"] = arguments.hidden_act
    return dataclasses.replace(config, **numbers)


def strategy(arguments: argparse.Namespace, L: int) -> "Strategy":
    """The flags as a `training.strategy.Strategy` for a model of L layers. Raises InputError if it has too few."""
    from minitf.training.strategy import Strategy

    what = arguments.freeze
    if what not in (None, "embeddings", "all") and int(what) > L:
        raise InputError(f"--freeze {what}: this model has {L} layers; give fewer, or all")
    depths = 0 if what is None else {"embeddings": 1, "all": L + 2}.get(what) or int(what) + 1
    chosen = Strategy(depths, arguments.unfreeze == "gradual", arguments.layer_lr_decay, arguments.reinit_top)
    chosen.check(L)
    return chosen


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


def doubts(arguments: argparse.Namespace) -> list[str]:
    """What goes together, and is likely meant otherwise."""
    found = []
    if arguments.freeze == "all" and arguments.optimizer in ("adam", "adamw") and arguments.lr < 1e-3:
        found.append(f"--freeze all trains the head alone, which at --lr {arguments.lr:g} hardly moves; try 1e-2")
    return found
