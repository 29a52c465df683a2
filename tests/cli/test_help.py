"""The help of every command: short usage, groups, a text and a default for every flag, three examples that parse."""

import shlex

import pytest

from minitf.__main__ import COMMANDS, main
from tests.support.command_flags import actions, parser_of

WIDTH = 120


@pytest.mark.parametrize("command", COMMANDS)
def test_lines_are_short(command: str) -> None:
    assert [line for line in parser_of(command).format_help().splitlines() if len(line) > WIDTH] == []


@pytest.mark.parametrize("command", COMMANDS)
def test_the_usage_is_one_short_line(command: str) -> None:
    lines = parser_of(command).format_help().splitlines()
    assert lines[0].startswith(f"usage: python -m minitf.{command} ")
    assert lines[0].endswith("]")
    assert lines[1] == ""


@pytest.mark.parametrize("command", COMMANDS)
def test_the_description_begins_with_one_sentence(command: str) -> None:
    first, second, *_ = (parser_of(command).description or "").splitlines()
    assert first.endswith(".")
    assert second == ""


@pytest.mark.parametrize("command", COMMANDS)
def test_every_flag_has_a_text_and_says_its_default(command: str) -> None:
    """Flags without a value are off by default; one of `prune`'s three is required."""
    for name, action in actions(parser_of(command)).items():
        assert action.help, name
        if name.startswith("--") and action.nargs != 0 and name not in ("--heads", "--weights", "--sweep"):
            assert "(required)" in action.help or "(default: " in action.help, name


@pytest.mark.parametrize("command", COMMANDS)
def test_defaults_in_the_help_are_the_defaults(command: str) -> None:
    """Of the flags with a default that is a value: the help shows that value."""
    for name, action in actions(parser_of(command)).items():
        if action.default not in (None, False, "==SUPPRESS==", []) and action.nargs != 0:
            assert f"default: {action.default}" in action.help % {"default": action.default}, name


@pytest.mark.parametrize("command", COMMANDS)
def test_every_flag_is_in_a_named_group(command: str) -> None:
    parser = parser_of(command)
    ungrouped = [action.dest for action in parser._optionals._group_actions]
    assert ungrouped == ["help"]


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_ends_with_three_examples(command: str) -> None:
    parser = parser_of(command)
    *_, heading, first, second, third = parser.format_help().rstrip("\n").splitlines()
    assert heading == "examples:"
    for line, example in zip((first, second, third), parser.examples, strict=True):
        assert line == f"  python -m minitf.{command} {example}".rstrip()
    assert len(set(parser.examples)) == 3


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("n", range(3))
def test_examples_are_accepted(command: str, n: int) -> None:
    """By the parser of the command, and by its check of flags that go together."""
    from minitf.cli import attend, generate, predict, prune, search
    from minitf.fine_tuning.config import FineTuneConfig

    words = shlex.split(parser_of(command).examples[n])
    if command == "finetune":
        FineTuneConfig.of(**vars(parser_of(command).parse_args(words)))
    elif command == "search":
        own, _, given = search.parse(words)
        search.check(own, given, FineTuneConfig.of(**given), [])
    elif command == "attend":
        attend.parse(words)
    else:
        arguments = parser_of(command).parse_intermixed_args(words)
        if command in ("predict", "prune", "generate"):
            {"predict": predict, "prune": prune, "generate": generate}[command].check(arguments)


def test_the_list_of_commands_fits_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    assert main() == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(len(line) < 80 for line in lines) and "first command: python -m minitf.finetune" in lines[-1]
    assert [line.split()[0] for line in lines if line.startswith("  ") and line[2] != " "] == list(COMMANDS)
