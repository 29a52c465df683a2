"""What every command shares: the exit status, errors in one line, flags in messages, numbers within bounds."""

import argparse
import errno
import importlib
import io
import math
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minitf.__main__ import COMMANDS
from minitf.cli import attend, evaluate, finetune, generate, predict
from minitf.cli.console import Parser, complain, flags_in_errors, number, run, say, say_error, wrapped
from minitf.cli.streams import VisibleStream, shows_styles
from minitf.errors import CheckpointError, DataError, InputError
from minitf.fine_tuning.terminal import Strong

PROPERTY = settings(deadline=None, derandomize=True, database=None, max_examples=60)


def left_with(main) -> int:
    with pytest.raises(SystemExit) as left:
        run(main)
    return left.value.code


def raising(error: BaseException):
    def main(argv):
        raise error

    return main


# The exit status ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [0, 1, 130])
def test_the_status_of_a_command_is_its_own(status: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert left_with(lambda argv: status) == status
    assert capsys.readouterr() == ("", "")


def test_a_command_gets_the_arguments_of_the_process() -> None:
    """None, so that argparse reads sys.argv."""
    seen = []
    assert left_with(lambda argv: seen.append(argv) or 0) == 0
    assert seen == [None]


@pytest.mark.parametrize("kind", [InputError, DataError, CheckpointError])
def test_bad_input(kind: type[InputError], capsys: pytest.CaptureFixture[str]) -> None:
    assert left_with(raising(kind("table.csv:3: is wrong: correct it"))) == 2
    assert capsys.readouterr() == ("", "minitf: table.csv:3: is wrong: correct it\n")


def test_interrupted(capsys: pytest.CaptureFixture[str]) -> None:
    assert left_with(raising(KeyboardInterrupt())) == 130
    assert capsys.readouterr() == ("", "interrupted\n")


@pytest.mark.parametrize("error", [CheckpointError("model.safetensors: corrupt"), OSError(errno.EIO, ""), ValueError()])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_that_a_library_turns_into_another_error(
    error: Exception, number: int, capsys: pytest.CaptureFixture[str]
) -> None:
    def main(argv):
        try:
            os.kill(os.getpid(), number)
        except KeyboardInterrupt:
            raise error from None

    assert left_with(main) == 128 + number
    assert capsys.readouterr() == ("", "interrupted\n")


@pytest.mark.parametrize("name", ["runs/a/metrics.jsonl", None])
def test_no_space_left(name: str | None, capsys: pytest.CaptureFixture[str]) -> None:
    """The user can correct a full disk. For an open file the error of the system has no name."""
    full = OSError(errno.ENOSPC, "No space left on device", *([name] if name else []))
    assert left_with(raising(full)) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "no space left on the disk" in line
    assert (name or "a file") in line


@pytest.mark.parametrize("error", [OSError(errno.EIO, "Input/output error"), ValueError("a mistake"), AssertionError()])
def test_faults_of_minitf_are_not_hidden(error: Exception) -> None:
    """Python prints a traceback and exits with status 1."""
    with pytest.raises(type(error)):
        run(raising(error))


def test_complain(capsys: pytest.CaptureFixture[str]) -> None:
    assert complain("no such file") == 2
    assert capsys.readouterr() == ("", "minitf: no such file\n")


# Flags ----------------------------------------------------------------------------------------------------------------


def parser() -> argparse.ArgumentParser:
    p = Parser(prog="python -m minitf.something")
    p.add_argument("--lr", type=number(0, above=True))
    p.add_argument("--epochs", type=number(1, whole=True))
    p.add_argument("--share", type=number(0, 1))
    p.add_argument("--kind", choices=["a", "b"])
    return p


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (["--lr", "0"], "argument --lr: must be a number above 0, not 0"),
        (["--lr", "x"], "argument --lr: must be a number above 0, not 'x'"),
        (["--epochs", "0"], "argument --epochs: must be a whole number of at least 1, not 0"),
        (["--epochs", "1.5"], "argument --epochs: must be a whole number of at least 1, not '1.5'"),
        (["--share", "1.5"], "argument --share: must be a number of at least 0 and at most 1, not 1.5"),
        (["--kind", "c"], "argument --kind: invalid choice: 'c' (choose from"),
        (["--lr"], "argument --lr: expected one argument"),
        (["--nonsense"], "unrecognized arguments: --nonsense"),
    ],
)
def test_a_bad_flag_is_reported_in_one_line(
    flags: list[str], expected: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as left:
        parser().parse_args(flags)
    assert left.value.code == 2
    out, err = capsys.readouterr()
    (line,) = err.splitlines()
    assert out == ""
    assert line.startswith(f"minitf: {expected}")
    assert line.endswith("(see python -m minitf.something --help)")


@PROPERTY
@given(st.floats(), st.floats(allow_nan=False, allow_infinity=False), st.floats(0, 1e6), st.booleans())
def test_numbers(value: float, least: float, more: float, above: bool) -> None:
    """Accepted if and only if it is finite and within the bounds."""
    parse = number(least, least + more, above=above)
    fits = math.isfinite(value) and least <= value <= least + more and not (above and value == least)
    if fits:
        assert parse(repr(value)) == value
    else:
        with pytest.raises(argparse.ArgumentTypeError) as caught:
            parse(repr(value))
        assert repr(value) in str(caught.value)
        assert "\n" not in str(caught.value)


@PROPERTY
@given(st.integers(), st.integers(-9, 9))
def test_whole_numbers(value: int, least: int) -> None:
    parse = number(least, whole=True)
    if value >= least:
        assert parse(str(value)) == value
        assert isinstance(parse(str(value)), int)
    else:
        with pytest.raises(argparse.ArgumentTypeError):
            parse(str(value))


@pytest.mark.parametrize("text", ["", " ", "one", "1e3", "1.0", "nan", "inf", "0x1", "--", "1" + "0" * 400])
def test_no_whole_number(text: str) -> None:
    """The last is a whole number, but too large for a float."""
    with pytest.raises(argparse.ArgumentTypeError):
        number(1, whole=True)(text)


@pytest.mark.parametrize("text", ["nan", "NaN", "inf", "-inf", "1e999", "", "1,5", "½"])
def test_no_finite_number(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        number()(text)


# Settings in messages -------------------------------------------------------------------------------------------------

MESSAGES = [
    ("`lr` 0: must be above 0", "--lr 0: must be above 0"),
    ("`kind` a: leave `share` or `epochs` out", "--kind a: leave --share or --epochs out"),
    ("`date`, `Lr`, `l r` and `lr", "`date`, `Lr`, `l r` and `lr"),  # not flags of the command: the user's words
]


@pytest.fixture
def used_parser() -> None:
    """Only the flags of a parser that was used are known."""
    parser().parse_args([])


@pytest.mark.usefixtures("used_parser")
@pytest.mark.parametrize(("message", "printed"), MESSAGES)
def test_settings_are_printed_as_flags(message: str, printed: str, capsys: pytest.CaptureFixture[str]) -> None:
    say(message)
    say_error(message)
    assert capsys.readouterr() == (f"{printed}\n", f"{printed}\n")


@pytest.mark.usefixtures("used_parser")
@pytest.mark.parametrize("kind", [InputError, DataError, CheckpointError])
@pytest.mark.parametrize(("message", "printed"), MESSAGES)
def test_settings_in_errors_are_flags(kind: type[InputError], message: str, printed: str) -> None:
    with pytest.raises(kind) as caught:
        flags_in_errors(raising(kind(message)))([])
    assert str(caught.value) == printed


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_names_flags_in_its_errors(command: str) -> None:
    main = importlib.import_module(f"minitf.{command}").main
    assert main.__wrapped__.__name__ == "main"  # by `flags_in_errors`


# Processes of their own -----------------------------------------------------------------------------------------------


def process(*command: str, **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, encoding="utf-8", check=False, **options
    )


def test_bad_input_ends_a_process_with_status_2_and_one_line(tmp_path) -> None:
    done = process("-m", "minitf.finetune", "--train", str(tmp_path / "absent.csv"))
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert "absent.csv: no such file" in line


def test_a_bad_flag_ends_a_process_with_status_2_and_one_line() -> None:
    done = process("-m", "minitf.predict", "--nonsense")
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_needs_no_torch(command: str) -> None:
    """It imports nothing heavy, so it is fast."""
    code = (
        f"import sys; from minitf import {command} as c\n"
        "try: c.main(['--help'])\n"
        "except SystemExit as left: assert left.code == 0\n"
        "heavy = {'torch', 'transformers', 'matplotlib', 'numpy', 'tokenizers'} & set(sys.modules)\n"
        "sys.exit(f'imported: {heavy}' if heavy else 0)"
    )
    done = process("-c", code)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"usage: python -m minitf.{command}")


@pytest.mark.parametrize("lines", [1, 100_000])
def test_a_reader_that_is_gone_ends_the_command_with_the_status_of_sigpipe(lines: int) -> None:
    """`… | head -1`: nothing on standard error, during writing and with the last, buffered line."""
    code = (
        "import sys; from minitf.cli.console import run\n"
        "sys.stdin.read()\n"  # until the reader is gone
        f"run(lambda argv: [print('line ' * 10) for _ in range({lines})] and 0)"
    )
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen([sys.executable, "-c", code], env=environment, **pipes) as writer:
        writer.stdout.close()
        writer.stdin.close()
        err = writer.stderr.read()
    assert (writer.returncode, err) == (141, b"")


def test_a_terminal_without_greek() -> None:
    """The help has η and λ: a character that cannot be printed is escaped, so no two labels look equal."""
    done = subprocess.run(
        [sys.executable, "-m", "minitf.finetune", "--help"],
        capture_output=True,
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"--lr \\u03b7" in done.stdout


# Suggestions and styles -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "suggestion"),
    [
        (["--epohcs", "3"], "(did you mean '--epochs'?)"),
        (["--optimizer", "adamv"], "(did you mean 'adamw'?)"),
        (["--qqqq"], None),
        (["--optimizer", "qqqq"], None),
    ],
)
def test_a_mistyped_flag_or_value_gets_a_suggestion(
    words: list[str], suggestion: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    p = Parser(prog="command")
    p.add_argument("--epochs", type=int)
    p.add_argument("--optimizer", "-o", choices=["gd", "adamw"])
    with pytest.raises(SystemExit) as left:
        p.parse_args(words)
    err = capsys.readouterr().err
    assert left.value.code == 2 and err.count("\n") == 1
    assert ("did you mean" in err) == (suggestion is not None)
    assert suggestion is None or suggestion in err


@pytest.mark.parametrize(
    ("words", "suggestion"),
    [
        (["--learning-rate", "1e-5"], "(did you mean '--lr'?)"),
        (["--learning_rate=1e-5"], "(did you mean '--lr'?)"),
        (["--per_device_train_batch_size", "8"], "(did you mean '--batch-size'?)"),
        (["--num-train-epochs", "3"], "(did you mean '--epochs'?)"),
        (["--max_seq_length", "64"], "(did you mean '--max-length'?)"),
        (["--model_name_or_path", "x"], "(did you mean '--model'?)"),
        (["--output_dir", "x"], "(did you mean '--output'?)"),
        (["--weight_decay", "0.1"], "(did you mean '--weight-decay'?)"),
    ],
)
def test_a_flag_of_transformers_gets_the_flag_of_minitf(
    words: list[str], suggestion: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        finetune.parser().parse_args(words)
    assert suggestion in capsys.readouterr().err


@pytest.mark.parametrize(
    ("parser", "words", "suggestion"),
    [
        (finetune.parser, ["{}"], "(did you mean --train {}?)"),
        (evaluate.parser, ["DIR", "{}"], "(did you mean --data {}?)"),
        (evaluate.parser, ["--strict", "{}"], "(did you mean --data {}?)"),
        (evaluate.parser, ["DIR", "--output", "{}"], None),
        (finetune.parser, ["no such file.csv"], None),
    ],
)
def test_a_file_without_a_flag_gets_the_flag_of_the_data(
    parser: Any, words: list[str], suggestion: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "clean.csv"
    path.write_text("text,label\n")
    with pytest.raises(SystemExit):
        parser().parse_args([word.format(path) for word in words])
    err = capsys.readouterr().err
    assert err.count("\n") == 1 and ("did you mean" in err) == (suggestion is not None)
    assert suggestion is None or suggestion.format(path) in err


@pytest.mark.parametrize("command", [predict, generate, attend])
def test_a_text_that_is_a_file_is_refused(command: Any, tmp_path: Path) -> None:
    path = tmp_path / "clean.csv"
    path.write_text("text\nfine\n")
    arguments = command.parser().parse_intermixed_args(["DIR", str(path), "--output", str(tmp_path / "out.html")])
    with pytest.raises(InputError, match=r"clean\.csv is a file, not a text; did you mean --input .*clean\.csv\?$"):
        command.check(arguments)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("variables", "bold"),
    [({"TERM": "xterm"}, True), ({"TERM": "xterm", "NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)],
)
def test_a_strong_line_is_bold_on_a_terminal_only(
    variables: dict[str, str], bold: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    for stream, shown in ((Terminal(), bold), (io.StringIO(), False)):
        monkeypatch.setattr(sys, "stdout", VisibleStream(stream, shows_styles(stream)))
        say(Strong("accuracy \x1b 0.9"))
        say("as usual")
        text = r"accuracy \x1b 0.9"
        assert stream.getvalue() == (f"\x1b[1m{text}\x1b[0m\n" if shown else f"{text}\n") + "as usual\n"


@PROPERTY
@given(st.lists(st.lists(st.text("abc-019.,", min_size=1, max_size=12), max_size=30).map(" ".join), max_size=4))
def test_lines_are_wrapped_between_words(lines: list[str]) -> None:
    """No word is cut, so no number is; lines that fit do not change."""
    text = "\n".join(lines)
    found = wrapped(text, 40)
    assert found.split() == text.split()
    assert all(len(line) <= 40 for line in found.split("\n"))
    if all(len(line) <= 40 for line in lines):
        assert found == text


@pytest.mark.parametrize("width", [80, 120])
def test_the_help_is_wrapped_to_the_terminal(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Descriptions and flags; an example stays one line, to be copied."""
    monkeypatch.setenv("COLUMNS", str(width))
    p = Parser(prog="command", description="word " * 60 + "\n\n" + "other " * 60, examples=["--lr 1 " * 30])
    p.add_argument("--lr", help="learning " * 40)
    help_text, _, examples = p.format_help().partition("examples:")
    lines = help_text.splitlines()
    assert max(map(len, lines)) <= width
    assert sum(line.startswith("word") for line in lines) > 1 and "" in lines
    assert len(examples.strip().splitlines()) == 1
