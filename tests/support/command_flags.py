"""The parsers of the commands, and settings in backticks, which no command may print."""

import argparse
import functools
import importlib

from minitf.__main__ import COMMANDS
from minitf.cli.console import SETTING, Parser, flag


def parser_of(command: str) -> Parser:
    """Return the parser of a command."""
    return importlib.import_module(f"minitf.cli.{command}").parser()


def actions(parser: argparse.ArgumentParser) -> dict[str, argparse.Action]:
    """Return what a parser accepts: flags by their name, positional arguments by the name of their value."""
    found = [action for action in parser._actions if action.dest != "help"]
    assert all(len(action.option_strings) <= 1 for action in found)
    return {action.option_strings[0] if action.option_strings else action.dest: action for action in found}


@functools.cache
def all_flags() -> frozenset[str]:
    return frozenset(name for command in COMMANDS for name in actions(parser_of(command)) if name.startswith("--"))


def settings_in_backticks(text: str) -> list[str]:
    """Return the settings that a text names as the code below the command line does: `max_length`."""
    return [name for name in SETTING.findall(text) if flag(name) in all_flags()]
