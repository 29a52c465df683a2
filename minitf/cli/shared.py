"""The flags that several commands share, as parent parsers: written once, the same in every command."""

import argparse

from minitf.cli.console import number

ACTIVATIONS = ("gelu", "gelu_tanh", "relu")


def model_flags(
    *, math: str = "kernels", device: str = "auto", max_length: str = "tokens per text (default: as in training)"
) -> argparse.ArgumentParser:
    """The flags of every command that runs a model. `math` and `device` are the defaults, `max_length` is help."""
    p = argparse.ArgumentParser(add_help=False)
    group = p.add_argument_group("model")
    group.add_argument("--max-length", type=number(1, 1_000_000, whole=True), metavar="N", help=max_length)
    group.add_argument(
        "--math", default=math, metavar="WHICH", help=f"equations, kernels or a .py file (default: {math})"
    )
    group.add_argument("--device", choices=["auto", "cpu", "cuda"], default=device, help=f"default: {device}")
    _checkpoint_flags(group)
    return p


def checkpoint_flags() -> argparse.ArgumentParser:
    """The flags of a command that reads a checkpoint and does not run the model."""
    p = argparse.ArgumentParser(add_help=False)
    _checkpoint_flags(p.add_argument_group("model"))
    return p


def _checkpoint_flags(group: argparse._ArgumentGroup) -> None:
    group.add_argument("--hidden-act", choices=ACTIVATIONS, help="activation function (default: the checkpoint's)")
    group.add_argument("--no-verify", action="store_true", help="skip the checksums of a TensorFlow checkpoint")
    group.add_argument("--offline", action="store_true", help="use no network")
