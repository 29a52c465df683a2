"""Make control characters visible, so that text of a file or a model cannot control a terminal.

C0 and C1 controls start terminal escapes (ESC, CSI, OSC) or move the cursor; bidirectional controls change the order in
which a line is displayed; U+2028 and U+2029 break lines; half of a UTF-16 pair (a lone surrogate) cannot be encoded.
"""

import re

_ALWAYS = "\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f\ufeff\ud800-\udfff"
_IN_TEXT = re.compile(f"[\x00-\x08\x0b-\x1f{_ALWAYS}]")
_IN_LINE = re.compile(f"[\x00-\x1f{_ALWAYS}]")
_NAMES = {"\t": r"\t", "\n": r"\n", "\r": r"\r"}


def visible_text(text: str) -> str:
    """Escape all of these characters except tabs and line feeds: ESC becomes `\\x1b`, U+202E becomes `\\u202e`.

    From U+007F on, the escapes are those of JSON, so JSON that is printed keeps its values.
    """
    return _IN_TEXT.sub(_escaped, text)


def visible(name: str) -> str:
    """Escape a label or another name that is part of a line, with its tabs and line feeds."""
    return _IN_LINE.sub(_escaped, name)


def _escaped(match: re.Match[str]) -> str:
    character = match[0]
    return _NAMES.get(character) or (f"\\x{ord(character):02x}" if character < " " else f"\\u{ord(character):04x}")
