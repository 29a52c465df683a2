"""List the commands: `python -m minitf`."""

import ast
import textwrap
from collections.abc import Sequence
from pathlib import Path

from minitf.cli.console import run

COMMANDS = (
    *("finetune", "predict", "generate", "evaluate", "report", "search", "prune", "attend", "validate", "check"),
    "convert",
)


def summary(command: str) -> str:
    """Return the first line of the docstring of a command, without importing the command."""
    source = (Path(__file__).parent / f"{command}.py").read_text(encoding="utf-8")
    return (ast.get_docstring(ast.parse(source)) or "").splitlines()[0].rstrip(".:").replace("`", "")


def main(argv: Sequence[str] | None = None) -> int:
    print("usage: python -m minitf.COMMAND [flags]; --help explains a command\n")
    for command in COMMANDS:
        print(textwrap.fill(summary(command), 79, initial_indent=f"  {command:<9} ", subsequent_indent=" " * 12))
    print("\nfirst command: python -m minitf.finetune  (on the built-in reviews)")
    return 0


if __name__ == "__main__":
    run(main)
