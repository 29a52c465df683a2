"""The flags of every command: those of commit cb0bf20 with their defaults, and those that all commands share."""

import argparse
import dataclasses

import pytest

from minitf.__main__ import COMMANDS
from minitf.fine_tuning.config import FineTuneConfig
from minitf.fine_tuning.generation_settings import GenerationSettings
from tests.support.command_flags import actions, parser_of

REQUIRED = object()

# Positional arguments and flags at commit cb0bf20, with their defaults; of `generate`, when it was added. Scripts rely
# on them: add none, remove none.
CONTRACT = {
    "finetune": {
        "--train": None,
        "--valid": None,
        "--test": None,
        "--text": None,
        "--pair": None,
        "--label": None,
        "--task": "auto",
        "--max-length": None,
        "--long-text": "truncate",
        "--stride": None,
        "--augment": None,
        "--augment-share": 0.5,
        "--model": "all-MiniLM-L6-v2",
        "--from-scratch": False,
        "--hidden-act": None,
        "--dropout": None,
        "--math": "kernels",
        "--no-verify": False,
        "--freeze": None,
        "--unfreeze": None,
        "--layer-lr-decay": 1.0,
        "--reinit-top": 0,
        "--epochs": 5,
        "--batch-size": 16,
        "--accumulate": 1,
        "--optimizer": "adamw",
        "--lr": 5e-05,
        "--schedule": "linear",
        "--warmup": 0.1,
        "--weight-decay": None,
        "--l1": 0.0,
        "--l2": 0.0,
        "--clip": 1.0,
        "--no-bias-correction": False,
        "--label-smoothing": 0.0,
        "--class-weights": "none",
        "--metric": None,
        "--early-stopping": None,
        "--seed": 0,
        "--seeds": 1,
        "--precision": "fp32",
        "--device": "auto",
        "--output": None,
        "--overwrite": False,
        "--resume": False,
        "--save-every": None,
        "--offline": False,
        "--dry-run": False,
    },
    "predict": {
        "model": REQUIRED,
        "texts": None,
        "--pair": None,
        "--input": None,
        "--text": None,
        "--output": None,
        "--fill": None,
        "--embed": False,
        "--max-length": None,
        "--batch-size": 32,
        "--math": "kernels",
        "--hidden-act": None,
        "--no-verify": False,
        "--device": "auto",
        "--offline": False,
    },
    "generate": {
        "model": REQUIRED,
        "texts": None,
        "--input": None,
        "--text": None,
        "--beams": None,
        "--length-penalty": None,
        "--early-stopping": None,
        "--sample": None,
        "--temperature": None,
        "--top-k": None,
        "--top-p": None,
        "--seed": None,
        "--max-new-tokens": None,
        "--n-best": 1,
        "--output": None,
        "--max-length": None,
        "--batch-size": 16,
        "--math": "kernels",
        "--device": "auto",
        "--no-verify": False,
        "--offline": False,
    },
    "evaluate": {
        "model": REQUIRED,
        "--data": REQUIRED,
        "--task": None,
        "--text": None,
        "--pair": None,
        "--label": None,
        "--max-length": None,
        "--batch-size": 64,
        "--math": "kernels",
        "--device": "auto",
        "--offline": False,
        "--mistakes": 10,
        "--output": None,
    },
    "search": {
        "--method": "tpe",
        "--trials": None,
        "--space": [],
        "--no-pruning": False,
        "--learning-curve": None,
        "--output": REQUIRED,
        "--resume": False,
    },
    "prune": {
        "model": REQUIRED,
        "--data": REQUIRED,
        "--task": None,
        "--text": None,
        "--pair": None,
        "--label": None,
        "--max-length": None,
        "--batch-size": 64,
        "--math": "kernels",
        "--device": "auto",
        "--offline": False,
        "--heads": None,
        "--weights": None,
        "--sweep": None,
        "--output": None,
    },
    "attend": {
        "model": REQUIRED,
        "text": None,
        "pair": None,
        "--output": REQUIRED,
        "--target": None,
        "--max-new-tokens": None,
        "--attention": None,
        "--view": None,
        "--layer": None,
        "--head": None,
        "--label": None,
        "--input": None,
        "--text": None,
        "--pair": None,
        "--query-key": False,
        "--compare": None,
        "--attribution": "auto",
        "--dark": False,
        "--max-length": None,
        "--math": "kernels",
        "--device": "auto",
        "--offline": False,
    },
    "validate": {
        "model": REQUIRED,
        "--dtype": "float64",
        "--math": "equations",
        "--device": "cpu",
        "--output": None,
        "--quiet": False,
        "--offline": False,
    },
    "report": {"runs": REQUIRED, "--output": None},
    "check": {"file": REQUIRED, "--only": None, "--pictures": None},
    "convert": {
        "checkpoint": REQUIRED,
        "folder": REQUIRED,
        "--hidden-act": None,
        "--overwrite": False,
        "--no-verify": False,
        "--offline": False,
    },
}

# The choices at commit cb0bf20, of every command that has the flag, and later ones.
TASKS = {"classification", "multilabel", "regression", "tagging", "qa"}
METRICS = {"accuracy", "exact_match", "f1", "loss", "macro_f1", "matthews", "micro_f1", "pearson", "rmse", "spearman"}
CHOICES = {
    "--task": TASKS,
    "--metric": METRICS,
    "--long-text": {"truncate", "head-tail", "windows"},
    "--hidden-act": {"gelu", "gelu_tanh", "relu"},
    "--unfreeze": {"gradual"},
    "--optimizer": {"gd", "momentum", "rmsprop", "adam", "adamw"},
    "--schedule": {"constant", "linear", "step", "exponential", "cosine", "inverse-sqrt"},
    "--class-weights": {"none", "balanced"},
    "--precision": {"fp32", "bf16", "fp16"},
    "--device": {"auto", "cpu", "cuda"},
    "--method": {"tpe", "random", "grid"},
    "--sweep": {"heads", "weights"},
    "--view": {"grid", "head", "lines", "rollout", "summary", "explain", "lens"},
    "--attribution": {"auto", "always", "never"},
    "--dtype": {"float64", "float32", "bfloat16"},
}

RUN_A_MODEL = ("finetune", "predict", "generate", "evaluate", "prune", "attend", "validate")
SHARED = ("--math", "--device", "--offline", "--no-verify", "--hidden-act", "--max-length")


def default_of(command: str, action: argparse.Action) -> object:
    if command == "finetune":  # its parser returns only what is given; the configuration has the defaults
        return FineTuneConfig().settings()[action.dest]
    if command == "generate" and action.dest in (settings := dataclasses.asdict(GenerationSettings())):
        return settings[action.dest]
    return REQUIRED if action.required and action.nargs != "*" else action.default


@pytest.mark.parametrize("command", COMMANDS)
def test_every_flag_still_exists_with_its_default(command: str) -> None:
    assert set(COMMANDS) == set(CONTRACT)
    found = {name: default_of(command, action) for name, action in actions(parser_of(command)).items()}
    assert {name: found.get(name, "is missing") for name in CONTRACT[command]} == CONTRACT[command]


@pytest.mark.parametrize("command", COMMANDS)
def test_no_new_flag_is_required(command: str) -> None:
    found = actions(parser_of(command))
    assert {name for name, action in found.items() if action.required} <= set(CONTRACT[command])


@pytest.mark.parametrize("command", COMMANDS)
def test_every_choice_still_exists(command: str) -> None:
    for name, action in actions(parser_of(command)).items():
        if name in CHOICES and name in CONTRACT[command]:
            assert action.choices is not None, name
            assert set(action.choices) >= CHOICES[name], name


@pytest.mark.parametrize("command", RUN_A_MODEL)
def test_the_shared_flags_exist_in_every_command_that_runs_a_model(command: str) -> None:
    assert set(SHARED) <= set(actions(parser_of(command)))


def test_search_has_the_shared_flags_of_finetune() -> None:
    from minitf.cli import search

    flags = "--math equations --device cpu --offline --no-verify --hidden-act relu --max-length 9"
    _, rest, settings = search.parse(["--output", "study", *flags.split()])
    assert rest == flags.split()
    assert settings == {
        "math": "equations",
        "device": "cpu",
        "offline": True,
        "no_verify": True,
        "hidden_act": "relu",
        "max_length": 9,
    }


def test_the_shared_flags_of_convert() -> None:
    assert {"--hidden-act", "--no-verify", "--offline"} <= set(actions(parser_of("convert")))


def test_the_shared_flags_are_the_same_in_every_command() -> None:
    """The same choices and the same kind of value; only the defaults of `validate` differ."""
    for name in SHARED:
        found = [actions(parser_of(command))[name] for command in RUN_A_MODEL]
        assert len({(type(a), tuple(a.choices or ()), a.dest) for a in found}) == 1, name
