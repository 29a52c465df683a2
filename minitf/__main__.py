"""List the commands: `python -m minitf`."""

import ast
from pathlib import Path

COMMANDS = ("finetune", "predict", "evaluate", "search", "prune", "attend", "validate", "check", "convert")


def summary(command: str) -> str:
    """Return the first line of the docstring of a command, without importing the command."""
    source = (Path(__file__).parent / f"{command}.py").read_text(encoding="utf-8")
    return (ast.get_docstring(ast.parse(source)) or "").splitlines()[0].rstrip(".:")


def main() -> None:
    print("python -m minitf.COMMAND --help\n")
    for command in COMMANDS:
        print(f"  {command:<9} {summary(command)}")


if __name__ == "__main__":
    main()
