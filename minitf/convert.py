"""Make of an official checkpoint, in whatever form it was published, a folder that `transformers` opens.

CHECKPOINT is a TensorFlow checkpoint (a folder, its bert_model.ckpt, or Google's zip as it is), or any source of a
model that the other commands take. DIR gets config.json, model.safetensors and the tokenizer's files.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from minitf.cli.console import Parser, run
from minitf.errors import InputError

# What conversion writes, and so what --overwrite may replace.
WRITTEN = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "vocab.txt"}


def parser() -> argparse.ArgumentParser:
    p = Parser(prog="python -m minitf.convert", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("checkpoint", metavar="CHECKPOINT", help="a folder, a TensorFlow prefix, a zip, a name")
    p.add_argument("folder", metavar="DIR", help="where the converted checkpoint goes, whole or not at all")
    p.add_argument(
        "--hidden-act",
        choices=["gelu", "gelu_tanh", "relu"],
        help="write this activation into config.json (default: the checkpoint's; Google's own code computed\n"
        "gelu_tanh where its files say gelu)",
    )
    p.add_argument("--overwrite", action="store_true", help="replace what an earlier conversion left in DIR")
    p.add_argument("--no-verify", action="store_true", help="do not check the checksums of a TensorFlow checkpoint")
    p.add_argument("--offline", action="store_true", help="use no network")
    return p


def main(argv: Sequence[str] | None = None) -> int:
    arguments = parser().parse_args(argv)
    folder = Path(arguments.folder)
    check_folder(folder, arguments.overwrite)

    from minitf.checkpoints.load import HELD, load_with_report
    from minitf.checkpoints.official import architecture
    from minitf.checkpoints.save import save

    model, loaded = load_with_report(
        arguments.checkpoint,
        head=HELD,
        offline=arguments.offline,
        say=print,
        hidden_act=arguments.hidden_act,
        verify=not arguments.no_verify,
    )
    print(loaded)
    if loaded.source.folder.resolve() == folder.resolve():
        raise InputError(f"{folder}: is the checkpoint itself; give another DIR")
    tokenizer = None if loaded.tokenizer is None else loaded.checked_tokenizer()
    save(model, tokenizer, folder)
    name = architecture(model.config, model.head_name)
    print(f"\nwritten to {folder}: transformers.{name}.from_pretrained({str(folder)!r}) opens it")
    if loaded.tokenizer is None:
        print("without a tokenizer, for none lay beside the weights: put a vocab.txt there to read text with it")
    return 0


def check_folder(folder: Path, overwrite: bool) -> None:
    """Raises InputError if `folder` holds anything, but what `overwrite` may replace."""
    if not folder.exists():
        return
    if not folder.is_dir():
        raise InputError(f"{folder}: is a file; give a folder")
    there = {path.name for path in folder.iterdir()}
    if others := sorted(there - WRITTEN):
        raise InputError(f"{folder}: holds {others[0]}, which is no converted checkpoint's; give another DIR")
    if there and not overwrite:
        raise InputError(f"{folder}: holds a checkpoint already; give another DIR, or --overwrite")


if __name__ == "__main__":
    run(main)
