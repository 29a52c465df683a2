"""Control characters are visible, and all else is unchanged."""

import io
import json
import re
import subprocess
import sys
import unicodedata

from hypothesis import given, settings
from hypothesis import strategies as st

from minitf.cli.streams import VisibleStream
from minitf.files import to_json
from minitf.visible import visible, visible_text

BIDIRECTIONAL = {*"\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"}
TEXT = st.text(st.one_of(st.sampled_from("\x1b\r\n\t\b\x7f\x9b\x85\u2028\u202e\u2066ab\\"), st.characters()))
PROPERTY = settings(deadline=None, max_examples=200)


def is_hostile(c: str) -> bool:
    return unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") or c in BIDIRECTIONAL


def test_every_control_character_is_escaped() -> None:
    for c in map(chr, range(sys.maxunicode + 1)):
        if is_hostile(c):
            assert re.fullmatch(r"\\([tnr]|x[0-9a-f]{2}|u[0-9a-f]{4})", visible(c)), hex(ord(c))
            assert visible_text(c) == (c if c in "\t\n" else visible(c))
        elif c.isprintable():
            assert visible(c) == visible_text(c) == c


@PROPERTY
@given(TEXT)
def test_a_visible_name_is_one_line(text: str) -> None:
    assert len(visible(f"a{text}").splitlines()) == 1
    assert not any(map(is_hostile, visible(text)))
    assert visible(visible(text)) == visible(text)


def test_emoji_and_joined_letters_are_unchanged() -> None:
    text = "👩‍🚀 می‌خواهم שלום café 中国"
    assert visible(text) == visible_text(text) == text


@PROPERTY
@given(TEXT)
def test_a_stream_writes_no_control_character(text: str) -> None:
    out = io.StringIO(newline="")
    stream = VisibleStream(out)
    assert stream.write(text) == len(text)
    stream.writelines([text, text])
    assert out.getvalue() == 3 * visible_text(text)


@PROPERTY
@given(st.dictionaries(TEXT, TEXT))
def test_json_has_no_control_character_and_the_same_values(content: dict[str, str]) -> None:
    """Also with half of a UTF-16 pair, which could not be written otherwise."""
    text = to_json(content, indent=None)
    assert json.loads(text) == content
    assert len(text.encode("utf-8").decode("utf-8").splitlines()) == 1


PROGRAM = r"""
import sys, warnings
from minitf.cli.console import run
def main(argv):
    import logging
    from tqdm import tqdm
    for _ in tqdm(range(2), desc="bar \x1b[2J", disable=False, leave=False):
        pass
    warnings.warn("warning \x1b[2J\r\u202e")
    logging.getLogger("other").error("log \x1b[2J\r\u202e")
    print("out \x1b[2J\r\u202e")
    raise ValueError("\rfault \x1b[2J\u202e")
run(main)
"""


def test_progress_bars_warnings_logs_and_tracebacks() -> None:
    """Of this and other libraries. Only a progress bar moves the cursor."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], check=False, capture_output=True)
    out, err = done.stdout.decode(), done.stderr.decode()
    assert done.returncode == 1
    assert out == "out \\x1b[2J\\r\\u202e\n"
    for name in ("bar ", "warning ", "log ", "fault "):
        assert rf"{name}\x1b[2J" in err
    assert "\rbar" in err
    assert "\rfault" not in err
    assert "\x1b" not in err
    assert "\u202e" not in err
